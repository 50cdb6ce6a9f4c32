"""Every built-in grammar yields what its examples say, and no form does what a form must not."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import parsers.grammars
from parsers.fields import is_reserved
from parsers.grammar import Example, Grammar
from parsers.lowering import CompiledGrammar, lower

GRAMMARS = [
    module.GRAMMAR
    for info in pkgutil.iter_modules(parsers.grammars.__path__)
    if hasattr(module := importlib.import_module(f"parsers.grammars.{info.name}"), "GRAMMAR")
]
EXAMPLES = [(grammar, example) for grammar in GRAMMARS for example in grammar.examples]
COMPILED = {grammar.name: CompiledGrammar(grammar) for grammar in GRAMMARS}

each_grammar = pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.name)


@pytest.mark.parametrize(
    ("grammar", "example"), EXAMPLES, ids=[f"{grammar.name}-{example.text[:50]}" for grammar, example in EXAMPLES]
)
def test_an_example_yields_its_fields(grammar: Grammar, example: Example) -> None:
    """The grammar's whole answer to an example is what stands beside it; None is no match."""
    answer = COMPILED[grammar.name].parse(example.text)
    assert (answer and answer[1]) == (None if example.fields is None else dict(example.fields))


@each_grammar
def test_every_form_has_an_example(grammar: Grammar) -> None:
    """No form stands in a grammar without a message that shows it, and some message matches none."""
    answers = [COMPILED[grammar.name].parse(example.text) for example in grammar.examples]
    shown = {answer[0].name for answer in answers if answer}
    assert [form.name for form in grammar.forms if form.name not in shown] == []
    assert None in answers


@each_grammar
def test_forms_have_names_of_their_own(grammar: Grammar) -> None:
    """Two forms of one grammar never share a name, for `gateway explain` tells them apart by it."""
    names = [form.name for form in grammar.forms]
    assert len(names) == len(set(names))


@each_grammar
def test_every_form_can_be_lowered(grammar: Grammar) -> None:
    """The built-in grammars run at full speed: none of their forms needs pyparsing itself."""
    assert COMPILED[grammar.name].reasons() == {}


@each_grammar
def test_no_form_fills_a_reserved_field(grammar: Grammar) -> None:
    """A message must not claim its own trust, source or envelope."""
    for form in grammar.forms:
        for name in (*lower(form.expression).names, *form.sets, *form.derived):
            assert not is_reserved(name), (form.name, name)


@each_grammar
def test_an_outcome_is_one_of_three(grammar: Grammar) -> None:
    """`event.outcome` is success, failure or unknown (ECS), and categories are lists."""
    for form in grammar.forms:
        assert form.sets.get("event.outcome", "unknown") in ("success", "failure", "unknown"), form.name
        for name in ("event.category", "event.type"):
            assert isinstance(form.sets.get(name, []), list), form.name


@pytest.mark.parametrize(
    "name",
    [
        "root from 203.0.113.5 port 1 ssh2",
        "root from 203.0.113.5",
        "a from 203.0.113.5 port 1 ssh2: RSA SHA256:x",
        "x [preauth]",
        " ",
        "",
        "invalid user root from 203.0.113.5 port 1 ssh2 [preauth]",
        "203.0.113.5 port 1",
        "a 203.0.113.5 port 1: Too many authentication failures [preauth]",
        "a not allowed because b from 203.0.113.5 not allowed because c",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "Failed password for invalid user {} from 192.0.2.7 port 4000 ssh2",
        "Failed none for invalid user {} from 192.0.2.7 port 4000 ssh2 [preauth]",
        "Postponed keyboard-interactive for invalid user {} from 192.0.2.7 port 4000 ssh2 [preauth]",
        "Invalid user {} from 192.0.2.7 port 4000",
        "Invalid user {} from 192.0.2.7",
        "error: maximum authentication attempts exceeded for invalid user {} from 192.0.2.7 port 4000 ssh2 [preauth]",
        "Connection closed by invalid user {} 192.0.2.7 port 4000 [preauth]",
        "Connection reset by authenticating user {} 192.0.2.7 port 4000 [preauth]",
        "Disconnected from invalid user {} 192.0.2.7 port 4000 [preauth]",
        "Disconnecting invalid user {} 192.0.2.7 port 4000: Too many authentication failures [preauth]",
        "User {} from 192.0.2.7 not allowed because not listed in AllowUsers",
        "error: PAM: Authentication failure for illegal user {} from 192.0.2.7",
    ],
)
def test_sshd_never_takes_a_strangers_address(text: str, name: str) -> None:
    """Whatever a stranger calls himself, the address is the one that sshd wrote, and the name is his."""
    answer = COMPILED["sshd"].parse(text.format(name))
    assert answer is not None
    assert answer[1]["source.ip"] == "192.0.2.7"
    assert answer[1]["user.name"] == name
