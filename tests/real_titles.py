"""Compare titles that samara writes with those of transformers: golden/real/t5-titler.titles.

    python real_titles.py --samara build/tools/samara --model FOLDER [--only greedy|beams] [--n N]
                          [--at-least N] [-- OPTIONS of samara run]

FOLDER is the titler that golden/make_titles.py ran, or a file that was converted from it. Passes when
N of the titles are the same, token by token; by default all. To be exact take --cache-type f32.
"""
import argparse
import json
import os
import subprocess
import sys
import time

OPTIONS = {"greedy": ["--temp", "0"], "beams": ["--beams", "4"]}


def read_titles(path):
    titles = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            key, value = line.rstrip("\n").split(": ", 1)
            if key == "prompt":
                titles.append({})
            titles[-1][key] = value
    return titles


def tokens_of(samara, model, prompt, options):
    out = subprocess.run([samara, "run", model, "-p", prompt, "-n", "48", "-q", "--json"] + options,
                         stdout=subprocess.PIPE, check=True).stdout
    result = json.loads(out)
    return (result["texts"][0] if "texts" in result else result)["tokens"], result["timings"]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samara", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--only", choices=list(OPTIONS))
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--at-least", type=int)
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    titles = read_titles(os.path.join(here, "golden", "real", "t5-titler.titles"))[:args.n]
    failed = False
    for kind in [args.only] if args.only else list(OPTIONS):
        same, start = 0, time.monotonic()
        for title in titles:
            wanted = [int(t) for t in title[kind].split()]
            got, _ = tokens_of(args.samara, args.model, title["prompt"], OPTIONS[kind] + args.options)
            same += got == wanted
            if got != wanted:
                print(f"{title['prompt']}\n  wanted {wanted}\n  got    {got} (gap {title['gap']})")
        print(f"{kind}: {same} of {len(titles)} titles are the same, "
              f"{(time.monotonic() - start) / len(titles):.2f} s each", flush=True)
        failed = failed or same < min(args.at_least or len(titles), len(titles))
    sys.exit(failed)


if __name__ == "__main__":
    main()
