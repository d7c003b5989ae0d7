"""Pictures, batches and analyses."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import lbw
from lbw._picture import texts

from conftest import SIZE


def test_a_picture_is_that_of_the_command_line(studio: lbw.Studio, tmp_path: Path) -> None:
    steps: list[lbw.Step] = []
    picture = studio.draw("red house <lora:house:1:1:lbw=XLOUT>", seed=7, on_step=steps.append)
    assert steps == [lbw.Step(1, 2), lbw.Step(2, 2)]
    flags = [f"--{name}={value}" for name, value in SIZE.items()]
    there = tmp_path / "a.png"
    subprocess.run([lbw.binary(), "red house <lora:house:1:1:lbw=XLOUT>", "--seed=7", *flags, "-o", there], check=True)
    assert picture.bytes == there.read_bytes()
    assert picture.infotext == texts(picture.bytes)["parameters"]
    assert "Seed: 7" in picture.infotext and picture.seed == 7

    plan = studio.plan("red house <lora:house:1:1:lbw=XLOUT>", seed=7)
    assert studio.draw(plan).bytes == picture.bytes
    assert (plan.id, plan.data) == (picture.id, picture.plan.data)
    picture.save(tmp_path / "in" / "b.png")
    assert os.listdir(tmp_path / "in") == ["b.png"]


def test_pixels_are_pillows(studio: lbw.Studio) -> None:
    pytest.importorskip("PIL")
    assert studio.draw("red circle", seed=1).image.size == (64, 64)


def test_a_picture_of_several_is_the_first_and_says_so(studio: lbw.Studio) -> None:
    picture = studio.draw("red circle", seed=1, n_iter=2)
    assert picture.seed == 1 and any("first of these 2" in finding.message for finding in picture.findings)


def test_a_plan_takes_no_settings(studio: lbw.Studio) -> None:
    with pytest.raises(TypeError, match="steps"):
        studio.draw(studio.plan("a cat"), steps=3)


def test_a_studio_goes_on_after_a_mistake_and_after_an_exception_of_its_user(studio: lbw.Studio) -> None:
    with pytest.raises(lbw.WordsError):
        studio.draw("a <lora:nobody:1> cat")

    def fail(step: lbw.Step) -> None:
        raise KeyError(step.step)

    with pytest.raises(KeyError):
        studio.draw("red circle", seed=3, on_step=fail)
    assert studio.draw("red circle", seed=4).seed == 4


def test_a_batch_is_that_of_the_command_line(studio: lbw.Studio, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(
        '--prompt "red house <lora:house:1>" --seed 1\n'
        '--prompt "blue star" --seed 2 --n_iter 2\n'
        '--prompt "green house <lora:house:1>" --seed 4\n'
    )
    batch = studio.batch(file, output=tmp_path / "out")
    pictures = list(batch)
    assert [picture.plan.line for picture in pictures] == [1, 3, 2, 2], "one LoRA after the other"
    assert len(batch) == 4 and {p.plan.source for p in pictures} == {str(file)}
    flags = [f"--{name}={value}" for name, value in SIZE.items()]
    subprocess.run([lbw.binary(), "batch", file, *flags, "-o", tmp_path / "cli", "-q"], check=True)
    for picture in pictures:
        assert (tmp_path / "cli" / f"{picture.plan.line:04}-{picture.seed}.png").read_bytes() == picture.bytes
        assert (tmp_path / "out" / f"{picture.id}.png").read_bytes() == picture.bytes

    # What is there is not drawn again, and what is damaged is.
    first, second = (tmp_path / "out" / f"{picture.id}.png" for picture in pictures[:2])
    os.utime(first, (1, 1))
    second.write_bytes(second.read_bytes()[:-20])
    assert [picture.bytes for picture in studio.batch(str(file), output=tmp_path / "out")] == [p.bytes for p in pictures]
    assert first.stat().st_mtime == 1
    assert second.read_bytes() == pictures[1].bytes


def test_all_of_a_batch_is_checked_before_the_first_picture(studio: lbw.Studio, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a cat\na <lora:hous:1> dog\n")
    with pytest.raises(lbw.WordsError) as caught:
        studio.batch(file)
    assert caught.value.findings[0].place == f"{file}:2:9"
    with pytest.raises(lbw.WordsError) as caught:
        studio.batch(["a <lora:hous:1> dog", "a cat", "a <lora:nigt:1> dog"])
    assert [finding.help for finding in caught.value.findings] == [("did you mean `house`?",), ("did you mean `night`?",)]
    with pytest.raises(lbw.FileError):
        studio.batch(tmp_path / "none.txt")


def test_lists_hold_prompts_requests_plans_and_files(studio: lbw.Studio, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("--prompt star --seed 4\n")
    plan = studio.plan("red circle", seed=3)
    batch = studio.batch(["red circle", {"prompt": "blue star", "seed": 2}, plan], seed=1)
    assert [p.seed for p in batch.plans] == [1, 2, 3]
    assert [p.seed for p in studio.batch([plan, file]).plans] == [3, 4]


def test_open_seeds_follow_from_their_base(studio: lbw.Studio, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a cat\na cat\n")
    seeds = [[plan.seed for plan in studio.batch(file, seed_base=base).plans] for base in (1, 1, 2)]
    assert seeds[0] == seeds[1] != seeds[2] and seeds[0][0] != seeds[0][1]


def test_an_analysis_is_rows(studio: lbw.Studio, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    analysis = studio.analyze(
        "red circle <lora:house:1:1:lbw=XYZ>",
        seed=1,
        blocks="IN04,OUT00",
        output=tmp_path / "report",
        on_picture=lambda number, of: seen.append((number, of)),
    )
    assert [row["id"] for row in analysis.blocks] == ["IN04", "OUT00"] == sorted(analysis.ranking)
    assert all(isinstance(value, (str, int, float)) for row in analysis.blocks for value in row.values())
    assert {"percent", "effect_delta_e", "guilt", "sentence"} <= set(analysis.blocks[0])
    assert seen[-1] == (4, 4) and "IN04" in analysis.text
    assert (tmp_path / "report" / "analysis.html").is_file()


def test_weights_are_searched_for_and_blocks_are_mapped(studio: lbw.Studio, tmp_path: Path) -> None:
    seen: list[int] = []
    prompts = ["red circle <lora:house:1>", "blue star"]
    tuned = studio.tune(
        prompts,
        toward=["base-colors", "base-lines"],
        keep="motif",
        seed=1,
        steps=4,
        budget=60,
        output=tmp_path / "tuned",
        on_picture=lambda number, of: seen.append(number),
    )
    assert len(tuned.report["search"]) == 3 and tuned.report["search"][1][0] == "blue star" and seen
    assert (tuned.vector is None) == (tuned.suggested is None) and tuned.report["sentence"] in tuned.text
    assert (tmp_path / "tuned" / "tune.html").is_file()
    with pytest.raises(lbw.WordsError, match="no goal"):
        studio.tune(prompts, toward="base-colour")
    with pytest.raises(lbw.WordsError, match="nothing is to change"):
        studio.tune(prompts)

    atlas = studio.atlas(prompts, seeds=1, seed=1, steps=6, output=tmp_path / "atlas")
    rows = [row for row in atlas.rows if row["block"] == "IN04" and row["part"] == "all"]
    assert [row["attribute"] for row in rows] == atlas.report["attributes"] and "IN04" in atlas.text
    assert (tmp_path / "atlas" / "atlas.html").is_file()


def test_a_plot_is_that_of_the_command_line(studio: lbw.Studio, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prompt = "red circle <lora:house:1:1:lbw=XYZ>"
    axes: dict[str, Any] = {"x": "Block ID=IN04,OUT00", "y": "values=0,1"}
    plot = studio.xyz(
        prompt, seed=1, output=tmp_path / "plot", on_picture=lambda number, of: seen.append((number, of)), **axes
    )
    flags = [f"--{name}={value}" for name, value in {**SIZE, **axes}.items()]
    subprocess.run([lbw.binary(), "xyz", prompt, "--seed=1", *flags, "-o", tmp_path / "cli", "-q"], check=True)
    of_python, of_cli = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in ("plot", "cli"))
    assert of_python == of_cli
    assert plot.grids == (of_cli["grid.png"],)
    cells = plot.data["grids"][0]["cells"]
    # A block that keeps its weight is the same picture whichever it is.
    assert (plot.data["x"]["values"], cells[1][0]) == (["IN04", "OUT00"], cells[1][1])
    assert len({*cells[0], cells[1][0]}) == 3 and {number for number, _ in seen} == {1, 2, 3}
    with pytest.raises(lbw.WordsError, match="IN44"):
        studio.xyz(prompt, x="Block ID=IN44", y="values=0,1")


def test_memory_is_what_is_taken_at_most(studio: lbw.Studio) -> None:
    with lbw.Studio(memory="200m", **SIZE) as small:
        assert small.draw("red circle", seed=1).bytes == studio.draw("red circle", seed=1).bytes
    with lbw.Studio(memory="1m", **SIZE) as smaller:
        with pytest.raises(lbw.FileError, match="1 MB is the most"):
            smaller.draw("red circle", seed=1)
    with pytest.raises(lbw.WordsError, match="--memory much"):
        lbw.Studio(memory="much")


def test_what_cannot_be_asked_is_told_and_never_waited_for(studio: lbw.Studio, tmp_path: Path) -> None:
    for settings in ({"cfg_scale": float("nan")}, {"seed": {1}}):
        (name,) = settings
        with pytest.raises(lbw.WordsError, match=name):
            studio.draw("x", **settings)
        with pytest.raises(lbw.WordsError, match=name):
            studio.batch([{"prompt": "x", **settings}])
    with pytest.raises(lbw.WordsError, match="prompt"):
        studio.draw("a\ud800b")
    for wrong in (None, b"x", ["x"]):
        with pytest.raises(TypeError, match="a prompt is a text"):
            studio.draw(wrong)  # type: ignore[arg-type]
    with pytest.raises(lbw.LbwError, match="the studio is at work"):
        studio.draw("x", on_step=lambda step: studio.plan("y"))
    picture = studio.draw("x", seed=1)
    with pytest.raises(ValueError, match=".jpg"):
        picture.save(tmp_path / "a.jpg")
    with pytest.raises(TypeError, match="flags"):
        lbw.Studio(flags="--steps=1")
    with lbw.Studio(lora_dirs=tmp_path):
        pass


def test_a_closed_studio_is_told() -> None:
    studio = lbw.Studio()
    studio.close()
    with pytest.raises(lbw.WorkerDied, match="closed"), studio:
        pass


def test_what_is_not_lbw_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("/nonexistent", os.devnull, "/bin/echo"):
        monkeypatch.setenv("LBW_BINARY", program)
        with pytest.raises(lbw.LbwError, match="LBW_BINARY"):
            lbw.Studio()


def test_a_killed_worker_is_an_exception() -> None:
    with lbw.Studio(width=64, height=64) as studio:
        killer = threading.Timer(0.5, os.kill, (studio.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(lbw.WorkerDied, match="signal 9"):
            studio.draw("red circle", steps=150, on_step=lambda _: time.sleep(0.05))
        killer.join()
        with pytest.raises(lbw.WorkerDied):
            studio.draw("red circle")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyError):
        with lbw.Studio(**SIZE) as studio:
            studio.draw("red circle")
            raise KeyError
    assert os.listdir(tmp_path) == []
    with pytest.raises(lbw.WorkerDied, match="closed"):
        studio.draw("red circle")
    with pytest.raises(ProcessLookupError):
        os.kill(studio.pid, 0)


def test_the_module_is_the_program() -> None:
    import sys

    told = subprocess.run([sys.executable, "-m", "lbw", "--version"], check=True, capture_output=True, text=True)
    assert told.stdout.startswith("lbw ")
