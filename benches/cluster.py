"""What a Ray cluster costs beside the drawing. Wants the wheel with its extra: pip install dist/*.whl[ray].

    python benches/cluster.py plans 10000000      memory of the driver, time for each job and until the first, with workers that draw nothing
    python benches/cluster.py pictures 60 2 30    60 pictures of 30 steps: the time of two workers of Ray beside that of two `lbw batch --claim`
    python benches/cluster.py beside 24 30        one worker of each at the same time, where a machine is not quiet enough for that
    python benches/cluster.py deaths 60           two nodes and four workers; a process, a node and the driver are killed, and the driver begins anew
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray

import lbw
import lbw.ray

sys.path.append(str(Path(__file__).parent.parent / "python" / "tests"))
from processes import drawers

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


def alone(file: Path, folder: str, settings: dict[str, Any], threads: int) -> subprocess.Popen[bytes]:
    """A worker without Ray, started."""
    command = [lbw.binary(), "batch", str(file), "--claim", "-q", "-o", folder + "/batch"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def beside(count: int, steps: int) -> None:
    settings: dict[str, Any] = {"width": 384, "height": 384, "steps": steps}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prompts.jsonl")
        write(file, count)
        ray.init(num_cpus=1, log_to_driver=False)
        took: list[float] = []
        begun = time.monotonic()
        process = alone(file, folder, settings, 1)
        waiter = threading.Thread(target=lambda: took.extend([process.wait(), time.monotonic() - begun]))
        waiter.start()
        summary = lbw.ray.batch(str(file), out=folder + "/ray", num_workers=1, **settings)
        waiter.join()
        assert summary.drawn == count and took[0] == 0
        print(f"{count} pictures each at the same time: lbw batch {took[1]:.1f} s, Ray {summary.seconds:.1f} s")


def pictures(count: int, workers: int, steps: int) -> None:
    settings: dict[str, Any] = {"width": 384, "height": 384, "steps": steps}
    threads = max(1, (os.cpu_count() or 1) // workers)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prompts.jsonl")
        write(file, count)
        begun = time.monotonic()
        started = [alone(file, folder, settings, threads) for _ in range(workers)]
        assert all([process.wait() == 0 for process in started])
        without = time.monotonic() - begun
        ray.init(num_cpus=threads * workers, log_to_driver=False)
        summary = lbw.ray.batch(str(file), out=folder + "/ray", num_workers=workers, num_cpus=threads, **settings)
        assert summary.drawn == count
        print(
            f"{count} pictures, {workers} workers of {threads} threads: lbw batch {without:.1f} s, Ray {summary.seconds:.1f} s "
            f"({100 * (summary.seconds / without - 1):+.1f} %), {without * workers / count:.2f} s a picture, {summary.changes} changes of LoRAs"
        )


#: Small and quick: there are many.
TINY: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}


def deaths(count: int) -> None:
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "prompts.jsonl"), Path(folder, "out")
        write(file, count)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
        command = [sys.executable, __file__, "drive", cluster.address, str(file), str(out)]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert driver.stdout is not None
        killed: list[str] = []
        # Ray says things in between.
        for line in filter(lambda line: line.startswith("{"), driver.stdout):
            drawn = json.loads(line)["drawn"]
            if drawn >= count // 5 and not killed:
                os.kill(drawers()[0], signal.SIGKILL)
                killed.append("process")
            elif drawn >= 2 * count // 5 and len(killed) == 1:
                cluster.remove_node(nodes.pop(), allow_graceful=False)
                killed.append("node")
            elif drawn >= 3 * count // 5 and len(killed) == 2:
                driver.kill()
                killed.append("driver")
                break
        driver.wait()
        assert killed == ["process", "node", "driver"], killed
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
        assert len(before) < count
        again = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        summary = json.loads([line for line in again.stdout.splitlines() if line.startswith("{")][-1])
        assert (summary["drawn"] + summary["there"], summary["failed"]) == (count, 0), summary
        assert all(out.joinpath(name).stat().st_mtime_ns == written for name, written in before.items())
        base = json.loads((out / "run.json").read_text())["seed_base"]
        with lbw.Studio(**TINY) as studio:
            expected = {f"{picture.id}.png": picture.bytes for picture in studio.batch(file, seed_base=base)}
        assert len(expected) == count
        assert {path.name: path.read_bytes() for path in out.glob("*.png")} == expected
        assert {path.name for path in out.iterdir()} == {*expected, "manifest", "run.json"}
        print(
            f"{count} pictures: a process, a node and the driver were killed; {len(before)} were there then, {summary['drawn']} drawn after, each once, "
            "bytes as one machine draws them, nothing temporary left"
        )
        cluster.shutdown()


def drive(address: str, file: str, out: str) -> None:
    """The driver that is killed: tells how far it is."""

    def tell(summary: lbw.ray.Summary) -> None:
        print(json.dumps({"drawn": summary.drawn, "there": summary.there, "failed": len(summary.failed)}), flush=True)

    ray.init(address=address, log_to_driver=False)
    tell(lbw.ray.batch(file, out=out, num_workers=4, on_progress=tell, **TINY))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["plans", count]:
            plans(int(count))
        case ["pictures", count, workers, steps]:
            pictures(int(count), int(workers), int(steps))
        case ["beside", count, steps]:
            beside(int(count), int(steps))
        case ["deaths", count]:
            deaths(int(count))
        case ["drive", address, file, out]:
            drive(address, file, out)
        case _:
            sys.exit(__doc__)
