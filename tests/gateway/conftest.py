"""Fixtures that several of the gateway's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.rule import Rule
from tests.gateway.job_stand_ins import House, Open


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a worker's house with rules."""
    opened: list[House] = []

    def open_one(*rules: Rule, **more: int) -> House:
        opened.append(House(tmp_path / "journal", *rules, **more))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()
