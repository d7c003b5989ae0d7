"""What a Ray cluster costs beside the drawing. Wants the wheel with its extra: pip install dist/*.whl[ray].

    python benches/cluster.py plans 10000000      memory of the driver, time for each job and until the first, with workers that draw nothing
    python benches/cluster.py pictures 60 2       the time of two workers of Ray beside that of two `lbw batch --claim`
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray

import lbw
import lbw.ray

LORAS = ["house", "night", "overcooked"]


def write(file: Path, count: int) -> None:
    with file.open("w") as stream:
        for number in range(count):
            lora = LORAS[number % len(LORAS)]
            stream.write(json.dumps({"prompt": f"red house {number} <lora:{lora}:1:1:lbw=XLOUT>", "seed": number}) + "\n")


def megabytes() -> float:
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * resource.getpagesize() / 1e6


def plans(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prompts.jsonl")
        write(file, count)
        ray.init(num_cpus=2, log_to_driver=False)
        begun = time.monotonic()
        first: list[float] = []
        told = 0.0

        def progress(summary: lbw.ray.Summary) -> None:
            nonlocal told
            now = time.monotonic() - begun
            if not first:
                first.append(now)
            if now - told > 10:
                told = now
                print(f"{summary.there:>9} jobs  {now:7.1f} s  {megabytes():7.1f} MB", flush=True)

        summary = lbw.ray.batch(str(file), out=folder + "/out", num_workers=2, dry_run=True, on_progress=progress)
        print(
            f"{summary.pictures} jobs: first after {first[0]:.1f} s, {1000 * summary.seconds / summary.pictures:.3f} ms each, "
            f"{megabytes():.1f} MB at the end, {summary.changes} changes of LoRAs"
        )


def pictures(count: int, workers: int) -> None:
    threads = max(1, (os.cpu_count() or 1) // workers)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prompts.jsonl")
        write(file, count)
        command = [lbw.binary(), "batch", str(file), "--claim", "-q", "-o", folder + "/batch"]
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        begun = time.monotonic()
        started = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(workers)]
        assert all(process.wait() == 0 for process in started)
        alone = time.monotonic() - begun
        ray.init(num_cpus=threads * workers, log_to_driver=False)
        summary = lbw.ray.batch(str(file), out=folder + "/ray", num_workers=workers, num_cpus=threads)
        assert summary.drawn == count
        print(
            f"{count} pictures, {workers} workers of {threads} threads: lbw batch {alone:.1f} s, Ray {summary.seconds:.1f} s "
            f"({100 * (summary.seconds / alone - 1):+.1f} %), {alone * workers / count:.2f} s a picture, {summary.changes} changes of LoRAs"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["plans", count]:
            plans(int(count))
        case ["pictures", count, workers]:
            pictures(int(count), int(workers))
        case _:
            sys.exit(__doc__)
