"""What Hugging Face transformers finds by beam search in the tiny models of this folder.

    python make_beams.py            with transformers 5: beams/NAME.beams
    python make_beams.py --groups   with transformers 4.53: beams/NAME.groups.beams

Diverse beam search in groups left the library with transformers 5, so an older release is asked for
that: pip install --target OLD --no-deps transformers==4.53.3 tokenizers==0.21.4 huggingface_hub==0.34.4
and PYTHONPATH=OLD.

Each row of CASES is run on each model. Every case is run once more in float64 and must find the same,
so that no expectation hangs on rounding; and with groups once more with another padding token, which
transformers counts as the choice of groups that are done. Cases that fail either are left out, and
said so.

A file has lines of `key: values`: `model`, `prompt` (token ids; of models with an encoder `source`,
and the text begins with the token they start with), then for each case `case` (its
settings) and for each text found, best first, `text`: score, then the tokens generated, with the one
that ended it.

Needs: numpy, torch, transformers, gguf.
"""
import argparse
import os

import gguf
import numpy as np
import torch
import transformers

import gguf_map

OLD = int(transformers.__version__.split(".")[0]) < 5
MODELS = ["llama-text-bpe", "llama-d8-gqa3", "gemma3-text-spm", "qwen2-d12"]
RULED = ["bart-d6-rules", "bart-f16-folder", "marian-folder"]
SOURCES = ["t5-d10-relu", "t5-d32-gated", "bart-d8", "marian-d10"]  # transformers 5 alone


def case(beams, n_return, predict, penalty=1.0, stopping=False, ends=(), least=0, groups=1,
         diversity=0.0, ngram=0):
    """`ends`: how often, among the tokens that a search without an end finds, comes the token that
    ends a text: 0 for the most frequent one."""
    return dict(beams=beams, n_return=n_return, predict=predict, penalty=penalty, stopping=stopping,
                ends=ends, least=least, groups=groups, diversity=diversity,
                ngram=ngram)


CASES = [
    case(1, 1, 16),
    case(2, 2, 16),
    case(4, 4, 24),
    case(5, 3, 80, penalty=0.0),
    case(4, 4, 24, ends=[0]),
    case(4, 4, 24, ends=[0], stopping=True),
    case(4, 4, 24, ends=[0], stopping="never"),
    case(4, 2, 24, ends=[1], penalty=2.0),
    case(4, 2, 24, ends=[1], penalty=2.0, stopping="never"),
    case(4, 2, 24, ends=[1], penalty=-0.5, stopping="never"),
    case(3, 3, 30, ends=[0, 1, 2]),
    case(3, 3, 30, ends=[0, 1, 2], stopping=True, penalty=0.6),
    case(6, 6, 20, ends=[0, 2], stopping="never", penalty=0.3),
    case(4, 4, 20, ends=[0], least=7),
    case(12, 5, 20, ends=[1, 3]),
    case(16, 16, 12),
    case(1, 1, 30, ngram=2),
    case(4, 4, 24, ngram=2),
    case(3, 2, 30, ends=[0], ngram=3, penalty=0.5),
]
# Where the file has rules of its own. All have an end: those without ignore what is forced.
RULES = [
    case(2, 2, 16, ends=[0]),
    case(4, 4, 24, ends=[0, 1]),
    case(4, 3, 20, ends=[1], penalty=2.0, stopping=True),
    case(5, 5, 12, ends=[2], ngram=1, penalty=0.3, stopping="never"),
    case(4, 2, 16, ends=[0], least=12),
]
GROUPS = [
    case(4, 4, 20, groups=2, diversity=0.5),
    case(4, 4, 20, groups=4, diversity=1.0),
    case(6, 6, 20, groups=3, diversity=2.0, ends=[0]),
    case(6, 6, 20, groups=3, diversity=2.0, ends=[0], stopping=True),
    case(6, 4, 20, groups=2, diversity=0.7, ends=[1], stopping="never", penalty=0.5),
    case(4, 4, 20, groups=2, diversity=0.3, ends=[0], penalty=2.0),
    case(8, 8, 16, groups=4, diversity=0.2, ends=[2], penalty=0.0, least=3),
]


# ---- models ---------------------------------------------------------------------------------------

def value(reader, key, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


def build(reader):
    """transformers' model of a file, in either release. Rope as these models have it: not scaled."""
    arch = value(reader, "general.architecture")
    get = lambda name, default=None: value(reader, f"{arch}.{name}", default)
    tensors = {t.name: t for t in reader.tensors}
    assert get("rope.scaling.type") is None
    theta = get("rope.freq_base")
    shared = dict(
        hidden_size=get("embedding_length"), num_attention_heads=get("attention.head_count"),
        num_key_value_heads=get("attention.head_count_kv"), head_dim=get("attention.key_length"),
        intermediate_size=get("feed_forward_length"), num_hidden_layers=get("block_count"),
        vocab_size=int(tensors["token_embd.weight"].shape[1]),
        rms_norm_eps=get("attention.layer_norm_rms_epsilon"), max_position_embeddings=256,
        tie_word_embeddings="output.weight" not in tensors, attn_implementation="eager",
        bos_token_id=None, eos_token_id=None, pad_token_id=None)
    plain = {"rope_type": "default", "rope_theta": theta}
    if arch == "gemma3":
        shared |= dict(query_pre_attn_scalar=shared["head_dim"],
                       sliding_window=get("attention.sliding_window"))
        shared |= dict(rope_theta=theta, rope_local_base_freq=10000.0) if OLD else dict(
            rope_parameters={"full_attention": plain, "sliding_attention": {
                "rope_type": "default", "rope_theta": 10000.0}})
    else:
        shared |= dict(rope_theta=theta) if OLD else dict(rope_parameters=plain)
    config, model = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "gemma3": (transformers.Gemma3TextConfig, transformers.Gemma3ForCausalLM),
    }[arch]
    config = config(**shared)
    model = model(config).float().eval()
    state = {}
    for name in model.state_dict():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        g = gguf_map.gguf_name(arch, name)
        array = np.array(tensors[g].data).reshape(tuple(tensors[g].shape[::-1]))
        state[name] = torch.from_numpy(gguf_map.from_gguf(arch, g, array, config).copy())
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(m == "lm_head.weight" for m in missing), (missing, unexpected)
    model.tie_weights()
    return model


def build_encoder_decoder(name, reader):
    """The same for those that make_encoder_decoder.py made. Its files hold no settings for generating,
    and the defaults of transformers' classes are not meant."""
    import make_encoder_decoder as m
    spec = m.MODELS[name]
    tensors = {t.name: t for t in reader.tensors}
    empty = m.CLASSES[spec["cls"]][1](m.CLASSES[spec["cls"]][0](**spec["config"]))
    names = [n for n, _ in [*empty.named_parameters(), *empty.named_buffers()]]
    state = {}
    for hf_name in dict.fromkeys(names + ["lm_head.weight"]):
        t = tensors.get(gguf_map.gguf_name(spec["cls"], hf_name))
        if t is not None:
            array = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
            state[hf_name] = array.reshape(tuple(t.shape[::-1]))
    assert len(state) == len(tensors), set(tensors)
    if "final_logits_bias" in state:
        state["final_logits_bias"] = state["final_logits_bias"].reshape(1, -1)
    model = m.build_model(spec, state)
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=model.config.decoder_start_token_id, **spec.get("generation", {}))
    return model


# ---- searches -------------------------------------------------------------------------------------

@torch.no_grad()
def search(model, prompt, c, ends, pad):
    more = {}
    if c["groups"] > 1:
        more = dict(num_beam_groups=c["groups"], diversity_penalty=c["diversity"])
    if c["ngram"]:
        more["no_repeat_ngram_size"] = c["ngram"]
    if c["least"]:
        more["min_new_tokens"] = c["least"]
    if c["beams"] > 1:
        more |= dict(length_penalty=c["penalty"], early_stopping=c["stopping"],
                     num_return_sequences=c["n_return"])
    begin, n_forced = len(prompt), 0
    if model.config.is_encoder_decoder:  # T5's cache wants as many layers in both parts
        n_forced = model.generation_config.forced_bos_token_id is not None
        begin, more["use_cache"] = 1 + n_forced, False
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)),
                         do_sample=False, num_beams=c["beams"], max_new_tokens=c["predict"] + n_forced,
                         eos_token_id=ends or None, pad_token_id=pad, output_scores=True, output_logits=True,
                         return_dict_in_generate=True, **more)
    if c["beams"] == 1:  # greedy: the same, with nothing to choose
        tokens = out.sequences[0, begin:].tolist()
        logprobs = [torch.log_softmax(s[0].double(), -1)[t].item() for s, t in zip(out.logits, tokens)]
        return [(sum(logprobs) / len(tokens) ** c["penalty"], tokens)]
    found = []
    for row, score in zip(out.sequences, out.sequences_scores):
        tokens = row[begin:].tolist()  # behind the end there is padding
        n = next((i + 1 for i, t in enumerate(tokens) if t in ends), c["predict"])
        assert len(tokens) >= n
        found.append((score.item(), tokens[:n]))
    return found


def same(a, b):
    return [t for _, t in a] == [t for _, t in b]


def single_logits(model, inputs, output):
    output.logits = output.logits.float()
    return output


def frequent(model, prompt):
    """Tokens that searches find, those first that texts would end with early and late."""
    counts = np.zeros(model.config.vocab_size, int)
    for _, tokens in search(model, prompt, case(4, 4, 24), [], 0):
        for t in tokens[3:]:
            counts[t] += 1
    return [int(t) for t in np.argsort(-counts, kind="stable") if counts[t]]


def load(name, here):
    """What is in front of the texts: lines of the file to be written. And a function for the model."""
    if name == "bart-d6-rules":
        rows = {"source": "11 40 3 22 8 35 35 19 2 46 27 14"}
    else:
        with open(os.path.join(here, name + ".expect"), encoding="utf-8") as f:
            rows = dict(line.rstrip("\n").split(": ", 1) for line in f)
    rows = {"model": rows.get("model", name + ".gguf"), "source": rows.get("source"),
            "prompt": rows.get("prompt") if "source" not in rows else None}
    path = os.path.join(here, rows["model"])
    if os.path.isdir(path):
        return rows, lambda: transformers.AutoModelForSeq2SeqLM.from_pretrained(
            path, dtype=torch.float32, attn_implementation="eager").eval()
    reader = gguf.GGUFReader(path)
    if rows["source"]:
        return rows, lambda: build_encoder_decoder(name, reader)
    return rows, lambda: build(reader)


def make(name, here, cases, suffix):
    rows, make_model = load(name, here)
    rows = {k: v for k, v in rows.items() if v}
    prompt = [int(t) for t in rows.get("source", rows.get("prompt")).split()]
    single, double = make_model(), make_model().double()
    double.register_forward_hook(single_logits)  # transformers 4 wants them so, 5 makes them so
    tokens = frequent(single, prompt)
    n = 0
    with open(os.path.join(here, "beams", name + suffix), "w", encoding="utf-8") as f:
        f.write("".join(f"{k}: {v}\n" for k, v in rows.items()))
        for c in cases:
            ends = [tokens[min(i, len(tokens) - 1)] for i in c["ends"]]
            found = search(single, prompt, c, ends, 0)
            again = search(double, prompt, c, ends, 0)
            other = search(single, prompt, c, ends, model_pad(single, tokens))
            if not same(found, again) or (c["groups"] > 1 and not same(found, other)):
                print(f"{name}: left out, rounding or padding decides: {c}")
                continue
            f.write(f"case: beams={c['beams']} groups={c['groups']} diversity={c['diversity']} "
                    f"penalty={c['penalty']} stopping={str(c['stopping']).lower()} "
                    f"return={c['n_return']} predict={c['predict']} min={c['least']} ngram={c['ngram']} "
                    f"ends={','.join(map(str, ends)) or '-'}\n")
            for score, t in found:
                f.write(f"text: {score:.7g} {' '.join(map(str, t))}\n")
            n += 1
            lengths = [len(t) for _, t in found]
            print(f"{name}: {c['beams']} beams, {c['stopping']}, {c['penalty']}: lengths {lengths}")
    return n


def model_pad(model, tokens):
    """A padding token that no search finds."""
    return next(t for t in reversed(range(model.config.vocab_size)) if t not in tokens and t)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--groups", action="store_true")
    args = parser.parse_args()
    assert args.groups == OLD, "groups want transformers 4, the rest transformers 5"
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    os.makedirs(os.path.join(here, "beams"), exist_ok=True)
    for name in MODELS if args.groups else MODELS + SOURCES + RULED:
        cases = GROUPS if args.groups else RULES if name in RULED else CASES
        n = make(name, here, cases, ".groups.beams" if args.groups else ".beams")
        print(f"{name}: {n} cases", flush=True)


if __name__ == "__main__":
    main()
