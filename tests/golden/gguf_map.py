"""What lies where: the tensors of Hugging Face transformers in GGUF files.

Facts from llama.cpp's conversion: names from gguf's tensor_mapping; the rows of llama's query and key
projections reordered, since GGUF rotates neighbouring pairs (2i, 2i+1) where transformers rotates
(i, i + head_dim/2); gemma's norm weights stored with 1 added.

Needs: numpy, torch, transformers, gguf.
"""
import re

import numpy as np

COMMON = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
FAMILY = {
    "llama": {"post_attention_layernorm": "ffn_norm"},
    "qwen2": {"post_attention_layernorm": "ffn_norm"},
    "gemma3": {
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    },
}


def gguf_name(arch, name):
    """GGUF's name of a parameter: "model.layers.0.mlp.up_proj.weight" is "blk.0.ffn_up.weight"."""
    stem, kind = name.rsplit(".", 1)
    table = COMMON | FAMILY[arch]
    layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem)
    if layer:
        return f"blk.{layer[1]}.{table[layer[2]]}.{kind}"
    return f"{table[stem]}.{kind}"


def _pairs_to_gguf(w, n_heads):
    return w.reshape(n_heads, 2, w.shape[0] // n_heads // 2, -1).swapaxes(1, 2).reshape(w.shape)


def _pairs_from_gguf(w, n_heads):
    return w.reshape(n_heads, w.shape[0] // n_heads // 2, 2, -1).swapaxes(1, 2).reshape(w.shape)


def _heads(name, config):
    if ".attn_q." in name:
        return config.num_attention_heads
    if ".attn_k." in name:
        return config.num_key_value_heads
    return 0


def to_gguf(arch, name, array, config):
    """The array of GGUF tensor `name` from that of transformers."""
    if arch == "llama" and _heads(name, config):
        array = _pairs_to_gguf(array, _heads(name, config))
    if arch == "gemma3" and name.endswith("norm.weight"):
        array = array + np.float32(1)
    return np.ascontiguousarray(array, dtype=np.float32)


def from_gguf(arch, name, array, config):
    if arch == "llama" and _heads(name, config):
        array = _pairs_from_gguf(array, _heads(name, config))
    if arch == "gemma3" and name.endswith("norm.weight"):
        array = array - np.float32(1)
    return np.ascontiguousarray(array, dtype=np.float32)
