"""Models and LoRAs from elsewhere, copied once to each node."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import _store

#: The options of a studio that name files, and folders.
_PLACES = ("model", "vae", "lora_dirs", "embeddings_dirs", "presets")


def staged(options: Mapping[str, Any], folder: str | None) -> dict[str, Any]:
    """The same options with paths of this machine in the place of addresses."""
    there = folder or os.path.join(os.path.expanduser(os.environ.get("LBW_CACHE_DIR", "~/.cache/lbw")), "staged")

    def local(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [local(one) for one in value]
        return _stage(value, there) if isinstance(value, str) and _store.is_remote(value) else value

    return {name: local(value) if name in _PLACES else value for name, value in options.items()}


def _stage(uri: str, folder: str) -> str:
    name = _store.name(uri)
    files = _store.files(uri)
    if not files:
        raise FileNotFoundError(f"{name}: there is no such file or folder at its address")
    # A file that was replaced is another one.
    key = hashlib.sha256(repr((uri, files)).encode()).hexdigest()[:16]
    path = os.path.join(folder, key, name)
    with _locked(os.path.join(folder, f"{key}.lock")):
        if not os.path.exists(path):
            half = os.path.join(folder, f"{key}.half")
            shutil.rmtree(half, ignore_errors=True)
            os.makedirs(half)
            _store.copy(uri, os.path.join(half, name))
            os.replace(half, os.path.join(folder, key))
    return path


@contextmanager
def _locked(path: str) -> Iterator[None]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a") as file:
        try:
            import fcntl
        except ImportError:
            # Nothing of the kind on Windows: the last copy wins.
            yield
            return
        # The kernel gives it back when the process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
