"""Prompt files drawn by a Ray cluster (``pip install lbw[ray]``).

>>> import lbw.ray
>>> lbw.ray.batch("s3://bucket/prompts.jsonl", out="s3://bucket/night", model="pony.safetensors", num_workers=8)  # doctest: +SKIP

Each worker is an actor with one ``lbw`` process that keeps its model. A picture goes by its plan's id: the same command draws what is
missing, however often it is started, and after a change of the file what is new. Pictures, ``out/ID.png``, and the manifest,
``out/manifest/LINE.jsonl``, are written whole or not at all, to whatever pyarrow or fsspec can write to. :func:`analyze` and :func:`xyz`
draw their cells likewise.
"""

from ._driver import Failure, Summary, batch
from ._study import analyze, xyz

__all__ = ["Failure", "Summary", "analyze", "batch", "xyz"]
