"""Good rule files with one slip of the pen: nothing breaks, and an error names a place inside the file."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

import rules
from parsers.grammars import json_cee, sshd
from parsers.lowering import CompiledGrammar
from rules.load import Defaults, load_rules
from rules.merge import merge
from rules.review import Review

GRAMMARS = [CompiledGrammar(module.GRAMMAR) for module in (sshd, json_cee)]
DEFAULTS = Defaults(grammars={one.grammar.name: one for one in GRAMMARS}, destinations=frozenset({"archive"}))

README = Path(rules.__file__).with_name("README.md").read_text()
GOOD: list[str] = re.findall(r"^```yaml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
"""The language's own examples: each of its parts stands in one of them."""

OTHERS = ("5", "true", "null", "", "[]", "{}", "[a, 1]", "{a: 1}", '"5"', "10m", "text", "$name", "${x}", "-1", "a: b")
"""Values of every kind."""

KEY = re.compile(r"[A-Za-z_][\w.]*(?=:)")
SCALAR = re.compile(r"(?<=[:,\[] )[^\s,\[\]{}]+|(?<=\[)[^\s,\[\]{}]+")


@st.composite
def slips(draw: st.DrawFn) -> str:
    """Draw a file with one slip."""
    text = draw(st.sampled_from(GOOD))
    lines = text.splitlines(keepends=True)
    number = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(["drop a line", "double a line", "drop a character", "swap", "misspell", "retype"]))
    match kind:
        case "drop a line":
            del lines[number]
        case "double a line":
            lines.insert(number, lines[number])
        case "drop a character":
            place = draw(st.integers(0, len(text) - 1))
            return text[:place] + text[place + 1 :]
        case "swap":
            place = draw(st.integers(0, len(text) - 2))
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        case "misspell":
            key = draw(st.sampled_from(list(KEY.finditer(text))))
            place = draw(st.integers(key.start(), key.end() - 1))
            return text[:place] + draw(st.sampled_from("aeirx_.-")) + text[place + 1 :]
        case _:
            value = draw(st.sampled_from(list(SCALAR.finditer(text))))
            return text[: value.start()] + draw(st.sampled_from(OTHERS)) + text[value.end() :]
    return "".join(lines)


@given(slips())
@example("- rule: a\n  match: {}\n  do: {run: [x")
@settings(max_examples=300, deadline=None)
def test_a_slip_is_told_with_its_place_or_loads(text: str) -> None:
    """Loading, merging and reviewing come to an end; every error stands in the file, on one line."""
    loaded = load_rules(text, "f", DEFAULTS)
    merged = merge([loaded])
    lines = text.split("\n")
    for error in (*loaded.errors, *loaded.warnings, *merged.errors, *merged.warnings):
        assert error.place is not None
        assert error.place.file == "f"
        assert 1 <= error.place.line <= len(lines) + 1
        line = lines[error.place.line - 1] if error.place.line <= len(lines) else ""
        assert 1 <= error.place.column <= len(line) + 1
        assert "\n" not in str(error)
    for rule in loaded.rules:
        assert rule in merged.rules or rule.name in merged.off
    review = Review(GRAMMARS, ["syslog"], merged.rules)
    for doubt in (doubt for rule in merged.rules for doubt in review.of(rule)):
        assert doubt.words


@given(st.sampled_from(GOOD), st.data())
@settings(max_examples=100, deadline=None)
def test_a_slip_in_one_rule_leaves_the_others_on(text: str, data: st.DataObject) -> None:
    """A key that nobody knows turns its rule off, and those that ask for that one."""
    begins = list(re.finditer(r"^( *)(- rule: )([a-z0-9-]+)$", text, re.MULTILINE))
    rule = data.draw(st.sampled_from(begins))
    wrong = f"{text[: rule.end()]}\n{rule[1]}  no_such_key: 1{text[rule.end() :]}"
    loaded = load_rules(wrong, "f", DEFAULTS)
    (error,) = loaded.errors
    assert error.place is not None
    assert error.place.line == text.count("\n", 0, rule.end()) + 2
    assert error.problem.startswith('unknown key "no_such_key"')
    assert {one.name for one in loaded.rules} == {begin[3] for begin in begins} - {rule[3]}
