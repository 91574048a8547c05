#!/usr/bin/env python3
"""Quantise seeded values with ggml's own quantiser, for tests/test_quantize.c.

    python3 tests/golden/make_quants.py tests/golden/quants.bin

Needs the PyPI packages llama-cpp-python (whose libggml-base has ggml_quantize_chunk), gguf and numpy.
Where gguf has the format too, both must agree.

quants.bin, little-endian: u32 n, f32 values[n]; then for each type u32 type, u32 size, the blocks of
the values [size], u32 crc32 of the blocks of N_LARGE values that large_values() describes.
"""
import ctypes
import pathlib
import struct
import sys
import zlib

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as T

TYPES = [T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.IQ4_NL, T.Q2_K, T.Q3_K, T.Q4_K,
         T.Q5_K, T.Q6_K]
IN_GGUF = [T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1]
N_LARGE = 1 << 18


def load_ggml():
    folder = pathlib.Path(llama_cpp.__file__).parent / "lib"
    ggml = ctypes.CDLL(str(folder / "libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + \
        [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    return ggml


def small_values():
    """Six blocks of 256, of the kinds that a search can go wrong on."""
    rng = np.random.default_rng(7)
    normal = rng.standard_normal(256)
    groups = rng.standard_normal((16, 16)) * 0.02
    groups[1] = 0  # nothing
    groups[3] = 0.25  # one value
    groups[4] = -0.125
    groups[6, 1:] = 0  # one element that counts
    groups[8] = np.abs(groups[8]) + 1  # far from zero
    groups[9] = -np.abs(groups[9]) - 1
    groups[12] *= 1e-3  # a scale of 0 beside the others
    groups[13] *= 1e-18  # all zero, nearly
    heavy = rng.standard_t(2, 256) * 0.05
    tiny = rng.standard_normal(256) * 1e-7  # scales that are denormal in f16
    ties = rng.integers(-16, 17, 256) * 0.5  # often halfway between levels, both signs at the top
    positive = rng.uniform(0, 3, 256)
    return np.concatenate([normal, groups.reshape(-1), heavy, tiny, ties, positive]).astype("<f4")


def large_values():
    """Bell-shaped, a scale for each 32, an outlier among 64. All steps are exact in f32."""
    state, values = 12345, np.empty(N_LARGE, "<f4")

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return state >> 40
    for i in range(N_LARGE):
        if i % 32 == 0:
            scale = 2.0 ** -(draw() % 8)
        total = sum(draw() >> 2 for _ in range(4)) - 2**23
        outlier = 8 if draw() % 64 == 0 else 1
        values[i] = total * 2.0**-23 * scale * outlier
    return values


def quantize(ggml, kind, values):
    """The bytes of `values` as one row."""
    if kind == T.F16:
        return values.astype("<f2").tobytes()
    if kind == T.BF16:
        return gguf.quants.quantize(values.reshape(1, -1), kind).tobytes()
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    out = (ctypes.c_uint8 * (len(values) // elements * size))()
    source = np.ascontiguousarray(values)
    wrote = ggml.ggml_quantize_chunk(int(kind), source.ctypes.data, out, 0, 1, len(values), None)
    assert wrote == len(out)
    if kind in IN_GGUF:
        assert gguf.quants.quantize(source.reshape(1, -1), kind).tobytes() == bytes(out), kind
    return bytes(out)


def main():
    ggml, small, large = load_ggml(), small_values(), large_values()
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<I", len(small)) + small.tobytes())
        for kind in TYPES:
            blocks = quantize(ggml, kind, small)
            crc = zlib.crc32(quantize(ggml, kind, large))
            file.write(struct.pack("<II", int(kind), len(blocks)) + blocks + struct.pack("<I", crc))


if __name__ == "__main__":
    main()
