"""A model that stays loaded, and what is drawn with it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from ._batch import Batch
from ._errors import Finding, LbwError, WordsError, WorkerDied
from ._picture import Picture, texts
from ._plan import Plan, planned
from ._study import Analysis, Atlas, Plot, Study, Tuning, Wish, Words
from ._worker import Step, Worker

Path = str | os.PathLike[str]

#: Begins the names of folders for pictures on their way; the process that made one follows.
_PREFIX = "lbw-studio-"

#: The innermost ``with Studio(…)``, whose files :func:`plan` plans with.
_open: ContextVar[Studio | None] = ContextVar("lbw_studio", default=None)


class Studio:
    """One process of lbw with a model that stays loaded.

    Names go as on the command line: ``model`` is a file, or a name within ``webui_dir``; without one the built-in model draws. ``settings``
    hold for everything that does not say otherwise (``steps=30``), ``flags`` are any other flags of ``lbw worker``.
    ``memory`` is the most that it may take (``"8g"``, ``"500m"``; ``"auto"`` is what is free): the picture takes longer and differs by 1 of 255 at most, and
    what does not fit even so is a :class:`FileError` before its first step.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        vae: Path | None = None,
        lora_dirs: Path | Sequence[Path] = (),
        embeddings_dirs: Path | Sequence[Path] = (),
        webui_dir: Path | None = None,
        presets: Path | Sequence[Path] = (),
        device: str | None = None,
        memory: str | None = None,
        language: str | None = None,
        flags: Sequence[str] = (),
        **settings: object,
    ) -> None:
        named: dict[str, object] = {
            "webui-dir": webui_dir,
            "lora-dir": _paths(lora_dirs),
            "embeddings-dir": _paths(embeddings_dirs),
            "presets": _paths(presets),
            "device": device,
            "memory": memory,
            "lang": language,
            "model": model,
            "vae": vae,
            **settings,
        }
        if isinstance(flags, str):
            raise TypeError(f"flags is a list of words, [{flags!r}]")
        _sweep()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")
        self._names = itertools.count(1)
        self._token: Token[Studio | None] | None = None
        try:
            self._worker = Worker(["-o", self._folder.name, *_flags(named), *flags])
        except BaseException:
            self._folder.cleanup()
            raise

    @property
    def findings(self) -> list[Finding]:
        """What is surprising about the files it was opened with."""
        return self._worker.findings

    @property
    def pid(self) -> int:
        """The process that draws."""
        return self._worker.pid

    def __enter__(self) -> Studio:
        if self._worker.is_closed:
            raise WorkerDied("this studio is closed")
        self._token = _open.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            _open.reset(self._token)
            self._token = None
        # Nobody waits for a picture that nobody wants any more.
        self.close(wait=10.0 if kind is None else 0.0)

    def close(self, wait: float = 10.0) -> None:
        """Ends the process."""
        self._worker.close(wait)
        self._folder.cleanup()

    def plan(self, prompt: str, **settings: object) -> Plan:
        """What would be drawn of a prompt or a pasted infotext. What is wrong with it is a :class:`WordsError`."""
        plans = self.plans(prompt, **settings)
        if len(plans) != 1:
            raise ValueError(f"these are {len(plans)} pictures: plans() has them all")
        return plans[0]

    def plans(self, prompt: str, **settings: object) -> list[Plan]:
        """The same where ``n_iter`` or ``batch_size`` ask for several pictures."""
        return self._plans({"request": _request(prompt, settings)})

    def draw(
        self,
        what: str | Plan,
        *,
        on_step: Callable[[Step], object] | None = None,
        **settings: object,
    ) -> Picture:
        """Draws a plan, a prompt or a pasted infotext. An exception in ``on_step`` does not stop the process; closing the studio does."""
        if isinstance(what, Plan):
            if settings:
                raise TypeError(f"a plan has its settings, and {', '.join(settings)} would have no effect")
            job = what.job()
        else:
            job = {"request": _request(what, settings)}
        found: list[Finding] = list(what.findings) if isinstance(what, Plan) else []

        def hear(event: dict[str, Any]) -> None:
            if event["event"] == "found":
                finding = Finding.of(event["finding"])
                if finding not in found:
                    found.append(finding)
            elif event["event"] == "step" and on_step is not None:
                on_step(Step(event["step"], event["steps"]))

        done = self._worker.work({**job, "file": f"{next(self._names)}.png"}, hear)
        with open(done["file"], "rb") as file:
            data = file.read()
        os.unlink(done["file"])
        plan = what if isinstance(what, Plan) else Plan.from_json(texts(data)["lbw"])
        return Picture(data, done["parameters"], plan, done["id"], done["seed"], tuple(found))

    def batch(
        self,
        prompts: Path | Iterable[str | Mapping[str, object] | Plan | os.PathLike[str]],
        *,
        output: Path | None = None,
        on_step: Callable[[Step], object] | None = None,
        seed_base: int | None = None,
        **settings: object,
    ) -> Batch:
        """Pictures of a prompt file (a path), or of a list of prompts, plans, requests (``{"prompt": …, "steps": …}``) and paths.

        Everything is planned before the first picture, and what is wrong is told at once, with its lines. Iterating draws. With
        ``output`` pictures are kept there as ``ID.png``, and one that is there already is not drawn again. Seeds that a file
        leaves open follow from ``seed_base``.
        """
        plans: list[Plan] = []
        errors: list[LbwError] = []
        for item in [prompts] if isinstance(prompts, (str, os.PathLike)) else prompts:
            try:
                if isinstance(item, Plan):
                    plans += self._plans(item.job())
                elif isinstance(item, Mapping):
                    plans += self._plans({"request": {**settings, **item}})
                elif isinstance(item, os.PathLike) or item is prompts:
                    if settings:
                        raise TypeError("settings of a prompt file stand in its lines, or are the studio's")
                    seeds = {} if seed_base is None else {"seed_base": seed_base}
                    plans += self._plans({"files": [os.path.abspath(item)], **seeds})
                else:
                    plans += self._plans({"request": _request(item, settings)})
            except WordsError as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise WordsError("", [finding for error in errors for finding in error.findings])
        return Batch(self, plans, output, on_step)

    def plan_text(
        self, text: str, name: str, *, first_line: int = 1, seed_base: int | None = None, keep_going: bool = False
    ) -> list[Plan]:
        """The plans of a prompt file's text, or of a piece of it that begins with the line ``first_line``. By ``name`` its form is told.
        With ``keep_going`` wrong lines are left out, and are among the findings of the others."""
        job = {"text": text, "name": name, "first_line": first_line, "keep_going": keep_going}
        return self._plans(job if seed_base is None else {**job, "seed_base": seed_base})

    def analyze(
        self,
        prompt: str,
        *,
        lora: str | None = None,
        blocks: str | None = None,
        seeds: int = 1,
        quick: bool = False,
        toward: str | None = None,
        verify_prompts: Sequence[str] = (),
        output: Path | None = None,
        on_picture: Callable[[int, int], object] | None = None,
        **settings: object,
    ) -> Analysis:
        """The Effective Block Analyzer: draws the picture with each block of the LoRA that is marked ``lbw=XYZ`` (or named) off,
        and compares. ``output`` is a folder for the report's page, its pictures and tables."""
        wish = Wish.analyze(lora, blocks, seeds, quick, toward, verify_prompts)
        with self._study(wish, _request(prompt, settings), on_picture) as study:
            return study.analyzed(output)

    def tune(
        self,
        prompts: str | Sequence[str],
        *,
        toward: Words = None,
        away: Words = None,
        keep: Words = None,
        fix: Words = None,
        lora: str | None = None,
        seeds: int = 2,
        verify_prompts: Sequence[str] = (),
        budget: int = 40,
        output: Path | None = None,
        on_picture: Callable[[int, int], object] | None = None,
        **settings: object,
    ) -> Tuning:
        """Searches for weights of the LoRA that is marked ``lbw=XYZ`` (or named): ``toward="base-colors,base-lines"`` says what should go,
        ``keep`` what should stay, ``fix="M00=1"`` what a weight may be. What is found is verified on other prompts and seeds. ``output``
        is a folder for the report's page and its pictures."""
        first, *others = _several(prompts)
        wish = Wish.tune(toward, away, keep, fix, lora, seeds, others, verify_prompts, budget)
        with self._study(wish, _request(first, settings), on_picture) as study:
            return study.tuned(output)

    def atlas(
        self,
        prompts: str | Sequence[str],
        *,
        lora: str | None = None,
        seeds: int = 2,
        whole: bool = False,
        output: Path | None = None,
        on_picture: Callable[[int, int], object] | None = None,
        **settings: object,
    ) -> Atlas:
        """Draws each block of a LoRA alone, over all steps and in each third of them, and measures what it does. ``output`` is a folder
        for the page and its pictures."""
        first, *others = _several(prompts)
        with self._study(Wish.atlas(lora, seeds, whole, others), _request(first, settings), on_picture) as study:
            return study.mapped(output)

    def xyz(
        self,
        prompt: str,
        *,
        x: str | None = None,
        y: str | None = None,
        z: str | None = None,
        base: str | None = None,
        cell_size: int | None = None,
        max_cells: int | None = None,
        output: Path | None = None,
        on_picture: Callable[[int, int], object] | None = None,
        **settings: object,
    ) -> Plot:
        """An XYZ plot; axes as ``lbw xyz`` takes them (``x="Block ID=IN05,OUT03", y="values=0,1"``). ``output`` is a folder for the
        pictures of the cells and the grids."""
        wish = Wish.xyz(x, y, z, base, cell_size, max_cells)
        with self._study(wish, _request(prompt, settings), on_picture) as study:
            return study.plotted(output)

    def _study(
        self, wish: Wish, request: Mapping[str, object], on_picture: Callable[[int, int], object] | None = None
    ) -> Study:
        return Study(self._worker, wish, request, self._folder.name, f"{wish.kind}-{next(self._names)}", on_picture)

    def _plans(self, job: Mapping[str, Any]) -> list[Plan]:
        found: list[Finding] = []
        events: list[dict[str, Any]] = []

        def hear(event: dict[str, Any]) -> None:
            if event["event"] == "found":
                found.append(Finding.of(event["finding"]))
            elif event["event"] == "planned":
                events.append(event)

        self._worker.work({**job, "dry_run": True}, hear)
        return [planned(event, tuple(found)) for event in events]


def plan(prompt: str, *, model: Path | None = None, lora_dirs: Path | Sequence[Path] = (), **settings: object) -> Plan:
    """What would be drawn of a prompt or a pasted infotext, with the files of the ``with Studio(…)`` that it stands in, or with those
    that are named. What is wrong with it is a :class:`WordsError` with its places."""
    studio = _open.get()
    if studio is not None and model is None and not lora_dirs:
        return studio.plan(prompt, **settings)
    with Studio(model, lora_dirs=lora_dirs) as studio:
        return studio.plan(prompt, **settings)


def _request(prompt: str, settings: Mapping[str, object]) -> dict[str, object]:
    if not isinstance(prompt, str):
        raise TypeError(f"a prompt is a text, and not {type(prompt).__name__}")
    return {**settings, "prompt": prompt}


def _several(prompts: str | Sequence[str]) -> list[str]:
    all_of_them = [prompts] if isinstance(prompts, str) else list(prompts)
    if not all_of_them:
        raise TypeError("there is no prompt")
    return all_of_them


def _flags(named: Mapping[str, object]) -> list[str]:
    flags = []
    for name, value in named.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None:
                text = str(one).lower() if isinstance(one, bool) else os.fspath(one) if isinstance(one, os.PathLike) else str(one)
                flags.append(f"--{name.replace('_', '-')}={text}")
    return flags


def _paths(some: Path | Sequence[Path]) -> list[Path]:
    return [some] if isinstance(some, (str, os.PathLike)) else list(some)


def _sweep() -> None:
    """Removes the folders of processes that were killed."""
    if os.name != "posix":
        return
    for entry in os.scandir(tempfile.gettempdir()):
        owner = entry.name.removeprefix(_PREFIX).split("-")[0]
        if entry.name.startswith(_PREFIX) and owner.isdigit():
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                shutil.rmtree(entry.path, ignore_errors=True)
            except OSError:
                pass
