#!/usr/bin/env python3
"""Claim: which block is guilty can be seen from one evaluation for each block, on one noise level of one trajectory, instead of from pictures.

    cargo build --release && python3 benches/one_evaluation.py target/release/lbw

For each LoRA, prompt and seed: what the picture without a block loses of the whole LoRA's distance to the base picture in colours and edges,
by whole pictures of 20 steps; the same by pictures of 5 steps, as `--quick` draws them; and by one evaluation for each block (two, in the last
row) that begins on the whole LoRA's picture with its noise. Prints Spearman's coefficient against the whole pictures, and how often the
guiltiest block is the same. Needs numpy and pillow.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

PROMPTS = ["red circle, blue background", "yellow star, white background, gradient", "house, green, pink background, thick outline"]
COMMON = {"width": 128, "height": 128, "sampler": "Euler", "cfg_scale": 4}
ONCE = {"1 evaluation, all noise": (1, 0.99), "1 evaluation, half the noise levels": (1, 0.5), "2 evaluations, half the noise levels": (2, 0.5)}
# Of less a LoRA changes nothing that could be put back.
COLOURS, EDGES = 0.01, 0.002


def cells(prompt, lora, settings):
    """The base, the whole LoRA, and the LoRA without each of its blocks."""
    vectors = [None] + [[int(at != off) for at in range(12)] for off in [None, *range(12)]]
    tags = ["" if vector is None else f" <lora:{lora}:1:lbw={','.join(map(str, vector))}>" for vector in vectors]
    return [{"prompt": prompt + tag, **COMMON, **settings} for tag in tags]


def draw(lbw, lines, folder):
    with open(f"{folder}.jsonl", "w") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    subprocess.run([lbw, "batch", f"{folder}.jsonl", "-o", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "LBW_CONFIG": ""})
    files = sorted(glob.glob(f"{folder}/*.png"))
    assert len(files) == len(lines)
    return files


def seen(path):
    picture = np.asarray(Image.open(path).convert("RGB"), float) / 255
    gray = picture.mean(2)
    colours = np.concatenate([picture.mean((0, 1)), picture.std((0, 1))])
    return colours, np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean()


def guilt(files):
    """How much nearer the base each block's absence brings the whole LoRA."""
    base, whole, *without = map(seen, files)
    far = lambda one: np.array([2 * np.abs(one[0] - base[0]).mean(), abs(one[1] - base[1])])
    all_of_it = far(whole)
    counts = all_of_it > [COLOURS, EDGES]
    return [((all_of_it - far(one)) / np.maximum(all_of_it, 1e-9))[counts].mean() if counts.any() else 0.0 for one in without]


def spearman(p, q):
    ranks = [np.argsort(np.argsort(values)) for values in (p, q)]
    return float(np.corrcoef(*ranks)[0, 1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lbw")
    parser.add_argument("--loras", default="overcooked,night")
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    lbw = os.path.abspath(args.lbw)
    print("| LoRA | what is drawn | Spearman: mean | least | same guiltiest block |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        for lora in args.loras.split(","):
            rows = {}
            for number, (prompt, seed) in enumerate((prompt, seed) for prompt in PROMPTS for seed in range(1, args.seeds + 1)):
                whole = draw(lbw, cells(prompt, lora, {"seed": seed, "steps": 20}), f"{lora}-{number}")
                ways = {"5 steps of 20": {"seed": seed, "steps": 5}}
                for name, (steps, strength) in ONCE.items():
                    ways[name] = {"seed": seed, "steps": steps, "denoising_strength": strength, "fix_steps": True, "init": os.path.abspath(whole[1])}
                for at, (name, settings) in enumerate(ways.items()):
                    truth, guess = guilt(whole), guilt(draw(lbw, cells(prompt, lora, settings), f"{lora}-{number}-{at}"))
                    rows.setdefault(name, []).append((spearman(truth, guess), np.argmax(truth) == np.argmax(guess)))
            for name, found in rows.items():
                rho, same = zip(*found)
                print(f"| {lora} | {name} | {np.mean(rho):.2f} | {min(rho):.2f} | {sum(same)} of {len(same)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
