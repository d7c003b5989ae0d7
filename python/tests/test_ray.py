"""A batch on two nodes of Ray, of which everything that can die does. Runs where Ray is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lbw

pytest.importorskip("ray")

import lbw.ray  # noqa: E402
from lbw.ray import Failure, Summary, _drawer, batch  # noqa: E402

from processes import drawers  # noqa: E402

#: Small and quick: there are many.
SIZE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}

#: How many pictures there are.
PICTURES = 12


def prompts(folder: Path) -> Path:
    """Two LoRA sets in turn; the seed of every third is left open."""
    file = folder / "prompts.jsonl"
    lines = []
    for number in range(PICTURES):
        row: dict[str, object] = {"prompt": f"red house {number} <lora:{('house', 'night')[number % 2]}:1>"}
        if number % 3:
            row["seed"] = number
        lines.append(json.dumps(row))
    file.write_text("\n".join(lines))
    return file


def assert_as_one_machine_draws(file: Path, out: Path) -> None:
    """Every picture once, with the bytes of the machine at hand, and nothing besides."""
    base = json.loads((out / "run.json").read_text())["seed_base"]
    with lbw.Studio(**SIZE) as studio:
        expected = {f"{picture.id}.png": picture.bytes for picture in studio.batch(file, seed_base=base)}
    assert len(expected) == PICTURES
    assert {path.name: path.read_bytes() for path in out.glob("*.png")} == expected
    assert sorted(os.listdir(out)) == sorted([*expected, "manifest", "run.json"])
    (part,) = (out / "manifest").iterdir()
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    assert {row["file"] for row in rows} == set(expected) and len(rows) == PICTURES
    assert [row["line"] for row in rows] == list(range(1, PICTURES + 1))


def test_workers_and_nodes_may_die(cluster: Any, tmp_path: Path) -> None:
    """One process of lbw is killed, then a whole node; then the driver, whose run is started again."""
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    file, out = prompts(tmp_path), tmp_path / "out"
    killed: list[str] = []

    def kill(summary: Summary) -> None:
        if summary.drawn >= 2 and not killed:
            killed.append("process")
            os.kill(drawers()[0], signal.SIGKILL)
        if summary.drawn >= 5 and len(killed) == 1:
            killed.append("node")
            cluster.remove_node(nodes.pop())

    summary = batch(str(file), out=str(out), num_workers=4, on_progress=kill, **SIZE)
    assert killed == ["process", "node"]
    assert (summary.pictures, summary.drawn + summary.there, summary.failed) == (PICTURES, PICTURES, [])
    assert any("signal 9" in trouble.message for trouble in summary.troubles)
    assert_as_one_machine_draws(file, out)

    again = batch(str(file), out=str(out), num_workers=2, **SIZE)
    assert (again.drawn, again.there) == (0, PICTURES)
    cluster.remove_node(nodes.pop())


def test_the_driver_may_die(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    file, out = prompts(tmp_path), tmp_path / "out"
    script = (
        "import sys, ray, lbw.ray\n"
        f"ray.init(address={cluster.address!r}, log_to_driver=False)\n"
        f"lbw.ray.batch({str(file)!r}, out={str(out)!r}, num_workers=2, **{SIZE!r})\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", script])
    while driver.poll() is None and len(list(out.glob("*.png"))) < 3:
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 3 <= len(there) < PICTURES
    summary = batch(str(file), out=str(out), num_workers=2, **SIZE)
    assert summary.drawn + summary.there == PICTURES and summary.there >= len(there)
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    assert_as_one_machine_draws(file, out)
    cluster.remove_node(node)


def test_jobs_of_one_lora_go_together(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    summary = batch(str(prompts(tmp_path)), out=str(tmp_path / "out"), num_workers=2, dry_run=True, **SIZE)
    assert summary.pictures == PICTURES and summary.changes <= 2
    assert not (tmp_path / "out").exists()
    cluster.remove_node(node)


def webui(folder: Path, loras: dict[str, str]) -> Path:
    """A webui folder with the built-in model and these of its LoRAs under other names."""
    lbw.plan("a cat")
    cache = Path(os.environ.get("LBW_CACHE_DIR", "~/.cache/lbw")).expanduser()
    for of, to in [("shapes-xl", "Stable-diffusion/shapes-xl"), *((of, f"Lora/{to}") for of, to in loras.items())]:
        path = folder / "models" / f"{to}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(cache.rglob(f"{of}.safetensors")), path)
    return folder


def test_what_a_node_lacks_is_told_with_node_line_and_advice(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one of two nodes the LoRA is missing: the other draws. Where no node has it, nothing else is lost."""
    whole = webui(tmp_path / "whole", {"house": "home", "night": "dusk"})
    poor = webui(tmp_path / "poor", {"night": "dusk"})
    file = tmp_path / "prompts.jsonl"
    rows = [{"prompt": f"house <lora:{('home', 'dusk')[n % 2]}:1>", "seed": n} for n in range(6)]
    file.write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("LBW_WEBUI_DIR", str(whole))

    bad = cluster.add_node(num_cpus=1, env_vars={"LBW_WEBUI_DIR": str(poor)})
    with pytest.raises(lbw.LbwError) as caught:
        batch(str(file), out=str(tmp_path / "bad"), num_workers=1, retries=1, model="shapes-xl", **SIZE)
    told = str(caught.value)
    assert "3 of 6 pictures failed" in told and "prompts.jsonl:1 and 2 more: on node" in told and "no LoRA called `home`" in told
    assert "= help: " in told and "same files" in told
    assert len(list((tmp_path / "bad").glob("*.png"))) == 3

    # A better node comes when the first has failed.
    good: list[Any] = []

    def grow(summary: Summary) -> None:
        if not good:
            good.append(cluster.add_node(num_cpus=1, env_vars={"LBW_WEBUI_DIR": str(whole)}))

    summary = batch(
        str(file), out=str(tmp_path / "good"), num_workers=2, model="shapes-xl", on_progress=grow, **SIZE
    )
    assert (summary.drawn, summary.failed) == (6, [])
    (trouble,) = summary.troubles
    assert "home" in trouble.message and trouble.findings[0].code == "E0218" and trouble.line is not None
    cluster.remove_node(bad)
    cluster.remove_node(good[0])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What to set for a node so that its pictures find no room: a disk of its own or, where nobody may mount one, a limit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=9", "none", str(disk)]
    if os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0:
        # Ray has files of its own.
        yield {"TMPDIR": str(disk), "RAY_TMPDIR": "/tmp"}
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    else:
        limited = tmp_path / "limited"
        limited.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 1\nexec {lbw.binary()} \"$@\"\n")
        limited.chmod(0o755)
        yield {"LBW_BINARY": str(limited)}


def test_a_node_whose_disk_is_full_is_told_and_others_draw(cluster: Any, tmp_path: Path, full_disk: dict[str, str]) -> None:
    file, out = prompts(tmp_path), tmp_path / "out"
    bad = cluster.add_node(num_cpus=1, env_vars=full_disk)
    with pytest.raises(lbw.LbwError) as caught:
        batch(str(file), out=str(out), num_workers=1, retries=0, **SIZE)
    told = str(caught.value)
    assert f"{PICTURES} of {PICTURES} pictures failed" in told and told.count("on node") == 1, told
    assert f"prompts.jsonl:1 and {PICTURES - 1} more: on node" in told and "room on its disk" in told, told
    assert "No space left" in told or "File too large" in told, told
    good = cluster.add_node(num_cpus=1)
    summary = batch(str(file), out=str(out), num_workers=2, **SIZE)
    assert (summary.drawn, summary.failed) == (PICTURES, [])
    assert_as_one_machine_draws(file, out)
    cluster.remove_node(bad)
    cluster.remove_node(good)


@pytest.mark.parametrize("name, place", [("Lora/home", "prompts.jsonl:1 and 1 more: on node"), ("Stable-diffusion/shapes-xl", "on node")])
def test_a_file_that_is_broken_on_one_node_is_told_and_others_draw(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    """A LoRA that was copied by half, and a checkpoint."""
    whole, broken = (webui(tmp_path / folder, {"house": "home"}) for folder in ("whole", "broken"))
    file, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    file.write_text("\n".join(json.dumps({"prompt": "house <lora:home:1>", "seed": n}) for n in range(2)))
    monkeypatch.setenv("LBW_WEBUI_DIR", str(whole))
    path = broken / "models" / f"{name}.safetensors"
    os.truncate(path, path.stat().st_size // 2)
    bad = cluster.add_node(num_cpus=1, env_vars={"LBW_WEBUI_DIR": str(broken)})
    with pytest.raises(lbw.LbwError) as caught:
        batch(str(file), out=str(out), num_workers=1, retries=0, model="shapes-xl", **SIZE)
    told = str(caught.value)
    assert place in told and told.count("on node") == 1 and path.name in told, told
    assert "cut short; download it again" in told, told
    assert caught.value.findings
    good = cluster.add_node(num_cpus=1, env_vars={"LBW_WEBUI_DIR": str(whole)})
    summary = batch(str(file), out=str(out), num_workers=2, model="shapes-xl", **SIZE)
    assert (summary.drawn, summary.failed) == (2, [])
    cluster.remove_node(bad)
    cluster.remove_node(good)


def test_studies_are_those_of_one_machine(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    prompt = "red circle <lora:house:1:1:lbw=XYZ>"
    plot: dict[str, Any] = {"x": "Block ID=IN04,OUT00", "y": "values=0,1"}
    alone, there = tmp_path / "alone", tmp_path / "there"
    with lbw.Studio(**SIZE) as studio:
        analysis = studio.analyze(prompt, blocks="IN04,OUT00", seed=1, output=alone / "analysis")
        drawn = studio.xyz(prompt, seed=1, output=alone / "plot", **plot)
    runs: list[Summary] = []
    found = lbw.ray.analyze(prompt, blocks="IN04,OUT00", seed=1, out=str(there / "analysis"), on_progress=runs.append, **SIZE)
    assert found.blocks == analysis.blocks and found.guilty == analysis.guilty
    for _ in range(2):
        assert lbw.ray.xyz(prompt, seed=1, out=str(there / "plot"), on_progress=runs.append, **plot, **SIZE) == drawn
    distinct = {id(summary): (summary.drawn, summary.there) for summary in runs}
    assert list(distinct.values()) == [(4, 0), (3, 0), (0, 3)]
    files = {path.relative_to(alone): path.read_bytes() for path in alone.rglob("*.*")}
    # What a run cost stands in its report.
    cost = {Path("analysis/analysis.json"), Path("analysis/analysis.html")}
    same = {path.relative_to(there): path.read_bytes() for path in there.rglob("*.*")}
    assert set(same) == set(files)
    assert {path for path in files if files[path] != same[path]} <= cost
    cluster.remove_node(node)


def test_what_holds_for_all_pictures_of_a_node_is_told_once() -> None:
    """Each has a temporary file of its own on a disk that is full."""
    rows = []
    for name in ("1.png", "2.png"):
        path = f"/tmp/lbw-studio-17-ab_c/{name}"
        finding = lbw.Finding("E0706", "error", f'cannot write {path}: No space left on device at path "{path}.part"')
        rows.append(_drawer._wrong(lbw.FileError(finding.message, [finding])))
    assert rows[0] == rows[1]
    failed = [Failure("10.0.0.7", row["error"], "p.jsonl", n, tuple(row["findings"])) for n, row in enumerate(rows, 1)]
    with pytest.raises(lbw.LbwError) as caught:
        Summary(pictures=3, failed=failed).check()
    told = str(caught.value)
    assert "2 of 3 pictures failed" in told and "p.jsonl:1 and 1 more: on node 10.0.0.7: " in told
    assert told.count("No space left") == 1 and "cannot write /tmp/lbw-studio: " in told


def test_a_node_with_another_version_is_left_out(cluster: Any, tmp_path: Path) -> None:
    old = tmp_path / "lbw"
    old.write_text('#!/bin/sh\necho \'{"event":"ready","version":"0.0.1","findings":[]}\'\ncat >/dev/null\n')
    old.chmod(0o755)
    file = tmp_path / "prompts.txt"
    file.write_text("--prompt star --seed 1\n")
    bad = cluster.add_node(num_cpus=1, env_vars={"LBW_BINARY": str(old)})
    with pytest.raises(lbw.LbwError, match="on node .*lbw 0.0.1, and the Python package is"):
        batch(str(file), out=str(tmp_path / "out"), num_workers=1, **SIZE)
    good = cluster.add_node(num_cpus=1)
    summary = batch(str(file), out=str(tmp_path / "out"), num_workers=2, **SIZE)
    assert summary.drawn == 1
    cluster.remove_node(bad)
    cluster.remove_node(good)


def test_wrong_words_are_told_before_anything_is_drawn(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    file, out = tmp_path / "prompts.txt", tmp_path / "out"
    file.write_text("--prompt star --seed 1\na <lora:hous:1> dog\n")
    with pytest.raises(lbw.WordsError) as caught:
        batch(str(file), out=str(out), num_workers=1, **SIZE)
    assert caught.value.findings[0].place == "prompts.txt:2:9"
    summary = batch(str(file), out=str(out), num_workers=1, keep_going=True, **SIZE)
    assert summary.drawn == 1 and summary.findings[0].place == "prompts.txt:2:9"
    (tmp_path / "other.txt").write_text("star\n")
    with pytest.raises(lbw.LbwError, match="choose another one"):
        batch(str(tmp_path / "other.txt"), out=str(out), **SIZE)
    cluster.remove_node(node)


def test_what_cannot_begin_leaves_nothing(cluster: Any, tmp_path: Path) -> None:
    file, out = tmp_path / "prompts.txt", tmp_path / "out"
    file.write_text("--prompt star --seed 1\n")
    with pytest.raises(lbw.FileError, match="nope.txt: there is no such file"):
        batch(tmp_path / "nope.txt", out=out, **SIZE)
    with pytest.raises(ValueError, match="num_workers"):
        batch(file, out=out, num_workers=0, **SIZE)
    with pytest.raises(lbw.LbwError, match="stpes"):
        batch(file, out=out, stpes=3)
    with pytest.raises(lbw.FileError, match="foo://"):
        batch(file, out="foo://x/y", **SIZE)
    assert not (out / "run.json").exists()
    file.write_bytes("--prompt 星\n".encode("cp932"))
    with pytest.raises(lbw.WordsError, match="prompts.txt:1: this is not UTF-8"):
        batch(file, out=out, **SIZE)
    (tmp_path / "file").write_text("")
    with pytest.raises(lbw.FileError):
        batch(file, out=tmp_path / "file", **SIZE)
