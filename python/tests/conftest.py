"""One studio for all tests that only draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import lbw

#: Small and quick.
SIZE: dict[str, Any] = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="session")
def studio() -> Iterator[lbw.Studio]:
    with lbw.Studio(**SIZE) as studio:
        yield studio
