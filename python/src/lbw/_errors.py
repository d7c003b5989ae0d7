"""What lbw has to say about prompts, files and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """Something that is wrong or surprising, with its place and advice. ``lbw explain CODE`` tells the story behind it."""

    code: str
    """For example ``E0201``; the same in every language."""
    severity: str
    """``error``, ``warning`` or ``note``."""
    message: str
    source: str | None = None
    """The prompt, or the file, that it is about."""
    line: int | None = None
    """Counted from 1, as columns are."""
    column: int | None = None
    span: tuple[int, int] | None = None
    """Where it begins and ends, in bytes of the text in UTF-8."""
    help: tuple[str, ...] = ()
    """What can be done about it."""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Finding:
        """A finding as the worker tells it."""
        span = data.get("span")
        return cls(
            code=data["code"],
            severity=data["severity"],
            message=data["message"],
            source=data.get("source"),
            line=data.get("line"),
            column=data.get("column"),
            span=(span[0], span[1]) if span else None,
            help=tuple(data.get("help") or ()),
            notes=tuple(data.get("notes") or ()),
        )

    @property
    def place(self) -> str | None:
        """``prompts.txt:3:14``"""
        if self.source is None:
            return None
        return ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        rest = [f"\n  = {kind}: {text}" for kind, texts in (("note", self.notes), ("help", self.help)) for text in texts]
        return f"{place}{self.severity}[{self.code}]: {self.message}{''.join(rest)}"


class LbwError(Exception):
    """Something did not happen; :attr:`findings` say why."""

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        self.message = message
        self.findings = tuple(findings)
        super().__init__(message, self.findings)

    def __str__(self) -> str:
        errors = [finding for finding in self.findings if finding.severity == "error"] or list(self.findings)
        told = "\n".join(str(finding) for finding in errors)
        if not self.message or any(finding.message == self.message for finding in errors):
            return told or self.message
        # What says everything already is not repeated.
        is_all = all(finding.message in self.message for finding in errors)
        return self.message if is_all else f"{self.message}\n{told}"


class WordsError(LbwError):
    """A prompt, a setting, a preset or a name has to be mended."""


class FileError(LbwError):
    """A file or a device is absent, unreadable, damaged or full."""


class WorkerDied(LbwError):
    """The process that draws has ended without an answer."""


def error_of(exit_code: int, message: str, findings: Iterable[Finding]) -> LbwError:
    """The exception for an exit code of lbw."""
    kind = {2: WordsError, 3: FileError}.get(exit_code, LbwError)
    return kind(message, findings)
