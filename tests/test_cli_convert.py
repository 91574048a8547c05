"""samara convert as its users meet it. cli.py says how to run it.
"""
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time

import cli
from cli import BPE, call, environment, error_of, expectation, ids, run_json, test, text_of


@test
def convert_and_run():
    out = os.path.join(cli.scratch, "out.gguf")
    report = json.loads(text_of("convert", BPE, out, "--type", "f32", "--json"))
    assert report["file"] == out and report["size"] == os.path.getsize(out), report
    assert report["fallbacks"] == [] and report["requantized"] == 0, report
    assert sum(t["tensors"] for t in report["types"].values()) == report["tensors"], report
    want = expectation(BPE)
    got = run_json(out, "--tokens", ids(want["prompt"]), "--temp", "0", "-n", "8", "--ignore-eos")
    assert got["tokens"] == want["greedy"][:8], got["tokens"]
    text = " ".join(text_of("convert", "--help").split())
    kinds = re.search(r"see above: (.*?) \(default", text).group(1).split(", ")
    assert len(kinds) > 15, kinds
    for kind in kinds:
        call("convert", BPE, out, "--type", kind, "--force", "-q")
        assert text_of("info", out).count("\n") > 5


@test
def convert_says_what_it_did():
    out = os.path.join(cli.scratch, "out.gguf")
    err = call("convert", BPE, out, "--type", "q4_k")[1].decode()
    assert "rows are no multiple of 256" in err, err
    fallbacks = json.loads(text_of("convert", BPE, out, "--type", "q4_k", "--force", "--json"))[
        "fallbacks"]
    assert all(f["name"].endswith("weight") and f["type"] != f["wanted"] for f in fallbacks)
    assert any(f["wanted"] == "Q4_K" for f in fallbacks), fallbacks
    call("convert", BPE, out, "--type", "q8_0", "--force")
    again = os.path.join(cli.scratch, "again.gguf")
    assert b"a second loss" in call("convert", out, again, "--type", "q4_0")[1]
    assert call("convert", out, again, "--type", "q5_0", "--force", "-q")[1] == b""


@test
def convert_refuses():
    out = os.path.join(cli.scratch, "out.gguf")
    call("convert", BPE, out)
    assert "exists" in error_of("convert", BPE, out, code=1)
    call("convert", BPE, out, "--force")
    assert "would be converted" in error_of("convert", out, out, "--force", code=2)
    assert "which model" in error_of("convert", code=2)
    assert "where to" in error_of("convert", BPE, code=2)
    assert "q4_z" in error_of("convert", BPE, out, "--type", "q4_z", code=2)
    assert "nowhere" in error_of("convert", BPE, "/nowhere/out.gguf", code=1)
    assert "no such file" in error_of("convert", "nowhere.gguf", out, code=3)
    assert os.listdir(cli.scratch) == ["out.gguf"]


def write_zeros(path, n_rows):
    """A GGUF file with one tensor of 4096 columns, sparse on disk."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()
    with open(path, "wb") as f:
        keys = {"block_count": 1, "context_length": 64, "embedding_length": 4096,
                "feed_forward_length": 64, "attention.head_count": 32}
        f.write(b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys) + 2) + text("general.architecture") +
                struct.pack("<I", 8) + text("llama"))
        f.write(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5))
        for key, value in keys.items():
            f.write(text("llama." + key) + struct.pack("<II", 4, value))
        f.write(text("blk.0.ffn_up.weight") + struct.pack("<IQQIQ", 2, 4096, n_rows, 0, 0))
        f.write(bytes(-f.tell() % 32))
        f.truncate(f.tell() + n_rows * 4096 * 4)


@test
def interrupting_convert_leaves_nothing():
    big, out = os.path.join(cli.scratch, "big.gguf"), os.path.join(cli.scratch, "out.gguf")
    write_zeros(big, 100000)
    for stop in [signal.SIGINT, signal.SIGTERM]:
        process = subprocess.Popen([cli.samara, "convert", big, out, "--type", "q4_k", "--threads", "1"],
                                   env=environment(), stderr=subprocess.PIPE)
        for _ in range(1000):
            if any(name.endswith(".part") for name in os.listdir(cli.scratch)):
                break
            time.sleep(0.01)
        process.send_signal(stop)
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 130 and err == b"", (process.returncode, err)
        assert os.listdir(cli.scratch) == ["big.gguf"], os.listdir(cli.scratch)


if __name__ == "__main__":
    sys.exit(cli.main())
