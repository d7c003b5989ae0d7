"""Analyses and plots whose cells a cluster draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import ray

from .._studio import Studio
from .._study import Analysis, Plot, Study, Wish
from ._driver import Summary, Workers
from ._jobs import Piece
from ._stage import staged
from ._store import Store

T = TypeVar("T", Analysis, Plot)


def analyze(
    prompt: str,
    *,
    out: str,
    model: str | None = None,
    lora: str | None = None,
    blocks: str | None = None,
    seeds: int = 1,
    quick: bool = False,
    toward: str | None = None,
    verify_prompts: Sequence[str] = (),
    num_workers: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    retries: int = 3,
    stage_dir: str | None = None,
    on_progress: Callable[[Summary], object] | None = None,
    **studio: Any,
) -> Analysis:
    """:meth:`lbw.Studio.analyze` with the pictures of the blocks drawn by a cluster, as :func:`batch` does. The folder ``out`` becomes what
    one machine makes, and the same command goes on in it. What a suggestion (``toward``) tries one after the other is drawn by the driver.
    """
    wish = Wish.analyze(lora, blocks, seeds, quick, toward, verify_prompts)
    workers = Workers(num_workers, num_cpus, num_gpus, resources, retries, stage_dir, on_progress)
    return _drawn(wish, prompt, out, model, workers, studio, Study.analyzed)


def xyz(
    prompt: str,
    *,
    out: str,
    x: str | None = None,
    y: str | None = None,
    z: str | None = None,
    base: str | None = None,
    cell_size: int | None = None,
    max_cells: int | None = None,
    model: str | None = None,
    num_workers: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    retries: int = 3,
    stage_dir: str | None = None,
    on_progress: Callable[[Summary], object] | None = None,
    **studio: Any,
) -> Plot:
    """:meth:`lbw.Studio.xyz` with the cells drawn by a cluster, as :func:`batch` does. The folder ``out`` becomes what one machine makes,
    and the same command goes on in it."""
    wish = Wish.xyz(x, y, z, base, cell_size, max_cells)
    workers = Workers(num_workers, num_cpus, num_gpus, resources, retries, stage_dir, on_progress)
    return _drawn(wish, prompt, out, model, workers, studio, Study.plotted)


def _drawn(
    wish: Wish,
    prompt: str,
    out: str,
    model: str | None,
    workers: Workers,
    studio: Mapping[str, Any],
    done: Callable[[Study], T],
) -> T:
    if not ray.is_initialized():
        ray.init()
    options = {**studio, **({} if model is None else {"model": model})}
    store = Store(out)
    store.sweep()
    with Studio(**staged(options, workers.stage_dir)) as planner, planner._study(wish, {"prompt": prompt}) as study:
        begun = os.path.join(study.folder, wish.begun)
        known = store.read(wish.begun)
        if known is not None:
            _write(begun, known)
        plans = study.plans()
        if known is None:
            store.write(wish.begun, _read(begun))
        piece = Piece(1, plans, {str(plan.id) for plan in plans})
        workers.draw(iter([piece]), options, out, store, has_manifest=False).check()
        cells = {f"cells/{plan.cell}" for plan in plans}
        for name in sorted(cells):
            _write(os.path.join(study.folder, name), store.read(name) or b"")
        result = done(study)
        for folder, _, names in os.walk(study.folder):
            for path in (os.path.join(folder, name) for name in sorted(names)):
                name = os.path.relpath(path, study.folder).replace(os.sep, "/")
                if name not in cells and name != wish.begun:
                    store.write(name, _read(path))
    store.sweep()
    return result


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
