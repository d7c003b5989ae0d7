"""Studies: many pictures that differ in one thing each, and what they say together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ._errors import Finding
from ._plan import Plan, planned
from ._worker import Worker

#: What a study that was begun has in its folder, by kind: the same command goes on with it.
BEGUN = {"analyze": "request.json", "xyz": "xyz.json"}


@dataclass(frozen=True)
class Analysis:
    """What an analysis found."""

    report: Mapping[str, Any] = field(repr=False)
    """Everything, as ``lbw analyze --json`` prints it."""
    text: str
    """The table and the sentences, for people."""
    findings: tuple[Finding, ...] = ()

    @property
    def blocks(self) -> list[dict[str, str | int | float]]:
        """A row for each block, with plain values: pandas and polars take them."""
        rows: list[dict[str, str | int | float]] = []
        for block in self.report["blocks"]:
            row = {name: value for name, value in block.items() if not isinstance(value, (dict, list))}
            for group in ("effect", "left", "errors"):
                row |= {f"{group}_{name}": value for name, value in block[group].items()}
            rows.append(row)
        return rows

    @property
    def ranking(self) -> list[str]:
        """Blocks, the one that changes the picture most first."""
        return list(self.report["ranking"])

    @property
    def guilty(self) -> list[str]:
        """Blocks, the one that does most to colours and lines first."""
        return list(self.report["guilty"])

    @property
    def suggestion(self) -> Mapping[str, Any] | None:
        """Better weights, where ``toward`` asked for some."""
        return self.report.get("suggestion")


@dataclass(frozen=True)
class Plot:
    """An XYZ plot."""

    data: Mapping[str, Any] = field(repr=False)
    """Axes, labels, and the id of the picture in each cell, as ``lbw xyz --json`` prints them."""
    grids: tuple[bytes, ...] = field(repr=False)
    """A PNG for each value of z."""
    findings: tuple[Finding, ...] = ()


class Study:
    """A study in a folder of the worker's, which is gone afterwards."""

    def __init__(
        self,
        worker: Worker,
        kind: str,
        wish: Mapping[str, object],
        request: Mapping[str, object],
        folder: str,
        on_picture: Callable[[int, int], object] | None = None,
    ) -> None:
        self.kind, self.folder = kind, folder
        self._worker, self._wish, self._request, self._on_picture = worker, wish, dict(request), on_picture

    def __enter__(self) -> Study:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def cells(self) -> str:
        """The folder of its pictures. One that is there under the name of its plan's cell is not drawn."""
        return os.path.join(self.folder, "cells")

    def plans(self) -> list[Plan]:
        """Begins the study: the pictures it wants, each once."""
        plans: dict[str, Plan] = {}

        def hear(event: dict[str, Any]) -> None:
            if event["event"] == "planned":
                plan = planned(event)
                plans.setdefault(str(plan.id), plan)

        # The same seed again, where none was given.
        self._request["seed"] = self._work({"dry_run": True}, hear)["seed"]
        return list(plans.values())

    def analyzed(self, output: str | os.PathLike[str] | None = None) -> Analysis:
        """Draws what is not there, and compares."""
        found, done = self._done(output)
        return Analysis(done["report"], done["text"], found)

    def plotted(self, output: str | os.PathLike[str] | None = None) -> Plot:
        """Draws what is not there, and puts it together."""
        found, done = self._done(output)
        grids = []
        for path in done["grids"]:
            with open(path, "rb") as file:
                grids.append(file.read())
        return Plot(done["plot"], tuple(grids), found)

    def _done(self, output: str | os.PathLike[str] | None) -> tuple[tuple[Finding, ...], dict[str, Any]]:
        found: list[Finding] = []

        def hear(event: dict[str, Any]) -> None:
            if event["event"] == "found":
                found.append(Finding.of(event["finding"]))
            elif event["event"] == "picture" and self._on_picture is not None:
                self._on_picture(event["number"], event["of"])

        done = self._work({}, hear)
        if output is not None:
            shutil.copytree(self.folder, output, dirs_exist_ok=True)
        return tuple(found), done

    def _work(self, more: Mapping[str, object], hear: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        wish = {name: value for name, value in self._wish.items() if value is not None}
        return self._worker.work({self.kind: wish, "request": self._request, **more}, hear)
