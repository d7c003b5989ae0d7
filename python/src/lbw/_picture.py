"""Finished pictures."""

from __future__ import annotations

import io
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._errors import Finding
from ._plan import Plan

if TYPE_CHECKING:
    from PIL.Image import Image

#: A field of that name hides the type.
_Bytes = bytes
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A finished picture."""

    bytes: _Bytes = field(repr=False)
    """The PNG, with webui's infotext and the plan inside."""
    infotext: str
    """What webui writes below a picture."""
    plan: Plan = field(repr=False)
    id: str
    """The same id, the same picture, whoever draws it when."""
    seed: int
    findings: tuple[Finding, ...] = ()
    """What was surprising about it."""

    @property
    def image(self) -> Image:
        """The pixels, for which Pillow has to be installed (``pip install lbw[image]``)."""
        try:
            from PIL import Image
        except ImportError:
            raise ImportError("pixels are Pillow's: pip install lbw[image]") from None

        with Image.open(io.BytesIO(self.bytes)) as image:
            image.load()
            return image

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the PNG; it is whole or absent at any moment."""
        ending = os.path.splitext(os.fspath(path))[1]
        if ending.lower() in (".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"):
            raise ValueError(f"these are the bytes of a PNG, with its plan and infotext, and not {ending}: `.image.save(…)` writes others")
        write_whole(path, self.bytes)

    def _repr_png_(self) -> _Bytes:
        """For notebooks."""
        return self.bytes


def write_whole(path: str | os.PathLike[str], data: bytes, beside: str | None = None) -> None:
    """Writes a file that is whole or absent at any moment; its bytes are collected in the folder ``beside``, on the same disk."""
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    if beside is not None:
        os.makedirs(beside, exist_ok=True)
    number, temporary = tempfile.mkstemp(prefix=".lbw-", suffix=".tmp", dir=beside or folder)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def texts(png: bytes) -> dict[str, str]:
    """The texts in a PNG; a ``ValueError`` where it is none, or not whole."""
    found: dict[str, str] = {}
    for kind, data in _chunks(png):
        keyword, _, rest = data.partition(b"\0")
        if kind == b"tEXt":
            found[keyword.decode("latin-1")] = rest.decode("latin-1")
        elif kind == b"iTXt":
            # Whether it is packed and how, the language, the keyword in it, the text.
            text = rest[2:].split(b"\0", 2)[2]
            found[keyword.decode("latin-1")] = (zlib.decompress(text) if rest[:1] == b"\1" else text).decode("utf-8")
    return found


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    at = len(_SIGNATURE)
    while True:
        length = int.from_bytes(png[at : at + 4], "big")
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        sum_at = at + 8 + length
        if int.from_bytes(png[sum_at : sum_at + 4], "big") != zlib.crc32(kind + data) or len(kind) < 4:
            raise ValueError("the PNG is damaged or cut short")
        yield kind, data
        if kind == b"IEND":
            return
        at = sum_at + 4
