"""Plans, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lbw


def test_a_plan_is_data() -> None:
    plan = lbw.plan("red house <lora:house:1:1:lbw=XLOUT>", steps=3, seed=7)
    assert (plan.settings["steps"], plan.seed) == (3, 7)
    assert [lora["name"] for lora in plan.loras] == ["house"]
    assert plan.prompt.startswith("red house")
    assert plan.id is not None and len(plan.id) == 16
    assert lbw.Plan.from_json(plan.to_json()).data == plan.data
    assert plan.id != lbw.plan("red house <lora:house:1:1:lbw=XLOUT>", steps=3, seed=8).id


def test_mistakes_are_exceptions_with_places() -> None:
    with pytest.raises(lbw.WordsError) as caught:
        lbw.plan("red house <lora:house:1:lbw=XLUOT>")
    finding = caught.value.findings[0]
    assert (finding.code, finding.severity, finding.place) == ("E0201", "error", "prompt:1:29")
    assert finding.help == ("did you mean `XLOUT`?",)
    assert str(caught.value).startswith("prompt:1:29: error[E0201]: there is no preset `XLUOT`")


def test_mistakes_are_told_in_japanese() -> None:
    with lbw.Studio(language="ja") as studio:
        with pytest.raises(lbw.WordsError) as caught:
            studio.plan("red house <lora:house:1:lbw=XLUOT>")
    assert caught.value.findings[0].code == "E0201"
    assert "XLUOT" in caught.value.findings[0].message and not caught.value.findings[0].message.isascii()


def test_settings_that_there_are_not_are_told(studio: lbw.Studio) -> None:
    with pytest.raises(lbw.WordsError) as caught:
        studio.plan("a cat", stepz=3)
    assert "stepz" in str(caught.value)
    with pytest.raises(lbw.WordsError):
        studio.plan("a cat", steps="many")


def test_surprises_are_findings(studio: lbw.Studio) -> None:
    plan = studio.plan("a __colour__ cat")
    assert plan.findings and plan.findings[0].severity == "warning"


def test_several_pictures_are_several_plans(studio: lbw.Studio) -> None:
    plans = studio.plans("a cat", seed=5, n_iter=3)
    assert [plan.seed for plan in plans] == [5, 6, 7]
    with pytest.raises(ValueError, match="3 pictures"):
        studio.plan("a cat", n_iter=3)


def test_plans_know_the_files_of_the_studio_around_them(tmp_path: Path) -> None:
    presets = tmp_path / "mine.yaml"
    presets.write_text("layout: sdxl-12\npresets:\n  MINE: {BASE: 1, OUT00: 0.5}\n")
    with lbw.Studio(presets=[presets]):
        assert lbw.plan("red house <lora:house:1:1:lbw=MINE>").loras[0]["name"] == "house"
    with pytest.raises(lbw.WordsError):
        lbw.plan("red house <lora:house:1:1:lbw=MINE>")


@pytest.mark.parametrize("where", [{"model": "none.safetensors"}, {"lora_dirs": ["none"]}])
def test_files_that_there_are_not_are_told(where: dict[str, Any]) -> None:
    with pytest.raises(lbw.FileError) as caught:
        lbw.Studio(**where)
    assert "none" in str(caught.value) and caught.value.findings[0].code.startswith("E")
    with pytest.raises(lbw.WordsError, match="no-such-flag"):
        lbw.Studio(flags=["--no-such-flag"])
