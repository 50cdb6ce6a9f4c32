"""The README's examples are rules that load."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from parsers.parse import Parser, builtin_grammars
from rules.examples import run_tests
from rules.load import Defaults, load_rules

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = [textwrap.dedent(block) for block in re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```", README.read_text("utf-8"))]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_loads_and_its_tests_pass(text: str) -> None:
    """As it stands there, without a warning."""
    loaded = load_rules(text, "README.md", Defaults())
    assert not loaded.errors
    assert not loaded.warnings
    assert loaded.rules
    parser = Parser(builtin_grammars())
    assert [failure for rule in loaded.rules for failure in run_tests(rule, parser)] == []


def test_there_are_examples() -> None:
    """A README that is written differently must not make the test above empty."""
    assert len(EXAMPLES) >= 4
