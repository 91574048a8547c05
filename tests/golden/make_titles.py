"""What Hugging Face transformers writes with a real T5 model: real/t5-titler.titles.

    python make_titles.py FOLDER

FOLDER is the titler, a Flan-T5-small that was taught to write titles. 100 prompts of the kind it knows
are put together from parts, some of them odd. For each, lines of `key: value`: `prompt`, `greedy` (the
tokens that greedy search generates, with the end), `gap` (the least difference of log-probability
between the best and the second best token on the way), and `beams`, the best text of four beams.

Needs: torch, transformers 5.
"""
import os
import random
import sys

import torch
import transformers

N_PROMPTS, N_PREDICT = 100, 48
INTENTS = ["fix the failing parser test", "add a --json option to the report command",
           "make the upload retry when the network is down", "rename Widget to Panel everywhere",
           "find out why the build takes 20 minutes", "update the README for version 2.0",
           "remove dead code after the migration", "speed up the matrix multiplication",
           "translate the messages to fran\u00e7ais and Espa\u00f1ol", "review pull request #1482",
           "handle empty input without a crash", "set up CI for Windows and macOS",
           "explain what this function does", "-", "write tests for the date parser",
           "upgrade numpy from 1.26 to 2.1", "move the cache out of memory", "\u4fee\u6b63 the encoding bug",
           "reduce the size of the image", "log every request that fails"]
ACTIONS = ["edit, run", "read", "search, read, edit", "run tests", "edit, edit, run, commit", "plan",
           "grep, edit", "install, run", "read, think", "-"]
FILES = ["parser.c", "src/report.py, tests/test_report.py", "net/upload.go", "app/widgets/panel.tsx",
         "CMakeLists.txt", "README.md", "lib/matmul.cu, lib/matmul.h", "i18n/fr.json", "-",
         "Dockerfile", "dates.rs", "very/long/path/to/some/module/with_a_name.java"]
SYMBOLS = ["parse_header", "ReportWriter, to_json", "retry", "-", "Panel", "gemm_kernel<float>",
           "strftime", "operator==", "__init__", "main"]
NOTES = ["-", "flaky since Monday", "see issue 77", "must stay below 5 ms", "customer asked twice",
         "do NOT touch the public API!", "2 of 3 tests pass \u2014 the third hangs", "(legacy)"]


def prompts():
    rng = random.Random(5)
    made = []
    while len(made) < N_PROMPTS:
        parts = [rng.choice(p) for p in (INTENTS, ACTIONS, FILES, SYMBOLS, NOTES)]
        text = ("summarize agent step: intent: {} | actions: {} | files: {} | symbols: {} | "
                "notes: {}").format(*parts)
        if text not in made:
            made.append(text)
    return made


@torch.no_grad()
def main():
    folder = sys.argv[1]
    torch.set_num_threads(1)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=os.path.join(folder, "tokenizer.json"))
    model = transformers.T5ForConditionalGeneration.from_pretrained(
        folder, attn_implementation="eager").float().eval()
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "real", "t5-titler.titles"), "w", encoding="utf-8") as f:
        for text in prompts():
            ids = torch.tensor([tokenizer(text).input_ids])
            best = model.generate(ids, do_sample=False, num_beams=1, max_new_tokens=N_PREDICT,
                                  output_logits=True, return_dict_in_generate=True)
            two = [torch.log_softmax(x[0].double(), -1).topk(2).values for x in best.logits]
            beams = model.generate(ids, do_sample=False, num_beams=4, max_new_tokens=N_PREDICT)
            f.write(f"prompt: {text}\n")
            f.write("greedy: " + " ".join(map(str, best.sequences[0][1:].tolist())) + "\n")
            f.write(f"gap: {min(float(x[0] - x[1]) for x in two):.5f}\n")
            f.write("beams: " + " ".join(map(str, beams[0][1:].tolist())) + "\n")
            f.flush()


if __name__ == "__main__":
    main()
