"""Wrong configurations: each mistake is one error at its own place that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands.check import check
from tests.rules.wrong_files import expected, told

FILES = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_mistake_is_one_error_at_its_place(file: Path, tmp_path: Path) -> None:
    """Nothing else is an error because of it, and the text is the one that stands in the file."""
    copy = tmp_path / file.name
    copy.write_text(file.read_text())
    found = [told(finding, tmp_path) for finding in check(copy).findings if finding.kind == "error"]
    assert found == [expected(file)]
