#!/usr/bin/env python3
"""Compare samara convert with llama.cpp on a real model. By hand, since it needs a model.

    python convert_llama_cpp.py SAMARA MODEL.gguf|FOLDER [TYPE...]

For each type (default: f32 f16 q8_0 q4_0 q4_k): converts the model, and
- where the source is a GGUF file: lets llama.cpp quantise it too; all tensors must have the same type
  and the same bytes;
- loads the result in llama.cpp, generates 32 tokens there for each of three prompts, always the most
  likely one, and has samara do the same along that text. A difference counts where llama.cpp finds its
  token more than LIMITS likelier (in logits) than the second: on processors it rounds activations to 8
  bits before it multiplies them with quantised weights, and to f16 with those of f16, and samara does not;
- for quantised types, does that again with the result's weights turned to f32 for llama.cpp, which then
  rounds nothing.

Needs the PyPI packages llama-cpp-python, gguf and numpy, and disk for three copies of the model.
"""
import ctypes
import itertools
import json
import os
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np

FILE_TYPES = {"f32": 0, "f16": 1, "bf16": 32, "q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q8_0": 7,
              "q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k": 12, "q3_k_l": 13, "q4_k_s": 14,
              "q4_k_m": 15, "q4_k": 15, "q5_k_s": 16, "q5_k_m": 17, "q5_k": 17, "q6_k": 18,
              "iq4_nl": 25}
LIMITS = {"f32": 0.05, "f16": 0.05, "bf16": 0.1}
QUANTIZED_LIMIT = 1
PROMPTS = ["The capital of France is", "def fibonacci(n):\n", "Once upon a time, in a land far away,"]
N_PREDICT = 32


@llama_cpp.llama_log_callback
def no_log(level, text, user):
    pass


def quantize(source, target, kind):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[kind]
    params.allow_requantize = True
    code = llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params))
    assert code == 0, f"llama.cpp did not quantise to {kind}"


def same_numbers(a, b):
    """Zeros of either sign are equal; for blocks, bytes decide."""
    if a.tensor_type.name not in ["F32", "F16", "BF16"]:
        return False
    return np.array_equal(*(gguf.quants.dequantize(t.data, t.tensor_type) for t in (a, b)))


def same_tensors(ours, theirs):
    ours = {t.name: t for t in gguf.GGUFReader(ours).tensors}
    theirs = {t.name: t for t in gguf.GGUFReader(theirs).tensors}
    wrong = [f"{name} is only in one file" for name in ours.keys() ^ theirs.keys()]
    for name in ours.keys() & theirs.keys():
        a, b = ours[name], theirs[name]
        if a.tensor_type != b.tensor_type:
            wrong.append(f"{name}: {a.tensor_type.name}, llama.cpp has {b.tensor_type.name}")
        elif a.data.tobytes() != b.data.tobytes() and not same_numbers(a, b):
            differ = np.count_nonzero(a.data.reshape(-1) != b.data.reshape(-1))
            wrong.append(f"{name}: {differ} of {a.data.size} elements differ")
    return wrong, len(ours)


class Llama:
    """A model in llama.cpp."""

    def __init__(self, path):
        self.model = llama_cpp.llama_model_load_from_file(
            path.encode(), llama_cpp.llama_model_default_params())
        assert self.model, f"llama.cpp does not load {path}"
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 256
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.has_encoder = llama_cpp.llama_model_has_encoder(self.model)

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def tokenize(self, text):
        tokens = (llama_cpp.llama_token * 256)()
        n = llama_cpp.llama_tokenize(self.vocab, text.encode(), len(text.encode()), tokens, 256, True,
                                     False)
        assert n > 0
        return list(tokens[:n])

    def compute(self, tokens, function):
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        assert function(self.context, llama_cpp.llama_batch_get_one(array, len(tokens))) == 0

    def greedy(self, prompt):
        """(tokens of the prompt, generated tokens, gap to the second at each)."""
        tokens = self.tokenize(prompt)
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        begin = tokens
        if self.has_encoder:
            self.compute(tokens, llama_cpp.llama_encode)
            begin = [llama_cpp.llama_model_decoder_start_token(self.model)]
        self.compute(begin, llama_cpp.llama_decode)
        out, gaps = [], []
        for _ in range(N_PREDICT):
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.context, -1),
                                           shape=(self.n_vocab,))
            second, first = np.sort(logits)[-2:]
            out.append(int(np.argmax(logits)))
            gaps.append(float(first - second))
            self.compute(out[-1:], llama_cpp.llama_decode)
        return tokens, out, gaps


def samara_tokens(samara, model, prompt, n):
    done = subprocess.run([samara, "run", model, "--tokens", ",".join(map(str, prompt)), "--json",
                           "--temp", "0", "-n", str(n), "--ignore-eos", "-q"], check=True,
                          capture_output=True)
    return json.loads(done.stdout)["tokens"]


def compare_tokens(samara, ours, theirs, limit):
    """How many tokens agreed between two files; differences that count."""
    llama = Llama(theirs)
    n_same, wrong = 0, []
    for prompt in PROMPTS:
        tokens, want, gaps = llama.greedy(prompt)
        at = 0
        while at < N_PREDICT:  # from a difference on, along llama.cpp's text
            got = samara_tokens(samara, ours, tokens + want[:at], N_PREDICT - at)
            same = sum(1 for _ in itertools.takewhile(lambda p: p[0] == p[1], zip(got, want[at:])))
            n_same += same
            at += same
            if at < N_PREDICT and gaps[at] > limit:
                wrong.append(f"{prompt!r}: token {at} is {got[same]}, llama.cpp has {want[at]}, "
                             f"{gaps[at]:.2f} more likely")
            if llama.has_encoder:  # whose decoder would begin anew
                break
            at += 1
    llama.close()
    return f"{n_same} of {N_PREDICT * len(PROMPTS)} tokens", wrong


def convert(samara, source, target, kind):
    subprocess.run([samara, "convert", source, target, "--type", kind, "--force", "-q"], check=True,
                   stdout=subprocess.DEVNULL)


def compare(samara, source, kind, folder):
    """What is to be said of a type, and what is wrong."""
    ours, theirs = os.path.join(folder, "ours.gguf"), os.path.join(folder, "theirs.gguf")
    texts, wrong = [], []
    convert(samara, source, ours, kind)
    if os.path.isfile(source):
        quantize(source, theirs, kind)
        wrong, n = same_tensors(ours, theirs)
        texts.append(f"{n - len(wrong)} of {n} tensors are llama.cpp's")
    text, differences = compare_tokens(samara, ours, ours, LIMITS.get(kind, QUANTIZED_LIMIT))
    texts.append(text)
    wrong += differences
    if kind not in LIMITS:
        convert(samara, ours, theirs, "f32")
        text, differences = compare_tokens(samara, ours, theirs, LIMITS["f32"])
        texts.append(f"{text} where llama.cpp has the same weights in f32")
        wrong += differences
    return ", ".join(texts), wrong


def main():
    samara, source = sys.argv[1], sys.argv[2]
    types = sys.argv[3:] or ["f32", "f16", "q8_0", "q4_0", "q4_k"]
    llama_cpp.llama_log_set(no_log, ctypes.c_void_p(0))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for kind in types:
            text, wrong = compare(samara, source, kind, folder)
            print(f"{kind}: {text}", flush=True)
            for line in wrong[:10]:
                print("  " + line)
            failed |= bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
