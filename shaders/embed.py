#!/usr/bin/env python3
"""Write the shaders as one C file: a table of names and bytes.

usage: embed.py OUTPUT.c SHADER_DIR FILE...   (Python 3 alone)
"""
import os
import sys


def main():
    output, folder, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    names = sorted(os.path.relpath(path, folder) for path in files)
    out = ['// Written by shaders/embed.py.', '#include "kernel/registry.h"', '']
    for i, name in enumerate(names):
        with open(os.path.join(folder, name), 'rb') as source:
            data = source.read()
        out.append(f'static const unsigned char file{i}[] = {{ // {name}')
        for at in range(0, len(data), 24):
            out.append('    ' + ','.join(str(byte) for byte in data[at:at + 24]) + ',')
        out += ['};', '']
    out.append('const struct smr_shader_file smr_shader_files[] = {')
    out += [f'    {{"{name}", file{i}, sizeof file{i}}},' for i, name in enumerate(names)]
    out += ['};', f'const size_t smr_n_shader_files = {len(names)};', '']
    with open(output, 'w', encoding='ascii') as target:
        target.write('\n'.join(out))


main()
