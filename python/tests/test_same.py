"""One prompt file, whoever draws it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import lbw

from conftest import SIZE

FLAGS = [f"--{name}={value}" for name, value in SIZE.items()]


def rows(folder: Path) -> dict[str, dict[str, object]]:
    """The last row of each picture in a manifest."""
    lines = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines()[1:])
    return {row["file"]: row for row in lines}


def test_the_command_line_python_another_host_and_a_cluster_draw_the_same(
    studio: lbw.Studio, cluster: Any, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    import lbw.ray

    file = tmp_path / "prompts.jsonl"
    prompts = [
        {"prompt": "red house <lora:house:1:1:lbw=XLOUT>", "seed": 3},
        {"prompt": "blue star", "negative_prompt": "red", "seed": 5, "n_iter": 2},
        {"prompt": "(yellow:1.2) circle <lora:night:0.5>", "seed": 7, "sampler": "Euler a", "cfg_scale": 4},
    ]
    file.write_text("\n".join(map(json.dumps, prompts)))
    subprocess.run([lbw.binary(), "batch", file, *FLAGS, "-q", "-o", tmp_path / "here"], check=True)
    server = subprocess.Popen([lbw.binary(), "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        host = server.stdout.readline().strip()
        there: list[str | Path] = ["batch", file, *FLAGS, "-q", "-o", tmp_path / "there", "--via", host]
        subprocess.run([lbw.binary(), *there], check=True)
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()

    pictures = {f"{picture.plan.line:04}-{picture.seed}.png": picture for picture in studio.batch(file)}
    here = rows(tmp_path / "here")
    assert sorted(here) == sorted(pictures) == sorted(rows(tmp_path / "there"))
    for name, picture in pictures.items():
        assert here[name]["id"] == picture.id
        assert (tmp_path / "here" / name).read_bytes() == picture.bytes == (tmp_path / "there" / name).read_bytes(), name

    node = cluster.add_node(num_cpus=1)
    assert lbw.ray.batch(str(file), out=str(tmp_path / "ray"), num_workers=1, **SIZE).drawn == len(pictures)
    cluster.remove_node(node)
    by_id = {f"{picture.id}.png": picture.bytes for picture in pictures.values()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "ray").glob("*.png")} == by_id
