"""``lbw batch`` in a bucket. Wants a program with the feature, which CI does not build: it takes minutes more.

    cargo build --features cloud
    LBW_CLOUD_BINARY=target/debug/lbw pytest python/tests/test_cloud.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("moto")

from lbw.ray._store import Store, files  # noqa: E402

BINARY = os.environ.get("LBW_CLOUD_BINARY")

pytestmark = pytest.mark.skipif(BINARY is None, reason="LBW_CLOUD_BINARY names no program that was built with `--features cloud`")

#: How many pictures there are.
PICTURES = 24


@pytest.fixture
def batch(s3: str, tmp_path: Path) -> Any:
    """Starts ``lbw batch`` with these arguments."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"--prompt red house {n} --seed {n}\n" for n in range(PICTURES)))
    keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3}
    size = ["--width", "64", "--height", "64", "--steps", "2"]

    def start(*words: str) -> subprocess.Popen[str]:
        more = [] if words[0] in ("status", "verify") else [str(prompts), *size]
        return subprocess.Popen(
            [str(BINARY), "batch", *words, *more, "--json"],
            env={**os.environ, **keys},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ended(process: subprocess.Popen[str], code: int = 0) -> list[dict[str, Any]]:
    """What it said, when it has ended with this code."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return [json.loads(line) for line in out.splitlines()]


def drawn(events: list[dict[str, Any]]) -> list[str]:
    return [Path(event["file"]).name for event in events if event["event"] == "done"]


def test_workers_share_a_bucket_and_may_die(batch: Any, s3: str, tmp_path: Path) -> None:
    alone, night = tmp_path / "alone", "s3://lbw/sub/night"
    ended(batch("-o", str(alone)))
    expected = {path.name: path.read_bytes() for path in alone.glob("*.png")}
    assert len(expected) == PICTURES

    victim = batch("-o", night, "--claim")
    before: list[str] = []
    while len(before) < 2:
        event = json.loads(victim.stdout.readline())
        before += drawn([event])
    others = [batch("-o", night, "--claim") for _ in range(2)]
    event = json.loads(others[0].stdout.readline())
    assert event["event"] == "planned"
    victim.kill()
    before += drawn([json.loads(line) for line in victim.communicate()[0].splitlines()])
    after = [name for other in others for name in drawn(ended(other))]
    assert len(set(before + after)) == len(before + after), "nothing is drawn twice"

    address = f"s3://me:secret@lbw/sub/night?scheme=http&endpoint_override={s3.removeprefix('http://').replace(':', '%3A')}&region=us-east-1"
    store = Store(address)
    assert {name for name, _, _ in files(address)} == {*expected, "manifest.jsonl"}
    assert {name: store.read(name) for name in expected} == expected
    assert ended(batch("verify", night)) == []
    (state,) = ended(batch("status", night))
    assert (state["pictures"], state["done"], state["failed"]) == (PICTURES, PICTURES, 0)
    assert drawn(ended(batch("-o", night))) == []

    gone, other = sorted(expected)[:2]
    store._fs.delete_file(store.path(gone))
    store.write(other, b"other")
    bad = {row["file"]: row["is"] for row in ended(batch("verify", night), 1)}
    assert bad == {gone: "gone", other: "damaged or changed"}
    assert sorted(drawn(ended(batch("-o", night)))) == [gone, other]
    assert {name: store.read(name) for name in expected} == expected


def test_a_bucket_that_is_not_there_is_told(batch: Any) -> None:
    process = batch("-o", "s3://none/night")
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 3 and "s3://none/night" in err, err
