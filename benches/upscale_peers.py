"""lbw's upscaler against spandrel and torch on this machine: `python3 benches/upscale_peers.py`.

Builds the bench (release), installs torch and spandrel from PyPI in `target/upscale-peers`, writes a 4x RRDBNet of ESRGAN's size (23
blocks, 64 features) of random numbers there, and runs both in turn over the same picture, `--rounds` times each, in processes of their
own, so that both see the same neighbours. Prints medians, ratios and the largest difference between the two pictures.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "upscale-peers"
MODEL, PICTURE = WORK / "random.pth", WORK / "{}.rgb"


def torch_side(side):
    """One run in torch, in this process."""
    import numpy
    import spandrel
    import torch

    model = spandrel.ModelLoader("cpu").load_from_file(str(MODEL)).eval()
    index = numpy.arange(3 * side * side)
    pixels = ((index * 31 + index // side * 17) % 256).astype(numpy.uint8).reshape(side, side, 3)
    began = time.perf_counter()
    x = torch.from_numpy(pixels[:, :, ::-1].transpose(2, 0, 1) / 255).float()[None]
    with torch.inference_mode():
        y = model(x)[0].clamp(0, 1)
    pixels = (255 * y.moveaxis(0, 2)).numpy().round().astype(numpy.uint8)[:, :, ::-1]
    seconds = time.perf_counter() - began
    PICTURE.with_name("torch.rgb").write_bytes(pixels.tobytes())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "torch": torch.__version__}))


def write_model():
    import torch

    torch.manual_seed(1)
    state = {}

    def conv(name, inputs, outputs):
        bound = (9 * inputs) ** -0.5
        state[name + ".weight"] = torch.empty(outputs, inputs, 3, 3).uniform_(-bound, bound)
        state[name + ".bias"] = torch.empty(outputs).uniform_(-bound, bound)

    conv("conv_first", 3, 64)
    for block in range(23):
        for unit in range(1, 4):
            for k in range(5):
                conv(f"body.{block}.rdb{unit}.conv{k + 1}", 64 + 32 * k, 32 if k < 4 else 64)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(name, 64, 64)
    conv("conv_last", 64, 3)
    # Into the middle of what can be shown.
    state["conv_last.weight"] *= 4
    state["conv_last.bias"] += 0.5
    torch.save({"params_ema": state}, MODEL)


def last_line(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--bench", help="the built bench, if it is not to be built")
    parser.add_argument("--python", help="a Python that has torch and spandrel")
    parser.add_argument("--child", choices=["torch", "model"])
    args = parser.parse_args()
    if args.child:
        return torch_side(args.side) if args.child == "torch" else write_model()
    WORK.mkdir(parents=True, exist_ok=True)
    python, bench = args.python, args.bench
    if not python:
        venv.create(WORK / "venv", with_pip=True)
        python = str(WORK / "venv/bin/python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "spandrel", "numpy"], check=True)
    if not bench:
        build = ["cargo", "bench", "--bench", "upscale", "--no-run", "--message-format", "json"]
        lines = subprocess.run(build, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
        built = [json.loads(line) for line in lines]
        bench = next(b["executable"] for b in built if b.get("target", {}).get("name") == "upscale" and b.get("executable"))
    child = [python, __file__, "--side", str(args.side), "--child"]
    subprocess.run(child + ["model"], check=True)
    runs = {"lbw": [], "torch": []}
    for _ in range(args.rounds):
        ours = [bench, "--model", str(MODEL), "--side", str(args.side), "--picture", str(PICTURE.with_name("lbw.rgb"))]
        runs["lbw"].append(last_line(ours))
        runs["torch"].append(last_line(child + ["torch"]))
        print(json.dumps({name: found[-1] for name, found in runs.items()}), file=sys.stderr)
    pictures = [PICTURE.with_name(name + ".rgb").read_bytes() for name in runs]
    worst = max(abs(a - b) for a, b in zip(*pictures))
    different = sum(a != b for a, b in zip(*pictures)) / len(pictures[0])
    print("| measure | lbw | torch " + runs["torch"][0]["torch"] + " | ratio |\n|---|---|---|---|")
    for key, unit in (("seconds", 1), ("peak_bytes", 2**20)):
        ours, theirs = (statistics.median(run[key] for run in runs[name]) / unit for name in ("lbw", "torch"))
        print(f"| {key} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} |")
    print(f"largest difference of a byte: {worst}, in {different:.4%} of all")


if __name__ == "__main__":
    main()
