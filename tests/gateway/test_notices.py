"""Facts about ourselves: complete, in words, and never more than a line."""

from __future__ import annotations

import dataclasses
import inspect
import string
from importlib import import_module
from pkgutil import iter_modules

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel

from gateway import notices
from gateway.log import escaped
from gateway.notice import Notice

MODULES = [import_module(f"gateway.notices.{module.name}") for module in iter_modules(notices.__path__)]
KINDS = sorted(
    {kind for module in MODULES for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Notice)},
    key=lambda kind: kind.__name__,
)
TELLABLE = [kind for kind in KINDS if kind.words]
EXAMPLES = {"str": "x", "int": 7, "float": 1.5}
HOSTILE = st.text(
    st.one_of(st.characters(codec=None), st.sampled_from("\0\r\n\t\x1b\x7f\x85\x9b\u202e\u200b\u2028\ufeff\ud800{}%\\"))
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_notice_is_documented_and_has_a_level(kind: type[Notice]) -> None:
    """Every notice says in its docstring when it is told, and has one of the log's levels."""
    assert (kind.__doc__ or "").endswith((".", ".\n    "))
    assert LogLevel.levelWithName(kind.level) in LogLevel.iterconstants()
    assert kind.words or kind is Notice


@pytest.mark.parametrize("kind", TELLABLE)
def test_the_words_name_the_fields(kind: type[Notice]) -> None:
    """The words use each field once at least and nothing that is no field: a notice can always be rendered."""
    used = {name for _, name, _, _ in string.Formatter().parse(kind.words) if name}
    assert used == {item.name for item in dataclasses.fields(kind)}
    assert str(kind(**{item.name: EXAMPLES[str(item.type)] for item in dataclasses.fields(kind)}))


@given(st.data(), st.sampled_from(TELLABLE))
def test_a_notice_is_one_printable_line(data: st.DataObject, kind: type[Notice]) -> None:
    """Whatever a peer puts into whichever field, the log gets one line without anything that is not printable."""
    values = {"str": HOSTILE, "int": st.integers(), "float": st.floats(allow_nan=False)}
    notice = kind(**{item.name: data.draw(values[str(item.type)]) for item in dataclasses.fields(kind)})
    assert escaped(str(notice)).isprintable()
