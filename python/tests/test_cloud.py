"""``lbw batch`` in a bucket. Wants a program with the feature, as ``.ci/python`` installs one.

    cargo build --features cloud
    LBW_CLOUD_BINARY=target/debug/lbw pytest python/tests/test_cloud.py
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import subprocess
import threading
import urllib.request
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

    def start(*words: str, **environment: str) -> subprocess.Popen[str]:
        more = [] if words[0] in ("status", "verify") else [str(prompts), *size]
        return subprocess.Popen(
            [str(BINARY), "batch", *words, *more, "--json"],
            env={**os.environ, **keys, **environment},
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


def refused(process: subprocess.Popen[str], what: str) -> str:
    """The one message of a run that could do nothing."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3 and err.count("error[") == 1 and what in err, (out, err)
    return err


def test_a_bucket_that_is_not_there_is_told(batch: Any) -> None:
    assert "there is no such bucket; make it" in refused(batch("-o", "s3://none/night"), "s3://none/night")


def test_a_store_that_does_not_answer_is_told(batch: Any) -> None:
    assert "AWS_ENDPOINT_URL" in refused(batch("-o", "s3://lbw/silent", AWS_ENDPOINT_URL="http://127.0.0.1:9"), "does not answer")


def test_keys_that_the_store_does_not_know_are_told(batch: Any, s3: str) -> None:
    def check(after: str) -> None:
        """So many more requests are let through whatever their keys are."""
        plain = {"content-type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(f"{s3}/moto-api/reset-auth", after.encode(), plain, method="POST"))

    check("0")
    try:
        told = refused(batch("-o", "s3://lbw/foreign"), "InvalidAccessKeyId")
    finally:
        check("inf")
    assert "the store refuses" in told and "AWS_SECRET_ACCESS_KEY" in told


class Full(http.server.BaseHTTPRequestHandler):
    """The store, but no room for more than two pictures."""

    store = ""
    room = 2

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.command == "PUT" and self.path.endswith(".png"):
            if Full.room == 0:
                error = b"<Error><Code>XMinioStorageFull</Code><Message>no free drive space</Message></Error>"
                return self.send(507, {"content-length": str(len(error))}, error)
            Full.room -= 1
        connection = http.client.HTTPConnection(self.store)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        answer = connection.getresponse()
        self.send(answer.status, dict(answer.getheaders()), answer.read())

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer


def test_a_store_that_is_full_is_told_and_the_rest_is_drawn_when_it_has_room(batch: Any, s3: str) -> None:
    Full.store = s3.removeprefix("http://")
    few = ["-o", "s3://lbw/full", "--shard", "1/4"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = refused(batch(*few, AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}"), "no free drive space")
        server.shutdown()
    assert "the store is full" in told and "make room" in told and "the same command goes on" in told
    assert len(drawn(ended(batch(*few)))) == PICTURES // 4 - 2
    assert drawn(ended(batch(*few))) == []
