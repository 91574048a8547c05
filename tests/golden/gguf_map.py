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
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.gate": "ffn_gate_inp",
}
GEMMA = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
FAMILY = {
    "gemma2": GEMMA,
    "gemma3": GEMMA,
    "seed_oss": {"post_attention_layernorm": "post_attention_norm"},
    "gpt2": {
        "transformer.wte": "token_embd",
        "transformer.wpe": "position_embd",
        "transformer.ln_f": "output_norm",
        "ln_1": "attn_norm",
        "ln_2": "ffn_norm",
        "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output",
        "mlp.c_fc": "ffn_up",
        "mlp.c_proj": "ffn_down",
    },
}


# Encoder-decoder models. T5's names and keys are llama.cpp's; BART and Marian, which it does not
# have, follow the same scheme, with biases beside the weights. A layer's tensors begin with
# "enc.blk.N." or "dec.blk.N.".
T5 = {
    "layer.0.layer_norm": "attn_norm",
    "layer.0.SelfAttention.q": "attn_q",
    "layer.0.SelfAttention.k": "attn_k",
    "layer.0.SelfAttention.v": "attn_v",
    "layer.0.SelfAttention.o": "attn_o",
    # [n_buckets, n_heads]; of the first layer where the layers share it
    "layer.0.SelfAttention.relative_attention_bias": "attn_rel_b",
    "layer.1.EncDecAttention.q": "cross_attn_q",
    "layer.1.EncDecAttention.k": "cross_attn_k",
    "layer.1.EncDecAttention.v": "cross_attn_v",
    "layer.1.EncDecAttention.o": "cross_attn_o",
    "DenseReluDense.wi": "ffn_up",
    "DenseReluDense.wi_0": "ffn_gate",
    "DenseReluDense.wi_1": "ffn_up",
    "DenseReluDense.wo": "ffn_down",
}
BART = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_o",
    "self_attn_layer_norm": "attn_norm",
    "encoder_attn.q_proj": "cross_attn_q",
    "encoder_attn.k_proj": "cross_attn_k",
    "encoder_attn.v_proj": "cross_attn_v",
    "encoder_attn.out_proj": "cross_attn_o",
    "encoder_attn_layer_norm": "cross_attn_norm",
    "fc1": "ffn_up",
    "fc2": "ffn_down",
    "final_layer_norm": "ffn_norm",
}


def _t5_name(name):
    if name in ("shared.weight", "lm_head.weight"):
        return {"shared.weight": "token_embd.weight", "lm_head.weight": "output.weight"}[name]
    side, rest = name.split(".", 1)
    if rest == "final_layer_norm.weight":
        return f"{side[:3]}.output_norm.weight"
    layer, stem = re.fullmatch(r"block\.(\d+)\.(.+)\.weight", rest).groups()
    if stem == "layer.1.layer_norm":
        what = "ffn_norm" if side == "encoder" else "cross_attn_norm"
    elif stem == "layer.2.layer_norm":
        what = "ffn_norm"
    else:
        what = T5[re.sub(r"^layer\.\d\.(?=Dense)", "", stem)]
    return f"{side[:3]}.blk.{layer}.{what}.weight"


def _bart_name(name):
    if name == "final_logits_bias":
        return "output.bias"  # [n_vocab]
    stem, kind = name.removeprefix("model.").rsplit(".", 1)
    if stem in ("shared", "lm_head"):
        return ("token_embd." if stem == "shared" else "output.") + kind
    side, stem = stem.split(".", 1)
    if stem == "embed_positions":
        # BART: all rows of the file, the two before position 0 too. Marian's are not stored.
        return f"{side[:3]}.position_embd.{kind}"
    if stem == "layernorm_embedding":
        return f"{side[:3]}.token_embd_norm.{kind}"
    layer, stem = re.fullmatch(r"layers\.(\d+)\.(.+)", stem).groups()
    return f"{side[:3]}.blk.{layer}.{BART[stem]}.{kind}"


def encoder_decoder_keys(arch, config, generation=None):
    """Metadata of an encoder-decoder model, each key after "ARCH.": numbers are u32 or f32 as they
    are int or float here; lists are arrays of i32. Keys with None are left out."""
    generation = generation or config
    keys = {
        "block_count": config.num_layers if arch == "t5" else config.encoder_layers,
        "decoder_block_count": config.num_decoder_layers if arch == "t5" else config.decoder_layers,
        "embedding_length": config.d_model,
        "decoder_start_token_id": config.decoder_start_token_id,
    }
    if arch == "t5":
        keys |= {
            "context_length": getattr(config, "n_positions", None) or 512,
            "feed_forward_length": config.d_ff,
            "attention.head_count": config.num_heads,
            "attention.key_length": config.d_kv,
            "attention.value_length": config.d_kv,
            "attention.layer_norm_rms_epsilon": float(config.layer_norm_epsilon),
            "attention.relative_buckets_count": config.relative_attention_num_buckets,
            # ours: 128 where it is missing
            "attention.relative_max_distance": config.relative_attention_max_distance,
            # ours: silu, gelu (by erf), gelu_tanh, relu. Where missing: gelu_tanh with ffn_gate, else relu
            "hidden_activation": {"gelu_new": "gelu_tanh"}.get(config.dense_act_fn,
                                                               config.dense_act_fn),
            # What logits are multiplied with. Where missing: 1 with output.weight, else d_model^-0.5
            "logit_scale": config.d_model ** -0.5 if config.scale_decoder_outputs else 1.0,
        }
    else:
        assert config.encoder_ffn_dim == config.decoder_ffn_dim
        assert config.encoder_attention_heads == config.decoder_attention_heads
        keys |= {
            "context_length": config.max_position_embeddings,
            "feed_forward_length": config.encoder_ffn_dim,
            "attention.head_count": config.encoder_attention_heads,
            "attention.layer_norm_epsilon": 1e-5,  # of torch.nn.LayerNorm
            "hidden_activation": {"swish": "silu", "gelu_new": "gelu_tanh"}.get(
                config.activation_function, config.activation_function),
            # What embeddings are multiplied with. Where missing: 1
            "embedding_scale": config.d_model ** 0.5 if config.scale_embedding else 1.0,
        }
    # What transformers' generate() does to logits, where the model asks for it (all ours).
    bad = getattr(generation, "bad_words_ids", None) or []
    suppressed = list(getattr(generation, "suppress_tokens", None) or [])
    keys |= {
        "generation.forced_bos_token_id": getattr(generation, "forced_bos_token_id", None),
        "generation.forced_eos_token_id": getattr(generation, "forced_eos_token_id", None),
        # tokens never generated; bad words of several tokens are left out
        "generation.suppress_tokens": (suppressed + [w[0] for w in bad if len(w) == 1]) or None,
        "generation.min_length": getattr(generation, "min_length", None) or None,
        "generation.max_length": getattr(generation, "max_length", None) or None,
        "generation.no_repeat_ngram_size": getattr(generation, "no_repeat_ngram_size", None) or None,
    }
    return {k: v for k, v in keys.items() if v is not None}


def gguf_name(arch, name):
    """GGUF's name of a parameter: "model.layers.0.mlp.up_proj.weight" is "blk.0.ffn_up.weight"."""
    if arch == "t5":
        return _t5_name(name)
    if arch in ("bart", "marian"):
        return _bart_name(name)
    stem, kind = name.rsplit(".", 1)
    table = COMMON | FAMILY.get(arch, {})
    layer = re.fullmatch(r"(?:model\.layers|transformer\.h)\.(\d+)\.(.+)", stem)
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


def _transposed(arch, name):
    """GPT-2's projections are [n_in, n_out] in transformers."""
    return arch == "gpt2" and re.fullmatch(r"blk\.\d+\.(attn|ffn)_[a-z]+\.weight", name) and (
        "norm" not in name)


def gguf_parts(arch, name, array):
    """Transformers' parameter `name` as GGUF has it: pairs of name and array. Gate and up of all experts
    are one there, and two here; concatenating the arrays along axis 1 joins them again."""
    experts = re.fullmatch(r"model\.layers\.(\d+)\.mlp\.experts\.(gate_up|down)_proj", name)
    if not experts:
        return [(gguf_name(arch, name), array)]
    blk = f"blk.{experts[1]}.ffn_"
    if experts[2] == "down":
        return [(blk + "down_exps.weight", array)]
    gate, up = np.split(array, 2, axis=1)
    return [(blk + "gate_exps.weight", gate), (blk + "up_exps.weight", up)]


def to_gguf(arch, name, array, config):
    """The array of GGUF tensor `name` from that of transformers."""
    if arch == "llama" and _heads(name, config):
        array = _pairs_to_gguf(array, _heads(name, config))
    if arch in ("gemma2", "gemma3") and name.endswith("norm.weight"):
        array = array + np.float32(1)
    if _transposed(arch, name):
        array = array.T
    return np.ascontiguousarray(array, dtype=np.float32)


def from_gguf(arch, name, array, config):
    if arch == "llama" and _heads(name, config):
        array = _pairs_from_gguf(array, _heads(name, config))
    if arch in ("gemma2", "gemma3") and name.endswith("norm.weight"):
        array = array - np.float32(1)
    if _transposed(arch, name):
        array = array.T
    return np.ascontiguousarray(array, dtype=np.float32)
