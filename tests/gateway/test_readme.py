"""The examples of the documentation are rules that load, and do what their tests say."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from gateway.loading import load_all
from parsers.parse import Parser, builtin_grammars
from rules.examples import run_tests
from rules.load import Defaults, load_rules

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "rules/README.md")


def _examples(page: str) -> list[str]:
    blocks = re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```", (ROOT / page).read_text("utf-8"))
    return [textwrap.dedent(block) for block in blocks]


CONFIGURATION = "# gateway.yaml\n"
EXAMPLES = [(page, text) for page in PAGES for text in _examples(page) if not text.startswith(CONFIGURATION)]
SETTINGS = [text for page in PAGES for text in _examples(page) if text.startswith(CONFIGURATION)]


@pytest.mark.parametrize(("page", "text"), EXAMPLES)
def test_an_example_loads_and_its_tests_pass(page: str, text: str) -> None:
    """As it stands there, without a warning, in virtual time."""
    loaded = load_rules(text, page, Defaults())
    assert not loaded.errors
    assert not loaded.warnings
    assert loaded.rules
    parser = Parser(builtin_grammars())
    assert [failure for rule in loaded.rules for failure in run_tests(rule, parser, others=loaded.rules)] == []


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_load(text: str, tmp_path: Path) -> None:
    """With a source beside them."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"{text}sources: {{tcp: {{tcp: 1514}}}}\n", "utf-8")
    loaded = load_all(path)
    assert not loaded.errors
    assert not loaded.warnings


def test_there_are_examples() -> None:
    """A README that is written differently must not make the test above empty."""
    assert len(EXAMPLES) >= 16
