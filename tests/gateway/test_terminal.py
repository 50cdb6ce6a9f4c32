"""What the commands print is harmless on a terminal, and JSON stays JSON."""

from __future__ import annotations

import json

import pytest

from gateway.commands.terminal import json_line


@pytest.mark.parametrize(
    "text", ["plain \u00e4\u20ac\U0001f600", "\x1b]0;x\x07\x7f", "\x9b31m\u202e\u2028", '\udcff\U000e0041"\\\n']
)
def test_json_moves_no_cursor(text: str) -> None:
    """Whatever is not to be seen stands as an escape, also what JSON would leave as it is; it is read back the same."""
    line = json_line({text: [text, 1]})
    assert line.isprintable()
    assert json.loads(line) == {text: [text, 1]}
    line.encode()
