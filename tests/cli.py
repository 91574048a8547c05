"""What the tests of the samara command share. Each is run as

    python test_cli_NAME.py SAMARA [FILTER]

SAMARA is the built command. Prints TAP; with FILTER only the tests whose name contains it. Runs the
tiny models of golden/ on the reference device. Needs nothing but the standard library.
"""
import array
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "golden")
BPE = os.path.join(GOLDEN, "llama-text-bpe.gguf")
SPM = os.path.join(GOLDEN, "gemma3-text-spm.gguf")
BARE = os.path.join(GOLDEN, "llama-d8-gqa3.gguf")  # without a tokenizer
COMMANDS = ["run", "summarize", "info", "tokenize", "convert", "devices", "check", "bench",
            "tune"]
SHELLS = ["bash", "zsh", "fish"]
REFERENCE = ["--device", "reference"]
GPUS = ["discrete", "integrated"]

samara = None
scratch = None
tests = []


class Skip(Exception):
    pass


def test(function):
    tests.append(function)
    return function


def environment(**changes):
    env = dict(os.environ, XDG_CACHE_HOME=os.path.join(scratch, "cache"), TERM="xterm")
    env.pop("NO_COLOR", None)
    env.update(changes)
    return env


def call(*args, stdin=b"", code=0, **more):
    """Run samara, check its exit code, and return (stdout, stderr) as bytes."""
    done = subprocess.run([samara, *args], input=stdin, capture_output=True, timeout=120,
                          env=environment(), **more)
    assert done.returncode == code, f"{args}: exit {done.returncode}, not {code}: {done.stderr}"
    return done.stdout, done.stderr


def text_of(*args, **more):
    return call(*args, **more)[0].decode()


def error_of(*args, code, **more):
    """The message of a call that must fail: one line, and nothing on stdout."""
    out, err = call(*args, code=code, **more)
    assert out == b"", f"{args}: {out!r} on stdout"
    lines = err.decode(errors="replace").splitlines()
    assert len(lines) == 1, f"{args}: not one line: {lines}"
    assert lines[0].startswith("samara"), lines[0]
    return lines[0]


def run_json(model, *args, **more):
    return json.loads(text_of("run", model, *REFERENCE, "--json", *args, **more))


def expectation(model):
    with open(os.path.splitext(model)[0] + ".expect", encoding="utf-8") as f:
        rows = dict(line.rstrip("\n").split(": ", 1) for line in f)
    return {
        "text": rows.get("text", "").replace("\\n", "\n").replace("\\\\", "\\"),
        "prompt": [int(t) for t in rows["prompt"].split()],
        "greedy": [int(t) for t in rows["greedy"].split()],
        "gap": [float(g) for g in rows["gap"].split()],
        "logits": [float(x) for x in rows["logits"].split()],
    }


def ids(tokens):
    return ",".join(map(str, tokens))


def long_options(command):
    rows = re.findall(r"^  (-.*?)(?:  |$)", text_of(command, "--help"), re.M)
    return [name for row in rows for name in re.findall(r"--[a-z-]+", row)]


def read_npy(path):
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"\x93NUMPY\x01\x00" and (10 + data[8] + 256 * data[9]) % 64 == 0
    start = 10 + data[8] + 256 * data[9]
    head = eval(data[10:start], {"__builtins__": {}})  # NEP 1: a literal dictionary
    values = array.array("f", data[start:])
    assert head == {"descr": "<f4" if sys.byteorder == "little" else ">f4", "fortran_order": False,
                    "shape": (len(values),)}, head
    return list(values)


def main():
    global samara, scratch
    samara = os.path.abspath(sys.argv[1])
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    chosen = [t for t in tests if wanted in t.__name__]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, function in enumerate(chosen, 1):
        with tempfile.TemporaryDirectory(prefix="samara-cli-") as scratch:
            try:
                function()
                print(f"ok {number} - {function.__name__}", flush=True)
            except Skip as reason:
                print(f"ok {number} - {function.__name__} # SKIP {reason}", flush=True)
            except Exception as error:  # the next test may still tell something
                failed += 1
                print(f"not ok {number} - {function.__name__}", flush=True)
                print("\n".join(f"# {type(error).__name__}: {error}".splitlines()), flush=True)
    return failed > 0
