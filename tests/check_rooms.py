#!/usr/bin/env python3
"""Check the rooms of runtime/: includes point down only, private headers stay in their room, and
every header compiles alone.

    check_rooms.py SOURCE_ROOT COMPILER [ARGUMENT...]

Prints TAP. Needs nothing but Python 3.8.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

# What each room may include besides itself and samara.h.
ROOMS = {
    "base": [],
    "device": ["base"],
    "kernel": ["base", "device"],
    "model": ["base"],
    "text": ["base", "model"],
    "convert": ["base", "device", "model", "text"],
    "graph": ["base", "model"],
    "schedule": ["base", "device", "kernel", "model", "graph"],
    "generate": ["base", "device", "kernel", "model", "text", "graph", "schedule"],
}

# Headers that only their own room includes.
PRIVATE = {
    "convert/choose.h",
    "device/device_impl.h",
    "device/hazards.h",
    "device/identity.h",
    "model/folder.h",
    "model/gguf.h",
    "model/hparams.h",
    "model/json.h",
    "model/model_file.h",
    "model/names.h",
    "model/quantize_impl.h",
    "model/quantize_search.h",
    "model/safetensors.h",
    "model/tensor.h",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
MISSING_SYSTEM_HEADER = re.compile(r"error: '?<?([\w./]+)'?>?[: ].*(No such file|file not found)")


def wrong_includes(runtime, path):
    """What `path` includes and should not."""
    room = path.relative_to(runtime).parts[0]
    for name in INCLUDE.findall(path.read_text()):
        if name == "samara.h":
            continue
        target = name.split("/")[0]
        if (path.parent / name).is_file() and "/" not in name:
            yield f'"{name}" should be written from runtime/'
        elif target not in ROOMS:
            # Sources that the build makes lie in no room; a header of ours that is missing does
            # not compile anyway.
            if (runtime / name).is_file():
                yield f'"{name}" is in no room'
        elif room == "samara.h":
            yield f'"{name}": the public header includes nothing of ours'
        elif target != room and target not in ROOMS[room]:
            yield f'"{name}": {room} may include only {", ".join(ROOMS[room]) or "itself"}'
        elif target != room and name in PRIVATE:
            yield f'"{name}" is private to {target}'


def compile_alone(runtime, path, compiler):
    """(state, text): state is "ok", "skip" or "failed"."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "alone.c"
        # Twice: a header without a guard shows.
        name = path.relative_to(runtime)
        source.write_text(f'#include "{name}"\n#include "{name}"\n')
        command = compiler + ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra"]
        command += ["-Werror", "-Wno-unused-parameter", "-fsyntax-only", f"-I{runtime}", str(source)]
        result = subprocess.run(command, capture_output=True, text=True,
                                env=dict(os.environ, LC_ALL="C"))
    if result.returncode == 0:
        return "ok", ""
    missing = MISSING_SYSTEM_HEADER.search(result.stderr)
    if missing and not (runtime / missing.group(1)).exists():
        return "skip", f"needs {missing.group(1)}, which is not installed"
    return "failed", result.stderr


def main():
    root, compiler = pathlib.Path(sys.argv[1]), sys.argv[2:]
    runtime = root / "runtime"
    number = failed = 0

    def report(ok, what, text="", directive=""):
        nonlocal number, failed
        number += 1
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {what}{directive}")
        for line in text.splitlines():
            print(f"# {line}")

    found = sorted(d.name for d in runtime.iterdir() if d.is_dir())
    report(found == sorted(ROOMS), "rooms are those of the table", "" if found == sorted(ROOMS) else
           f"found: {' '.join(found)}")
    for path in sorted(runtime.rglob("*.[ch]")):
        wrong = list(wrong_includes(runtime, path))
        report(not wrong, f"includes of {path.relative_to(runtime)}", "\n".join(wrong))
    for path in sorted(runtime.rglob("*.h")):
        state, text = compile_alone(runtime, path, compiler)
        report(state != "failed", f"{path.relative_to(runtime)} compiles alone",
               "" if state == "skip" else text, f" # SKIP {text}" if state == "skip" else "")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
