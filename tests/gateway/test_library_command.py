"""`gateway library`: what it lists, what it says of a file and of a rule, and the page of documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import rules
from gateway.commands import main
from gateway.config import library_names
from gateway.library import ShippedFile, shipped, text_of
from gateway.library_page import PAGE, page_of
from gateway.library_words import about_words, suppress_words, undo_words, when_words
from rules.load import Defaults, load_rules
from rules.rule import Rule

Run = Callable[..., str]


@pytest.fixture(scope="module")
def files() -> tuple[ShippedFile, ...]:
    """Read the library, once."""
    return shipped()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs `gateway library` and returns what it prints."""

    def call(*words: str) -> str:
        assert main(["library", *words]) == 0
        return capsys.readouterr().out

    return call


def test_the_page_is_up_to_date(files: tuple[ShippedFile, ...]) -> None:
    """It is made of the rules: `gateway library --markdown > rules/library/README.md` writes it anew."""
    page = Path(rules.__file__).parent / "library" / PAGE
    assert page.read_text("utf-8") == page_of(files)


def test_the_page_has_all_files_and_rules(files: tuple[ShippedFile, ...]) -> None:
    """Each has a section or a paragraph, with what it is about and a message that it is about."""
    page = page_of(files)
    for file in files:
        assert f"\n## {file.name}\n" in page
        for one in file.rules:
            assert f"\n**{one.rule.name}**: {one.rule.description}\n" in page
            assert one.example
            assert one.example in page


def test_all_files_are_listed(run: Run) -> None:
    """Each with the number of its rules and what it is for; what is unusual about it stands before that."""
    text = run()
    for name in library_names():
        assert re.search(rf"(?m)^{name} +[0-9]+  \S.*\.$", text)
    assert re.search(r"(?m)^ban-nftables +2  Acts\. ", text)
    assert re.search(r"(?m)^silence +1  Has every message parsed\. ", text)


def test_a_file_is_shown_with_what_stands_at_its_head(run: Run) -> None:
    """What an operator has to do once is shown as it is to be typed; what is about the tests is not."""
    text = run("ban-nftables")
    assert "\n    nft add table inet gateway\n" in text
    assert "203.0.113.66" not in text
    assert re.search(r"(?m)^needs +nft$", text)
    assert "ban-nftables-ipv4\n" in text
    assert "ban-nftables-ipv6\n" in text


def test_a_rule_is_shown_alone(run: Run) -> None:
    """It is found in whichever file it is."""
    text = run("ssh-root-login")
    assert text.startswith("ssh-root-login\n")
    assert "Somebody logged in as root." in text
    assert "ssh-brute-force" not in text


def test_a_file_can_be_copied_from(run: Run) -> None:
    """It is printed as it is, be it named by one of its rules."""
    assert run("ssh", "--yaml") == run("ssh-brute-force", "--yaml") == text_of("ssh")


def test_the_page_of_one_file(run: Run) -> None:
    """Others are left away."""
    text = run("sudo", "--markdown")
    assert "\n## sudo\n" in text
    assert "\n## ssh\n" not in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["shh"], 'gateway library: the library has no file and no rule shh; did you mean "ssh"?'),
        (
            ["nothing-like-it"],
            "gateway library: the library has no file and no rule nothing-like-it; the files are back",
        ),
        (["--yaml"], "gateway library: --yaml prints one file; name it"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what to do."""
    assert main(["library", *words]) == 1
    assert capsys.readouterr().err.startswith(problem)


def rule(rest: str) -> Rule:
    """Load one rule."""
    loaded = load_rules(f"- {{rule: r, match: {{a: b}}, {rest}}}", "r.yaml", Defaults())
    assert loaded.errors == ()
    return loaded.rules[0]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{count: 5, within: 10m, by: [x, y]}", "at 5 within 10m, for each `x` and `y`"),
        ("{count: 1, within: 1m, by: []}", "at every match"),
        ("{distinct: u, count: 3, within: 90s, by: [x]}", "at 3 different values of `u` within 1m30s, for each `x`"),
        ("{all: [{a: c}, {a: d}], within: 1h, by: []}", "at all of 2 events within 1h"),
        ("{sequence: [{a: c}, {a: d}], within: 1500ms, by: []}", "at 2 events in order within 1s500ms"),
        ("{absent: match, within: 26h, by: [x]}", "when none came for 26h, for each `x`"),
        ("{absent: {a: c}, within: 52w, by: []}", "when 52w later no `a: c` has come"),
        ("{digest: 1d, max: 10, by: []}", "every 1d in which there are any, or at 10"),
        ("{settled: 2s, by: []}", "when nothing more came for 2s"),
        (
            '{settled: 2s, files: ["*.csv", done], by: [x]}',
            "when nothing more came for 2s and there is one of each of *.csv, done, for each `x`",
        ),
    ],
)
def test_windows_in_words(when: str, said: str) -> None:
    """Each kind has its own."""
    assert when_words(rule(f"when: {when}").when) == said


@pytest.mark.parametrize(
    ("undo", "said"),
    [
        ("{after: 10m, grow: 2, max: 5w, do: []}", "after 10m, each time 2 times as long up to 5w"),
        ("{match: {a: b}, after: 1h, do: []}", "when one comes again or after 1h"),
        ("{match: {a: c}, count: 2, do: []}", "at 2 times `a: c`"),
        ("{quiet: 10m, do: []}", "when it was quiet for 10m"),
    ],
)
def test_ends_of_states_in_words(undo: str, said: str) -> None:
    """All ways in which it may end are said."""
    found = rule(f"do: {{run: [x]}}, undo: {undo}")
    assert found.undo is not None
    assert undo_words(found.undo, found.match) == said


def test_suppression_in_words() -> None:
    """It is for some time, or as long as the window lasts."""
    one = rule("suppress: {for: 1h, by: [x, y]}").suppress
    other = rule("when: {count: 5, within: 1m, by: []}, suppress: {for: window, by: []}").suppress
    assert one is not None
    assert other is not None
    assert suppress_words(one) == "then not again of the same `x` and `y` for 1h"
    assert suppress_words(other) == "then not again for that window"


def test_conditions_in_words() -> None:
    """What must hold together is a list, and of many values the first few are enough."""
    match = load_rules(
        "- {rule: r, match: {a: [p, q, r, s, t, u], any: [{b: 1, c: 2}, {not: {d: {exists: true}}}]}}", "", Defaults()
    )
    (found,) = match.rules
    assert about_words(found.match) == "a: [p, q, r, s, … (2 more)], ((b: 1, c: 2) or not (d: {exists: true}))"
    (every,) = load_rules("- {rule: r, match: {}}", "", Defaults()).rules
    assert about_words(every.match) == "every event"
