"""samara run as its users meet it: prompts, tokens, JSON, samples, beams, rules.
cli.py says how to run it.
"""
import json
import math
import os
import sys

import cli
from cli import (BARE, BPE, GOLDEN, REFERENCE, SPM, call, error_of, expectation, ids, read_npy,
                 run_json, Skip, test, text_of)


@test
def greedy_tokens():
    for model in [BPE, SPM, BARE]:
        expect = expectation(model)
        n = next((i for i, gap in enumerate(expect["gap"]) if gap < 0.05), len(expect["gap"]))
        out = run_json(model, "--tokens", ids(expect["prompt"]), "--temp", "0", "-n", str(n),
                       "--ignore-eos")
        assert out["prompt_tokens"] == expect["prompt"]
        assert out["tokens"] == expect["greedy"][:n], out["tokens"]
        assert out["stop_reason"] == "length" and out["device"] == "reference"


@test
def json_object():
    out = run_json(BPE, "-p", "the cat", "-n", "5", "--ignore-eos")
    assert {"prompt_tokens", "tokens", "text", "stop_reason", "device", "timings",
            "memory"} <= set(out)
    assert "logprobs" not in out
    keys = ["load_ms", "compile_ms", "prompt_ms", "prompt_tokens_per_s", "decode_ms",
            "decode_tokens_per_s", "first_token_ms", "cpu_us_per_token", "submissions_per_token"]
    assert list(out["timings"]) == keys
    assert all(value >= 0 for value in out["timings"].values())
    assert out["timings"]["first_token_ms"] >= out["timings"]["prompt_ms"] > 0
    assert out["memory"]["total"] >= out["memory"]["weights"] > 0
    assert len(out["tokens"]) == 5
    assert out["threads"] == 1, out["threads"]


@test
def the_device_samples_the_same():
    for more in [[], ["--temp", "0"], ["--top-k", "0", "--temp", "2", "--repeat-penalty", "1.2"],
                 ["-l", "200=3", "--presence-penalty", "0.5", "--repeat-last-n", "-1"]]:
        args = ["-p", "the cat", "-n", "30", "--ignore-eos", "--seed", "3", "--no-speculation", *more]
        host, device = (run_json(BPE, *args, "--sampling", where) for where in ["host", "device"])
        assert host["tokens"] == device["tokens"], more
        assert (host["sampling"], device["sampling"]) == ("host", "device"), more
        assert host["timings"]["submissions_per_token"] == 1
    assert run_json(BPE, "-p", "the cat", "-n", "5")["sampling"] == "host"  # no GPU


@test
def threads():
    for device in json.loads(text_of("devices", "--json")):
        if device["usable"] and device["backend"] == "opencl" and device["type"] == "cpu":
            out = json.loads(text_of("run", BPE, "--tokens", "1", "-n", "2", "--json", "--device",
                                     device["id"], "-t", "1"))
            assert out["threads"] == 1 <= device["threads"], out
    assert "-t: -1" in error_of("run", BPE, "-p", "x", "-t", "-1", code=2)


@test
def tuning():
    assert "nothing to choose" in text_of("tune", BPE, *REFERENCE)
    for device in json.loads(text_of("devices", "--json")):
        if device["usable"] and device["backend"] == "vulkan":
            args = ["tune", BPE, "--device", device["id"], "-b", "16", "--json"]
            results = json.loads(text_of(*args))["results"]
            assert results and all(r["chosen_us"] <= r["default_us"] for r in results), results
            assert {r["n_rows"] for r in results} >= {1, 2, 16}, results
            break
    assert "nowhere" in error_of("tune", "nowhere", code=3)


@test
def text_on_stdout_alone():
    args = ["-p", "the cat", "-n", "8", "--ignore-eos", "--seed", "1"]
    out, err = call("run", BPE, *REFERENCE, *args)
    assert out.decode(errors="replace") == run_json(BPE, *args)["text"]
    lines = err.decode().splitlines()
    assert len(lines) == 1 and "seed 1" in lines[0] and "/s" in lines[0], lines
    quiet = call("run", BPE, *REFERENCE, "--quiet", *args)
    assert quiet == (out, b"")


@test
def prompts_from_everywhere():
    prompt = "the cat and the hat"
    path = os.path.join(cli.scratch, "prompt")
    with open(path, "w", encoding="utf-8") as f:
        f.write(prompt + "\n")
    args = ["-n", "3", "--temp", "0"]
    expected = run_json(BPE, "-p", prompt, *args)["prompt_tokens"]
    for more in [["--prompt-file", path], ["-f", path], ["-m", BPE, "-p", prompt, "--raw"],
                 ["--prompt=" + prompt], ["--tokens", ids(expected)]]:
        model = [] if "-m" in more else [BPE]
        out = json.loads(text_of("run", *model, *REFERENCE, "--json", *args, *more))
        assert out["prompt_tokens"] == expected, more
    for more in [["-p", "-"], ["--prompt-file", "-"], []]:
        assert run_json(BPE, *args, *more, stdin=prompt.encode())["prompt_tokens"] == expected, more
    escaped = run_json(BPE, *args, "-e", "-p", "a\\nb\\q")["prompt_tokens"]
    assert escaped == run_json(BPE, *args, "-p", "a\nb\\q")["prompt_tokens"]
    assert "nowhere" in error_of("run", BPE, "-f", "nowhere", code=1)


@test
def same_seed_same_text():
    def sample(seed, *more):
        return run_json(BPE, "--tokens", "1,2,3", "-n", "40", "--ignore-eos", "--temp", "1.5",
                        "--seed", str(seed), *more)["tokens"]

    assert sample(7) == sample(7)
    assert sample(7) != sample(8)
    random = [run_json(BPE, "--tokens", "1", "-n", "1")["seed"] for _ in range(2)]
    assert random[0] != random[1]


@test
def samples_are_runs():
    args = ["--tokens", "1,2,3", "-n", "20", "--ignore-eos", "--temp", "1.5"]
    many = run_json(BPE, *args, "--seed", "7", "--samples", "3", "--logprobs", "1")
    assert len(many["samples"]) == 3 and many["tokens"] == many["samples"][0]["tokens"]
    for i, sample in enumerate(many["samples"]):
        alone = run_json(BPE, *args, "--seed", str(7 + i), "--logprobs", "1")
        assert sample["seed"] == 7 + i and sample["stop_reason"] == "length"
        assert sample["tokens"] == alone["tokens"] and sample["text"] == alone["text"], i
        assert len(sample["logprobs"]) == 20
    out = call("run", BPE, *REFERENCE, *args, "--seed", "7", "--samples", "3")[0]
    for i in range(3):
        assert b"[%d/3] seed %d\n" % (i + 1, 7 + i) in out


@test
def beams_are_those_of_transformers():
    names = {"beams": "--beams", "penalty": "--length-penalty", "stopping": "--early-stopping",
             "return": "--samples", "predict": "-n"}
    with open(os.path.join(GOLDEN, "beams", "llama-text-bpe.beams"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    prompt, args, n = lines[1].split(": ")[1].replace(" ", ","), None, 0
    for i, line in enumerate(lines):
        key, value = line.split(": ", 1)
        if key != "case" or "min=0 ngram=0 ends=-" not in value or n == 3:
            continue
        case = dict(part.split("=") for part in value.split())
        args = [x for key, name in names.items() for x in (name, case[key])]
        out = run_json(BPE, "--tokens", prompt, "--ignore-eos", "--cache-type", "f32", *args)
        texts = [line.split()[1:] for line in lines[i + 1:i + 1 + int(case["return"])]]
        assert len(out["beams"]) == len(texts)
        for beam, (score, *tokens) in zip(out["beams"], texts):
            assert beam["tokens"] == [int(t) for t in tokens], value
            assert abs(beam["score"] - float(score)) < 1e-4 * max(1, abs(float(score)))
        n += 1
    assert n == 3
    full = run_json(BPE, "--tokens", prompt, "--ignore-eos", "--beams", "2", "-c", "30")
    assert full["stop_reason"] == "context" and len(full["tokens"]) == 30 - len(prompt.split(","))
    out = call("run", BPE, *REFERENCE, "--tokens", "1", "-n", "4", "--beams", "2", "--samples", "2")[0]
    assert out.startswith(b"[1/2] score -") and b"\n[2/2] score -" in out


@test
def ends():
    def run(*args):
        return run_json(BPE, "--tokens", "1,2,3", "--temp", "0", *args)

    plain = run("-n", "12", "--ignore-eos")
    assert plain["stop_reason"] == "length" and len(plain["tokens"]) == 12
    text = plain["text"]
    cut = run("-n", "12", "--ignore-eos", "--stop", "nowhere", "--stop", text[3:5])
    assert cut["stop_reason"] == "string" and cut["text"] == text[:text.index(text[3:5])], cut
    full = run("-c", "16", "--ignore-eos")
    assert full["stop_reason"] == "context" and len(full["tokens"]) <= 13
    ended = run("--logit-bias", "275=1000")
    assert ended["stop_reason"] == "end" and ended["text"] == "", ended
    nothing = run("-n", "0")
    assert nothing["stop_reason"] == "length" and nothing["tokens"] == []


@test
def rules():
    args = ["--tokens", "1,2,3", "-n", "40", "--temp", "0"]
    assert len(run_json(BPE, *args, "-l", "275=1000")["tokens"]) == 1
    late = run_json(BPE, *args, "-l", "275=1000", "--min-tokens", "6")
    assert late["stop_reason"] == "end" and len(late["tokens"]) == 7, late["tokens"]
    once = [1, 2, 3] + run_json(BPE, *args, "--ignore-eos", "--no-repeat-ngram", "2")["tokens"]
    pairs = list(zip(once, once[1:]))
    assert len(pairs) == 42 and len(set(pairs)) == 42, once
    many = [1, 2, 3] + run_json(BPE, *args, "--ignore-eos", "-n", "200")["tokens"]
    assert len(set(zip(many, many[1:]))) < len(many) - 1  # left alone, it repeats


@test
def logit_bias_rules():
    for bias in ["97=1000", "97+1000"]:
        out = run_json(BPE, "--tokens", "1", "-n", "4", "-l", bias)
        assert out["tokens"] == [97] * 4 and out["text"] == "aaaa", out
    expect = expectation(BPE)
    first = expect["greedy"][0]
    out = run_json(BPE, "--tokens", ids(expect["prompt"]), "-n", "1", "--temp", "0", "-l",
                   f"{first}=-inf")
    assert out["tokens"] != [first]


@test
def logits_and_logprobs():
    expect = expectation(BPE)
    path = os.path.join(cli.scratch, "logits.npy")
    out = run_json(BPE, "--tokens", ids(expect["prompt"]), "-n", "3", "--temp", "0",
                   "--logprobs", "4", "--logits", path, "--ignore-eos", "--cache-type", "f32")
    logits = read_npy(path)
    scale = max(map(abs, expect["logits"]))
    assert len(logits) == len(expect["logits"])
    assert all(abs(a - b) < 1e-4 * scale for a, b in zip(logits, expect["logits"]))
    top = max(logits)
    total = top + math.log(sum(math.exp(x - top) for x in logits))
    rows = out["logprobs"]
    assert [row["token"] for row in rows] == out["tokens"]
    for row in rows:
        assert len(row["top"]) == 4 and row["top"][0] == [row["token"], row["logprob"]], row
        probabilities = [p for _, p in row["top"]]
        assert probabilities == sorted(probabilities, reverse=True) and probabilities[0] <= 0
    for token, logprob in rows[0]["top"]:
        assert abs(logits[token] - total - logprob) < 1e-4
    # Written whole or not at all, under its own name.
    assert [n for n in os.listdir(cli.scratch) if n.startswith("logits.npy")] == ["logits.npy"]
    missing = os.path.join(cli.scratch, "nowhere", "logits.npy")
    assert missing in error_of("run", BPE, *REFERENCE, "--tokens", "1", "-n", "1", "--logits",
                               missing, code=1)
    assert read_npy_again(path) == logits


def read_npy_again(path):
    """Logits of the prompt alone are the same numbers, and replace the file."""
    expect = expectation(BPE)
    call("run", BPE, *REFERENCE, "--tokens", ids(expect["prompt"]), "-n", "0", "--logits", path,
         "--cache-type", "f32")
    return read_npy(path)


@test
def kept_work_has_a_place():
    cache = os.path.join(cli.scratch, "kept")
    call("run", BPE, "--tokens", "1", "-n", "1", "--no-cache", "--cache-dir", cache)
    assert not os.path.exists(cache)
    found = json.loads(text_of("devices", "--json"))
    if not any(d["backend"] == "vulkan" and d["usable"] for d in found):
        raise Skip("no Vulkan device")
    call("run", BPE, "--tokens", "1", "-n", "1", "--device", "vulkan", "--cache-dir", cache)
    assert os.listdir(cache)


if __name__ == "__main__":
    sys.exit(cli.main())
