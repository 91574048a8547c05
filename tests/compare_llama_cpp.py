"""Time samara beside llama.cpp's CPU backend on one machine, in turn, and print medians.

    python compare_llama_cpp.py --samara build/tools/samara [--runs 5] [--threads N]
                                [--prompt 512] [--decode 64] [--device opencl:0] MODEL.gguf...

A prompt goes through both, then greedy tokens after it. Both have read all weights and made what they need
for such a prompt before it is timed, samara by `samara bench`. "First token" is from
opening the model to the first token after six tokens of prompt, with compiled work kept from a run
before; samara's includes the start of its process, llama.cpp's leaves Python's out. llama.cpp is
llama-cpp-python's build of it.

Needs: llama-cpp-python, numpy.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SHORT = 6  # tokens of prompt for the time to the first token


def token_ids(n):
    return [100 + i * 37 % 5000 for i in range(n)]


def llama_cpp(model, n_prompt, n_decode, threads):
    """One measurement, in a process of its own: seconds of load, prompt and decode."""
    import llama_cpp
    import numpy as np

    start = time.perf_counter()
    llm = llama_cpp.Llama(model, n_ctx=n_prompt + n_decode + 1, n_batch=512, n_threads=threads,
                          n_threads_batch=threads, n_gpu_layers=0, verbose=False)

    def best():
        logits = llama_cpp.llama_get_logits_ith(llm.ctx, -1)
        return int(np.argmax(np.ctypeslib.as_array(logits, shape=(llm.n_vocab(),))))

    if not n_decode:
        llm.eval(token_ids(n_prompt))
        best()
        return {"first_token_ms": 1e3 * (time.perf_counter() - start)}
    llm.eval(token_ids(n_prompt))  # as samara bench does
    llm.reset()
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(llm.ctx), True)
    start = time.perf_counter()
    llm.eval(token_ids(n_prompt))
    token = best()
    prompt = time.perf_counter()
    for _ in range(n_decode):
        llm.eval([token])
        token = best()
    end = time.perf_counter()
    return {"prompt_tokens_per_s": n_prompt / (prompt - start),
            "decode_tokens_per_s": n_decode / (end - prompt)}


def output_of(args):
    return json.loads(subprocess.run(args, capture_output=True, text=True, check=True).stdout)


def samara(command, model, n_prompt, n_decode, threads, device):
    args = [command, "run", model, "--tokens", ",".join(map(str, token_ids(n_prompt))),
            "-n", str(n_decode + 1), "--ignore-eos", "--no-speculation", "--temp", "0", "--json", "-q",
            "-t", str(threads)] + (["--device", device] if device else [])
    if not n_decode:
        args.remove("--json")
        start = time.perf_counter()
        with subprocess.Popen(args, stdout=subprocess.PIPE) as process:
            process.stdout.read(1)
            return {"first_token_ms": 1e3 * (time.perf_counter() - start)}
    decode = output_of(args)["timings"]["decode_tokens_per_s"]
    prompt = output_of([command, "bench", model, "-p", str(n_prompt), "-n", "0", "-r", "1", "--no-starts",
                        "--no-kernels", "-o", "json", "-q", "-t", str(threads)] +
                       (["--device", device] if device else []))["results"][0]["tokens_per_s"]
    return {"prompt_tokens_per_s": prompt, "decode_tokens_per_s": decode}


def in_process_of_its_own(args, model, n_prompt, n_decode):
    out = subprocess.run(
        [sys.executable, __file__, "--child", "--threads", str(args.threads), "--prompt",
         str(n_prompt), "--decode", str(n_decode), model],
        capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--samara", default="build/tools/samara")
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(llama_cpp(args.models[0], args.prompt, args.decode, args.threads)))
        return
    for model in args.models:
        ours, theirs = [], []
        for run in range(-1, args.runs):  # the first one warms caches
            a = samara(args.samara, model, args.prompt, args.decode, args.threads, args.device)
            b = in_process_of_its_own(args, model, args.prompt, args.decode)
            a |= samara(args.samara, model, SHORT, 0, args.threads, args.device)
            b |= in_process_of_its_own(args, model, SHORT, 0)
            if run >= 0:
                ours.append(a)
                theirs.append(b)
        print(f"{os.path.basename(model)}, {args.threads} threads, medians of {args.runs}")
        for key in ours[0]:
            a, b = (statistics.median(x[key] for x in side) for side in (ours, theirs))
            print(f"  {key:20} samara {a:8.1f}  llama.cpp {b:8.1f}  ratio {a / b:5.2f}")


if __name__ == "__main__":
    main()
