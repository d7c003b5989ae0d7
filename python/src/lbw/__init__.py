"""Prompts of AUTOMATIC1111's webui, LoRA Block Weight included, drawn by lbw.

>>> import lbw
>>> with lbw.Studio(model="pony.safetensors", lora_dirs=["loras"]) as studio:  # doctest: +SKIP
...     studio.draw("1girl <lora:mine:1:1:lbw=XLOUT>", steps=20).save("girl.png")

Without a model it draws with the one that is built in. Settings go by any of the names that webui, lbw's flags or prompt files have
for them: ``steps``, ``sampler``, ``cfg_scale``, ``seed``, ``width``, ``negative_prompt``, …
"""

from ._batch import Batch
from ._errors import FileError, Finding, LbwError, WordsError, WorkerDied
from ._picture import Picture
from ._plan import Plan
from ._studio import Studio, plan
from ._study import Analysis, Atlas, Plot, Tuning
from ._worker import Step, binary

__all__ = [
    "Analysis",
    "Atlas",
    "Batch",
    "FileError",
    "Finding",
    "LbwError",
    "Picture",
    "Plan",
    "Plot",
    "Step",
    "Studio",
    "Tuning",
    "WordsError",
    "WorkerDied",
    "binary",
    "plan",
]
