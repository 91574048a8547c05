"""The samara command as its users meet it: help, documents, errors, exit codes, what models and devices
are, tokens. cli.py says how to run it.
"""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cli
from cli import (BARE, BPE, COMMANDS, GOLDEN, GPUS, REFERENCE, SHELLS, SPM, call, error_of,
                 expectation, ids, long_options, Skip, test, text_of)

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
        page = os.path.join(cli.scratch, f"samara-{command or ''}.1")
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
    path = os.path.join(cli.scratch, "completion.bash")
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
        path = os.path.join(cli.scratch, f"{name}.gguf")
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
    path = os.path.join(cli.scratch, "cut.gguf")
    for size in range(0, len(whole), len(whole) // 40 + 1):
        with open(path, "wb") as f:
            f.write(whole[:size])
        error_of("info", path, code=3)


@test
def bad_devices():
    assert "nonesuch" in error_of("run", BPE, "--tokens", "1", "--device", "nonesuch", code=4)


@test
def hostile_names_do_not_reach_the_terminal():
    path = os.path.join(cli.scratch, "esc\033[31m\n.gguf")
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
    path = os.path.join(cli.scratch, "document")
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
        path = os.path.join(cli.scratch, "text")
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


if __name__ == "__main__":
    sys.exit(cli.main())
