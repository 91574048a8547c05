"""samara run with speculation: the same text, and what is told of the guesses. cli.py says how to run it.
"""
import sys

import cli
from cli import BPE, REFERENCE, SPM, call, error_of, run_json, test

PROMPT = ["--tokens", "1,7,3,9,4,7,3,9,5,2,7,3,9,4,7,3", "-n", "50", "--ignore-eos"]
SPECULATION = ["never", "auto", "always"]


@test
def the_text_is_the_same():
    for more in [["--temp", "0"], ["--seed", "3"], ["--seed", "4", "--presence-penalty", "0.5"],
                 ["--seed", "5", "--samples", "3"], ["--temp", "0", "--logprobs", "2"]]:
        runs = [run_json(BPE, *PROMPT, *more, "--speculation", when) for when in SPECULATION]
        for run in runs:
            assert run["tokens"] == runs[0]["tokens"], (more, run["speculation"])
            assert run["text"] == runs[0]["text"]
            assert run.get("samples") == runs[0].get("samples")
        assert runs[0]["speculation"] == {"drafted": 0, "accepted": 0}


@test
def guesses_are_counted():
    run = run_json(BPE, *PROMPT, "--temp", "0", "--speculation", "always")
    counts = run["speculation"]
    assert 0 < counts["accepted"] <= counts["drafted"], counts
    assert run["timings"]["submissions_per_token"] < 1
    err = call("run", BPE, *REFERENCE, *PROMPT, "--temp", "0", "--speculation", "always")[1]
    line = f"{counts['accepted']} of {counts['drafted']} guesses right"
    assert line in err.decode(), err
    err = call("run", BPE, *REFERENCE, *PROMPT, "--temp", "0", "--no-speculation")[1]
    assert "guesses" not in err.decode(), err


@test
def one_guess_at_most():
    run = run_json(BPE, *PROMPT, "--temp", "0", "--speculation", "always", "--draft-max", "1")
    assert run["timings"]["submissions_per_token"] >= 0.5
    assert run["speculation"]["drafted"] > 0


@test
def a_draft_model_changes_nothing():
    for more in [["--temp", "0"], ["--seed", "3"]]:
        plain = run_json(BPE, *PROMPT, *more, "--no-speculation")
        # The model itself guesses as well as can be: each guess is right.
        own = run_json(BPE, *PROMPT, *more, "--speculation", "always", "--draft", BPE)
        assert own["tokens"] == plain["tokens"], more
        counts = own["speculation"]
        assert counts["accepted"] == counts["drafted"] > 40, counts
        assert own["timings"]["submissions_per_token"] < 0.2


@test
def a_draft_model_must_fit():
    assert "vocabulary" in error_of("run", BPE, *REFERENCE, *PROMPT, "--draft", SPM, code=2)
    assert "no-such" in error_of("run", BPE, *REFERENCE, *PROMPT, "--draft", "no-such.gguf", code=3)
    for more in [["--samples", "2"], ["--beams", "2"], ["--no-speculation"]]:
        assert "--draft" in error_of("run", BPE, "-p", "a", "--draft", BPE, *more, code=2)


@test
def usage():
    assert "never" in error_of("run", BPE, "-p", "a", "--speculation", "often", code=2)
    assert "7" in error_of("run", BPE, "-p", "a", "--draft-max", "8", code=2)


if __name__ == "__main__":
    sys.exit(cli.main())
