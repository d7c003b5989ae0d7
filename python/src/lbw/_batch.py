"""Many pictures, planned before the first one is drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ._picture import Picture, texts, write_whole
from ._plan import Plan
from ._worker import Step

if TYPE_CHECKING:
    from ._studio import Studio


class Batch:
    """Plans that are drawn one by one as somebody iterates: those with the same LoRAs and weights one after the other."""

    def __init__(
        self,
        studio: Studio,
        plans: Sequence[Plan],
        output: str | os.PathLike[str] | None = None,
        on_step: Callable[[Step], object] | None = None,
    ) -> None:
        self._studio = studio
        self._output = output
        self._on_step = on_step
        self.plans: list[Plan] = in_order(plans)
        """In the order in which they are drawn."""

    def __len__(self) -> int:
        return len(self.plans)

    def __iter__(self) -> Iterator[Picture]:
        for plan in self.plans:
            yield self._there(plan) or self._drawn(plan)

    def _file(self, plan: Plan) -> str | None:
        return None if self._output is None else os.path.join(self._output, f"{plan.id}.png")

    def _there(self, plan: Plan) -> Picture | None:
        """The picture that an earlier run has drawn, if it is whole."""
        file = self._file(plan)
        if file is None or not os.path.exists(file):
            return None
        try:
            with open(file, "rb") as stream:
                data = stream.read()
            infotext = texts(data)["parameters"]
        except (ValueError, KeyError):
            return None
        return Picture(data, infotext, plan, str(plan.id), int(plan.seed or 0), plan.findings)

    def _drawn(self, plan: Plan) -> Picture:
        picture = self._studio.draw(plan, on_step=self._on_step)
        file = self._file(plan)
        if file is not None:
            write_whole(file, picture.bytes)
        return picture


def in_order(plans: Sequence[Plan]) -> list[Plan]:
    """Those with the same LoRAs and weights one after the other; otherwise as they stand."""
    first: dict[str, int] = {}
    for plan in plans:
        first.setdefault(plan.key, len(first))
    return sorted(plans, key=lambda plan: first[plan.key])
