"""Expected continuations of real models, computed by Hugging Face transformers in float32.

    python make_real.py MODEL.gguf... [--logits FOLDER] [--n 64] [--out real]

The weights come from the GGUF file itself, decoded by gguf's numpy code and put into transformers'
classes by our own table (gguf_map.py), so that quantisation is not part of the difference. For each
prompt of PROMPTS that fits the file's name, real/NAME.expect gets the prompt's tokens and the greedy
continuation with the distance of the two best tokens at each step. With --logits, FOLDER/NAME.npy
gets the logits of every step, float32 [n, n_vocab]: tens of megabytes each, not for the tree.

Needs: numpy, torch, transformers 5, gguf, tokenizers.
"""
import argparse
import os
import time

import gguf
import numpy as np
import torch
import transformers

import gguf_map

CHATML = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
SMOL = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

# Part of the file's name, name of the expectation, text (special tokens written out).
PROMPTS = [
    ("smollm2", "haiku", CHATML.format(system=SMOL, user="Write a haiku about the sea")),
    ("smollm2", "raw", "The history of the bicycle begins in the early nineteenth century, when"),
    ("gemma-3-270m", "story", "<bos>Once upon a time, in a small village by the sea, there lived"),
    ("gemma-3-270m", "facts", "<bos>Water boils at 100 degrees Celsius at sea level. On a mountain,"),
    ("qwen2.5-coder", "chat", CHATML.format(
        system=QWEN, user="Write a function in C that reverses a string in place.")),
    ("qwen2.5-coder", "raw", "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n"),
]


def field(reader, key, default=None):
    f = reader.get_field(key)
    return default if f is None else f.contents()


def build_config(reader, tied):
    arch = field(reader, "general.architecture")

    def key(name, default=None):
        return field(reader, f"{arch}.{name}", default)

    heads, hidden = key("attention.head_count"), key("embedding_length")
    n_vocab = [t for t in reader.tensors if t.name == "token_embd.weight"][0].shape[1]
    theta = {"rope_type": "default", "rope_theta": key("rope.freq_base")}
    assert key("rope.scaling.type") in (None, "none"), "rope scaling: not needed so far"
    shared = dict(
        hidden_size=hidden, num_attention_heads=heads, vocab_size=int(n_vocab),
        num_key_value_heads=key("attention.head_count_kv", heads),
        intermediate_size=key("feed_forward_length"), num_hidden_layers=key("block_count"),
        head_dim=key("attention.key_length", hidden // heads), tie_word_embeddings=tied,
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"), attn_implementation="eager",
        max_position_embeddings=key("context_length"),
        bos_token_id=None, eos_token_id=None, pad_token_id=None)
    if arch == "gemma3":
        # Of the 1B model and smaller: scale by the head size, no scaling of the global layers.
        return arch, transformers.Gemma3TextConfig(
            **shared, query_pre_attn_scalar=shared["head_dim"],
            sliding_window=key("attention.sliding_window"), rope_parameters={
                "full_attention": theta,
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})
    kind = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}[arch]
    return arch, kind(**shared, rope_parameters=theta)


CLASSES = {"llama": transformers.LlamaForCausalLM, "qwen2": transformers.Qwen2ForCausalLM,
           "gemma3": transformers.Gemma3ForCausalLM}


def load(path):
    """The model of a GGUF file in float32."""
    reader = gguf.GGUFReader(path)
    tensors = {t.name: t for t in reader.tensors}
    arch, config = build_config(reader, "output.weight" not in tensors)
    with torch.device("meta"):
        model = CLASSES[arch](config)
    state, used = {}, set()
    for name in model.state_dict():
        g = gguf_map.gguf_name(arch, name)
        if name == "lm_head.weight" and config.tie_word_embeddings:
            g = "token_embd.weight"
        t = tensors[g]
        array = gguf.quants.dequantize(t.data, t.tensor_type).reshape(tuple(t.shape[::-1]))
        state[name] = torch.from_numpy(gguf_map.from_gguf(arch, g, array, config).copy())
        used.add(g)
    unused = set(tensors) - used
    assert not unused, unused
    # Buffers such as the rotary frequencies are made by the constructor, so build for real now.
    model = CLASSES[arch](config).float().eval()
    model.load_state_dict(state, strict=False, assign=True)
    model.tie_weights()
    return model


@torch.no_grad()
def greedy(model, prompt, n):
    """Tokens and logits of n greedy steps; the logits again from one pass without a cache."""
    cache, tokens, feed = None, list(prompt), list(prompt)
    for _ in range(n):
        out = model(torch.tensor([feed]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache, feed = out.past_key_values, [int(out.logits[0, -1].argmax())]
        tokens += feed
    out = model(torch.tensor([tokens[:-1]]), use_cache=False, logits_to_keep=n)
    logits = out.logits[0].float()
    return tokens[len(prompt):], logits


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--logits")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--out", default=os.path.join(here, "real"))
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    if args.logits:
        os.makedirs(args.logits, exist_ok=True)
    for path in args.models:
        base = os.path.basename(path)
        prompts = [p for p in PROMPTS if p[0] in base.lower()]
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            os.path.dirname(os.path.abspath(path)), gguf_file=base)
        start = time.time()
        model = load(path)
        print(f"{base}: loaded in {time.time() - start:.0f} s")
        for part, what, text in prompts:
            name = f"{part}-{what}".replace(".", "_")
            prompt = tokenizer.encode(text, add_special_tokens=False)
            tokens, logits = greedy(model, prompt, args.n)
            best = torch.topk(torch.log_softmax(logits.double(), -1), 2)
            gaps = (best.values[:, 0] - best.values[:, 1]).tolist()
            if args.logits:
                np.save(os.path.join(args.logits, name + ".npy"), logits.numpy())
            with open(os.path.join(args.out, name + ".expect"), "w", encoding="utf-8") as f:
                f.write(f"model: {base}\n")
                f.write("text: " + text.replace("\\", "\\\\").replace("\n", "\\n") + "\n")
                f.write("prompt: " + " ".join(map(str, prompt)) + "\n")
                f.write("greedy: " + " ".join(map(str, tokens)) + "\n")
                f.write("gap: " + " ".join(f"{g:.4f}" for g in gaps) + "\n")
            agree = sum(int(a) == b for a, b in zip(best.indices[:, 0], tokens))
            print(f"{name}: {len(prompt)} + {len(tokens)} tokens, {sum(g < 0.05 for g in gaps)} gaps "
                  f"below 0.05, cache and no cache agree on {agree}\n{tokenizer.decode(tokens)!r}",
                  flush=True)


if __name__ == "__main__":
    main()
