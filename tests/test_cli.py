"""The samara command as its users meet it: help, errors, exit codes, JSON, streams, signals.

    python test_cli.py SAMARA [FILTER]

SAMARA is the built command. Prints TAP; with FILTER only the tests whose name contains it. Runs the
tiny models of golden/ on the reference device. Needs nothing but the standard library.
"""
import array
import fcntl
import json
import math
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

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


# ---- help and documentation --------------------------------------------------------------------


@test
def version():
    assert re.fullmatch(r"samara \d+\.\d+\.\d+\n", text_of("--version"))


@test
def help_of_everything():
    for args in [["--help"], ["-h"], ["help"]]:
        out = text_of(*args)
        for command in COMMANDS:
            assert re.search(rf"^  {command} ", out, re.M), f"{command} is not in {args}"
    for command in COMMANDS:
        out = text_of(command, "--help")
        assert out == text_of("help", command) == text_of(command, "-h")
        for heading in ["Usage", "Description", "Examples", "Exit codes"]:
            assert f"\n{heading}\n" in out, f"{command}: no {heading}"
        for line in out.splitlines():
            assert len(line) <= 80 or line.startswith("  samara"), f"{command}: too long: {line}"
    assert "--temp" in text_of("run", "nowhere.gguf", "--help")


@test
def documents_know_every_option():
    completions = {shell: text_of("--completion", shell) for shell in SHELLS}
    for command in COMMANDS:
        options = long_options(command)
        assert "--help" in options
        man = text_of("--man", command).replace("\\-", "-")
        for option in options:
            assert option in man, f"{option} is not in samara-{command}.1"
            assert option in completions["bash"] and option in completions["zsh"], option
            assert f"-l {option[2:]}" in completions["fish"], option


@test
def man_pages_are_well_formed():
    linter = shutil.which("mandoc")
    if not linter:
        raise Skip("no mandoc")
    for command in [None, *COMMANDS]:
        page = os.path.join(scratch, f"samara-{command or ''}.1")
        with open(page, "w", encoding="utf-8") as f:
            f.write(text_of("--man", *([command] if command else [])))
        lint = subprocess.run([linter, "-T", "lint", "-W", "error", page], capture_output=True,
                              text=True)
        assert lint.returncode == 0, lint.stdout
        with open(page, encoding="utf-8") as f:
            headings = re.findall(r"^\.SH (.*)$", f.read(), re.M)
        assert headings[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"], headings
        assert headings[-2:] == ["EXIT STATUS", "SEE ALSO"], headings


@test
def completions_parse():
    checked = 0
    for shell in SHELLS:
        out = text_of("--completion", shell)
        if shutil.which(shell):
            check = subprocess.run([shell, "-n"], input=out, capture_output=True, text=True)
            assert check.returncode == 0 and not check.stderr, f"{shell}: {check.stderr}"
            checked += 1
    assert checked, "not even bash is here"
    assert "bash" in error_of("--completion", "csh", code=2)


@test
def bash_completion_completes():
    if not shutil.which("bash"):
        raise Skip("no bash")
    path = os.path.join(scratch, "completion.bash")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text_of("--completion", "bash"))
    for words, expected in [(["samara", "de"], ["devices"]),
                            (["samara", "run", "--tem"], ["--temp"]),
                            (["samara", "run", "--kernels", ""], ["tuned", "f32", "plain"]),
                            (["samara", "run", "--cache-type", "q"], ["q8_0"]),
                            (["samara", "help", "tok"], ["tokenize"])]:
        script = (f'. {path}; COMP_WORDS=({" ".join(repr(w) for w in words)}); '
                  f'COMP_CWORD={len(words) - 1}; _samara; printf "%s\\n" "${{COMPREPLY[@]}}"')
        out = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        assert out.stdout.split() == expected, f"{words}: {out}"


# ---- errors ------------------------------------------------------------------------------------


@test
def usage_errors():
    for args, part in [
        ([], "--help"),
        (["rnu"], "did you mean run"),
        (["nonsense"], "unknown command 'nonsense'"),
        (["help", "devces"], "did you mean devices"),
        (["--nonsense"], "unknown option"),
        (["run", BPE, "--tmp", "1"], "unknown option --tmp; did you mean --temp?"),
        (["run", BPE, "--temperature=1"], "did you mean --temp?"),
        (["run", BPE, "--top_k", "1"], "did you mean --top-k?"),
        (["run", BPE, "-x"], "unknown option -x; see samara run --help"),
        (["run", BPE, "-p"], "-p needs a value"),
        (["run", BPE, "-p", "x", "--raw=1"], "--raw takes no value"),
        (["run", BPE, "-p", "x", "-n", "many"], "'many' is not a whole number"),
        (["run", BPE, "-p", "x", "-n", "-2"], "-2 is outside"),
        (["run", BPE, "-p", "x", "-n", "99999999999999999999"], "-n"),
        (["run", BPE, "-p", "x", "--temp", "hot"], "'hot' is not a number"),
        (["run", BPE, "-p", "x", "--temp", "nan"], "'nan' is not a number"),
        (["run", BPE, "-p", "x", "--top-p", "1.5"], "--top-p: 1.5 is outside 0 to 1"),
        (["run", BPE, "-p", "x", "--cache-type", "q4"], "'q4' is none of f16, f32, q8_0"),
        (["run", BPE, "-p", "x", "--tokens", "1"], "one of"),
        (["run", BPE, "-p", "x", "--logprobs", "2"], "--logprobs needs --json"),
        (["run", BPE, "--tokens", "1", "--system", "x"], "--system"),
        (["run", BPE, "-p", "x", "--system", "x"], "--system needs"),
        (["run", BPE, "-p", "x", "--thinking-budget", "0"], "--thinking-budget needs"),
        (["run", BPE, "--tokens", "1", "--thinking-budget", "9"], "--thinking-budget has no place"),
        (["run", BPE, "--tokens", "1,x"], "'x' is not a token number"),
        (["run", BPE, "--tokens", "283"], "outside the vocabulary of 283"),
        (["run", BPE, "--tokens", "-1"], "outside the vocabulary"),
        (["run", BPE, "--tokens", ""], "empty"),
        (["run", BPE, "-p", ""], "empty"),
        (["run", BPE, "-p", "x", "-l", "5"], "TOKEN=BIAS"),
        (["run", BPE, "-p", "x", "-l", "283=1"], "283"),
        (["run", BPE, "--tokens", "1", "--beams", "4", "--temp", "1"], "--temp has no place"),
        (["run", BPE, "--tokens", "1", "--beams", "4", "--stop", "x"], "--stop has no place"),
        (["run", BPE, "--tokens", "1", "--beams", "2", "--samples", "3"], "at most"),
        (["run", BPE, "--tokens", "1", "--beams", "4", "--beam-groups", "3"], "evenly"),
        (["run", BPE, "--tokens", "1", "--beams", "4", "--beam-groups", "2"], "--diversity-penalty"),
        (["run", BPE, "--tokens", "1", "--length-penalty", "2"], "needs --beams"),
        (["run", BPE, "--tokens", "1", "--early-stopping", "soon"], "false, true, never"),
        (["run", BPE, "--tokens", "1", "--samples", "2", "--temp", "0"], "the same text"),
        (["run", BPE, "--tokens", "1", "--samples", "65"], "outside"),
        (["run", BPE, "-m", BPE, "-p", "x"], "more than one model"),
        (["run", BPE, BPE, BPE], "too many arguments"),
        (["run", "-p", "x"], "which model?"),
        (["run", BPE, "--tokens", ids(range(200)), "-c", "100"], "100"),
        (["info"], "which model?"),
        (["info", BPE, "--jsn"], "did you mean --json?"),
        (["tokenize", BPE, "-p", "x", "-f", "x"], "exclude"),
        (["devices", "all"], "takes no arguments"),
    ]:
        message = error_of(*args, code=2)
        assert part in message, f"{args}: '{part}' is not in: {message}"


@test
def bad_models():
    with open(BPE, "rb") as f:
        whole = f.read()
    files = {"empty": b"", "text": b"not a model at all\n" * 100, "magic": b"GGUF",
             "version": b"GGUF\xff\xff\xff\xff" + whole[8:],
             "tensors": whole[:8] + b"\xff" * 8 + whole[16:],
             "half": whole[:len(whole) // 2], "last": whole[:-1]}
    for name, data in files.items():
        path = os.path.join(scratch, f"{name}.gguf")
        with open(path, "wb") as f:
            f.write(data)
        for args in [["info", path], ["run", path, "--tokens", "1"], ["tokenize", path, "-p", "x"]]:
            message = error_of(*args, code=3)
            assert f"{name}.gguf" in message, message
    assert "no such file" in error_of("run", "nowhere.gguf", "-p", "x", code=3)
    assert GOLDEN in error_of("info", GOLDEN, code=3)
    assert BARE in error_of("run", BARE, "-p", "text for a model without a tokenizer", code=3)


@test
def truncated_models():
    """Every cut of a model is refused, whatever it cuts. A sample here; test_gguf has them all."""
    with open(BPE, "rb") as f:
        whole = f.read()
    path = os.path.join(scratch, "cut.gguf")
    for size in range(0, len(whole), len(whole) // 40 + 1):
        with open(path, "wb") as f:
            f.write(whole[:size])
        error_of("info", path, code=3)


@test
def bad_devices():
    assert "nonesuch" in error_of("run", BPE, "--tokens", "1", "--device", "nonesuch", code=4)


@test
def hostile_names_do_not_reach_the_terminal():
    path = os.path.join(scratch, "esc\033[31m\n.gguf")
    for args in [["info", path], ["run", path, "-p", "x"]]:
        assert "\033" not in error_of(*args, code=3)


# ---- info, devices, tokenize -------------------------------------------------------------------


@test
def folder():
    """A Hugging Face folder without a tokenizer: numbers in, numbers out."""
    path = os.path.join(GOLDEN, "folders", "gpt2")
    about = json.loads(text_of("info", path + "/", "--json"))
    assert about["name"] == "gpt2" and about["architecture"] == "gpt2", about
    assert about["tokenizer"] is None and about["type"] == "F16", about
    tokens = ["run", path, "--tokens", "1,2,3", "-n", "5", "-q", *REFERENCE]
    one = text_of(*tokens, "--temp", "0").strip()
    assert len([int(t) for t in one.split(",")]) == 5, one
    assert json.loads(text_of(*tokens, "--temp", "0", "--json"))["tokens"] == [
        int(t) for t in one.split(",")]
    assert text_of(*tokens, "--beams", "1").strip() == one
    several = text_of(*tokens, "--beams", "2", "--samples", "2")
    assert several.count("score") == 2 and several.count(",") == 8, several
    assert "tokenizer" in error_of("run", path, "-p", "text", code=3)
    with tempfile.TemporaryDirectory() as empty:
        assert "has no config.json" in error_of("info", empty, code=3)


@test
def follow_the_model():
    """A folder's generation_config.json is followed where no option says otherwise."""
    with tempfile.TemporaryDirectory() as out:
        path = shutil.copytree(os.path.join(GOLDEN, "folders", "bart-f16"), os.path.join(out, "bart"))

        def tokens(*args):
            return json.loads(text_of("run", path, "--tokens", "5,6,7,8", "--json", *args,
                                      *REFERENCE))["tokens"]
        assert tokens("-n", "8") == tokens("-n", "8", "--temp", "0")  # no draw, with an encoder
        config = os.path.join(path, "generation_config.json")
        with open(config, encoding="utf-8") as f:
            changed = dict(json.load(f), num_beams=3, length_penalty=2.0, early_stopping=True,
                           max_length=9)
        with open(config, "w", encoding="utf-8") as f:
            json.dump(changed, f)
        asked = ["--beams", "3", "--length-penalty", "2", "--early-stopping", "true", "-n", "8"]
        assert tokens() == tokens(*asked) and len(tokens()) <= 8
        assert len(tokens("--temp", "0", "-n", "5")) <= 5


@test
def types_while_loading():
    """--type computes what a converted file does, fused matrices included."""
    with tempfile.TemporaryDirectory() as out:
        for name, kind in (("phi3", "f32"), ("phi3", "q4_0"), ("gpt2", "f16"), ("qwen3", "q8_0")):
            path, made = os.path.join(GOLDEN, "folders", name), os.path.join(out, name + kind)
            text_of("convert", path, made, "--type", kind, "-q")
            tokens = ["--tokens", "1,2,3", "-n", "9", "-q", "--temp", "0", *REFERENCE]
            expected = text_of("run", made, *tokens)
            assert text_of("run", path, *tokens, "--type", kind) == expected, (name, kind)
            logits = [os.path.join(out, f"{i}.npy") for i in range(2)]
            text_of("run", made, *tokens, "--logits", logits[0])
            text_of("run", path, *tokens, "--type", kind, "--logits", logits[1])
            assert open(logits[0], "rb").read() == open(logits[1], "rb").read(), (name, kind)


@test
def info():
    about = json.loads(text_of("info", BPE, "--json"))
    expected = {"architecture": "llama", "n_vocab": 283, "tokenizer": "gpt2", "chat_format": None,
                "has_weights": True}
    for key, value in expected.items():
        assert about[key] == value, f"{key}: {about[key]}"
    assert {"name", "type", "n_params", "size", "n_context", "n_layers", "n_embd", "n_ff",
            "n_heads", "n_kv_heads", "head_dim", "pre_tokenizer", "chat_template"} < set(about)
    assert "tensors" not in about
    tensors = json.loads(text_of("info", "-m", BPE, "--json", "--tensors"))["tensors"]
    assert sum(math.prod(t["dims"]) for t in tensors) == about["n_params"]
    assert sum(t["size"] for t in tensors) == about["size"]
    table = text_of("info", BPE, "--tensors")
    assert "283" in table and all(t["name"] in table for t in tensors)


@test
def devices():
    found = json.loads(text_of("devices", "--json"))
    assert all({"id", "backend", "name", "type", "vendor", "driver", "memory", "default"} <= set(d)
               for d in found), found
    assert [d["default"] for d in found].count(True) == 1
    assert all(d["backend"] in ("vulkan", "opencl", "reference") for d in found)
    assert "reference" in [d["id"] for d in found]
    assert len({d["id"] for d in found}) == len(found)
    assert all(d["same_hardware"] == [] for d in found if d["type"] not in GPUS)
    table = text_of("devices")
    assert table.count("(default)") == 1 and "because" in table
    assert all(re.search(rf"^(\S+, )*{d['id']}(, \S+)*  ", table, re.M) for d in found)
    for device in found:
        if device["usable"]:
            out = json.loads(text_of("run", BPE, "--tokens", "1", "-n", "1", "--json", "--device",
                                     device["id"]))
            assert out["device"] == device["id"]


@test
def check():
    out = text_of("check", "--device", "reference", "--kernel", "norm", "-v")
    passed = re.search(r"^(\d+) passed, 0 failed", out, re.M)
    assert passed and int(passed[1]) > 0, out
    assert len(re.findall(r"^ok .*error", out, re.M)) == int(passed[1])
    call("check", "--kernel", "nonesuch", code=2)
    assert "nonesuch" in error_of("check", "--device", "nonesuch", code=4)


@test
def summarize():
    """The levels: parts, summaries of parts, at last one, each with the text that it is made from."""
    text = "".join(f"The cat and the hat have {n} mice. They sat on the mat.\n" for n in range(40))
    args = ["-c", "256", "-n", "20", "--seed", "1", *REFERENCE]
    out = json.loads(text_of("summarize", BPE, "-", "--json", *args, stdin=text.encode()))
    sizes = [len(level) for level in out["levels"]]
    assert sizes[0] > 2 and sizes[-1] == 1 and sizes == sorted(sizes, reverse=True), sizes
    assert out["levels"][-1] == [out["summary"]]
    tokens = json.loads(text_of("tokenize", BPE, "-p", text, "--json"))["tokens"]
    assert sizes[0] <= 2 * len(tokens) / 200 + 1, (sizes, len(tokens))
    path = os.path.join(scratch, "document")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    assert text_of("summarize", BPE, path, *args) == out["summary"] + "\n"
    shown = text_of("summarize", "-m", BPE, path, "--parts", *args)
    assert f"[1/{sizes[0]}] {out['levels'][0][0]}" in shown
    # A text that fits is one part, and what a run makes of the same prompt.
    short = json.loads(text_of("summarize", BPE, "-", "--json", "--repeat-penalty", "1", *args,
                               stdin=b"The cat sat."))
    assert [len(level) for level in short["levels"]] == [1]
    run = text_of("run", BPE, "--raw", "-p", "The cat sat.\n\nTL;DR:", "-n", "20", "--temp", "0",
                  *REFERENCE)
    assert short["summary"] == run.strip(), (short, run)


@test
def summarize_errors():
    assert "which text" in error_of("summarize", BPE, code=2)
    assert "no text" in error_of("summarize", BPE, "-", *REFERENCE, code=2, stdin=b" \n\n")
    assert "tokenizer" in error_of("summarize", BARE, "-", code=3, stdin=b"x")
    assert "room" in error_of("summarize", BPE, "-", "-c", "64", "-n", "64", *REFERENCE, code=2,
                              stdin=b"some text")
    assert "/nowhere" in error_of("summarize", BPE, "/nowhere", code=1)


@test
def tokenize():
    for model in [BPE, SPM]:
        expect = expectation(model)
        text = expect["text"]
        tokens = json.loads(text_of("tokenize", model, "-p", text, "--json"))
        assert tokens == {"tokens": expect["prompt"]}, tokens
        path = os.path.join(scratch, "text")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        assert tokens == json.loads(text_of("tokenize", model, "--file", path, "--json"))
        assert tokens == json.loads(text_of("tokenize", model, "--json", stdin=text.encode()))
        lines = text_of("tokenize", model, "-p", text).splitlines()
        assert [int(line.split()[0]) for line in lines] == expect["prompt"]


@test
def tokenize_special():
    def tokens(*args):
        return json.loads(text_of("tokenize", SPM, "--json", *args))["tokens"]

    assert tokens("-p", "the cat")[0] == 2
    assert tokens("-p", "the cat", "--no-bos") == tokens("-p", "the cat")[1:]
    assert tokens("-p", "") == [2] and tokens("-p", "", "--no-bos") == []
    assert tokens("-p", "<bos>", "--no-bos", "--special") == [2]
    assert len(tokens("-p", "<bos>", "--no-bos")) > 1


@test
def any_bytes_are_text():
    strange = b"\xff\xfe half \xe4\xb8 a\x00b"
    out = json.loads(text_of("tokenize", SPM, "--json", stdin=strange))
    assert out["tokens"]
    text_of("tokenize", BPE, stdin=strange)
    call("run", BPE, *REFERENCE, "-p", b"\xff\xfe", "-n", "2")
    call("run", BPE, *REFERENCE, "-n", "2", stdin=strange)


# ---- run ---------------------------------------------------------------------------------------


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
    path = os.path.join(scratch, "prompt")
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


@test
def logits_and_logprobs():
    expect = expectation(BPE)
    path = os.path.join(scratch, "logits.npy")
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
    assert [n for n in os.listdir(scratch) if n.startswith("logits.npy")] == ["logits.npy"]
    missing = os.path.join(scratch, "nowhere", "logits.npy")
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
    cache = os.path.join(scratch, "kept")
    call("run", BPE, "--tokens", "1", "-n", "1", "--no-cache", "--cache-dir", cache)
    assert not os.path.exists(cache)
    found = json.loads(text_of("devices", "--json"))
    if not any(d["backend"] == "vulkan" and d["usable"] for d in found):
        raise Skip("no Vulkan device")
    call("run", BPE, "--tokens", "1", "-n", "1", "--device", "vulkan", "--cache-dir", cache)
    assert os.listdir(cache)


# ---- convert -----------------------------------------------------------------------------------


@test
def convert_and_run():
    out = os.path.join(scratch, "out.gguf")
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
    out = os.path.join(scratch, "out.gguf")
    err = call("convert", BPE, out, "--type", "q4_k")[1].decode()
    assert "rows are no multiple of 256" in err, err
    fallbacks = json.loads(text_of("convert", BPE, out, "--type", "q4_k", "--force", "--json"))[
        "fallbacks"]
    assert all(f["name"].endswith("weight") and f["type"] != f["wanted"] for f in fallbacks)
    assert any(f["wanted"] == "Q4_K" for f in fallbacks), fallbacks
    call("convert", BPE, out, "--type", "q8_0", "--force")
    again = os.path.join(scratch, "again.gguf")
    assert b"a second loss" in call("convert", out, again, "--type", "q4_0")[1]
    assert call("convert", out, again, "--type", "q5_0", "--force", "-q")[1] == b""


@test
def convert_refuses():
    out = os.path.join(scratch, "out.gguf")
    call("convert", BPE, out)
    assert "exists" in error_of("convert", BPE, out, code=1)
    call("convert", BPE, out, "--force")
    assert "would be converted" in error_of("convert", out, out, "--force", code=2)
    assert "which model" in error_of("convert", code=2)
    assert "where to" in error_of("convert", BPE, code=2)
    assert "q4_z" in error_of("convert", BPE, out, "--type", "q4_z", code=2)
    assert "nowhere" in error_of("convert", BPE, "/nowhere/out.gguf", code=1)
    assert "no such file" in error_of("convert", "nowhere.gguf", out, code=3)
    assert os.listdir(scratch) == ["out.gguf"]


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
    big, out = os.path.join(scratch, "big.gguf"), os.path.join(scratch, "out.gguf")
    write_zeros(big, 100000)
    for stop in [signal.SIGINT, signal.SIGTERM]:
        process = subprocess.Popen([samara, "convert", big, out, "--type", "q4_k", "--threads", "1"],
                                   env=environment(), stderr=subprocess.PIPE)
        for _ in range(1000):
            if any(name.endswith(".part") for name in os.listdir(scratch)):
                break
            time.sleep(0.01)
        process.send_signal(stop)
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 130 and err == b"", (process.returncode, err)
        assert os.listdir(scratch) == ["big.gguf"], os.listdir(scratch)


# ---- streams, terminals, signals ---------------------------------------------------------------

LONG = ["run", BPE, *REFERENCE, "--tokens", "1", "-n", "20000", "-c", "20001", "--ignore-eos",
        "--temp", "0"]


def start_blocked():
    """A run that waits for its reader: the pipe is full. Returns the process."""
    process = subprocess.Popen([samara, *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, env=environment())
    fcntl.fcntl(process.stdout, getattr(fcntl, "F_SETPIPE_SZ", 1031), 4096)
    deadline = time.monotonic() + 60
    before = 0
    while time.monotonic() < deadline:
        time.sleep(0.3)
        waiting = array.array("i", [0])
        fcntl.ioctl(process.stdout, 0x541B, waiting)  # FIONREAD
        if waiting[0] >= 4000 and waiting[0] == before:
            return process
        before = waiting[0]
        assert process.poll() is None, process.stderr.read()
    process.kill()
    raise AssertionError("the pipe never filled")


@test
def first_interrupt_stops():
    process = start_blocked()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{process.returncode}: {err}"
    assert b"cancelled" in err and 4000 <= len(out) < 20000, (len(out), err)


@test
def second_interrupt_ends():
    process = start_blocked()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, process.returncode
    process.communicate()


@test
def reader_may_leave():
    process = start_blocked()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0 and b"cannot" not in err, (process.returncode, err)


@test
def full_disk():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for args in [["run", BPE, *REFERENCE, "--tokens", "1", "-n", "3", "-q"], ["devices", "--json"],
                 ["info", BPE], ["--help"], ["tokenize", BPE, "-p", "x"]]:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([samara, *args], stdout=full, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, env=environment(), timeout=60)
        assert done.returncode == 1 and b"standard output" in done.stderr, (args, done)


@test
def closed_stdout_spoils_no_file():
    path = os.path.join(scratch, "closed.npy")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", samara, "run", BPE, *REFERENCE,
                           "--tokens", "1", "-n", "4", "--logits", path], capture_output=True,
                          env=environment(), stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode in (0, 1), done
    assert len(read_npy(path)) == 283


def on_terminal(*args, **changes):
    """All output of samara when stdout and stderr are a terminal."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        raise Skip(f"no terminal to be had here: {error}") from error
    process = subprocess.Popen([samara, *args], stdin=subprocess.DEVNULL, stdout=slave,
                               stderr=slave, env=environment(**changes))
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        out += part
    os.close(master)
    process.wait(timeout=60)
    return out


@test
def colours_where_wanted():
    assert b"\033[1m" in on_terminal("--help")
    assert b"\033" not in on_terminal("--help", NO_COLOR="1")
    assert b"\033" not in on_terminal("--help", TERM="dumb")
    assert b"\033[" in on_terminal("--help", NO_COLOR="")
    assert b"\033" not in text_of("--help").encode()


@test
def progress_on_terminals_only():
    args = ["run", BPE, *REFERENCE, "--tokens", "1", "-n", "3", "--ignore-eos"]
    assert b"\r\033[K[" in on_terminal(*args)
    assert b"\r\033[K[" not in on_terminal(*args, "--quiet")
    assert b"\033" not in call(*args)[1]


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


if __name__ == "__main__":
    sys.exit(main())
