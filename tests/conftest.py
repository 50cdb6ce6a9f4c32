"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test below end_to_end/."""
    folder = Path(__file__).parent / "end_to_end"
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.end_to_end)
