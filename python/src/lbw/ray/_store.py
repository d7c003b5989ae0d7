"""Files on local disks, network file systems and object stores."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs as arrow

from .._errors import FileError
from .._picture import write_whole

#: Where local files are written before they have their names.
_TEMPORARY = ".lbw-tmp"


class Store:
    """A folder."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._fs, self._root = _resolve(uri)
        self._is_local = isinstance(self._fs, arrow.LocalFileSystem)

    def path(self, name: str) -> str:
        """The path of a file in it."""
        return posixpath.join(self._root, name)

    def there(self, names: Sequence[str]) -> list[bool]:
        """Which of these files are there. What is there is whole."""
        infos = self._fs.get_file_info([self.path(name) for name in names])
        return [info.type == arrow.FileType.File for info in infos]

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, if it is there."""
        try:
            with self._fs.open_input_stream(self.path(name)) as stream:
                data: bytes = stream.read()
                return data
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(f"{self.path(name)}: {error.strerror or error}") from error

    def write(self, name: str, data: bytes) -> None:
        """Writes a file, whole or not at all: object stores show what is complete, and file systems what has its name."""
        path = self.path(name)
        try:
            if self._is_local:
                write_whole(path, data, os.path.join(self._root, _TEMPORARY))
                return
            with self._fs.open_output_stream(path) as stream:
                stream.write(data)
        except OSError as error:
            raise FileError(f"{path}: {error.strerror or error}") from error

    def sweep(self) -> None:
        """Removes what killed workers left half written."""
        folder = self.path(_TEMPORARY)
        if self._is_local and self._fs.get_file_info(folder).type == arrow.FileType.Directory:
            self._fs.delete_dir(folder)


def lines(uri: str) -> Iterator[bytes]:
    """The lines of a file with their ends, one after the other."""
    filesystem, path = _resolve(uri)
    with filesystem.open_input_stream(path) as stream:
        rest = b""
        while block := stream.read(1 << 20):
            *whole, rest = (rest + block).split(b"\n")
            yield from (line + b"\n" for line in whole)
        if rest:
            yield rest


def copy(uri: str, to: str) -> None:
    """Copies a file or folder of any file system to this machine."""
    filesystem, path = _resolve(uri)
    for relative, _, _ in files(uri):
        there, here = posixpath.join(path, relative).rstrip("/"), os.path.join(to, relative).rstrip("/")
        os.makedirs(os.path.dirname(here), exist_ok=True)
        with filesystem.open_input_stream(there) as source, open(here, "wb") as target:
            while block := source.read(8 << 20):
                target.write(block)


def files(uri: str) -> list[tuple[str, int, str]]:
    """Names, sizes and dates of the files in a folder; of a file by itself, whose name is empty then."""
    filesystem, path = _resolve(uri)
    info = filesystem.get_file_info(path)
    if info.type == arrow.FileType.File:
        return [("", info.size, str(info.mtime))]
    inside = filesystem.get_file_info(arrow.FileSelector(path, recursive=True, allow_not_found=True))
    names = ((one.path[len(path) :].lstrip("/"), one.size, one.mtime) for one in inside if one.type == arrow.FileType.File)
    return sorted((name, size, str(mtime)) for name, size, mtime in names)


def is_there(uri: str) -> None:
    """An exception where there is no such file."""
    filesystem, path = _resolve(uri)
    try:
        kind = filesystem.get_file_info(path).type
    except OSError as error:
        raise FileError(f"{name(uri)}: {error}") from error
    if kind != arrow.FileType.File:
        raise FileError(f"{name(uri)}: there is no such file")


def size(uri: str) -> int:
    """Bytes of a file."""
    filesystem, path = _resolve(uri)
    return filesystem.get_file_info(path).size or 0


def name(uri: str) -> str:
    """The name of the file, without keys and options that an address may have."""
    return posixpath.basename(urlsplit(uri).path.rstrip("/")) if is_remote(uri) else os.path.basename(uri.rstrip("/"))


def is_remote(uri: str) -> bool:
    """Whether it is the address of a file elsewhere, and no path."""
    return "://" in uri


def _resolve(uri: str) -> tuple[Any, str]:
    if not is_remote(uri):
        return arrow.LocalFileSystem(), os.path.abspath(uri)
    try:
        filesystem, path = arrow.FileSystem.from_uri(uri)
    except Exception as error:
        # What pyarrow does not know fsspec may.
        try:
            import fsspec
        except ImportError:
            raise error from None
        try:
            remote, path = fsspec.core.url_to_fs(uri)
        except (ValueError, ImportError) as why:
            scheme = uri.split("://")[0]
            raise FileError(f"{scheme}://…: neither pyarrow ({error}) nor fsspec ({why}) can open it") from None
        filesystem = arrow.PyFileSystem(arrow.FSSpecHandler(remote))
    return filesystem, path
