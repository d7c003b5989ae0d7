"""What would be drawn, with every default resolved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ._errors import Finding


@dataclass(frozen=True)
class Plan:
    """A picture that could be drawn: plain data, in which every default is resolved and every weight is a number."""

    data: Mapping[str, Any]
    """As ``lbw plan --json`` prints it, and ``lbw run`` takes it."""
    id: str | None = None
    """The identity of the picture: the same id, the same picture, whoever draws it when."""
    seed: int | None = None
    model: str | None = None
    """The checkpoint, where the line asked for another than the studio's."""
    vae: str | None = None
    source: str | None = None
    """The prompt file that asked for it."""
    line: int | None = None
    """And where in it, counted from 1."""
    cell: str | None = None
    """The name of its file among the cells of a study."""
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    """What is surprising about it; what is wrong is an exception."""

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """A plan that ``lbw plan --json`` or :meth:`to_json` wrote."""
        return cls(json.loads(text))

    def to_json(self) -> str:
        """As ``lbw run`` takes it."""
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))

    @property
    def prompt(self) -> str:
        """As it was asked for."""
        prompt: str = self.data["passes"][0]["prompt"]
        return prompt

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the first pass."""
        settings: Mapping[str, Any] = self.data["passes"][0]["settings"]
        return settings

    @property
    def loras(self) -> list[Mapping[str, Any]]:
        """The LoRAs of all passes, with the weight of every block."""
        return [lora for one in self.data["passes"] for lora in one.get("loras", ())]

    @cached_property
    def key(self) -> str:
        """What the weights of the model depend on: pictures with one key are best drawn one after the other."""
        return json.dumps([self.model, self.vae, self.loras], sort_keys=True)

    def job(self) -> dict[str, Any]:
        """As the worker takes it."""
        job: dict[str, Any] = {"plan": self.data}
        if self.model is not None:
            job |= {"model": self.model, "vae": self.vae}
        return job


def planned(event: Mapping[str, Any], findings: tuple[Finding, ...] = ()) -> Plan:
    """The plan that the worker tells of."""
    return Plan(
        data=event["plan"],
        id=event["id"],
        seed=event["seed"],
        model=event.get("model"),
        vae=event.get("vae"),
        source=event.get("source"),
        line=event.get("line"),
        cell=event.get("cell"),
        findings=findings,
    )
