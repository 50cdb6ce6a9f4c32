"""The form that a text came nearest to."""

from __future__ import annotations

from parsers.grammar import Form, Grammar
from parsers.grammars.tokens import integer, lit, word
from parsers.nearest import Near, nearest_form

GRAMMAR = Grammar(
    "door",
    ("door",),
    (
        Form("opened", lit("opened by ") + word()("user.name")),
        Form("code", lit("opened with ") + integer()("door.code") + lit(" digits")),
        Form("odd", lit("odd ") + integer()("door.code"), refine=lambda _: False),
    ),
    (),
)


def test_the_form_that_agrees_longest() -> None:
    """And up to where."""
    assert nearest_form([GRAMMAR], "opened with x digits") == Near("door", "code", len("opened with "))


def test_no_form_agrees() -> None:
    """Nothing is near a text that begins otherwise, nor is there anything without grammars."""
    assert nearest_form([GRAMMAR], "closed") is None
    assert nearest_form([], "opened") is None


def test_a_form_that_declines_agrees_with_all_of_the_text() -> None:
    """What it says was not acceptable, and its shape was."""
    assert nearest_form([GRAMMAR], "odd 3") == Near("door", "odd", 5)
