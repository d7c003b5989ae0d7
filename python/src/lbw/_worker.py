"""One process, ``lbw worker --stdio``, and what is said to it and by it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ._errors import Finding, LbwError, WordsError, WorkerDied, error_of

#: How many of the last lines that the worker writes to standard error are kept for an exception.
_LINES = 20

#: Where another program is meant to be lbw.
_CURE = "see what LBW_BINARY names, or install the package as a wheel"


@dataclass(frozen=True)
class Step:
    """A step of sampling is done."""

    step: int
    steps: int


def binary() -> str:
    """The program of this package: ``LBW_BINARY``, the one that was installed with it, or the one on the path."""
    named = os.environ.get("LBW_BINARY")
    if named:
        return named
    name = "lbw.exe" if os.name == "nt" else "lbw"
    schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
    for scheme in schemes:
        path = os.path.join(sysconfig.get_path("scripts", scheme), name)
        if os.path.isfile(path):
            return path
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.path.isfile(beside) else shutil.which("lbw")
    if found is None:
        raise LbwError("the program lbw is not there: install the package as a wheel, or name the program in LBW_BINARY")
    return found


class Worker:
    """The process. It does one job after the other; several threads may ask."""

    def __init__(self, flags: Sequence[str]) -> None:
        self._lock = threading.RLock()
        self._hears = False
        self._tags = itertools.count(1)
        self._said: deque[str] = deque(maxlen=_LINES)
        self._program = binary()
        try:
            self._process = subprocess.Popen(
                [self._program, "worker", "--stdio", *flags],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise LbwError(f"{self._program} cannot be started ({error.strerror}): {_CURE}") from None
        # What nobody reads would stop it some day.
        self._listener = threading.Thread(target=self._listen, name="lbw-stderr", daemon=True)
        self._listener.start()
        try:
            ready = self._event()
            if ready["event"] == "failed":
                raise _error(ready)
            _same_version(ready.get("version"))
            self.findings = [Finding.of(finding) for finding in ready["findings"]]
        except BaseException:
            self.close(wait=0)
            raise

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._process.stdin is None or self._process.stdin.closed

    def work(self, job: Mapping[str, Any], hear: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Does a job: ``hear`` is told of its events, and the last one is returned."""
        last = {"done", "end", "analyzed", "plotted", "tuned", "mapped"}
        for event in self.events(job):
            if event["event"] == "failed":
                raise _error(event)
            if event["event"] in last:
                return event
            self._hears = True
            try:
                hear(event)
            finally:
                self._hears = False
        raise AssertionError("events end with an exception")

    def events(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a job, without an end."""
        with self._lock:
            if self._hears:
                raise LbwError("the studio is at work on what this is told about: ask it when that is done, or another studio")
            tag = next(self._tags)
            self._send({**job, "tag": tag})
            while True:
                event = self._event()
                # Whoever left a job in its middle left events behind.
                if event.get("tag") == tag or (event["event"] == "failed" and event.get("tag") is None):
                    yield event

    def close(self, wait: float = 10.0) -> None:
        """Ends it; in the middle of a picture it is killed after a while."""
        process = self._process
        for stream in (process.stdin,):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _send(self, job: Mapping[str, Any]) -> None:
        line = _line(job)
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise WorkerDied("this studio is closed")
        try:
            stdin.write(line)
            stdin.flush()
        except OSError:
            raise self._died() from None

    def _event(self) -> dict[str, Any]:
        stdout = self._process.stdout
        line = b"" if stdout is None or stdout.closed else stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        try:
            event: dict[str, Any] = json.loads(line)
            event["event"]
        except (ValueError, TypeError, KeyError):
            raise LbwError(f"{self._program} is not lbw: {_CURE}") from None
        return event

    def _listen(self) -> None:
        stderr = self._process.stderr
        if stderr is not None:
            with stderr:
                for line in stderr:
                    self._said.append(line.decode("utf-8", "replace").rstrip())

    def _died(self) -> LbwError:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return WorkerDied("lbw says nothing more")
        # Its last words may still be on the way; a process of its own that holds them open is not waited for.
        self._listener.join(5)
        said = "\n".join(self._said)
        if code in (2, 3):
            return error_of(code, said, ())
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return WorkerDied(f"lbw ended {how}" + (f":\n{said}" if said else ""))


def _line(job: Mapping[str, Any]) -> bytes:
    """A job as the worker takes it. What JSON has no word for, a missing number of pandas for example, is told by its name."""

    def written(value: object) -> bytes:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")

    try:
        return written(job) + b"\n"
    except (ValueError, TypeError):
        request = job.get("request")
        for name, value in (request if isinstance(request, Mapping) else job).items():
            try:
                written(value)
            except UnicodeEncodeError:
                raise WordsError(f"{name}: {value!r} is no text that can be written") from None
            except (ValueError, TypeError):
                raise WordsError(f"{name}: {value!r} is no value that a setting can have") from None
        raise


def _error(event: Mapping[str, Any]) -> LbwError:
    return error_of(event["exit"], event["message"], [Finding.of(finding) for finding in event["findings"]])


def _same_version(theirs: object) -> None:
    try:
        own = metadata.version("lbw")
    except metadata.PackageNotFoundError:
        # Run from its sources.
        return
    if theirs != own:
        raise LbwError(f"{binary()} is lbw {theirs}, and the Python package is {own}: install both from one wheel")
