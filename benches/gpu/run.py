"""The work of `run.sh`."""

import argparse
import ctypes
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402  (what writes the full-size checkpoint)
import pictures  # noqa: E402

STARTED = time.monotonic()
TABLE = []


def note(*words):
    print(f"[{time.monotonic() - STARTED:6.1f} s]", *words, flush=True)


def number(what, value):
    TABLE.append((what, value))
    note(f"{what}: {value}")


class Memory:
    """The card's memory in use, as nvidia-smi tells it five times a second, in MiB."""

    def __init__(self):
        self.seen = []
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "200"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        for line in self.process.stdout:
            self.seen.append(int(line.split()[0]))

    def during(self, work):
        """What `work` gives, and the memory on the way."""
        time.sleep(0.4)
        begin = len(self.seen)
        given = work()
        return given, self.seen[begin:] or [0]


class Ballast:
    """Takes a card's memory but for so many MiB, as another program would."""

    def __init__(self, left):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        card, context = ctypes.c_int(), ctypes.c_void_p()
        self.must(self.cuda.cuInit(0))
        self.must(self.cuda.cuDeviceGet(ctypes.byref(card), 0))
        self.must(self.cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), card))
        self.must(self.cuda.cuCtxSetCurrent(context))
        self.left, self.held = left << 20, ctypes.c_void_p()

    def must(self, result):
        if result != 0:
            raise RuntimeError(f"the driver says {result}")

    def __enter__(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.must(self.cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
        self.must(self.cuda.cuMemAlloc_v2(ctypes.byref(self.held), ctypes.c_size_t(free.value - self.left)))

    def __exit__(self, *_):
        self.must(self.cuda.cuMemFree_v2(self.held))


def programs(path, work):
    """lbw, its unit tests and the bench of its operators, of a folder or of a tar file; `None` for what is not there."""
    path = pathlib.Path(path)
    if not path.is_dir():
        with tarfile.open(path) as packed:
            packed.extractall(work, filter="data")
        path = work
    there = [(path / name).resolve() for name in ("lbw", "tests", "card")]
    return [program if program.exists() else None for program in there]


class Run:
    def __init__(self, a):
        self.work = pathlib.Path(os.environ.get("LBW_GPU_WORK", "/tmp/lbw-gpu"))
        self.work.mkdir(parents=True, exist_ok=True)
        self.end = STARTED + a.seconds
        self.only = a.only.split(",")
        self.lbw, self.tests, self.card = programs(a.programs, self.work)
        self.memory = Memory()

    def call(self, *arguments, kernels="", limit=None, quiet=True):
        left = self.end - time.monotonic()
        env = os.environ | {"LBW_KERNELS": kernels, "LBW_CONFIG": ""}
        done = subprocess.run([self.lbw, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=max(5, min(limit or left, left)))
        if done.returncode != 0 or not quiet:
            note(" ".join(map(str, arguments)), "→", done.returncode, done.stderr[-1500:])
        if done.returncode != 0:
            raise RuntimeError(f"exit {done.returncode}")
        return done.stdout

    def step(self, what, needs, work):
        """One step; a failure is printed, and the next goes on."""
        if not any(word in what for word in self.only):
            return None
        left = self.end - time.monotonic()
        if left < needs:
            return number(what, f"left out: {left:.0f} s were left, {needs} are needed")
        note("──", what)
        try:
            work()
        except Exception as error:  # noqa: BLE001
            number(what, f"FAILED: {type(error).__name__}: {error}")

    # The steps.

    def machine(self):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
        number("card", subprocess.run(query, capture_output=True, text=True).stdout.strip())
        number("lbw", self.call("--version").strip())

    def operators(self):
        env = os.environ | {"LBW_TEST_DEVICE": "cuda"}
        command = [self.tests, "model::ops::tests", "--test-threads", "4"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, cwd=HERE.parent.parent)
        lines = (done.stdout + done.stderr).splitlines()
        for line in lines:
            if line.startswith("test ") or "panicked" in line or "instead of" in line or line.startswith(("minimal", "\t")):
                note(line[:300])
        number("operators against f64, ours and the card's", next((x for x in reversed(lines) if "test result" in x), lines[-1:]))

    def speed(self):
        done = subprocess.run([self.card], capture_output=True, text=True, timeout=60)
        print(done.stdout + done.stderr[-2000:], flush=True)

    def picture(self):
        for precision in ("f32", "f16"):
            to = self.work / f"one-{precision}.png"
            self.call("red circle, blue background", "--seed", 1, "--device", "cuda", "--precision", precision, "-o", to, "--quiet")
            note(precision, to.stat().st_size, "bytes of PNG")

    def compare(self, precision, kernels):
        out = self.call("bench", "--device", "cuda", "--precision", precision, "--compare", "--size", "128x128", "--rounds", 5, "--json", kernels=kernels, limit=60)
        report = json.loads(out)
        name = f"built-in model, {kernels or 'ours'} {precision}"
        d = report["difference"]
        number(f"{name}, off the CPU's f32", f"text {d['text']:.1e}, evaluation {d['prediction']:.1e}, latent {d['latent']:.1e}, byte {d['bytes']}, PSNR {d['psnr']}")
        times = {f"batch {one['batch']}": round(1000 * one["seconds"], 2) for one in report["sizes"][0]["unet"]}
        number(f"{name}, ms", f"{times}, VAE {1000 * report['sizes'][0]['vae_decode']:.1f}")

    def prompts(self, name, lines):
        path = self.work / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    def pictures(self):
        colours = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"]
        shapes = ["circle", "square", "triangle", "star", "heart", "cross"]
        grounds, places = ["white", "gray", "blue", "green", "yellow", "pink"], ["centered", "on the left", "on the right", "at the top", "at the bottom"]
        styles = ["flat color", "gradient", "thick outline", "striped"]
        lines = [
            f'--prompt "{colours[i % 8]} {shapes[i % 6]}, {places[i % 5]}, {grounds[(i + 1) % 6]} background, {styles[i % 4]}" --seed {100 + i}'
            for i in range(50)]
        file = self.prompts("fifty.txt", lines)
        common = ["--steps", 20, "--sampler", "Euler a", "--cfg-scale", 4, "--quiet"]
        folders = {}
        for name, options in {"cpu f32": ["--device", "cpu"], "cuda f32": ["--device", "cuda", "--precision", "f32"], "cuda f16": ["--device", "cuda"]}.items():
            folders[name] = self.work / name.replace(" ", "-")
            started = time.monotonic()
            self.call("batch", file, "-o", folders[name], *common, *options)
            number(f"50 pictures, {name}", f"{time.monotonic() - started:.1f} s")
        for name in ("cuda f32", "cuda f16"):
            command = [sys.executable, HERE / "pictures.py", folders["cpu f32"], folders[name]]
            number(f"50 pictures, {name} against cpu f32", subprocess.run(command, capture_output=True, text=True).stdout.strip())

    def full_size(self):
        self.model, self.loras = self.work / "sdxl-random.safetensors", self.work / "loras"
        self.loras.mkdir(exist_ok=True)
        peers.checkpoint(self.model)
        peers.lora(self.loras / "rank32.safetensors")

    def bench(self, precision, kernels, sizes, more=(), lora=True):
        arguments = ["bench", "--device", "cuda", "--precision", precision, "--model", self.model, "--size", sizes, "--rounds", 5, "--json", *more]
        if lora:
            arguments += ["--lora-dir", self.loras, "--lora", "rank32"]
        out, memory = self.memory.during(lambda: self.call(*arguments, kernels=kernels, limit=100))
        report, name = json.loads(out), f"SDXL's size, {kernels or 'ours'} {precision}"
        number(f"{name}: open, load, text", f"{report['open']:.2f}, {report['load']:.2f}, {report['text']:.3f} s")
        for size in report["sizes"]:
            for one in size["unet"]:
                number(f"{name}: {size['width']}², batch {one['batch']}", f"{1000 * one['seconds']:.1f} ms an evaluation")
            if size["vae_decode"] is not None:
                number(f"{name}: {size['width']}², VAE decode", f"{1000 * size['vae_decode']:.0f} ms")
        if report["lora"]:
            blocks = {block["block"]: round(block["seconds"], 3) for block in report["lora"]["reweight"]}
            number(f"{name}: merge, again, one block", f"{report['lora']['merge']:.2f}, {report['lora']['merge_again']:.2f}, {blocks} s")
        number(f"{name}: peak of the card's memory", f"{max(memory)} MiB; host {report['peak_memory'] / 2**20:.0f} MiB; of tensors "
               f"{[size['card'] for size in report['sizes']]}, with the LoRA {report['card']}")

    def saved(self):
        """A picture of SDXL's size with a LoRA, with less and less memory: what was said of it, what it took, the same bytes."""
        idle, least = self.memory.during(lambda: self.call("red house", "--device", "cuda", "--steps", 1, "-o", self.work / "idle.png", "--quiet"))
        number("the card's memory with the built-in model, which is hardly more than CUDA's own", f"{max(least)} MiB")
        whole, less = self.large(None), [self.large(amount) for amount in ("8g", "6g", "4g", "3g")]
        number("largest difference of a byte, less memory against all of it", f"{[int(abs(whole - other).max()) for other in less]}")

    def smaller(self):
        """The same where another program has left so much of the card, and nothing is said of memory."""
        for left in (12288, 8192, 6144, 4096):
            with Ballast(left):
                self.large(None, f"{left} MiB are free")

    def large(self, amount, where=""):
        common = ["a cat <lora:rank32:1>", "--model", self.model, "--lora-dir", self.loras, "--device", "cuda", "--width", 1024, "--height", 1024,
                  "--steps", 4, "--seed", 1]
        limit = ["--memory", amount or "auto"]
        said = [line for line in self.call("plan", *common, *limit).splitlines() if "memory" in line]
        to, started = self.work / f"large-{amount}-{where.split(' ')[0]}.png", time.monotonic()
        _, memory = self.memory.during(lambda: self.call(*common, *limit, "-o", to, "--quiet", limit=60))
        number(f"1024², 4 steps, --memory {limit[1]} {where}", f"{time.monotonic() - started:.1f} s, peak {max(memory)} MiB; said: {' '.join(said)}")
        return pictures.read(to)

    def diffusers(self, *more):
        command = [sys.executable, HERE / "diffusers_peer.py", *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(5, min(130, self.end - time.monotonic())))
        number(f"diffusers {' '.join(more)}", done.stdout.strip() or done.stderr[-600:])

    def flat(self):
        tags = ["<lora:house:1:lbw=XLOUT>", "<lora:night:1:lbw=XLALL>", "<lora:overcooked:0.7>", ""]
        scenes = [f'--prompt "red house {tags[i % 4]}" --seed {5 + i % 8}' for i in range(120)]
        file, folder = self.prompts("changing.txt", scenes), self.work / "changing"
        common = ["--steps", 8, "--device", "cuda", "--quiet"]
        _, memory = self.memory.during(lambda: self.call("batch", file, "-o", folder, *common))
        third = len(memory) // 3
        number("120 pictures with changing LoRAs, MiB", f"middle third at most {max(memory[third:2 * third] or [0])}, last {max(memory[2 * third:] or [0])}")
        same = {}
        for path in sorted(folder.glob("*.png")):
            same.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(path.name)
        number("120 pictures of 8 plans: different files", f"{len(same)}")

    def analyze(self):
        started = time.monotonic()
        plot = self.work / "analysis"
        self.call("analyze", "a cat <lora:rank32:1>", "--model", self.model, "--lora-dir", self.loras, "--device", "cuda", "--width", 1024, "--height", 1024,
                  "--steps", 20, "--seed", 1, "-o", plot, "--quiet", "--blocks", "12all")
        number("analyze 12ALL at 1024², 20 steps", f"{time.monotonic() - started:.1f} s")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("programs")
    p.add_argument("--seconds", type=float, default=270)
    p.add_argument("--only", default="", help="steps whose names hold one of these words, separated by commas")
    a = p.parse_args()
    run = Run(a)
    run.step("the machine", 5, run.machine)
    run.step("one picture", 10, run.picture)
    for precision, kernels in (("f32", ""), ("f16", ""), ("f16", "candle")):
        run.step(f"compare {precision} {kernels}", 10, lambda: run.compare(precision, kernels))
    if run.tests:
        run.step("operators", 20, run.operators)
    if run.card:
        run.step("operators' speed", 20, run.speed)
    run.step("writing a checkpoint of SDXL's size", 30, run.full_size)
    run.step("bench f16", 40, lambda: run.bench("f16", "", "512x512,1024x1024"))
    run.step("bench f16, candle's operators", 30, lambda: run.bench("f16", "candle", "1024x1024", ["--skip-vae"], lora=False))
    run.step("bench f32", 30, lambda: run.bench("f32", "", "1024x1024", ["--skip-vae"], lora=False))
    run.step("less memory", 60, run.saved)
    run.step("a smaller card", 40, run.smaller)
    run.step("diffusers", 30, run.diffusers)
    run.step("changing LoRAs", 20, run.flat)
    run.step("50 pictures", 40, run.pictures)
    run.step("diffusers, compiled", 100, lambda: run.diffusers("--compile"))
    run.step("analyze", 50, run.analyze)
    print("\n| what | |\n|---|---|")
    for what, value in TABLE:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
