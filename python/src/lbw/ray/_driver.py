"""Gives the jobs of a prompt file to workers on a cluster, and sees to it that each is done."""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from .._errors import Finding, LbwError
from .._plan import Plan
from .._studio import Studio
from ._drawer import Drawer
from ._jobs import Bundle, Piece, bundles, pieces
from ._stage import staged
from ._store import Store, is_there, name

_log = logging.getLogger("lbw.ray")

#: What is planned ahead: pieces whose pictures are not all there yet.
_AHEAD = 3

#: What can be done about a job that the driver could plan and a node cannot draw.
_ADVICE = (
    "the driver could plan it: see that this node has the same files and room on its disk, or name models and LoRAs by an address "
    "(s3://…), of which each node keeps a copy"
)

#: So many findings are kept; a long file would have the memory of all its lines.
_FINDINGS = 1000

#: So long an actor may take to get its place before nobody counts on it.
_PLACE = 30.0


@dataclass(frozen=True)
class Failure:
    """A picture that no node could draw, or something that a node could not do."""

    node: str
    """Its address."""
    message: str
    source: str | None = None
    """The prompt file, or the cell of a study."""
    line: int | None = None
    findings: tuple[Finding, ...] = ()
    """With advice."""

    @property
    def place(self) -> str:
        """Where it was asked for, ``prompts.txt:3``."""
        return ":".join(str(part) for part in (self.source, self.line) if part is not None)

    def __str__(self) -> str:
        return self.told(self.place)

    def told(self, place: str) -> str:
        """The same of several places."""
        return f"{place}: on node {self.node}: {self.message}" if place else f"on node {self.node}: {self.message}"


@dataclass
class Summary:
    """What came of a run."""

    pictures: int = 0
    """Distinct pictures that the file asks for."""
    drawn: int = 0
    """Of these, drawn in this run."""
    there: int = 0
    """And there before."""
    failed: list[Failure] = field(default_factory=list)
    """Pictures that no node could draw."""
    troubles: list[Failure] = field(default_factory=list)
    """What went wrong on the way and was mended: another node or process has drawn it."""
    findings: list[Finding] = field(default_factory=list)
    """What is surprising about the prompts; with ``keep_going`` also what is wrong."""
    changes: int = 0
    """How often a worker went from one set of LoRAs to another."""
    seconds: float = 0.0

    def check(self) -> None:
        """What failed is an exception, with node, line and advice."""
        if self.failed:
            alike: dict[tuple[str, str], list[Failure]] = {}
            for failure in self.failed:
                alike.setdefault((failure.node, failure.message), []).append(failure)
            told = "\n".join(same[0].told(_and_more(same)) for same in list(alike.values())[:20])
            message = f"{len(self.failed)} of {self.pictures} pictures failed; the others are there\n{told}"
            raise LbwError(message, [finding for same in list(alike.values())[:20] for finding in same[0].findings])


def batch(
    prompts: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    model: str | None = None,
    num_workers: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    retries: int = 3,
    keep_going: bool = False,
    dry_run: bool = False,
    stage_dir: str | None = None,
    on_progress: Callable[[Summary], object] | None = None,
    **studio: Any,
) -> Summary:
    """Draws a prompt file — a path, or an address that pyarrow or fsspec know — into the folder ``out``, with ``num_workers`` actors of
    ``num_cpus`` and ``num_gpus`` each. ``model`` and what else :class:`lbw.Studio` takes (``lora_dirs``, ``steps``, ``device``, ``memory``: of
    each worker) hold on every node; of files with an address each node keeps a copy, in ``stage_dir``.

    JSON Lines (``.jsonl``) are planned a thousand lines at a time while others are drawn; other files as a whole, before the first
    picture. What is wrong with the words raises :class:`lbw.WordsError`; with ``keep_going`` the good lines are drawn. A worker, a node
    or the driver may die: what they had is drawn by others, or when the same command is started again. What a node cannot do — a missing
    LoRA, a full disk — others do; after ``retries`` it raises :class:`lbw.LbwError` when everything else is done, with node, line and advice.
    With ``dry_run`` everything happens but the drawing and the writing. One run at a time has a folder: two at once draw the same
    pictures, each of which becomes the same file.
    """
    prompts, out = os.fspath(prompts), os.fspath(out)
    options = {**studio, **({} if model is None else {"model": model})}
    workers = Workers(num_workers, num_cpus, num_gpus, resources, retries, stage_dir, on_progress)
    is_there(prompts)
    store = Store(out)
    if not ray.is_initialized():
        ray.init()
    with Studio(**staged(options, stage_dir)) as planner:
        # Nothing is begun that cannot be.
        seed_base = _seed_base(store, prompts, dry_run)
        if not dry_run:
            store.sweep()
        work = pieces(planner, prompts, seed_base, keep_going)
        summary = workers.draw(work, options, out, None if dry_run else store)
    if not dry_run:
        store.sweep()
    if not keep_going:
        summary.check()
    return summary


@dataclass(frozen=True)
class Workers:
    """How many there are, what each has, and what else holds for a run."""

    num_workers: int = 2
    num_cpus: float = 1
    num_gpus: float = 0
    resources: Mapping[str, float] | None = None
    retries: int = 3
    stage_dir: str | None = None
    on_progress: Callable[[Summary], object] | None = None

    def __post_init__(self) -> None:
        if self.num_workers < 1:
            raise ValueError("num_workers must be at least 1")

    def draw(
        self, work: Iterator[Piece], options: Mapping[str, Any], out: str, store: Store | None, *, has_manifest: bool = True
    ) -> Summary:
        """Draws everything into ``out``; nothing without a store."""
        threads = max(1, int(self.num_cpus)) if self.num_cpus >= 1 else None
        actor = ray.remote(Drawer).options(
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            resources=dict(self.resources or {}),
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        begun = time.monotonic()
        run = _Run(
            store if has_manifest else None,
            lambda: actor.remote(options, out, self.stage_dir, threads, store is None),
            self.num_workers,
            self.retries,
            self.on_progress,
        )
        try:
            run.draw(work)
        finally:
            run.close()
            run.summary.seconds = time.monotonic() - begun
        return run.summary


def _seed_base(store: Store, prompts: str, dry_run: bool) -> int:
    """What open seeds are drawn from: settled when the folder is begun."""
    # An address may have keys in it that are nobody's business.
    own = name(prompts)
    known = store.read("run.json")
    if known is not None:
        begun = json.loads(known)
        if begun["prompts"] != own:
            raise LbwError(f"the folder has the pictures of {begun['prompts']}: choose another one for {own}")
        return int(begun["seed_base"])
    seed_base = random.SystemRandom().getrandbits(63)
    if not dry_run:
        store.write("run.json", json.dumps({"prompts": own, "seed_base": seed_base}).encode() + b"\n")
    return seed_base


@dataclass
class _Worker:
    actor: Any
    node: str = ""
    address: str = ""
    key: str | None = None
    """The LoRAs and weights of what it drew last."""
    bundle: Bundle | None = None
    """What it does now; nothing while it opens its model."""
    since: float = field(default_factory=time.monotonic)

    def may_do(self, avoided: frozenset[str]) -> bool:
        """Whether it is, or will soon be, on none of these nodes."""
        return self.node not in avoided if self.node else time.monotonic() - self.since < _PLACE


class _Run:
    def __init__(
        self,
        store: Store | None,
        new: Callable[[], Any],
        num_workers: int,
        retries: int,
        on_progress: Callable[[Summary], object] | None,
    ) -> None:
        self.summary = Summary()
        self._store, self._new, self._retries, self._on_progress = store, new, retries, on_progress
        self._num_workers = num_workers
        self._waiting: deque[Bundle] = deque()
        self._open_pieces: list[Piece] = []
        self._idle: list[_Worker] = []
        #: What is under way, by the reference that will have the answer.
        self._busy: dict[Any, _Worker] = {}
        #: Actors that may be started before the next one answers.
        self._starts_left = num_workers * (retries + 1)
        #: Nodes that could not open the model: no more actors are wanted there.
        self._useless: dict[str, Failure] = {}

    def draw(self, source: Iterator[Piece]) -> None:
        """Draws everything; an error of the planner ends it when what is under way is done."""
        for _ in range(self._num_workers):
            self._start()
        planned = True
        wrong: LbwError | None = None
        while planned or self._waiting or self._open_pieces:
            while planned and len(self._open_pieces) < _AHEAD and len(self._waiting) < 4 * self._num_workers:
                try:
                    piece = next(source, None)
                except LbwError as error:
                    piece, wrong = None, error
                if piece is None:
                    planned = False
                else:
                    self._add(piece)
            self._assign()
            self._answers()
        if wrong is not None:
            raise wrong

    def close(self) -> None:
        for worker in [*self._idle, *self._busy.values()]:
            ray.kill(worker.actor)

    def _add(self, piece: Piece) -> None:
        self.summary.pictures += len(piece.plans)
        for plan in piece.plans[:1]:
            self.summary.findings += plan.findings[: _FINDINGS - len(self.summary.findings)]
        if not piece.plans:
            return
        self._open_pieces.append(piece)
        self._waiting.extend(bundles(piece))

    def _start(self) -> None:
        if self._starts_left <= 0:
            return
        self._starts_left -= 1
        worker = _Worker(self._new())
        self._busy[worker.actor.node.remote()] = worker

    def _assign(self) -> None:
        """Gives every idle worker something, the LoRAs that it has already rather than others."""
        for worker in list(self._idle):
            bundle = self._next(worker)
            if bundle is None:
                continue
            self._idle.remove(worker)
            # Towards the end there are fewer for each, so that all workers have some to the end.
            share = max(1, sum(len(waiting.plans) for waiting in self._waiting) // (2 * self._num_workers))
            self._waiting.remove(bundle)
            if bundle.plans[share:]:
                self._waiting.appendleft(replace(bundle, plans=bundle.plans[share:]))
                bundle = replace(bundle, plans=bundle.plans[:share])
            if worker.key is not None and worker.key != bundle.key:
                self.summary.changes += 1
            worker.key, worker.bundle = bundle.key, bundle
            self._busy[worker.actor.draw.remote(bundle.plans)] = worker

    def _next(self, worker: _Worker) -> Bundle | None:
        # What nobody else can do may be done by who could not do it before.
        others = [*self._idle, *self._busy.values()]
        may = [b for b in self._waiting if worker.node not in b.avoided or not any(o.may_do(b.avoided) for o in others)]
        taken = {other.key for other in self._busy.values() if other.bundle is not None}
        for wanted in (lambda b: b.key == worker.key, lambda b: b.key not in taken, lambda b: True):
            found = next((bundle for bundle in may if wanted(bundle)), None)
            if found is not None:
                return found
        return None

    def _answers(self) -> None:
        """Waits for something to happen."""
        if not self._busy:
            if (self._waiting or self._open_pieces) and not self._idle:
                told = [str(failure) for failure in self._useless.values()] or ["all of them died"]
                findings = [finding for failure in self._useless.values() for finding in failure.findings]
                raise LbwError("\n".join(["no worker is left:", *told]), findings)
            return
        done, _ = ray.wait(list(self._busy), num_returns=1, timeout=1.0)
        for reference in done:
            worker = self._busy.pop(reference)
            bundle, worker.bundle = worker.bundle, None
            try:
                answer = ray.get(reference)
            except RayError as error:
                self._died(worker, bundle, error)
                continue
            if bundle is not None:
                self._idle.append(worker)
                self._drawn(worker, bundle, answer)
            elif not worker.node:
                worker.node, worker.address = answer
                self._busy[worker.actor.open.remote()] = worker
            elif answer is not None:
                self._cannot_open(worker, answer)
            else:
                self._idle.append(worker)

    def _cannot_open(self, worker: _Worker, answer: Mapping[str, Any]) -> None:
        failure = Failure(worker.address, answer["error"], findings=tuple(answer["findings"]))
        ray.kill(worker.actor)
        if worker.node not in self._useless:
            self._useless[worker.node] = failure
            self._trouble(failure)
        # Another node may have what this one lacks.
        if any(node["Alive"] and node["NodeID"] not in self._useless for node in ray.nodes()):
            self._start()

    def _died(self, worker: _Worker, bundle: Bundle | None, error: RayError) -> None:
        why = error.cause if isinstance(error, RayTaskError) else error
        first = next(iter(str(why).strip().splitlines()), type(why).__name__)
        plan = None if bundle is None else bundle.plans[0]
        source, line = (None, None) if plan is None else (_source(plan), plan.line)
        failure = Failure(worker.address or "?", f"the worker died: {first}", source, line)
        self._trouble(failure)
        ray.kill(worker.actor)
        if bundle is not None:
            self._again(bundle, bundle.plans, failure, bundle.avoided)
        self._start()

    def _drawn(self, worker: _Worker, bundle: Bundle, rows: list[dict[str, Any]]) -> None:
        self._starts_left = self._num_workers * (self._retries + 1)
        for plan, row in zip(bundle.plans, rows):
            if "error" not in row:
                self.summary.drawn += row["drawn"]
                self.summary.there += not row["drawn"]
                self._done(bundle.piece, plan, worker, row)
                continue
            advice = "" if row["died"] or "= help:" in row["error"] else f"\n  = help: {_ADVICE}"
            failure = Failure(worker.address, row["error"] + advice, _source(plan), plan.line, tuple(row["findings"]))
            self._trouble(failure)
            avoided = bundle.avoided if row["died"] else bundle.avoided | {worker.node}
            self._again(bundle, (plan,), failure, avoided)
        if self._on_progress is not None:
            self._on_progress(self.summary)

    def _again(self, bundle: Bundle, plans: tuple[Plan, ...], failure: Failure, avoided: frozenset[str]) -> None:
        """Somebody else may do what a worker could not; each picture alone, for one of them may be what kills workers."""
        for plan in plans:
            if bundle.attempts < self._retries:
                again = replace(bundle, plans=(plan,), attempts=bundle.attempts + 1, avoided=avoided)
                self._waiting.append(again)
            else:
                self.summary.failed.append(replace(failure, source=_source(plan), line=plan.line))
                self._settled(bundle.piece, plan)

    def _trouble(self, failure: Failure) -> None:
        # A node says a thing once, not of every picture.
        known = any((failure.node, failure.message) == (old.node, old.message) for old in self.summary.troubles)
        if not known:
            self.summary.troubles.append(failure)
            _log.warning("%s", failure)

    def _done(self, piece: Piece, plan: Plan, worker: _Worker, row: Mapping[str, Any]) -> None:
        told: dict[str, object] = {"id": plan.id, "file": f"{plan.id}.png", "source": plan.source, "line": plan.line, "seed": plan.seed}
        if row["drawn"]:
            told |= {"crc32": row["crc32"], "node": worker.address}
        piece.rows[str(plan.id)] = told
        self._settled(piece, plan)

    def _settled(self, piece: Piece, plan: Plan) -> None:
        piece.left.discard(str(plan.id))
        if piece.left:
            return
        self._open_pieces.remove(piece)
        if self._store is None:
            return
        rows = [piece.rows[str(plan.id)] for plan in piece.plans if str(plan.id) in piece.rows]
        part = f"manifest/{piece.first_line:09}.jsonl"
        if any("node" in row for row in rows) or not self._store.there([part])[0]:
            self._store.write(part, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def _and_more(failures: list[Failure]) -> str:
    more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
    return f"{failures[0].place}{more}"


def _source(plan: Plan) -> str | None:
    return plan.source or plan.cell
