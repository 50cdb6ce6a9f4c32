"""What files of the drop box may be called."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.drop.account import Terms
from gateway.drop.names import MAX_NAME, is_unfinished, name_problem, other_names, shown, way_problem

GOOD = ["a.csv", "Rechnung März.PDF", "発注.csv", ".profile", "a-b", "$5.txt", "x" * 255, "a'b\"c;d|e&f", "a\\b", "~"]
BAD = {
    "": "missing",
    ".": "missing",
    "..": "missing",
    "a/b": "slash",
    "a\0b": "slash",
    "a\nb": "control",
    "a\x1b[2J": "control",
    "a\x7fb": "control",
    "a\x9bb": "control",
    "a\u2028b": "control",
    "invoice\u202efdp.exe": "invisible",
    "a\u200bb": "invisible",
    "\ufeffa": "invisible",
    "-rf": "option",
    " a": "blank",
    "a ": "blank",
    "a\u3000": "blank",
    "$(id)": "shell",
    "x`id`": "shell",
    "${HOME}": "shell",
    ".gateway": "reserved",
    "x" * 256: "longer",
    "ä" * 128: "longer",
    "a\udcffb": "UTF-8",
}


@pytest.mark.parametrize("name", GOOD)
def test_names_that_people_give_are_taken(name: str) -> None:
    """Capitals, blanks inside, other scripts and what only looks odd: all fine."""
    assert name_problem(name) is None


@pytest.mark.parametrize(("name", "problem"), BAD.items())
def test_names_that_would_do_harm_are_refused(name: str, problem: str) -> None:
    """Line ends, escapes, options, shell words, what is not seen and what is ours: refused, each for its reason."""
    assert problem in (name_problem(name) or "")
    assert way_problem(("a", name)) == name_problem(name)


def test_paths_have_a_limit() -> None:
    """A path is at most 32 folders deep and 2,048 octets long; the root is a path too."""
    assert way_problem(()) is None
    assert way_problem(("a",) * 32) is None
    assert "deeper" in (way_problem(("a",) * 33) or "")
    assert "longer" in (way_problem(("x" * 200,) * 11) or "")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_other_names_are_as_good_as_the_first(name: str) -> None:
    """Whatever name may be, those made from it may be too; they differ, and keep its ending."""
    if name_problem(name) is None:
        made = list(islice(other_names(name), 12))
        assert len({name, *made}) == 13
        assert all(len(each.encode()) <= MAX_NAME for each in made)
        assert all(name_problem(each) is None for each in made)


@pytest.mark.parametrize(
    ("name", "other"),
    [("report.csv", "report-1.csv"), ("x.tar.gz", "x-1.tar.gz"), (".profile", ".profile-1"), ("README", "README-1")],
)
def test_the_number_comes_before_the_ending(name: str, other: str) -> None:
    """`report.csv` becomes `report-1.csv`."""
    assert next(iter(other_names(name))) == other


def test_unfinished_names_are_patterns_and_capitals_count() -> None:
    """By default these are what clients use while they upload, and names with a dot before them."""
    patterns = Terms().unfinished
    assert all(is_unfinished(name, patterns) for name in ("a.part", "a.csv.filepart", "b.tmp", ".a.swp", "c.partial"))
    assert not any(is_unfinished(name, patterns) for name in ("a.csv", "a.PART", "part", "a.part.csv"))
    assert shown(("a", "b")) == "/a/b"
    assert shown(()) == "/"
