"""The names of fields."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from parsers import grammars
from parsers.fields import INTEGERS, KNOWN, RESERVED, field_of_group, is_reserved
from parsers.grammar import Grammar

MODULES = [module.name for module in pkgutil.iter_modules(grammars.__path__)]


@pytest.mark.parametrize("module", MODULES)
def test_what_the_shipped_grammars_fill_is_known(module: str) -> None:
    """Else a rule that names such a field would be told that it is misspelt; `labels.*` are the sender's own."""
    grammar = getattr(importlib.import_module(f"parsers.grammars.{module}"), "GRAMMAR", None)
    if not isinstance(grammar, Grammar):
        return
    filled = {name for example in grammar.examples for name in example.fields or ()}
    filled.update(name for form in grammar.forms for name in form.sets)
    assert {name for name in filled if not name.startswith("labels.")} <= KNOWN


def test_numbers_and_reserved_fields_are_known() -> None:
    """Whatever has a meaning of its own here can be named in a rule."""
    assert KNOWN >= INTEGERS
    assert KNOWN >= RESERVED


@pytest.mark.parametrize(
    ("group", "field"),
    [
        ("user_name", "user.name"),
        ("source_ip", "source.ip"),
        ("process_exit_code", "process.exit_code"),
        ("http_response_status_code", "http.response.status_code"),
        ("order_number", "order.number"),
        ("x", "x"),
    ],
)
def test_a_group_fills_the_field_of_its_name(group: str, field: str) -> None:
    """An underscore stands for a dot, but not where the known name has one."""
    assert field_of_group(group) == field


def test_no_group_can_claim_what_belongs_to_the_gateway() -> None:
    """Two ways of writing a reserved name lead to the same refusal."""
    for group in ("gateway_trust", "log_source_address", "log_syslog_severity_code", "event_dataset", "message"):
        assert is_reserved(field_of_group(group))
