"""Names of fields: one that is nearly a known one is an error, unless the file makes it or declares it."""

from __future__ import annotations

import pytest

from parsers.grammars import json_cee, sshd
from parsers.lowering import CompiledGrammar
from rules.load import Defaults, LoadedFile, load_rules
from rules.pieces import Pieces

GRAMMARS = {grammar.name: CompiledGrammar(grammar) for grammar in (sshd.GRAMMAR, json_cee.GRAMMAR)}


def load(text: str, defaults: Defaults | None = None) -> LoadedFile:
    """Load a rule file as a gateway does that knows these grammars."""
    return load_rules(text, "f", defaults or Defaults(grammars=GRAMMARS))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("match: {user.nmae: x}", "f:1:21"),
        ("match: user.nmae == 'x'", "f:1:20"),
        ("match: {}, when: {count: 1, by: [user.nmae]}", "f:1:46"),
        ("match: {}, do: {run: [x, 'a ${user.nmae}']}", "f:1:41"),
        ("match: {}, do: {emit: {x: '${user.nmae}'}}", "f:1:40"),
        ("match: {}, undo: {match: {user.nmae: x}, do: []}", "f:1:39"),
    ],
)
def test_a_misspelt_field_is_an_error_where_it_stands(text: str, place: str) -> None:
    """The error names the right one, and what to write if it is no mistake."""
    loaded = load(f"- {{rule: a, {text}}}")
    assert not loaded.rules
    (error,) = loaded.errors
    problem = '"user.nmae" is a field nobody knows; did you mean "user.name"?; if senders really have it, declare it'
    assert str(error) == f'{place}: {problem}: "fields: [user.nmae]"'


def test_what_other_programs_call_a_field_is_doubted() -> None:
    """A grammar may make it, so the rule stands; who declares the field hears nothing."""
    loaded = load("- {rule: a, match: {Program: x}, do: {run: [x, '${msg}']}}")
    assert [str(warning).partition(";")[0] for warning in loaded.warnings] == [
        'f:1:21: the field "Program" is called process.name here',
        'f:1:49: the field "msg" is called message here',
    ]
    assert not load("fields: [msg]\nrules: [{rule: a, match: {msg: x}}]").warnings


@pytest.mark.parametrize(("name", "called"), [("shop", "labels.shop"), ("shop.order", "labels.shop.order")])
def test_what_a_sender_calls_something_is_told(name: str, called: str) -> None:
    """JSON and key=value fill labels with what is no name of ECS, so that a rule by the bare name would see nothing."""
    (warning,) = load(f"- {{rule: a, match: {{}}, when: {{count: 1, by: [{name}]}}}}").warnings
    assert str(warning) == (
        f'f:1:46: no message has a field "{name}": what a sender calls so is {called} here; if a rule or a grammar '
        f'makes it, declare it: "fields: [{name}]"'
    )
    assert not load(f"fields: [{name}]\nrules: [{{rule: a, match: {{{name}: x}}}}]").warnings
    assert not load(f"- {{rule: a, match: {{{called}: x}}}}").warnings


WANTS = "{rule: a, match: {user.nmae: x}}"


@pytest.mark.parametrize(
    "text",
    [
        f"fields: [user.nmae]\nrules: [{WANTS}]",
        f"- {WANTS}\n- {{rule: b, match: {{}}, do: {{emit: {{user.nmae: x}}}}}}",
        f"- {WANTS}\n- {{rule: b, match: \"message ~ '(?P<user_nmae>x)'\"}}",
        f"- {WANTS}\n- {{rule: b, match: {{}}, capture: '(?P<user_nmae>x)'}}",
        "- {rule: a, match: {labels.own: x, http.own: y}}",
    ],
)
def test_what_a_file_makes_or_declares_is_known_in_all_of_it(text: str) -> None:
    """Also before the place where it is made; and a name that is like none is one's own."""
    loaded = load(text)
    assert (loaded.errors, loaded.warnings) == ((), ())


def test_what_the_configuration_declares_and_its_macros_make_is_known() -> None:
    """To every file."""
    declared = Defaults(grammars=GRAMMARS, pieces=Pieces(fields=frozenset({"user.nmae"})))
    assert not load(f"- {WANTS}", declared).errors
    macros = load(
        "macros: {m: \"message ~ '(?P<user_nmae>x)'\"}\nrules: [{rule: b, match: $m}, {rule: a, match: {user.nmae: x}}]"
    )
    assert not macros.errors


def test_what_a_grammar_makes_is_known() -> None:
    """Of the operator's own too; whoever does not know the grammars finds nothing wrong."""
    assert not load("- {rule: a, match: {}, do: {run: [x, '${ssh.fingerprint}']}}").errors
    assert not load(f"- {WANTS}", Defaults()).errors


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("file.path|endswith", "{file.path: {glob: ...}}"),
        ("x|contains", "{x: {contains: ...}}"),
        ("source.ip|cidr", "{source.ip: {in: ...}}"),
        ("x|base64", "{x: {contains: ...}}"),
    ],
)
def test_modifiers_of_sigma_are_told_from_names(name: str, advice: str) -> None:
    """What the field must be stands elsewhere here."""
    (error,) = load(f"- {{rule: a, match: {{{name}: x}}}}").errors
    assert advice in error.problem
    assert not load(f"fields: [{name}]\nrules: [{{rule: a, match: {{{name}: x}}}}]").errors
