#!/usr/bin/env python3
"""Write random blocks of every format with the values an independent decoder gives for them.

    python3 tests/golden/make_blocks.py > tests/golden/blocks.h

Needs the PyPI packages gguf and numpy: the expected values come from gguf.quants.dequantize. The
bytes are random, so every bit of every block matters; only the f16 scales are kept finite, some of
them denormal (real K-quants have such scales).
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

# Type, elements to write, byte offsets of the f16 scales in a block.
FORMATS = [
    (T.F32, 5, []),
    (T.F16, 17, [0]),
    (T.BF16, 17, []),
    (T.Q8_0, 128, [0]),
    (T.Q4_0, 128, [0]),
    (T.Q4_1, 128, [0, 2]),
    (T.Q5_0, 128, [0]),
    (T.Q5_1, 128, [0, 2]),
    (T.IQ4_NL, 128, [0]),
    (T.Q2_K, 512, [80, 82]),
    (T.Q3_K, 512, [108]),
    (T.Q4_K, 512, [0, 2]),
    (T.Q5_K, 512, [0, 2]),
    (T.Q6_K, 512, [208]),
]


def make_blocks(rng, kind, n_elements, scales):
    block_elements, block_size = gguf.GGML_QUANT_SIZES[kind]
    n_blocks = n_elements // block_elements
    if kind == T.F32:
        return rng.standard_normal(n_blocks).astype("<f4").view(np.uint8).reshape(n_blocks, 4)
    if kind == T.BF16:
        values = rng.standard_normal(n_blocks).astype("<f4").view("<u4") >> 16
        return values.astype("<u2").view(np.uint8).reshape(n_blocks, 2)
    blocks = rng.integers(0, 256, (n_blocks, block_size), dtype=np.uint8)
    for at in scales:
        values = rng.uniform(-2, 2, n_blocks).astype("<f2")
        values[::3] = (rng.uniform(-1, 1, len(values[::3])) * 3e-5).astype("<f2")
        blocks[:, at : at + 2] = values.view(np.uint8).reshape(n_blocks, 2)
    return blocks


def print_array(kind, name, values, form, per_line):
    print(f"static const {kind} {name}[{len(values)}] = {{")
    for i in range(0, len(values), per_line):
        print("    " + ", ".join(form.format(v) for v in values[i : i + per_line]) + ",")
    print("};")


def main():
    rng = np.random.default_rng(20)
    print("// Made by tests/golden/make_blocks.py: blocks, and their values as bits of f32.")
    print("// clang-format off")
    for kind, n_elements, scales in FORMATS:
        blocks = make_blocks(rng, kind, n_elements, scales)
        values = gguf.quants.dequantize(blocks, kind).reshape(-1).astype("<f4")
        assert len(values) == n_elements and np.all(np.isfinite(values))
        name = kind.name.lower()
        print_array("uint8_t", f"{name}_blocks", blocks.reshape(-1), "{}", 20)
        print_array("uint32_t", f"{name}_values", values.view("<u4"), "0x{:08x}", 8)
    print("static const struct golden_blocks golden_blocks[] = {")
    for kind, n_elements, _ in FORMATS:
        name = kind.name.lower()
        print(f"    {{SMR_{kind.name}, {n_elements}, {name}_blocks, {name}_values}},")
    print("};")


if __name__ == "__main__":
    main()
