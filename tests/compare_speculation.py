"""Time samara with and without speculation by prompt lookup, in turn, and print medians.

    python compare_speculation.py --samara build/tools/samara [--runs 5] [--device ID] [--only PART]
                                  [--tokens N] MODEL.gguf...

Texts that repeat their prompt, written by a chat model: code with a name changed, prose with a name
changed, sentences quoted from a text. And texts where nothing repeats: there speculation may cost at most
3 %. A ratio is the median of those of pairs of runs, of tokens per second while decoding. Both sides write
the same tokens, unless a step of several rows sums in another order and so tips the scales between two
that were as likely: pairs where that happened are counted.
"""
import argparse
import json
import os
import statistics
import subprocess

CODE = """\
class Basket:
    def __init__(self, owner):
        self.owner = owner
        self.items = []

    def add(self, name, price, count=1):
        if count < 1:
            raise ValueError("count must be at least 1")
        self.items.append((name, price, count))

    def total(self):
        result = 0
        for name, price, count in self.items:
            result += price * count
        return result

    def describe(self):
        lines = []
        for name, price, count in self.items:
            lines.append(f"{count} x {name}: {price * count}")
        lines.append(f"total: {self.total()}")
        return lines
"""
PROSE = """\
The lighthouse at Grey Point was built in 1874, after three ships had been lost on the reef in a single \
winter. Its first keeper, Martha Lund, lived there for thirty-one years with two dogs and a piano. She \
wrote down the weather four times a day, and her notebooks are now kept in the museum of the town. When \
the lamp was changed from oil to electric light in 1911, the notebooks end without a word of farewell. \
Today the tower is empty, but every summer students come to count the seabirds that nest on its western \
side. In 1998 the roof was repaired with money that the fishermen had collected.
"""
CHAT = ["--temp", "0"]
FREE = ["--raw", "--ignore-eos"]
CASES = [
    # name, options of samara run
    ("edit of code", CHAT + ["-p", "Rewrite this Python code with the class renamed from Basket to "
                                   "ShoppingCart. Answer with the whole code and nothing else.\n\n"
                                   f"```python\n{CODE}```\n"]),
    ("edit of prose", CHAT + ["-p", "Repeat the following text word for word, but with the name Martha "
                                    f"Lund changed to Anna Berg.\n\n{PROSE}"]),
    ("summary", CHAT + ["-p", "Summarize the following text by quoting its three most important "
                              f"sentences exactly as they are.\n\n{PROSE}"]),
    ("story, greedy", FREE + ["--temp", "0", "-p", "Once upon a time in a town by the sea"]),
    ("story, sampled", FREE + ["--temp", "1", "-p", "Once upon a time in a town by the sea"]),
    ("essay, sampled", FREE + ["--temp", "1", "-p", PROSE + "\nWhat I thought when I first read this: "]),
]


def decode(args, model, options, speculation, seed):
    command = [args.samara, "run", model, *options, "-n", str(args.tokens), "--seed", str(seed),
               "--speculation", speculation, "--json", "-q"]
    if args.device:
        command += ["--device", args.device]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def compare(args, model, name, options):
    pairs, n_different = [], 0
    for run in range(-1, args.runs):  # the first one compiles and warms caches
        # The sides take turns at being first, since a machine may slow down while it works.
        order = ["never", "auto"] if run % 2 else ["auto", "never"]
        sides = {when: decode(args, model, options, when, seed=run + 2) for when in order}
        n_different += sides["never"]["tokens"] != sides["auto"]["tokens"]
        if run >= 0:
            pairs.append(sides)
    rates = {when: statistics.median(pair[when]["timings"]["decode_tokens_per_s"] for pair in pairs)
             for when in ("never", "auto")}
    ratio = statistics.median(pair["auto"]["timings"]["decode_tokens_per_s"] /
                              pair["never"]["timings"]["decode_tokens_per_s"] for pair in pairs)
    drafted, accepted = (sum(pair["auto"]["speculation"][key] for pair in pairs)
                         for key in ("drafted", "accepted"))
    n_tokens = statistics.median(len(pair["auto"]["tokens"]) for pair in pairs)
    print(f"  {name:15} {rates['never']:7.1f} -> {rates['auto']:7.1f} tok/s, ratio {ratio:.3f}; "
          f"{n_tokens:.0f} tokens, {accepted} of {drafted} guesses right" +
          (f"; {n_different} pairs differ" if n_different else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--samara", default="build/tools/samara")
    parser.add_argument("--device")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=256, help="of a text, at most")
    parser.add_argument("--only", default="", help="cases with this in their name")
    args = parser.parse_args()
    for model in args.models:
        print(f"{os.path.basename(model)}, medians of {args.runs}")
        for name, options in CASES:
            if args.only in name:
                compare(args, model, name, options)


if __name__ == "__main__":
    main()
