"""lbw against diffusers on this machine: `python3 benches/peers.py`.

Builds lbw (release), installs torch and diffusers from PyPI in `target/peers`, writes a full-size SDXL checkpoint of random numbers there
(6.9 GB) and measures both in turn, one resident at a time, `--rounds` times each. Prints medians and ratios as a Markdown table, and every
number in `target/peers/report.json`.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "peers"
PACKAGES = ["torch", "diffusers", "transformers", "accelerate", "numpy"]
UNET = "model.diffusion_model."
WIDTHS, DEPTHS, CONTEXT, VECTOR = (320, 640, 1280), (0, 2, 10), 2048, 2816


class Shapes(dict):
    """Tensor names of SDXL's single-file layout and their shapes."""

    def linear(self, name, inputs, outputs, bias=True):
        self[name + ".weight"] = [outputs, inputs]
        if bias:
            self[name + ".bias"] = [outputs]

    def conv(self, name, inputs, outputs, kernel=3):
        self[name + ".weight"], self[name + ".bias"] = [outputs, inputs, kernel, kernel], [outputs]

    def norm(self, name, width):
        self[name + ".weight"], self[name + ".bias"] = [width], [width]

    def residual(self, name, inputs, outputs):
        self.norm(name + ".in_layers.0", inputs)
        self.conv(name + ".in_layers.2", inputs, outputs)
        self.linear(name + ".emb_layers.1", 1280, outputs)
        self.norm(name + ".out_layers.0", outputs)
        self.conv(name + ".out_layers.3", outputs, outputs)
        if inputs != outputs:
            self.conv(name + ".skip_connection", inputs, outputs, 1)

    def transformer(self, name, width, depth):
        self.norm(name + ".norm", width)
        self.linear(name + ".proj_in", width, width)
        self.linear(name + ".proj_out", width, width)
        for i in range(depth):
            block = f"{name}.transformer_blocks.{i}"
            for n in (1, 2, 3):
                self.norm(f"{block}.norm{n}", width)
            for attention, source in (("attn1", width), ("attn2", CONTEXT)):
                self.linear(f"{block}.{attention}.to_q", width, width, False)
                self.linear(f"{block}.{attention}.to_k", source, width, False)
                self.linear(f"{block}.{attention}.to_v", source, width, False)
                self.linear(f"{block}.{attention}.to_out.0", width, width)
            self.linear(block + ".ff.net.0.proj", width, 8 * width)
            self.linear(block + ".ff.net.2", 4 * width, width)

    def unet(self):
        self.linear(UNET + "time_embed.0", 320, 1280)
        self.linear(UNET + "time_embed.2", 1280, 1280)
        self.linear(UNET + "label_emb.0.0", VECTOR, 1280)
        self.linear(UNET + "label_emb.0.2", 1280, 1280)
        self.conv(UNET + "input_blocks.0.0", 4, 320)
        width, number, skips = 320, 1, [320]
        for level in range(3):
            for _ in range(2):
                block = f"{UNET}input_blocks.{number}"
                self.residual(block + ".0", width, WIDTHS[level])
                width, number = WIDTHS[level], number + 1
                if DEPTHS[level]:
                    self.transformer(block + ".1", width, DEPTHS[level])
                skips.append(width)
            if level < 2:
                self.conv(f"{UNET}input_blocks.{number}.0.op", width, width)
                skips.append(width)
                number += 1
        self.residual(UNET + "middle_block.0", width, width)
        self.transformer(UNET + "middle_block.1", width, DEPTHS[2])
        self.residual(UNET + "middle_block.2", width, width)
        for number in range(9):
            level, block = 2 - number // 3, f"{UNET}output_blocks.{number}"
            self.residual(block + ".0", width + skips.pop(), WIDTHS[level])
            width = WIDTHS[level]
            if DEPTHS[level]:
                self.transformer(block + ".1", width, DEPTHS[level])
            if number % 3 == 2 and level:
                self.conv(f"{block}.{2 if DEPTHS[level] else 1}.conv", width, width)
        self.norm(UNET + "out.0", 320)
        self.conv(UNET + "out.2", 320, 4)

    def vae(self):
        def residual(name, inputs, outputs):
            self.norm(name + ".norm1", inputs)
            self.conv(name + ".conv1", inputs, outputs)
            self.norm(name + ".norm2", outputs)
            self.conv(name + ".conv2", outputs, outputs)
            if inputs != outputs:
                self.conv(name + ".nin_shortcut", inputs, outputs, 1)

        def middle(name):
            residual(name + "mid.block_1", 512, 512)
            residual(name + "mid.block_2", 512, 512)
            self.norm(name + "mid.attn_1.norm", 512)
            for part in ("q", "k", "v", "proj_out"):
                self.conv(name + "mid.attn_1." + part, 512, 512, 1)

        root = "first_stage_model."
        self.conv(root + "quant_conv", 8, 8, 1)
        self.conv(root + "post_quant_conv", 4, 4, 1)
        for side, blocks, levels in (("encoder.", 2, range(4)), ("decoder.", 3, range(3, -1, -1))):
            decoding = side == "decoder."
            self.conv(root + side + "conv_in", *((4, 512) if decoding else (3, 128)))
            width = 512 if decoding else 128
            for level in levels:
                name = f"{root}{side}{'up' if decoding else 'down'}.{level}"
                for i in range(blocks):
                    residual(f"{name}.block.{i}", width, 128 * (1, 2, 4, 4)[level])
                    width = 128 * (1, 2, 4, 4)[level]
                if level > 0 if decoding else level < 3:
                    self.conv(f"{name}.{'upsample' if decoding else 'downsample'}.conv", width, width)
            middle(root + side)
            self.norm(root + side + "norm_out", width)
            self.conv(root + side + "conv_out", width, 3 if decoding else 8)

    def text(self):
        root = "conditioner.embedders.0.transformer.text_model."
        self[root + "embeddings.token_embedding.weight"] = [49408, 768]
        self[root + "embeddings.position_embedding.weight"] = [77, 768]
        for i in range(12):
            layer = f"{root}encoder.layers.{i}."
            self.norm(layer + "layer_norm1", 768)
            self.norm(layer + "layer_norm2", 768)
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                self.linear(layer + "self_attn." + part, 768, 768)
            self.linear(layer + "mlp.fc1", 768, 3072)
            self.linear(layer + "mlp.fc2", 3072, 768)
        self.norm(root + "final_layer_norm", 768)
        root = "conditioner.embedders.1.model."
        self[root + "token_embedding.weight"], self[root + "positional_embedding"] = [49408, 1280], [77, 1280]
        self[root + "text_projection"], self[root + "logit_scale"] = [1280, 1280], []
        self.norm(root + "ln_final", 1280)
        for i in range(32):
            layer = f"{root}transformer.resblocks.{i}."
            self.norm(layer + "ln_1", 1280)
            self.norm(layer + "ln_2", 1280)
            self[layer + "attn.in_proj_weight"], self[layer + "attn.in_proj_bias"] = [3840, 1280], [3840]
            self.linear(layer + "attn.out_proj", 1280, 1280)
            self.linear(layer + "mlp.c_fc", 1280, 5120)
            self.linear(layer + "mlp.c_proj", 5120, 1280)


def write(path, shapes, scale):
    """A safetensors file in f16 of random numbers; `scale(name, shape)` gives their mean and their standard deviation."""
    import numpy as np

    if path.exists():
        return
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(shapes):
        size = 2 * math.prod(shapes[name])
        header[name] = {"dtype": "F16", "shape": shapes[name], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    pool = np.random.default_rng(1).standard_normal(1 << 22).astype(np.float32)
    part = path.with_suffix(".part")
    with open(part, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for number, name in enumerate(sorted(shapes)):
            left, (mean, deviation) = math.prod(shapes[name]), scale(name, shapes[name])
            numbers = np.roll(pool, 7919 * number % len(pool))
            values = (mean + deviation * numbers[: min(left, len(numbers))]).astype(np.float16)
            while left:
                f.write(values[:left].tobytes())
                left -= min(left, len(values))
    os.replace(part, path)


def checkpoint(path):
    shapes = Shapes()
    shapes.unet()
    shapes.vae()
    shapes.text()

    def scale(name, shape):
        if len(shape) >= 2:
            return 0.0, 0.7 / math.sqrt(math.prod(shape[1:]))
        is_norm = name.endswith(".weight") and ("norm" in name or "ln_" in name or "_layers.0." in name or name.startswith(UNET + "out.0"))
        return float(is_norm), 0.02

    write(path, shapes, scale)


def lora(path):
    """Rank 32 on every linear module of the attention blocks: 722 modules."""
    model, shapes = Shapes(), {}
    model.unet()
    for name, shape in model.items():
        if len(shape) == 2 and ("transformer_blocks" in name or ".proj_" in name):
            module = "lora_unet_" + name[len(UNET) : -len(".weight")].replace(".", "_")
            shapes[module + ".lora_up.weight"], shapes[module + ".lora_down.weight"] = [shape[0], 32], [32, shape[1]]
            shapes[module + ".alpha"] = []
    write(path, shapes, lambda name, shape: (0.0, 0.02) if shape else (16.0, 0.0))


def diffusers_networks():
    """diffusers' UNet and VAE of SDXL's size."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=128, block_out_channels=WIDTHS, layers_per_block=2, cross_attention_dim=CONTEXT, attention_head_dim=[5, 10, 20],
        transformer_layers_per_block=[1, 2, 10], down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=VECTOR)
    vae = AutoencoderKL(block_out_channels=[128, 256, 512, 512], down_block_types=["DownEncoderBlock2D"] * 4,
                        up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, layers_per_block=2)
    return unet, vae


def diffusers_worker(sizes, rounds, dtype):
    """Measures diffusers in this process and prints JSON."""
    import resource

    import torch

    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    unet, vae = diffusers_networks()
    unet, vae = unet.to(kind).eval(), vae.eval()
    report = {}
    with torch.inference_mode():
        def evaluate(width, height, batch):
            x = torch.randn(batch, 4, height // 8, width // 8, dtype=kind)
            added = {"text_embeds": torch.randn(batch, 1280, dtype=kind), "time_ids": torch.ones(batch, 6, dtype=kind)}
            unet(x, 500, torch.randn(batch, 77, CONTEXT, dtype=kind), added_cond_kwargs=added)

        def timed(what):
            times = []
            for _ in range(rounds + 1):
                started = time.perf_counter()
                what()
                times.append(time.perf_counter() - started)
            return statistics.median(times[1:])

        for width, height in sizes:
            for batch in (1, 2) if width * height <= 512 * 512 else (1,):
                report[f"UNet {width}x{height} batch {batch}"] = timed(lambda: evaluate(width, height, batch))
        width, height = sizes[0]
        report[f"VAE decode {width}x{height}"] = timed(lambda: vae.decode(torch.randn(1, 4, height // 8, width // 8)))
    report["peak memory (GB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps(report))


def lbw(sizes, rounds, model, more):
    sizes = ",".join(f"{w}x{h}" for w, h in sizes)
    command = [ROOT / "target/release/lbw", "bench", "--json", "--size", sizes, "--rounds", str(rounds), "--model", model,
               "--lora-dir", WORK / "lora", "--lora", "rank32", *more]
    out = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    report = {"open and load": out["open"] + out["load"], "text encoders": out["text"]}
    for s in out["sizes"]:
        name = f"{s['width']}x{s['height']}"
        report |= {f"UNet {name} batch {one['batch']}": one["seconds"] for one in s["unet"]}
        report[f"VAE decode {name}"] = s["vae_decode"]
    report["merge of 722 modules"] = out["lora"]["merge"]
    report["merge at another strength"] = out["lora"]["merge_again"]
    report["re-weighting one block, mean"] = statistics.mean(b["seconds"] for b in out["lora"]["reweight"])
    report["peak memory (GB)"] = out["peak_memory"] / 1e9
    return report


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3, help="how often each program is started")
    p.add_argument("--evaluations", type=int, default=2, help="evaluations per number and start")
    p.add_argument("--sizes", default="512x512,1024x1024")
    p.add_argument("--dtype", default="float32", help="of diffusers")
    p.add_argument("--model", type=pathlib.Path, default=WORK / "sdxl-random.safetensors")
    p.add_argument("--lbw", nargs="*", default=[], help="further options of lbw bench")
    p.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    sizes = [tuple(map(int, s.split("x"))) for s in a.sizes.split(",")]
    if a.worker:
        return diffusers_worker(sizes, a.evaluations, a.dtype)
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    python = WORK / "venv/bin/python"
    if not python.exists():
        venv.create(WORK / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    if not os.environ.get("LBW_PEERS_INSIDE"):
        # numpy, which writes the files, is in there.
        return sys.exit(subprocess.run([python, *sys.argv], env=os.environ | {"LBW_PEERS_INSIDE": "1"}).returncode)
    checkpoint(a.model)
    (WORK / "lora").mkdir(exist_ok=True)
    lora(WORK / "lora/rank32.safetensors")
    runs = {"lbw": [], "diffusers": []}
    for _ in range(a.rounds):
        runs["lbw"].append(lbw(sizes, a.evaluations, a.model, a.lbw))
        worker = [python, __file__, "--worker", "--sizes", a.sizes, "--evaluations", str(a.evaluations), "--dtype", a.dtype]
        runs["diffusers"].append(json.loads(subprocess.run(worker, check=True, stdout=subprocess.PIPE).stdout))
        (WORK / "report.json").write_text(json.dumps(runs, indent=1))
    print("| measure | lbw | diffusers | ratio |\n|---|---|---|---|")
    for name in runs["lbw"][0]:
        ours = statistics.median(run[name] for run in runs["lbw"])
        theirs = [run[name] for run in runs["diffusers"] if name in run]
        peer = f"{statistics.median(theirs):.2f} | {ours / statistics.median(theirs):.2f}" if theirs else "|"
        print(f"| {name} | {ours:.2f} | {peer} |")


if __name__ == "__main__":
    main()
