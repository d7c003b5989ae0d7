"""The actor that draws: one process of lbw on some node."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.util import metrics

from .._errors import Finding, LbwError, WorkerDied
from .._plan import Plan
from .._studio import Studio
from ._stage import staged
from ._store import Store


class Drawer:
    """Draws plans into a store. It answers with rows, and what is wrong is a row as well: exceptions lose what was done before."""

    def __init__(
        self, options: Mapping[str, Any], out: str, stage_dir: str | None, threads: int | None, dry_run: bool
    ) -> None:
        self._options, self._stage_dir, self._dry_run = options, stage_dir, dry_run
        self._store = Store(out)
        self._studio: Studio | None = None
        self._node: str = ray.util.get_node_ip_address()
        if threads is not None:
            # The cores that Ray gives to this actor are those that it computes on.
            os.environ["RAYON_NUM_THREADS"] = str(threads)
        self._drawn = metrics.Counter("lbw_pictures_drawn", "Pictures drawn", tag_keys=("node",))

    def node(self) -> tuple[str, str]:
        """Ray's name of the node, and its address."""
        return ray.get_runtime_context().get_node_id(), self._node

    def open(self) -> dict[str, Any] | None:
        """Opens the model; what is wrong, if something is."""
        try:
            if not self._dry_run:
                self._open()
            return None
        except (LbwError, OSError) as error:
            return _wrong(error)

    def draw(self, plans: Sequence[Plan]) -> list[dict[str, Any]]:
        """Draws what is not there yet: a row for each."""
        if self._dry_run:
            return [{"drawn": False} for _ in plans]
        try:
            there = self._store.there([_name(plan) for plan in plans])
        except OSError as error:
            return [_wrong(error) for _ in plans]
        rows = []
        for plan, is_there in zip(plans, there):
            if is_there:
                rows.append({"drawn": False})
                continue
            try:
                rows.append(self._draw(plan))
            except (LbwError, OSError) as error:
                rows.append(_wrong(error))
        return rows

    def pid(self) -> int:
        """The process of lbw, for tests."""
        return self._open().pid

    def _open(self) -> Studio:
        if self._studio is None:
            self._studio = Studio(**staged(self._options, self._stage_dir))
        return self._studio

    def _draw(self, plan: Plan) -> dict[str, Any]:
        try:
            picture = self._open().draw(plan)
        except WorkerDied:
            # Another process may do what this one could not; the driver counts how often.
            self._close()
            raise
        if picture.id != plan.id:
            raise LbwError(
                f"it would be another picture here ({picture.id}, not {plan.id}): the checkpoint or a LoRA is another file on this node"
            )
        self._store.write(_name(plan), picture.bytes)
        self._drawn.inc(1, {"node": self._node})
        return {"drawn": True, "crc32": zlib.crc32(picture.bytes)}

    def _close(self) -> None:
        if self._studio is not None:
            self._studio.close(wait=0)
            self._studio = None


def _name(plan: Plan) -> str:
    return f"{plan.id}.png" if plan.cell is None else f"cells/{plan.cell}"


def _wrong(error: LbwError | OSError) -> dict[str, Any]:
    findings: Sequence[Finding] = error.findings if isinstance(error, LbwError) else ()
    plain = [replace(finding, message=_plain(finding.message)) for finding in findings]
    return {"error": _plain(str(error)), "findings": plain, "died": isinstance(error, WorkerDied)}


def _plain(message: str) -> str:
    """Without the name of a temporary file, which each picture has for itself: a disk that is full is full for all of them."""
    return re.sub(r"(lbw-studio)-\d+-\w+[^\s\":]*", r"\1", message)
