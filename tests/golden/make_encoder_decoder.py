"""Make the tiny random encoder-decoder models of this folder and what transformers computes with them.

    python make_encoder_decoder.py [--only NAME...] [--check] [--out FOLDER]

As make_models.py, of which this is the part for models with a source: T5, BART and Marian. Each row of
MODELS becomes NAME.gguf and, for each of its cases, NAME.expect or NAME-CASE.expect. --check computes
each model with one of its parts taken away, or another source, and demands that the logits move.

Needs: numpy, torch, transformers 5, gguf.
"""
import argparse
import math
import os
import sys
import zlib

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as T

import gguf_map
from make_models import encode, row

CLASSES = {
    "t5": (transformers.T5Config, transformers.T5ForConditionalGeneration),
    "bart": (transformers.BartConfig, transformers.BartForConditionalGeneration),
    "marian": (transformers.MarianConfig, transformers.MarianMTModel),
}


def t5(hidden, heads, head, ff, layers, decoder_layers, vocab, buckets, distance, **more):
    return dict(d_model=hidden, num_heads=heads, d_kv=head, d_ff=ff, num_layers=layers,
                num_decoder_layers=decoder_layers, vocab_size=vocab, decoder_start_token_id=0,
                relative_attention_num_buckets=buckets, relative_attention_max_distance=distance,
                dropout_rate=0.0, **more)


def bart(hidden, heads, ff, layers, decoder_layers, vocab, positions, start, **more):
    return dict(d_model=hidden, encoder_attention_heads=heads, decoder_attention_heads=heads,
                encoder_ffn_dim=ff, decoder_ffn_dim=ff, encoder_layers=layers,
                decoder_layers=decoder_layers, vocab_size=vocab, max_position_embeddings=positions,
                decoder_start_token_id=start, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                dropout=0.0, **more)


# cases: name: lengths of the source and of the text after the start token. context: T5's, which has
# no limit of its own. drop: for --check, parts of names of what is set to zero.
MODELS = {
    # Queries wider than n_embd, buckets that the texts reach the end of, tied embeddings.
    "t5-d10-relu": dict(cls="t5", config=t5(24, 3, 10, 37, 2, 3, 61, 8, 20), context=256,
                        cases={"": (90, 40), "short": (3, 1)},
                        drop=["encoder.block.0.layer.0.SelfAttention.relative",
                              "decoder.block.0.layer.0.SelfAttention.relative"]),
    # As Flan-T5: gated, an output matrix of its own. A source that decoding reads in parts.
    "t5-d32-gated": dict(cls="t5", config=t5(24, 2, 32, 45, 2, 2, 89, 32, 128,
                                             feed_forward_proj="gated-gelu",
                                             tie_word_embeddings=False), context=700, weights=T.F16,
                         cases={"": (600, 28), "short": (2, 150)},
                         drop=["encoder.block.0.layer.0.SelfAttention.relative",
                               "decoder.block.0.layer.0.SelfAttention.relative"]),
    "bart-d8": dict(cls="bart", config=bart(24, 3, 41, 2, 3, 71, 100, 2), weights=T.F16,
                    cases={"": (100, 30), "short": (1, 2)},
                    drop=["final_logits_bias", "encoder.embed_positions", "decoder.embed_positions",
                          "encoder.layernorm_embedding.bias", "fc1.bias"]),
    "marian-d10": dict(cls="marian", config=bart(20, 2, 33, 3, 2, 53, 130, 52,
                                                 activation_function="swish", scale_embedding=True),
                       cases={"": (70, 90), "short": (2, 1)},
                       drop=["final_logits_bias", "encoder_attn.v_proj.bias"]),
    # A file that says how to generate; make_beams.py has the texts.
    "bart-d6-rules": dict(cls="bart", config=bart(12, 2, 17, 1, 1, 47, 60, 2), cases={},
                          generation=dict(forced_bos_token_id=0, forced_eos_token_id=2, min_length=7,
                                          no_repeat_ngram_size=2, suppress_tokens=[5, 9, 30],
                                          bad_words_ids=[[1]])),
}


# ---- weights ------------------------------------------------------------------------------------

def random_weights(rng, arch, model):
    """Numbers of a size that makes attention peaked, layers matter and logits spread."""
    state = {}
    parameters = list(model.named_parameters()) + list(model.named_buffers())
    for name, p in parameters:
        if arch == "marian" and "embed_positions" in name:
            continue  # sines
        x = rng.standard_normal(tuple(p.shape)).astype(np.float32)
        last = math.sqrt(p.shape[-1])
        if arch != "t5" and ".final_layer_norm.weight" in name:
            x = 1.5 * x  # of both signs, or a tied output would repeat its input
        elif name.endswith("layer_norm.weight") or "layernorm_embedding.weight" in name:
            x = 0.25 * x + (4.0 if name == "decoder.final_layer_norm.weight" else 1.2)
        elif name == "final_logits_bias":
            x = 0.15 * x
        elif name.endswith(".bias"):
            x = 0.3 * x
        elif "relative_attention_bias" in name:
            x = 1.5 * x
        elif "shared" in name:
            x *= 0.6 if arch == "t5" else 2.0 / last
        elif "lm_head" in name:
            x *= 1.0 / last
        elif arch == "t5" and (".q." in name or ".k." in name):
            x *= 1.4 / last / model.config.d_kv ** 0.25  # scores have no scale
        elif "out_proj" in name or "fc2" in name:
            x *= 0.6 / last
        elif "embed_positions" in name:
            x *= 0.8
        elif arch != "t5" and ("q_proj" in name or "k_proj" in name):
            x *= 1.7 / last
        else:
            x *= 1.5 / last
        state[name] = x.astype(np.float32)
    if arch == "t5" and not model.config.scale_decoder_outputs:
        vocab, hidden = model.config.vocab_size, model.config.d_model
        x = rng.standard_normal((vocab, hidden)).astype(np.float32)
        state["lm_head.weight"] = x / np.float32(math.sqrt(hidden))
    return state


def build_model(spec, state):
    config = CLASSES[spec["cls"]][0](attn_implementation="eager", **spec["config"])
    model = CLASSES[spec["cls"]][1](config).float().eval()
    tensors = {k: torch.from_numpy(v) for k, v in state.items()}
    if "lm_head.weight" in tensors:
        model.lm_head.weight = torch.nn.Parameter(tensors.pop("lm_head.weight"))
    for name, tensor in tensors.items():
        model.get_parameter(name).data.copy_(tensor) if name != "final_logits_bias" else \
            model.final_logits_bias.copy_(tensor)
    return model


@torch.no_grad()
def logits_of(model, source, tokens):
    """Logits after each of `tokens`, which follow the start token: [n_tokens, n_vocab]."""
    ids = torch.tensor([[model.config.decoder_start_token_id] + list(tokens)])
    out = model(input_ids=torch.tensor([source]), decoder_input_ids=ids, use_cache=False)
    return out.logits[0, 1:].float().numpy()


def greedy(model, source, prompt, n):
    tokens, gaps = list(prompt), []
    for _ in range(n):
        last = torch.from_numpy(logits_of(model, source, tokens)[-1])
        best = torch.topk(torch.log_softmax(last.double(), -1), 2)
        gaps.append(float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
    return tokens[len(prompt):], gaps


# ---- files --------------------------------------------------------------------------------------

def write_keys(w, arch, keys):
    for key, value in keys.items():
        name = f"{arch}.{key}"
        if isinstance(value, list):
            w.add_array(name, value)
        elif isinstance(value, str):
            w.add_string(name, value)
        elif isinstance(value, float):
            w.add_float32(name, value)
        else:
            w.add_uint32(name, value)


def write_model(path, name, spec, state, rng):
    """Writes the file, and leaves in `state` the numbers it holds."""
    arch = spec["cls"]
    config = CLASSES[arch][0](**spec["config"])
    generation = transformers.GenerationConfig(**spec.get("generation", {}))
    keys = gguf_map.encoder_decoder_keys(arch, config, generation)
    if "generation" not in spec:
        keys = {k: v for k, v in keys.items() if not k.startswith("generation.")}
    if arch == "t5":
        keys["context_length"] = spec["context"]
    w = gguf.GGUFWriter(path, arch)
    w.add_name(name)
    write_keys(w, arch, keys)
    for hf_name, array in state.items():
        qtype = T.F32
        if array.ndim == 2 and array.shape[0] > 1 and "relative" not in hf_name:
            qtype = spec.get("weights", T.F32)
        raw, state[hf_name] = encode(rng, array, qtype)
        if hf_name == "final_logits_bias":
            raw = raw.reshape(-1)
        w.add_tensor(gguf_map.gguf_name(arch, hf_name), raw, raw_dtype=qtype)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_case(path, file, model, source, prompt):
    logits = logits_of(model, source, prompt)
    tokens, gaps = greedy(model, source, prompt, 28)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"model: {file}\n")
        f.write("source: " + " ".join(map(str, source)) + "\n")
        f.write("prompt: " + " ".join(map(str, prompt)) + "\n")
        f.write("greedy: " + " ".join(map(str, tokens)) + "\n")
        f.write("gap: " + " ".join(f"{g:.4f}" for g in gaps) + "\n")
        f.write(f"logits: {row(logits[-1])}\n")
        if 24 <= len(prompt) <= 40:  # logits after each of two dozen decoded tokens
            for i, values in enumerate(logits):
                f.write(f"position {i}: {row(values)}\n")
    print(f"{os.path.basename(path):24} logits {logits[-1].min():6.2f} .. {logits[-1].max():6.2f}, "
          f"{len(set(tokens)):2d} tokens of {len(tokens)}, "
          f"{sum(g < 0.05 for g in gaps)} gaps below 0.05", flush=True)


def make(name, spec, out):
    rng = np.random.Generator(np.random.PCG64(spec.get("seed", zlib.crc32(name.encode()))))
    config = CLASSES[spec["cls"]][0](**spec["config"])
    state = random_weights(rng, spec["cls"], CLASSES[spec["cls"]][1](config))
    path = os.path.join(out, name + ".gguf")
    write_model(path, name, spec, state, rng)
    print(f"{name}.gguf: {os.path.getsize(path)} bytes")
    model = build_model(spec, state)
    texts = None
    for case, lengths in spec["cases"].items():
        source, prompt = ([int(t) for t in rng.integers(0, config.vocab_size, n)] for n in lengths)
        file = os.path.join(out, name + ("-" + case if case else "") + ".expect")
        write_case(file, name + ".gguf", model, source, prompt)
        texts = texts or (source, prompt)
    return state, texts


def check(spec, state, source, prompt):
    """Without a part, or with one token of the source changed, logits must move."""
    before = logits_of(build_model(spec, state), source, prompt)[-1]
    other = [(source[0] + 1) % spec["config"]["vocab_size"]] + source[1:]
    changed = {"the same source": logits_of(build_model(spec, state), other, prompt)[-1]}
    for part in spec["drop"]:
        less = {k: v * 0 if part in k else v for k, v in state.items()}
        changed[part] = logits_of(build_model(spec, less), source, prompt)[-1]
    good = True
    for what, after in changed.items():
        moved = np.abs(after - before).max() / np.abs(before).max()
        print(f"{'':24} without {what}: moved {moved:.4f}")
        good = good and moved > 3e-3
    return good


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(MODELS))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", default=here)
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed = []
    for name in args.only:
        state, texts = make(name, MODELS[name], args.out)
        if args.check and texts and not check(MODELS[name], state, *texts):
            failed.append(name)
    if failed:
        sys.exit("not noticed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
