"""diffusers' UNet and VAE of SDXL's size on the same card, in f16: `python3 benches/gpu/diffusers_peer.py [--compile]`.

Wants torch with CUDA and diffusers. Weights are random numbers. Prints one JSON object of milliseconds: an evaluation of the UNet by size and
batch, the decoding of a picture in f32 (as webui's `--no-half-vae` and lbw do it), and the peak of the card's memory in MiB.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers  # noqa: E402  (the networks' sizes)


def timed(what, rounds):
    what()
    times = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        started = time.perf_counter()
        what()
        torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(times), 2)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--compile", action="store_true", help="torch.compile of the UNet, at 1024² and batch 2 alone")
    a = p.parse_args()
    torch.manual_seed(0)
    with torch.device("cuda"):
        unet, vae = peers.diffusers_networks()
    unet, vae = unet.half().eval(), vae.eval()
    report = {}
    with torch.inference_mode():
        def evaluate(side, batch):
            numbers = lambda *shape: torch.randn(*shape, dtype=torch.float16, device="cuda")
            added = {"text_embeds": numbers(batch, 1280), "time_ids": torch.ones(batch, 6, dtype=torch.float16, device="cuda")}
            unet(numbers(batch, 4, side // 8, side // 8), 500, numbers(batch, 77, peers.CONTEXT), added_cond_kwargs=added)

        if a.compile:
            unet = torch.compile(unet.to(memory_format=torch.channels_last))
            report["UNet 1024² batch 2, compiled"] = timed(lambda: evaluate(1024, 2), a.rounds)
        else:
            for side in (512, 1024):
                for batch in (1, 2):
                    report[f"UNet {side}² batch {batch}"] = timed(lambda: evaluate(side, batch), a.rounds)
            report["VAE decode 1024²"] = timed(lambda: vae.decode(torch.randn(1, 4, 128, 128, device="cuda")), 3)
    report["peak of the card's memory, MiB"] = torch.cuda.max_memory_allocated() >> 20
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
