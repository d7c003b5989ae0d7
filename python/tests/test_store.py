"""Object stores: a server of S3's kind on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray")
pytest.importorskip("moto")

from lbw.ray import _jobs, _stage, _store  # noqa: E402


@pytest.fixture(scope="module")
def bucket(s3: str) -> str:
    """The address of a bucket, without its end."""
    host = s3.removeprefix("http://")
    return f"s3://me:secret@lbw/%s?scheme=http&endpoint_override={host.replace(':', '%%3A')}&region=us-east-1"


def test_files_are_written_read_and_found(bucket: str) -> None:
    store = _store.Store(bucket % "night")
    assert store.read("run.json") is None
    store.write("run.json", b"{}\n")
    store.write("manifest/000000001.jsonl", b"x")
    store.sweep()
    assert store.read("run.json") == b"{}\n"
    assert store.there(["run.json", "a.png", "manifest", "manifest/000000001.jsonl"]) == [True, False, False, True]


def test_prompt_files_are_read_line_by_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f'{{"prompt": "cat {number}"}}\n' for number in range(25)) + "\n" * 10 + '{"prompt": "last"}'
    _store.Store(bucket % "in").write("prompts.jsonl", text.encode())
    monkeypatch.setattr(_jobs, "_LINES", 10)
    pieces = list(_jobs._texts(bucket % "in/prompts.jsonl"))
    assert "".join(text for _, text in pieces if text.strip()) == text
    assert [line for line, _ in pieces] == [1, 11, 21, 31]


def test_models_are_copied_once(bucket: str, tmp_path: Path) -> None:
    store = _store.Store(bucket % "models")
    store.write("a.safetensors", b"first")
    store.write("loras/b.safetensors", b"lora")
    store.write("loras/in/c.safetensors", b"another")
    options = {"model": bucket % "models/a.safetensors", "lora_dirs": [bucket % "models/loras", "here"], "steps": 3}
    local = _stage.staged(options, str(tmp_path))
    assert Path(local["model"]).read_bytes() == b"first" and Path(local["model"]).name == "a.safetensors"
    loras = Path(local["lora_dirs"][0])
    assert {str(path.relative_to(loras)) for path in loras.rglob("*.*")} == {"b.safetensors", "in/c.safetensors"}
    assert local["lora_dirs"][1] == "here" and local["steps"] == 3
    before = Path(local["model"]).stat().st_mtime_ns
    assert _stage.staged(options, str(tmp_path)) == local
    assert Path(local["model"]).stat().st_mtime_ns == before
    # A file that was replaced is another one.
    store.write("a.safetensors", b"second one")
    store.write("loras/in/c.safetensors", b"one more")
    local = _stage.staged(options, str(tmp_path))
    assert Path(local["model"]).read_bytes() == b"second one"
    assert (Path(local["lora_dirs"][0]) / "in" / "c.safetensors").read_bytes() == b"one more"
    with pytest.raises(FileNotFoundError, match="none.safetensors"):
        _stage.staged({"model": bucket % "models/none.safetensors"}, str(tmp_path))


def test_what_pyarrow_does_not_know_fsspec_does() -> None:
    store = _store.Store("memory://night")
    store.write("a.png", b"picture")
    assert store.read("a.png") == b"picture" and store.there(["a.png", "b.png"]) == [True, False]
