"""Studies: many pictures that differ in one thing each, and what they say together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ._errors import Finding
from ._plan import Plan, planned
from ._worker import Worker

Words = str | Sequence[str] | None
"""Words separated by commas, or a list of them."""


def _words(words: Words) -> list[str] | None:
    return None if words is None else [words] if isinstance(words, str) else list(words)


@dataclass(frozen=True)
class Wish:
    """What a study is asked for."""

    kind: str
    begun: str
    """What a study that was begun has in its folder: the same command goes on with it."""
    options: Mapping[str, object]
    """As the worker takes them; what is ``None`` is the worker's to say."""

    @classmethod
    def analyze(
        cls, lora: str | None, blocks: str | None, seeds: int, quick: bool, toward: str | None, verify_prompts: Sequence[str]
    ) -> Wish:
        """The Effective Block Analyzer."""
        options = {"lora": lora, "blocks": blocks, "seeds": seeds, "quick": quick, "toward": toward}
        return cls("analyze", "request.json", {**options, "verify_prompts": list(verify_prompts)})

    @classmethod
    def tune(
        cls,
        toward: Words,
        away: Words,
        keep: Words,
        fix: Words,
        lora: str | None,
        seeds: int,
        prompts: Sequence[str],
        verify_prompts: Sequence[str],
        budget: int,
    ) -> Wish:
        """A search for weights."""
        goals = {"toward": _words(toward), "away": _words(away), "keep": _words(keep), "fix": _words(fix)}
        more = {"prompts": list(prompts), "verify_prompts": list(verify_prompts)}
        return cls("tune", "request.json", {**goals, **more, "lora": lora, "seeds": seeds, "budget": budget})

    @classmethod
    def atlas(cls, lora: str | None, seeds: int, whole: bool, prompts: Sequence[str]) -> Wish:
        """What each block does."""
        return cls("atlas", "request.json", {"lora": lora, "seeds": seeds, "whole": whole, "prompts": list(prompts)})

    @classmethod
    def xyz(
        cls, x: str | None, y: str | None, z: str | None, base: str | None, cell_size: int | None, max_cells: int | None
    ) -> Wish:
        """An XYZ plot."""
        return cls("xyz", "xyz.json", {"x": x, "y": y, "z": z, "base": base, "cell_size": cell_size, "max_cells": max_cells})


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
class Tuning:
    """What a search for weights found."""

    report: Mapping[str, Any] = field(repr=False)
    """Everything, as ``lbw tune --json`` prints it."""
    text: str
    """The blocks, the weights and the sentences, for people."""
    findings: tuple[Finding, ...] = ()

    @property
    def guilty(self) -> list[str]:
        """Blocks that do what should go, the worst first."""
        return list(self.report["guilty"])

    @property
    def suggested(self) -> Mapping[str, Any] | None:
        """The weights to take, with what other prompts and seeds say of them (``verified``); nothing where none held there."""
        return next((one for one in self.report["variants"] if one["strength"] == self.report["suggested"]), None)

    @property
    def vector(self) -> str | None:
        """The suggested weights as they are written behind ``lbw=``."""
        return None if self.suggested is None else str(self.suggested["vector"])


@dataclass(frozen=True)
class Atlas:
    """What each block of a LoRA does, alone and in each third of the steps."""

    report: Mapping[str, Any] = field(repr=False)
    """Everything, as ``lbw atlas --json`` prints it."""
    text: str
    """The table and the sentences, for people."""
    findings: tuple[Finding, ...] = ()

    @property
    def rows(self) -> list[dict[str, str | float | None]]:
        """A row for each block, attribute and part of the steps (``all``, or its number from 1): pandas and polars take them."""
        rows: list[dict[str, str | float | None]] = []
        for block in self.report["blocks"]:
            for part, measures in enumerate([block["always"], *block["parts"]]):
                for attribute, measure in zip(self.report["attributes"], measures):
                    rows.append({"block": block["id"], "part": str(part or "all"), "attribute": attribute, **measure})
        return rows


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
        wish: Wish,
        request: Mapping[str, object],
        parent: str,
        name: str,
        on_picture: Callable[[int, int], object] | None = None,
    ) -> None:
        self.folder, self._name = os.path.join(parent, name), name
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

    def tuned(self, output: str | os.PathLike[str] | None = None) -> Tuning:
        """Searches and verifies."""
        found, done = self._done(output)
        return Tuning(done["report"], done["text"], found)

    def mapped(self, output: str | os.PathLike[str] | None = None) -> Atlas:
        """Draws and measures each block alone."""
        found, done = self._done(output)
        return Atlas(done["report"], done["text"], found)

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
        wish = {name: value for name, value in self._wish.options.items() if value is not None}
        job = {self._wish.kind: {**wish, "folder": self._name}, "request": self._request}
        return self._worker.work({**job, **more}, hear)
