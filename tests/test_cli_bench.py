"""samara bench as its users meet it. cli.py says how to run it.
"""
import csv
import io
import json
import os
import re
import statistics
import sys

import cli
from cli import BARE, BPE, GOLDEN, REFERENCE, call, error_of, test, text_of

FOLDER = os.path.join("folders", "qwen3")
QUICK = ["bench", *REFERENCE, "--no-starts", "-r", "2"]
TINY = ["--synthetic", "tiny"]


def bench(*args, **more):
    return json.loads(text_of(*QUICK, "-o", "json", *args, **more))


@test
def json_has_every_figure():
    out = bench(BPE, "-p", "16,3", "-n", "5", "-d", "0,20", "-r", "3")
    assert [(r["test"], r["depth"]) for r in out["results"]] == [
        ("pp16", 0), ("pp3", 0), ("tg5", 0), ("pp16", 20), ("pp3", 20), ("tg5", 20)]
    for row in out["results"]:
        assert len(row["samples"]) == 3 and all(s > 0 for s in row["samples"])
        assert abs(row["tokens_per_s"] / statistics.mean(row["samples"]) - 1) < 1e-6
        assert abs(row["deviation"] - statistics.stdev(row["samples"])) < 1e-6 * row["tokens_per_s"]
        # The reference device computes in the calling thread: it has hardly time for more.
        assert 0 < row["cpu_us_per_token"] * 1e-6
        assert row.get("sampling") == ("host" if row["test"] == "tg5" else None), row
        submissions = 1 if row["test"] == "tg5" else 1 / row["n_tokens"]
        assert abs(row["submissions_per_token"] - submissions) < 1e-9, row
    assert out["device"]["id"] == "reference" and out["device"]["fingerprint"]
    assert out["model"]["synthetic"] is False and out["model"]["name"] == "llama-text-bpe"
    assert out["first_token"] is None
    memory = out["memory"]
    assert memory["weights"] > 0 and memory["cache"] > 0 and memory["activations"] > 0
    assert memory["process_peak"] > memory["without_libraries"] > memory["weights"]


@test
def first_tokens_are_timed():
    os.environ["TMPDIR"] = cli.scratch
    out = json.loads(text_of("bench", BPE, *REFERENCE, "-p", "4", "-n", "0", "-r", "1", "-o", "json"))
    del os.environ["TMPDIR"]
    assert 0 < out["first_token"]["warm_s"] < 60 and 0 < out["first_token"]["cold_s"] < 60
    assert re.fullmatch(r"\d+\n", text_of("bench", BPE, *REFERENCE, "--first-token"))
    kept = os.path.join(cli.scratch, "kept")  # which must not make the cold start warm
    call("bench", BPE, *REFERENCE, "-p", "2", "-n", "0", "-r", "1", "--no-kernels", "--cache-dir", kept)
    call("bench", BPE, *REFERENCE, "-p", "2", "-n", "0", "-r", "1", "--no-kernels", f"--cache-dir={kept}")
    left = [name for name in os.listdir(cli.scratch) if name.startswith("samara-bench-")]
    assert not left, left


@test
def kernels_add_up():
    out = bench(*TINY, "-p", "20", "-n", "4", "-d", "7")
    assert out["peaks"]["gb_per_s"] > 0 and out["peaks"]["gflop_per_s"] > 0
    for key, n_tokens, depth in [("prompt_step", 20, 7), ("decode_step", 1, 10)]:
        step = out[key]
        assert (step["n_tokens"], step["depth"]) == (n_tokens, depth), step
        assert sum(k["calls"] for k in step["kernels"]) == step["dispatches"] > 10
        for sums in ["time_s", "bytes", "flops"]:
            total = sum(k[sums] or 0 for k in step["kernels"])
            assert abs(total / step[sums] - 1) < 1e-6, sums
        for k in step["kernels"]:
            if k["time_s"]:
                assert abs(k["gb_per_s"] * k["time_s"] * 1e9 / k["bytes"] - 1) < 1e-6
                share = k["gflop_per_s"] / out["peaks"]["gflop_per_s"]
                assert abs(k["of_peak_arithmetic"] - share) < 1e-6 * max(1, share)
        # All weights are read once, but for the table of embeddings.
        assert out["memory"]["weights"] * 0.5 < step["bytes"]
        # Two operations for each weight and token; of the second layer only the last token matters.
        n_layer = 256 * (2 * 256 + 2 * 128) + 3 * 256 * 512
        assert step["flops"] > 2 * ((n_tokens + 1) * n_layer + 256 * 1000)
        assert step["flops"] < 2.2 * (2 * n_tokens * n_layer + 256 * 1000)
    left_out = bench(*TINY, "-p", "2", "-n", "0", "--no-kernels")
    assert left_out["peaks"] is None and left_out["prompt_step"] is None


@test
def table_and_csv():
    out = text_of(*QUICK, *TINY, "-p", "4", "-n", "3")
    assert "decode step: 1 token after 3" in out and "| matvec | Q4_0 |" in out
    assert "| pp4 | 0 |" in out and "| tg3 | 0 |" in out and "random weights" in out
    rows = list(csv.DictReader(io.StringIO(text_of(*QUICK, *TINY, "-p", "4", "-n", "3", "-o", "csv"))))
    assert [row["test"] for row in rows] == ["pp4", "tg3"]
    for row in rows:
        assert None not in row and None not in row.values()
        assert float(row["tokens_per_s"]) > 0 and row["type"] == "Q4_0" and row["model"] == "tiny"


@test
def synthetic_models():
    names = [line.split()[0] for line in text_of("bench", "--synthetic", "list").splitlines()[1:]]
    for name in ["seed-coder-8b", "seed-oss-36b", "llama-7b", "llama-1b", "qwen3-0.6b",
                 "smollm2-135m", "gemma3-270m"]:
        assert name in names, name
    for kind, expected in [("f16", "F16"), ("q4_k_m", "Q4_K"), ("iq4_nl", "IQ4_NL")]:
        out = bench(*TINY, "--type", kind, "-p", "2", "-n", "2")
        assert out["model"]["synthetic"] is True and out["model"]["type"] == expected


@test
def models_of_every_kind():
    for name in [BARE, "t5-d10-relu.gguf", "bart-d8.gguf", "gpt2-d12.gguf", FOLDER]:
        rows = bench(os.path.join(GOLDEN, name), "-p", "6", "-n", "4", "-d", "0,3")["results"]
        assert all(row["tokens_per_s"] > 0 for row in rows) and len(rows) == 4


@test
def errors():
    for args, code, words in [
        ([], 2, ["which model"]),
        ([BPE, *TINY], 2, ["--synthetic"]),
        (["--synthetic", "llama-9b"], 2, ["llama-9b", "llama-7b"]),
        ([BPE, "-p", "0", "-n", "0"], 2, ["nothing to measure"]),
        ([BPE, "-p", "1,x"], 2, ["--n-prompt", "1,x"]),
        ([BPE, "-p", ""], 2, ["--n-prompt"]),
        ([BPE, "-n", "5,"], 2, ["--n-gen"]),
        ([BPE, "-d", "-1"], 2, ["--depth"]),
        ([BPE, "-d", "99999999999999999999"], 2, ["--depth"]),
        ([BPE, "-r", "0"], 2, ["-r", "1 to 1000"]),
        ([BPE, "-o", "xml"], 2, ["md, json, csv"]),
        (["nowhere.gguf"], 3, ["nowhere.gguf"]),
        ([BPE, "-p", "4", "-n", "4", "--device", "nothing"], 4, ["nothing"]),
    ]:
        message = error_of("bench", "--no-starts", *args, code=code)
        for word in words:
            assert word in message, f"{args}: {message}"
    # What fails in the process that is started for the first token has its message and exit code.
    message = error_of("bench", BPE, "-p", "4", "-n", "4", "--device", "nothing", code=4)
    assert "nothing" in message
    # What needs more memory than there is says so before it takes any.
    message = error_of(*QUICK, "--synthetic", "seed-oss-36b", "--type", "f32", "-d", "500000", code=4)
    assert "seed-oss-36b needs" in message and "MiB" in message, message


if __name__ == "__main__":
    sys.exit(cli.main())
