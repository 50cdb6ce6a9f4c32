"""Find the form that a text of a known program came nearest to, for people who ask why no form matched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyparsing as pp

from parsers.grammar import Form, Grammar


class Near(NamedTuple):
    """A form that did not match: up to which character (from 0) the text was as it wants, and its grammar."""

    grammar: str
    form: str
    agrees: int


def nearest_form(grammars: Iterable[Grammar], text: str) -> Near | None:
    """Return the form that agrees with the text for the longest; None where none agrees with even its beginning."""
    near = [Near(grammar.name, form.name, _agrees(form, text)) for grammar in grammars for form in grammar.forms]
    best = max(near, key=lambda one: one.agrees, default=None)
    return best if best is not None and best.agrees > 0 else None


def _agrees(form: Form, text: str) -> int:
    """Return how many characters the form's expression got through before the text differed from it."""
    try:
        form.expression.parse_with_tabs().parse_string(text)
    except pp.ParseBaseException as error:
        return int(error.loc)
    except RecursionError:
        return 0
    return len(text)  # it matches, and `refine` declined what it says
