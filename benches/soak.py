#!/usr/bin/env python3
"""Claim: one process that draws a thousand pictures, each with other LoRAs, weights, prompts, sizes, samplers and models, takes no more memory
in the second half than in the first (5 %, means, without the first hundred), and each picture has the bytes that a fresh process gives it; with one thread and with
two, and on each path of the kernels.

    cargo build --release && benches/soak.py target/release/lbw [--pictures 1000] [--fresh 20] [--kernels ,avx2,...] [--model FILE]...

Every PNG is compared by its checksum with those of the other runs, and some of them with a process of their own. Ends with 1 where the claim
fails. Nothing but Python's own library and /proc are needed (Linux).
"""
import argparse, itertools, json, os, random, statistics, struct, subprocess, sys, tempfile

PROMPTS = ["red house", "a blue star, yellow background", "(green:1.3) square AND night", "[red:blue:0.5] heart", "orange triangle BREAK gradient"]
WEIGHTS = ["", ":lbw=XLOUT", ":lbw=XLIN:stop=2", ":lbw=XLALL:lbwe=ATTNDEEPON", ":lbw=1,0,0,0,1,1,0,1,1,1,1,1", ":lbw=R,R,1,1,1,1,1,1,1,1,1,1"]
LORAS = ["house", "night", "overcooked"]
SAMPLERS = ["Euler", "Euler a", "DPM++ 2M Karras", "UniPC"]
SIZES = [(64, 64), (96, 64), (64, 128), (128, 128)]
GROWTH = 1.05
SETTLED = 100
EMBEDDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "embedded", "shapes-xl.safetensors")
# The last layer of the UNet: a model with another one draws other pictures.
CHANGED = "model.diffusion_model.out.2.bias"


def second_model(folder):
    """The embedded checkpoint with other numbers in one of its tensors."""
    with open(EMBEDDED, "rb") as file:
        data = bytearray(file.read())
    (length,) = struct.unpack_from("<Q", data)
    entry = json.loads(data[8 : 8 + length])[CHANGED]
    assert entry["dtype"] == "F16"
    start, end = (8 + length + offset for offset in entry["data_offsets"])
    numbers = f"<{(end - start) // 2}e"
    struct.pack_into(numbers, data, start, *(number + 0.05 for number in struct.unpack_from(numbers, data, start)))
    path = os.path.join(folder, "second.safetensors")
    with open(path, "wb") as file:
        file.write(data)
    return path


def requests(count, second):
    """The same on every machine. Every tenth picture or so begins a row of pictures of the other model."""
    choose, models = random.Random(27), itertools.cycle([None, second])
    model = next(models)
    for number in range(count):
        if choose.random() < 0.1:
            model = next(models)
        tags = "".join(
            f" <lora:{name}:{choose.choice(['1', '0.6', '-0.4'])}{choose.choice(WEIGHTS)}>"
            for name in choose.sample(LORAS, choose.randint(0, 2))
        )
        width, height = choose.choice(SIZES)
        yield {
            "prompt": choose.choice(PROMPTS) + tags,
            "negative_prompt": choose.choice(["", "gradient"]),
            "steps": choose.randint(1, 3),
            "sampler": choose.choice(SAMPLERS),
            "cfg_scale": choose.choice([1, 4, 7.5]),
            "seed": number,
            "width": width,
            "height": height,
            **({"model": model} if model else {}),
        }


def resident(process):
    with open(f"/proc/{process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def draw(lbw, flags, wanted, environment):
    """Draws all of `wanted` in one process: checksum of each picture, memory after each."""
    with tempfile.TemporaryDirectory() as folder:
        command = [lbw, "worker", "--stdio", "-o", folder, *flags]
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        sums, memory = [], []
        for number, request in enumerate(wanted):
            line = {"request": request, "tag": number, "file": f"{number}.png"}
            print(json.dumps(line), file=worker.stdin, flush=True)
            for event in map(json.loads, worker.stdout):
                if event["event"] == "failed":
                    sys.exit(f"picture {number} failed: {event['message']}")
                if event["event"] == "done":
                    sums.append(event["crc32"])
                    os.remove(os.path.join(folder, f"{number}.png"))
                    break
            else:
                sys.exit(f"the worker ended at picture {number}")
            memory.append(resident(worker))
        worker.stdin.close()
        if worker.wait() != 0:
            sys.exit(f"the worker ended with {worker.returncode}")
    return sums, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lbw")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--fresh", type=int, default=20, help="pictures that are drawn again by a process of their own")
    parser.add_argument("--model", action="append", default=[], help="a checkpoint to soak as well as the embedded one")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--kernels", default="", help="values of LBW_KERNELS, divided by commas; the machine's own without")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(soak(args, list(requests(args.pictures, second_model(folder)))))


def soak(args, wanted):
    """Whether the claim failed."""
    failed = False
    for model in [None, *args.model]:
        flags, first = ["--model", model] if model else [], {}
        for threads, kernels in itertools.product(args.threads.split(","), args.kernels.split(",")):
            environment = {"RAYON_NUM_THREADS": threads, **({"LBW_KERNELS": kernels} if kernels else {})}
            sums, memory = draw(args.lbw, flags, wanted, environment)
            # Other instructions round otherwise; the number of threads changes nothing.
            same = sums == first.setdefault(kernels, sums)
            # The allocator gives pages back when it comes to it: single pictures say little.
            later = memory[SETTLED:] or memory
            half = len(later) // 2
            settled = statistics.mean(later[:half] or later)
            growth = statistics.mean(later[half:]) / settled
            step = max(1, len(wanted) // max(1, args.fresh))
            others = [n for n in range(0, len(wanted), step)][: args.fresh]
            fresh = all(draw(args.lbw, flags, [wanted[n]], environment)[0] == [sums[n]] for n in others)
            good = same and fresh and growth <= GROWTH
            failed |= not good
            print(
                f"{model or 'embedded'}: {len(sums)} pictures, {threads} threads, kernels {kernels or 'own'}: "
                f"{settled / 2**20:.0f} MiB (mean after the first hundred), in the second half {growth:.3f} of it, at most {max(memory) / 2**20:.0f}; as with other threads: {same}; "
                f"{len(others)} as in fresh processes: {fresh}{'' if good else '   FAILED'}",
                flush=True,
            )
    return failed


if __name__ == "__main__":
    main()
