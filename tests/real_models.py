"""Compare samara with the float32 reference on real models: greedy tokens and KL divergence.

    python real_models.py --test-real build/tests/test_real --models FOLDER [--refs FOLDER]
                          [--device ID]... [--kernels tuned|f32|plain] [--steps N] [--only PART]
                          [--as gpu]

FOLDER of --models holds the GGUF files that golden/real/*.expect name; missing ones are left out and
said so. --refs is what golden/make_real.py wrote with --logits; without it only tokens are compared.
Passes when every step agrees whose two best tokens the reference has more than 0.05 apart, and when
the mean KL divergence of our next-token distribution from the reference's is below 1e-3. With --as gpu
a software driver runs the kernels that a GPU would by default, which round activations to 8 or 16 bits:
then tokens may be 0.2 apart and the mean 4e-3, llama.cpp's own on Gemma 3 270M.

Needs: numpy (only with --refs).
"""
import argparse
import os
import subprocess
import sys
import tempfile

LIMIT, NARROW_LIMIT = 1e-3, 4e-3


def expectations(folder, only):
    """Paths of expectations by the model's file name."""
    models = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".expect") and only in name:
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                models.setdefault(f.readline().removeprefix("model: ").strip(), []).append(path)
    return models


def divergence(ours, reference):
    """KL(reference || ours) at each step, in nats; and how often the likeliest token is the same."""
    import numpy as np

    def log_softmax(x):
        x = x.astype(np.float64) - x.max(-1, keepdims=True)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    kl, same = [], 0
    for a, b in zip(ours, reference):  # a step at a time: a vocabulary is long
        p, q = log_softmax(b), log_softmax(a)
        kl.append(float((np.exp(p) * (p - q)).sum()))
        same += int(a.argmax() == b.argmax())
    return kl, same


def compare_logits(paths, ours_folder, refs):
    import numpy as np
    everything = []
    for path in paths:
        name = os.path.basename(path).removesuffix(".expect")
        reference = os.path.join(refs, name + ".npy")
        if not os.path.exists(reference):
            print(f"  {name}: no {name}.npy in {refs}, KL divergence left out")
            continue
        reference = np.load(reference, mmap_mode="r")
        ours = np.fromfile(os.path.join(ours_folder, name + ".f32"), dtype=np.float32)
        ours = ours.reshape(-1, reference.shape[1])
        kl, same = divergence(ours, reference)
        everything += kl
        print(f"  {name}: KL mean {np.mean(kl):.2e}, median {np.median(kl):.2e}, max {max(kl):.2e}; "
              f"same top token {same}/{len(kl)}")
    return float(np.mean(everything)) if everything else 0.0


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--test-real", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--refs")
    parser.add_argument("--device", action="append")
    parser.add_argument("--kernels", default="tuned")
    parser.add_argument("--cache-type", default="f16")
    parser.add_argument("--cache-dir")
    parser.add_argument("--steps")
    parser.add_argument("--only", default="")
    parser.add_argument("--as", dest="as_gpu", choices=["gpu"])
    args = parser.parse_args()
    failed, n_run = [], 0
    found = expectations(os.path.join(here, "golden", "real"), args.only)
    for device in args.device or ["reference", "vulkan"]:
        for model, paths in found.items():
            path = os.path.join(args.models, model)
            if not os.path.exists(path):
                print(f"{model}: not in {args.models}, left out")
                continue
            with tempfile.TemporaryDirectory() as folder:
                command = [args.test_real, path, *paths, "--device", device,
                           "--kernels", args.kernels, "--cache-type", args.cache_type]
                if args.as_gpu:
                    command += ["--as", args.as_gpu]
                for option in ("steps", "cache_dir"):
                    if getattr(args, option):
                        command += ["--" + option.replace("_", "-"), getattr(args, option)]
                if args.refs:
                    command += ["--logits", folder]
                n_run += 1
                code = subprocess.run(command).returncode
                if code:
                    failed.append(f"{model} on {device}: test_real ended with {code}")
                if args.refs and code in (0, 1):
                    mean = compare_logits(paths, folder, args.refs)
                    print(f"  {model} on {device}: mean KL divergence {mean:.2e}", flush=True)
                    if not mean < (NARROW_LIMIT if args.as_gpu else LIMIT):
                        failed.append(f"{model} on {device}: KL divergence {mean:.2e}")
    if not n_run:
        failed.append("no model was there to compare")
    for line in failed:
        print("FAILED", line)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
