"""Make the tiny random models of this folder and what Hugging Face transformers computes with them.

    python make_models.py [--only NAME...] [--check] [--out FOLDER]

Each row of MODELS becomes NAME.gguf and NAME.expect (see README.md). The expectation is computed on
the weights as the file holds them, so rounding to F16 or to blocks is not part of the difference.
--check also computes each model with one of its features left out and demands that the logits move,
since an expectation that a wrong engine meets would prove nothing.

Needs: numpy, torch, transformers 5, gguf, tokenizers. All random numbers come from fixed seeds.
"""
import argparse
import copy
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

CONTEXT = 256
DECODED = 24
CLASSES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM),
    "gemma3": (transformers.Gemma3TextConfig, transformers.Gemma3ForCausalLM),
    "seed_oss": (transformers.SeedOssConfig, transformers.SeedOssForCausalLM),
    "phi3": (transformers.Phi3Config, transformers.Phi3ForCausalLM),
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel),
    "mixtral": (transformers.MixtralConfig, transformers.MixtralForCausalLM),
    "qwen3moe": (transformers.Qwen3MoeConfig, transformers.Qwen3MoeForCausalLM),
}


def shape(hidden, heads, kv, head, ff, layers, vocab, tied=False, **more):
    return dict(hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv, head_dim=head,
                intermediate_size=ff, num_hidden_layers=layers, vocab_size=vocab,
                tie_word_embeddings=tied, **more)


def rope(theta, kind="default", **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
YARN = dict(factor=4.0, original_max_position_embeddings=CONTEXT // 4)
LONGROPE = dict(short_factor=[1.0, 1.05, 1.2, 1.5, 1.7, 2.0], long_factor=[1.0, 1.3, 2.0, 4.0, 7.0, 9.0])
SMALL = shape(64, 4, 2, 16, 64, 2, 67, tied=True)
LEGACY = dict(cls="llama", config=SMALL, rope=rope(10000.0), prompt=21, seed=20)

# cls: transformers' class. weights: type of the matrices in the file, or one per tensor name.
# prompt: its length. positions: write logits after each token of the prompt. context: what the
# engine has to be made for. drop: for --check, what is changed in the configuration and must be
# noticed.
MODELS = {
    # 3 query heads per KV head, rows of 61 floats.
    "llama-d8-gqa3": dict(cls="llama", config=shape(42, 6, 2, 8, 61, 2, 61), rope=rope(10000.0),
                          prompt=150, drop=dict(rope_theta=20000.0)),
    "llama-d16-llama3": dict(cls="llama", config=shape(48, 3, 1, 16, 45, 2, 101, tied=True),
                             rope=rope(5000.0, "llama3", **LLAMA3), prompt=40,
                             drop=dict(rope_type="default")),
    "llama-d20-linear": dict(cls="llama", config=shape(33, 3, 3, 20, 75, 2, 97),
                             rope=rope(10000.0, "linear", factor=4.0), prompt=33,
                             drop=dict(rope_type="default")),
    "llama-d64-yarn": dict(cls="llama", config=shape(24, 3, 1, 64, 45, 2, 127),
                           rope=rope(10000.0, "yarn", **YARN), prompt=40,
                           drop=dict(rope_type="default")),
    # Mistral files are of architecture llama, which has no window; query rows are wider than n_embd.
    "mistral-d128-f16": dict(cls="mistral", config=shape(27, 3, 1, 128, 50, 2, 211,
                                                         sliding_window=None),
                             rope=rope(1000000.0), weights=T.F16, prompt=29,
                             drop=dict(rope_theta=10000.0)),
    "qwen2-d12": dict(cls="qwen2", config=shape(36, 3, 1, 12, 29, 2, 73, tied=True),
                      rope=rope(1000000.0), prompt=30, seed=31, drop=dict(bias=0.0)),
    # Heads wider than n_embd / n_heads; llama.cpp does not take such a qwen2, transformers does.
    "qwen2-d80-bias": dict(cls="qwen2", config=shape(20, 2, 1, 80, 49, 2, 173, tied=True),
                           rope=rope(1000000.0), prompt=12, positions=True,
                           drop=dict(bias=0.0)),
    "qwen2-d96-yarn": dict(cls="qwen2", config=shape(18, 3, 1, 96, 39, 2, 83),
                           rope=rope(1000000.0, "yarn", **YARN), prompt=40,
                           drop=dict(rope_type="default")),
    # Two rounds of five local layers and a global one would be 12; 8 has both sides of a global one.
    "gemma3-d8-window8": dict(cls="gemma3", config=shape(24, 3, 1, 8, 33, 8, 89, tied=True,
                                                         sliding_window=8,
                                                         query_pre_attn_scalar=8),
                              rope=rope(1000000.0, "linear", factor=8.0), prompt=40,
                              positions=True, drop=dict(sliding_window=9)),
    "gemma3-d256-local": dict(cls="gemma3", config=shape(18, 2, 1, 256, 31, 2, 257, tied=True,
                                                         sliding_window=16,
                                                         query_pre_attn_scalar=256),
                              rope=rope(1000000.0), weights=T.F16, prompt=40,
                              drop=dict(sliding_window=None)),
    # A folder of a Mistral with a window: all layers are local.
    "mistral-d8-window8": dict(cls="mistral", config=shape(30, 3, 1, 8, 41, 3, 79, sliding_window=8),
                               rope=rope(10000.0), prompt=40, seed=7, drop=dict(sliding_window=9)),
    "seed_oss-d12": dict(cls="seed_oss", config=shape(30, 5, 1, 12, 47, 2, 83), rope=rope(1e7),
                         prompt=33, drop=dict(bias=0.0)),
    "qwen3-d20": dict(cls="qwen3", config=shape(28, 4, 2, 20, 37, 2, 91, tied=True),
                      rope=rope(1000000.0), prompt=33, seed=7, drop=dict(norm=True)),
    # Softcaps low enough to bend the logits; a scale that is not that of the head.
    "gemma2-d10-window8": dict(cls="gemma2", config=shape(28, 4, 2, 10, 39, 4, 87, tied=True,
                                                          sliding_window=8,
                                                          query_pre_attn_scalar=23,
                                                          attn_logit_softcapping=3.0,
                                                          final_logit_softcapping=5.0),
                               rope=rope(10000.0), prompt=40, positions=True,
                               drop=dict(attn_logit_softcapping=None)),
    # Half of each head is rotated. Short factors, and the window of Phi-3-mini; then long ones.
    "phi3-d24-window12": dict(cls="phi3", config=shape(48, 2, 1, 24, 35, 2, 61, sliding_window=12,
                                                       original_max_position_embeddings=128),
                              rope=rope(10000.0, "longrope", partial_rotary_factor=0.5,
                                        original_max_position_embeddings=128, **LONGROPE),
                              prompt=40, context=128, drop=dict(sliding_window=None)),
    "phi3-d12-long": dict(cls="phi3", config=shape(36, 3, 3, 12, 45, 2, 77,
                                                   original_max_position_embeddings=32),
                          rope=rope(10000.0, "longrope", original_max_position_embeddings=32,
                                    **LONGROPE),
                          prompt=40, drop=dict(rope_long_factor=LONGROPE["short_factor"])),
    "gpt2-d12": dict(cls="gpt2", config=dict(n_embd=36, n_head=3, n_inner=61, n_layer=2,
                                             vocab_size=83, n_positions=96),
                     prompt=50, positions=True, seed=2, drop=dict(bias=0.0)),
    # Experts: two of five in Q8_0, and three of seven beside a layer without experts.
    "mixtral-e5-q8_0": dict(cls="mixtral", config=shape(32, 4, 2, 8, 64, 2, 73, num_local_experts=5,
                                                        num_experts_per_tok=2, sliding_window=None),
                            rope=rope(1000000.0), weights=T.Q8_0, prompt=37, positions=True,
                            drop=dict(num_experts_per_tok=3)),
    "qwen3moe-e7": dict(cls="qwen3moe", config=shape(28, 2, 1, 12, 39, 3, 71, num_experts=7,
                                                     num_experts_per_tok=3, norm_topk_prob=True,
                                                     moe_intermediate_size=17,
                                                     mlp_only_layers=[1]),
                        rope=rope(1000000.0), prompt=35, drop=dict(num_experts_per_tok=2)),
    # The weights of experts that are not divided by their sum.
    "qwen3moe-e4": dict(cls="qwen3moe", config=shape(20, 2, 2, 10, 31, 1, 67, num_experts=4,
                                                     num_experts_per_tok=2, norm_topk_prob=False,
                                                     moe_intermediate_size=23),
                        rope=rope(1000000.0), prompt=20, drop=dict(norm_topk_prob=True)),
    # With tokenizers: byte-level BPE and SentencePiece-style BPE.
    "llama-text-bpe": dict(cls="llama", config=shape(32, 4, 2, 8, 53, 2, 283, tied=True),
                           rope=rope(10000.0), text="the cat and the hat, then 42 mice: na\u00efve \u4e16",
                           tokenizer="bpe"),
    "gemma3-text-spm": dict(cls="gemma3", config=shape(24, 2, 1, 12, 41, 3, 277, tied=True,
                                                       sliding_window=8, query_pre_attn_scalar=12),
                            rope=rope(1000000.0), text="the cat and the hat, 42 mice: \u4e16!",
                            tokenizer="spm"),
    # One model in several parts.
    "llama-split": dict(cls="llama", config=shape(24, 2, 1, 12, 31, 2, 71), rope=rope(10000.0),
                        prompt=12, split=8),
    # Block formats. All of them on one shape; K-quants want rows of 256.
    "quant-f16": LEGACY | dict(weights=T.F16, config=SMALL | dict(num_hidden_layers=1)),
    "quant-bf16": LEGACY | dict(weights=T.BF16, config=SMALL | dict(num_hidden_layers=1)),
    "quant-q8_0": LEGACY | dict(weights=T.Q8_0),
    "quant-q4_0": LEGACY | dict(weights=T.Q4_0),
    "quant-q4_1": LEGACY | dict(weights=T.Q4_1),
    "quant-q5_0": LEGACY | dict(weights=T.Q5_0),
    "quant-q5_1": LEGACY | dict(weights=T.Q5_1),
    # Rows of outputs that GPUs split along the columns.
    "quant-q4_0-wide": LEGACY | dict(weights=T.Q4_0, config=shape(32, 2, 1, 16, 1056, 2, 67, tied=True)),
    "quant-iq4_nl": LEGACY | dict(weights=T.IQ4_NL),
    "quant-k": dict(cls="llama", config=shape(256, 4, 1, 64, 256, 1, 37, tied=True),
                    rope=rope(10000.0), prompt=21,
                    weights={"token_embd": T.Q6_K, "attn_q": T.Q2_K, "attn_k": T.Q3_K,
                             "attn_v": T.Q5_K, "attn_output": T.Q4_K, "ffn_gate": T.Q3_K,
                             "ffn_up": T.Q2_K, "ffn_down": T.Q5_K}),
}


# ---- weights ------------------------------------------------------------------------------------

def random_weights(rng, arch, model):
    """Numbers of a size that makes attention peaked, layers matter and logits spread."""
    state = {}
    for name, p in model.named_parameters():
        x = rng.standard_normal(tuple(p.shape)).astype(np.float32)
        gemma = arch in ("gemma2", "gemma3")
        if name.endswith(".bias"):
            x = (0.1 if ".ln_f." in name else 0.7) * x
        elif name.endswith("norm.weight") or "layernorm" in name or ".ln_" in name:
            x = 0.25 * x + (0.6 if gemma else 1.2)
            if gemma and name == "model.norm.weight":
                x += 3.0
        elif "embed_tokens" in name or name.startswith("transformer.w"):
            x *= 0.5 / math.sqrt(p.shape[1]) if gemma else 1.2 if ".wpe" in name else 0.6
        elif "lm_head" in name:
            x *= 3.0 / math.sqrt(p.shape[1])
        elif "q_proj" in name or "k_proj" in name or "qkv_proj" in name:
            x *= 1.7 / math.sqrt(p.shape[1])
        else:
            x *= 1.5 / math.sqrt(p.shape[0] if arch == "gpt2" else p.shape[-1])
        state[name] = x.astype(np.float32)
    return state


def random_blocks(rng, qtype, n_rows, n_cols):
    """Rows of blocks with every bit of the quants random, and scales that give weights of about
    1.5 / sqrt(n_cols). For formats gguf can decode but not encode."""
    block, size = gguf.GGML_QUANT_SIZES[qtype]
    raw = rng.integers(0, 256, (n_rows * n_cols // block, size), dtype=np.uint8)
    halves = {T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
              T.IQ4_NL: [0]}[qtype]

    def fill(scales):
        for at, scale in zip(halves, scales):
            d = (scale * rng.uniform(0.7, 1.3, len(raw))).astype(np.float16)
            raw[:, at:at + 2] = d.view(np.uint8).reshape(-1, 2)
        return gguf.quants.dequantize(raw, qtype)

    # d and dmin in such a proportion that the mean is near zero, then both to the wanted size.
    saved = rng.bit_generator.state
    ones = [fill([1.0, 0.0]).mean(), -fill([0.0, 1.0]).mean()] if len(halves) > 1 else [1.0, 1.0]
    ratio = ones[0] / ones[1] if len(halves) > 1 else 0.0
    rng.bit_generator.state = saved
    std = fill([1e-3, 1e-3 * ratio]).std() / 1e-3
    rng.bit_generator.state = saved
    want = 1.5 / math.sqrt(n_cols) / std
    fill([want, want * ratio])
    return raw.reshape(n_rows, -1)


def encode(rng, array, qtype):
    """Bytes of a matrix in the file, and the numbers they stand for."""
    if qtype == T.F32:
        return array, array
    try:
        raw = gguf.quants.quantize(array, qtype)
    except NotImplementedError:
        raw = random_blocks(rng, qtype, *array.shape)
    return raw, gguf.quants.dequantize(raw, qtype).reshape(array.shape)


# ---- metadata -----------------------------------------------------------------------------------

def llama3_factors(config):
    """rope_freqs.weight: divisors of the frequencies, as Llama 3.1 defines its scaling."""
    p = config.rope_parameters
    base, dim = p["rope_theta"], config.head_dim
    factors = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * base ** (i / dim)
        low = p["original_max_position_embeddings"] / p["low_freq_factor"]
        high = p["original_max_position_embeddings"] / p["high_freq_factor"]
        if wavelength < high:
            factors.append(1.0)
        elif wavelength > low:
            factors.append(p["factor"])
        else:
            smooth = (p["original_max_position_embeddings"] / wavelength - p["low_freq_factor"]) / (
                p["high_freq_factor"] - p["low_freq_factor"])
            factors.append(1 / ((1 - smooth) / p["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def count_experts(config):
    return getattr(config, "num_local_experts", 0)


def write_metadata(w, arch, config, p):
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.n_inner if arch == "gpt2" else config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    if arch == "gpt2":
        w.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    if arch != "phi3":
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    w.add_rope_freq_base(p["rope_theta"])
    if arch in ("llama", "phi3"):
        w.add_vocab_size(config.vocab_size)
        w.add_rope_dimension_count(int(head_dim * p.get("partial_rotary_factor", 1)))
    if p["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(p["factor"])
    if p["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(p["factor"])
    original = p.get("original_max_position_embeddings")
    if p["rope_type"] in ("yarn", "longrope"):
        w.add_rope_scaling_orig_ctx_len(original)
    if p["rope_type"] == "longrope":  # no scaling type: the factors' tensors say enough
        ratio = config.max_position_embeddings / original
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(ratio) / math.log(original)))
    if arch == "qwen3moe":
        w.add_expert_feed_forward_length(config.moe_intermediate_size)
    if count_experts(config):
        w.add_expert_count(count_experts(config))
        w.add_expert_used_count(config.num_experts_per_tok)
    if not getattr(config, "norm_topk_prob", True):
        w.add_expert_weights_norm(False)
    if getattr(config, "sliding_window", None):
        w.add_sliding_window(config.sliding_window)
    if arch == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
        w.add_attention_scale(config.query_pre_attn_scalar**-0.5)


MERGES = ["t h", "th e", "\u0120 the", "a n", "an d", "\u0120 and", "\u0120 c", "a t", "\u0120c at", "h at",
          "\u0120 hat", "i c", "m ic", "mic e", "\u00c3 \u00af", "e n", "the n", "4 2"]


def byte_letters():
    """The letters GPT-2's byte-level BPE writes bytes with, by byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, n = {b: chr(b) for b in plain}, 0
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + n)
            n += 1
    return [letters[b] for b in range(256)]


def bpe_tokenizer(n_vocab):
    tokens = byte_letters()
    for merge in MERGES:
        joined = merge.replace(" ", "")
        if joined not in tokens:
            tokens.append(joined)
    types = [gguf.TokenType.NORMAL] * len(tokens)
    bos, eos = len(tokens), len(tokens) + 1
    tokens += ["<|begin|>", "<|end|>"]
    types += [gguf.TokenType.CONTROL] * 2
    while len(tokens) < n_vocab:
        types.append(gguf.TokenType.UNUSED)
        tokens.append(f"[unused{len(tokens)}]")
    return tokens, types, bos, eos


def spm_tokenizer(n_vocab):
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>"]
    types = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.UNKNOWN]
    tokens += [f"<0x{b:02X}>" for b in range(256)]
    types += [gguf.TokenType.BYTE] * 256
    scores = [0.0] * len(tokens)
    pieces = ["th", "the", "\u2581the", "an", "\u2581and", "nd", "and", "\u2581", "t", "h", "e", "a", "n",
              "d", "\u4e16", ",", "!"]
    tokens += pieces
    types += [gguf.TokenType.NORMAL] * len(pieces)
    scores += [-float(i) for i in range(len(pieces))]
    assert len(tokens) == n_vocab, len(tokens)
    return tokens, types, scores


def write_tokenizer(w, kind, n_vocab):
    if kind == "bpe":
        tokens, types, bos, eos = bpe_tokenizer(n_vocab)
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre("gpt-2")
        w.add_token_merges(MERGES)
        w.add_add_bos_token(False)
    else:
        tokens, types, scores = spm_tokenizer(n_vocab)
        bos, eos = 2, 1
        w.add_tokenizer_model("llama")
        w.add_tokenizer_pre("default")
        w.add_token_scores(scores)
        w.add_unk_token_id(3)
        w.add_pad_token_id(0)
        w.add_add_bos_token(True)
        w.add_add_space_prefix(False)
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_bos_token_id(bos)
    w.add_eos_token_id(eos)


def make_tokenizer(kind, n_vocab):
    """The same tokenizer by Hugging Face tokenizers."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    if kind == "bpe":
        tokens, _, _, _ = bpe_tokenizer(n_vocab)
        vocab = {t: i for i, t in enumerate(tokens)}
        t = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in MERGES]))
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        t.decoder = decoders.ByteLevel()
        return t
    tokens, _, scores = spm_tokenizer(n_vocab)
    vocab = {t: i for i, t in enumerate(tokens)}
    # SentencePiece merges the adjacent pair whose joined piece scores best.
    merges = []
    for piece in sorted((p for p in tokens[260:] if len(p) > 1), key=lambda p: -scores[vocab[p]]):
        for cut in range(1, len(piece)):
            if piece[:cut] in vocab and piece[cut:] in vocab:
                merges.append((piece[:cut], piece[cut:]))
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token="<unk>",
                             fuse_unk=True))
    t.normalizer = normalizers.Replace(" ", "\u2581")
    return t


def encode_text(kind, n_vocab, text):
    ids = make_tokenizer(kind, n_vocab).encode(text).ids
    return ids if kind == "bpe" else [2] + ids


# ---- the models ---------------------------------------------------------------------------------

def build_config(spec, changes=None):
    changes = dict(changes or {})
    config = dict(spec["config"])
    common = dict(attn_implementation="eager", bos_token_id=None, eos_token_id=None,
                  pad_token_id=None)
    if spec["cls"] == "gpt2":
        return CLASSES["gpt2"][0](**common, **config)
    p = spec["rope"] | {k: changes.pop(k) for k in list(changes) if k.startswith("rope_")}
    p = {k.removeprefix("rope_") if k.endswith("_factor") else k: v for k, v in p.items()}
    if p["rope_type"] == "default":
        p = {k: p[k] for k in ("rope_type", "rope_theta")}
    config |= changes
    if "num_experts_per_tok" in config:
        common["experts_implementation"] = "eager"  # the others have demands on strides
    parameters = p
    if spec["cls"] == "gemma3":
        local = rope(10000.0)
        if config["sliding_window"] is None:
            config["layer_types"] = ["full_attention"] * config["num_hidden_layers"]
            config["sliding_window"] = 4096
            p = local
        parameters = {"full_attention": p, "sliding_attention": local}
    return CLASSES[spec["cls"]][0](
        max_position_embeddings=CONTEXT, rms_norm_eps=1e-5,
        rope_parameters=copy.deepcopy(parameters), **common, **config)


def build_model(spec, state, changes=None):
    model = CLASSES[spec["cls"]][1](build_config(spec, changes)).float().eval()
    missing, unexpected = model.load_state_dict(
        {k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
    assert not unexpected and all(m == "lm_head.weight" for m in missing), (missing, unexpected)
    if model.config.tie_word_embeddings:
        model.tie_weights()
    return model


@torch.no_grad()
def logits_of(model, tokens):
    """Logits after each token, [n_tokens, n_vocab]. No cache: the plain definition."""
    return model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()


def greedy(model, prompt, n):
    tokens, gaps = list(prompt), []
    for _ in range(n):
        last = torch.log_softmax(torch.from_numpy(logits_of(model, tokens)[-1]).double(), -1)
        best = torch.topk(last, 2)
        gaps.append(float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
    return tokens[len(prompt):], gaps


def row(values):
    return " ".join(f"{v:.9g}" for v in values)


def make(name, spec, out):
    arch = {"mistral": "llama", "mixtral": "llama"}.get(spec["cls"], spec["cls"])
    rng = np.random.Generator(np.random.PCG64(spec.get("seed", zlib.crc32(name.encode()))))
    config = build_config(spec)
    state = random_weights(rng, arch, CLASSES[spec["cls"]][1](config))
    wanted = spec.get("weights", T.F32)

    split = spec.get("split", 0)
    path = os.path.join(out, name + ".gguf")
    w = gguf.GGUFWriter(path, arch, split_max_tensors=split)
    w.add_name(name)
    p = spec.get("rope", {"rope_type": "none"})
    write_metadata(w, arch, config, p)
    if "tokenizer" in spec:
        write_tokenizer(w, spec["tokenizer"], config.vocab_size)
    if p["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors(config))
    if p["rope_type"] == "longrope":
        for which in ("long", "short"):
            factors = np.array(p[which + "_factor"], dtype=np.float32)
            w.add_tensor(f"rope_factors_{which}.weight", factors)
    for hf_name, array in state.items():
        parts = []
        for g, array in gguf_map.gguf_parts(arch, hf_name, array):
            array = gguf_map.to_gguf(arch, g, array, config)
            qtype = T.F32
            if array.ndim > 1 and "ffn_gate_inp" not in g:
                qtype = wanted if isinstance(wanted, T) else wanted[g.split(".")[-2]]
            raw, array = encode(rng, array, qtype)
            w.add_tensor(g, raw, raw_dtype=qtype)
            parts.append(gguf_map.from_gguf(arch, g, array, config))
        state[hf_name] = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()

    if "text" in spec:
        prompt = encode_text(spec["tokenizer"], config.vocab_size, spec["text"])
    else:
        prompt = [int(t) for t in rng.integers(0, config.vocab_size, spec["prompt"])]
    model = build_model(spec, state)
    logits = logits_of(model, prompt)
    tokens, gaps = greedy(model, prompt, 28)
    decoded = logits_of(model, prompt + tokens[:DECODED])[-1]

    file = f"{name}.gguf"
    if split:
        file = f"{name}-00001-of-{len(w.tensors):05d}.gguf"
    with open(os.path.join(out, name + ".expect"), "w", encoding="utf-8") as f:
        f.write(f"model: {file}\n")
        if "context" in spec:
            f.write(f"context: {spec['context']}\n")
        if "text" in spec:
            f.write("text: " + spec["text"].replace("\\", "\\\\").replace("\n", "\\n") + "\n")
        f.write("prompt: " + " ".join(map(str, prompt)) + "\n")
        f.write("greedy: " + " ".join(map(str, tokens)) + "\n")
        f.write("gap: " + " ".join(f"{g:.4f}" for g in gaps) + "\n")
        f.write(f"logits: {row(logits[-1])}\n")
        f.write(f"decoded {DECODED}: {row(decoded)}\n")
        if spec.get("positions"):
            for i, values in enumerate(logits):
                f.write(f"position {i}: {row(values)}\n")
    size = sum(os.path.getsize(os.path.join(out, f)) for f in os.listdir(out)
               if f == name + ".gguf" or (f.startswith(name + "-0") and f.endswith(".gguf")))
    print(f"{name:20} {size:7d} bytes, logits {logits[-1].min():6.2f} .. {logits[-1].max():6.2f}, "
          f"{len(set(tokens)):2d} tokens of {len(tokens)}, "
          f"{sum(g < 0.05 for g in gaps)} gaps below 0.05", flush=True)
    return state, prompt, logits


def check(name, spec, state, prompt, logits):
    """With the feature left out, the logits must move by a hundred times the tolerance."""
    changes = dict(spec["drop"])
    if changes.pop("bias", None) is not None:
        state = {k: v * 0 if k.endswith(".bias") else v for k, v in state.items()}
    if changes.pop("norm", None) is not None:
        state = {k: v * 0 + 1 if k.endswith("k_norm.weight") else v for k, v in state.items()}
    other = logits_of(build_model(spec, state, changes), prompt)[-1]
    moved = np.abs(other - logits[-1]).max() / np.abs(logits[-1]).max()
    print(f"{'':20} without {spec['drop']}: moved {moved:.3f}")
    return moved > 1e-2


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
        made = make(name, MODELS[name], args.out)
        if args.check and "drop" in MODELS[name] and not check(name, MODELS[name], *made):
            failed.append(name)
    if failed:
        sys.exit("not noticed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
