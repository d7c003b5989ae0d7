"""The jobs of a prompt file, planned piece by piece: a file of millions of lines takes the memory of a thousand."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from .._batch import in_order
from .._errors import WordsError
from .._plan import Plan
from .._studio import Studio
from . import _store

#: Lines that are planned at once.
_LINES = 1000

#: Pictures that a worker is given at once: fewer would be more messages.
_TOGETHER = 8

#: The largest file that cannot be read line by line.
_WHOLE = 64 << 20


@dataclass(eq=False)
class Piece:
    """Lines of a prompt file."""

    first_line: int
    plans: list[Plan]
    left: set[str] = field(default_factory=set)
    """Pictures that are not settled yet."""
    rows: dict[str, dict[str, object]] = field(default_factory=dict)
    """And those that are there, for the manifest."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Jobs with the same LoRAs and weights, for one worker."""

    piece: Piece
    key: str
    plans: tuple[Plan, ...]
    attempts: int = 0
    avoided: frozenset[str] = frozenset()
    """Nodes that could not draw it."""


def pieces(studio: Studio, prompts: str, seed_base: int, keep_going: bool) -> Iterator[Piece]:
    """The file's pieces, each planned when its turn comes."""
    name = _store.name(prompts)
    for first_line, text in _texts(prompts):
        # Each piece counts for itself how often a line came before.
        base = seed_base if first_line == 1 else _mixed(seed_base, first_line)
        plans = studio.plan_text(text, name, first_line=first_line, seed_base=base, keep_going=keep_going)
        # The same picture twice is one picture.
        piece = Piece(first_line, list({plan.id: plan for plan in plans}.values()))
        piece.left = {str(plan.id) for plan in piece.plans}
        yield piece


def bundles(piece: Piece) -> Iterator[Bundle]:
    """A piece as work."""
    for key, same in itertools.groupby(in_order(piece.plans), key=lambda plan: plan.key):
        while together := tuple(itertools.islice(same, _TOGETHER)):
            yield Bundle(piece, key, together)


def _texts(prompts: str) -> Iterator[tuple[int, str]]:
    """Pieces of the file with the numbers of their first lines."""
    all_lines = _store.lines(prompts)
    if not _store.name(prompts).lower().endswith((".jsonl", ".ndjson")):
        # What a line means may depend on the others.
        if _store.size(prompts) > _WHOLE:
            raise WordsError(f"{_store.name(prompts)}: a file of more than {_WHOLE >> 20} MiB has to be JSON Lines, .jsonl")
        yield 1, _text(b"".join(all_lines), prompts, 1)
        return
    first_line = 1
    while some := list(itertools.islice(all_lines, _LINES)):
        text = _text(b"".join(some), prompts, first_line)
        if text.strip():
            yield first_line, text
        first_line += len(some)


def _text(data: bytes, prompts: str, first_line: int) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = first_line + data[: error.start].count(b"\n")
        raise WordsError(f"{_store.name(prompts)}:{line}: this is not UTF-8: save the file as UTF-8") from None


def _mixed(seed_base: int, line: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed_base} {line}".encode()).digest()[:8], "big")

