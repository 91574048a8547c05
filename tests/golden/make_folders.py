"""Make tiny Hugging Face folders, and what transformers computes with them: folders/NAME and
NAME-folder.expect (see README.md).

    python make_folders.py [--only NAME...] [--out FOLDER]

Each is written by transformers' save_pretrained() and read back by from_pretrained() before the
expectation is computed, in float32: nothing here knows GGUF.

Needs: numpy, torch, transformers 5, safetensors, tokenizers. All random numbers come from fixed seeds.
"""
import argparse
import json
import os
import shutil
import sys
import zlib

import numpy as np
import torch
import transformers

import make_encoder_decoder as ed
import make_models as mm

T = transformers


def config(cls, **values):
    return cls(attn_implementation="eager", bos_token_id=None, eos_token_id=None, pad_token_id=None,
               **values)


def decoder(hidden, heads, kv, head, ff, layers, vocab, theta=10000.0, rope_type="default",
            tied=False, more_rope=None, **more):
    rope = {"rope_type": rope_type, "rope_theta": theta, **(more_rope or {})}
    return mm.shape(hidden, heads, kv, head, ff, layers, vocab, tied,
                    **(dict(max_position_embeddings=mm.CONTEXT, rms_norm_eps=1e-5,
                            rope_parameters=rope) | more))


# cls: of the configuration and of the model. dtype: of the file's tensors. shard: bytes of a file.
FOLDERS = {
    # Queries and keys reordered, Llama 3's divisors made from the configuration, a tokenizer.
    "llama": dict(cls=(T.LlamaConfig, T.LlamaForCausalLM), tokenizer="bpe",
                  config=decoder(32, 4, 2, 8, 53, 2, 283, tied=True, rope_type="llama3", more_rope=mm.LLAMA3),
                  text="the cat and the hat, then 42 mice: na\u00efve \u4e16"),
    # Biases, of reordered queries and keys too.
    "llama-bias-f16": dict(cls=(T.LlamaConfig, T.LlamaForCausalLM), dtype=torch.float16,
                           config=decoder(24, 3, 1, 16, 31, 2, 61, attention_bias=True,
                                          mlp_bias=True), prompt=20),
    # Norms of 1 + weight, and two rotations.
    "gemma3-bf16": dict(cls=(T.Gemma3TextConfig, T.Gemma3ForCausalLM), dtype=torch.bfloat16,
                        config=decoder(24, 3, 1, 8, 33, 7, 89, tied=True, sliding_window=8,
                                       query_pre_attn_scalar=11,
                                       rope_parameters={
                                           "full_attention": mm.rope(1e6, "linear", factor=8.0),
                                           "sliding_attention": mm.rope(10000.0)}), prompt=40),
    "mistral-window": dict(cls=(T.MistralConfig, T.MistralForCausalLM), dtype=torch.bfloat16,
                           config=decoder(30, 3, 1, 8, 41, 3, 79, sliding_window=8), prompt=40),
    "gemma2": dict(cls=(T.Gemma2Config, T.Gemma2ForCausalLM), dtype=torch.float16,
                   config=decoder(28, 4, 2, 10, 39, 4, 87, tied=True, sliding_window=8,
                                  query_pre_attn_scalar=23, attn_logit_softcapping=3.0,
                                  final_logit_softcapping=5.0), prompt=40),
    "qwen3": dict(cls=(T.Qwen3Config, T.Qwen3ForCausalLM), dtype=torch.bfloat16,
                  config=decoder(28, 4, 2, 20, 37, 2, 91, theta=1e6, tied=True), prompt=33),
    "seed_oss-yarn": dict(cls=(T.SeedOssConfig, T.SeedOssForCausalLM), dtype=torch.bfloat16,
                          config=decoder(30, 5, 1, 12, 47, 2, 83, theta=1e7, rope_type="yarn",
                                         more_rope=mm.YARN | dict(attention_factor=1.3),
                                         attention_bias=True), prompt=33),
    # Queries, keys and values in one, gate and up in one; half of each head rotated.
    "phi3": dict(cls=(T.Phi3Config, T.Phi3ForCausalLM), dtype=torch.bfloat16, context=128,
                 config=decoder(48, 2, 1, 24, 35, 2, 61, sliding_window=12, rope_type="longrope",
                                original_max_position_embeddings=128,
                                more_rope=dict(partial_rotary_factor=0.5,
                                               original_max_position_embeddings=128,
                                               **mm.LONGROPE)), prompt=40),
    # Transposed matrices, those of queries, keys and values in one with its bias.
    "gpt2": dict(cls=(T.GPT2Config, T.GPT2LMHeadModel), dtype=torch.float16,
                 config=dict(n_embd=36, n_head=3, n_layer=2, vocab_size=83, n_positions=96),
                 prompt=50),
    # Matrices of experts, one after the other in GGUF; then a layer without, and weights that do not
    # sum to 1.
    "mixtral-shards": dict(cls=(T.MixtralConfig, T.MixtralForCausalLM), dtype=torch.bfloat16,
                           shard=25000, config=decoder(28, 4, 2, 8, 37, 2, 73, num_local_experts=5,
                                                       num_experts_per_tok=2), prompt=30),
    "qwen3moe-f16": dict(cls=(T.Qwen3MoeConfig, T.Qwen3MoeForCausalLM), dtype=torch.float16,
                         config=decoder(28, 2, 1, 12, 39, 3, 71, num_experts=7, num_experts_per_tok=3,
                                        moe_intermediate_size=17, mlp_only_layers=[1],
                                        norm_topk_prob=False), prompt=30),
    "qwen2-shards": dict(cls=(T.Qwen2Config, T.Qwen2ForCausalLM), shard=25000,
                         config=dict(decoder(36, 3, 1, 12, 29, 2, 73, theta=1e6, tied=True)),
                         prompt=30),
}

# As FOLDERS; cases: lengths of the source and of the text after the start token. drop: keys of
# config.json that are taken out, set: what is put there.
ENCODER_DECODERS = {
    # As the real ones are written, which say by tie_word_embeddings that outputs are not scaled.
    "t5-gated-bf16": dict(cls="t5", dtype=torch.bfloat16, source=50, prompt=28,
                          config=ed.t5(24, 2, 12, 37, 2, 3, 61, 8, 20, feed_forward_proj="gated-gelu",
                                       tie_word_embeddings=False),
                          drop=["scale_decoder_outputs", "dense_act_fn", "is_gated_act"],
                          set=dict(tie_word_embeddings=False)),
    "bart-f16": dict(cls="bart", dtype=torch.float16, source=60, prompt=24,
                     config=ed.bart(24, 3, 41, 2, 3, 71, 100, 2)),
    "marian": dict(cls="marian", source=40, prompt=24,
                   config=ed.bart(20, 2, 33, 3, 2, 53, 130, 52, activation_function="swish",
                                  scale_embedding=True)),
}


def build_encoder_decoder(name, spec, path):
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    config_class, model_class = ed.CLASSES[spec["cls"]]
    state = ed.random_weights(rng, spec["cls"], model_class(config_class(**spec["config"])))
    shutil.rmtree(path, ignore_errors=True)
    ed.build_model(spec, state).to(spec.get("dtype", torch.float32)).save_pretrained(path)
    file = os.path.join(path, "config.json")
    with open(file, encoding="utf-8") as f:
        values = {k: v for k, v in json.load(f).items() if k not in spec.get("drop", [])}
    with open(file, "w", encoding="utf-8") as f:
        json.dump(values | spec.get("set", {}), f, indent=1)
    return rng


def make_encoder_decoder(name, spec, out):
    path = os.path.join(out, "folders", name)
    rng = build_encoder_decoder(name, spec, path)
    source, prompt = ([int(t) for t in rng.integers(0, spec["config"]["vocab_size"], spec[key])]
                      for key in ("source", "prompt"))
    model = ed.CLASSES[spec["cls"]][1].from_pretrained(path, dtype=torch.float32,
                                                       attn_implementation="eager").eval()
    ed.write_case(os.path.join(out, name + "-folder.expect"), "folders/" + name, model, source,
                  prompt)


def build(name, spec, path):
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    model = spec["cls"][1](config(spec["cls"][0], **spec["config"])).float().eval()
    arch = name.split("-")[0]
    state = mm.random_weights(rng, arch, model)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
    model.tie_weights()
    shutil.rmtree(path, ignore_errors=True)
    shard = {"max_shard_size": spec["shard"]} if "shard" in spec else {}
    model.to(spec.get("dtype", torch.float32)).save_pretrained(path, **shard)
    if "tokenizer" in spec:
        mm.make_tokenizer(spec["tokenizer"], spec["config"]["vocab_size"]).save(
            os.path.join(path, "tokenizer.json"), pretty=False)
    return rng


def make(name, spec, out):
    path = os.path.join(out, "folders", name)
    rng = build(name, spec, path)
    if "text" in spec:
        prompt = mm.encode_text(spec["tokenizer"], spec["config"]["vocab_size"], spec["text"])
    else:
        prompt = [int(t) for t in rng.integers(0, spec["config"]["vocab_size"], spec["prompt"])]
    # The other ways of computing experts have demands on strides.
    more = {"experts_implementation": "eager"} if "num_experts_per_tok" in spec["config"] else {}
    model = spec["cls"][1].from_pretrained(path, dtype=torch.float32, attn_implementation="eager",
                                           **more)
    logits = mm.logits_of(model.eval(), prompt)
    tokens, gaps = mm.greedy(model, prompt, 28)
    decoded = mm.logits_of(model, prompt + tokens[:mm.DECODED])[-1]
    with open(os.path.join(out, name + "-folder.expect"), "w", encoding="utf-8") as f:
        f.write(f"model: folders/{name}\n")
        if "text" in spec:
            f.write("text: " + spec["text"] + "\n")
        if "context" in spec:
            f.write(f"context: {spec['context']}\n")
        f.write("prompt: " + " ".join(map(str, prompt)) + "\n")
        f.write("greedy: " + " ".join(map(str, tokens)) + "\n")
        f.write("gap: " + " ".join(f"{g:.4f}" for g in gaps) + "\n")
        f.write(f"logits: {mm.row(logits[-1])}\n")
        f.write(f"decoded {mm.DECODED}: {mm.row(decoded)}\n")
    size = sum(os.path.getsize(os.path.join(path, n)) for n in os.listdir(path))
    print(f"{name:20} {size:7d} bytes in {len(os.listdir(path))} files, logits "
          f"{logits[-1].min():6.2f} .. {logits[-1].max():6.2f}, {len(set(tokens)):2d} tokens of "
          f"{len(tokens)}, {sum(g < 0.05 for g in gaps)} gaps below 0.05", flush=True)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=[*FOLDERS, *ENCODER_DECODERS])
    parser.add_argument("--out", default=here)
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for name in args.only:
        if name in FOLDERS:
            make(name, FOLDERS[name], args.out)
        else:
            make_encoder_decoder(name, ENCODER_DECODERS[name], args.out)


if __name__ == "__main__":
    sys.exit(main())
