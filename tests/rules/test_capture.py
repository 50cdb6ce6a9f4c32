"""`capture` takes fields out of an event's text, by a regular expression or a grammar, and is a condition as well."""

from __future__ import annotations

import re

import pyparsing as pp
import pytest

from parsers.errors import Place
from parsers.grammar import Form, Grammar
from parsers.lowering import CompiledGrammar
from parsers.message import Batch, Frames, Message, Origin, Trust
from parsers.parse import Parser, builtin_grammars
from rules.answer import explain
from rules.condition import AllOf, Condition, Equals, Exists, Matches, Not, Parses
from rules.found import Found
from rules.load import Defaults, LoadedFile, load_rules
from rules.match import Fields, compile_condition, found_fields, wants
from rules.needs import Needs
from rules.review import Review
from rules.rule import Rule
from rules.sieve import Sieve
from rules.words import words

SHOP = Grammar(
    "shop",
    ("shop",),
    (
        Form(
            "order",
            pp.Literal("order") + pp.Word(pp.nums)("event.id") + pp.Literal("by") + pp.Word(pp.alphas)("user.name"),
            {"event.action": "order", "gateway.trust": "local", "event.dataset": "forged"},
        ),
        Form("refund", pp.Literal("refund") + pp.Word(pp.nums)("event.id"), {"event.action": "refund"}),
    ),
    (),
)
ORIGIN = Origin("main", Trust.LOCAL)
PARSER = Parser((SHOP, *builtin_grammars()))
BY_NAME = {one.grammar.name: one for one in PARSER.grammars}
COMPILED = BY_NAME["shop"]


def load(text: str, grammars: dict[str, CompiledGrammar] | None = BY_NAME) -> LoadedFile:
    """Load one rule's keys."""
    return load_rules(f"- {{rule: r, {text}}}", "f", Defaults(grammars=grammars))


USER = Matches("message", re.compile(r"user (?P<user_name>\w+)"))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (r"capture: 'user (?P<user_name>\w+)', match: {}", USER),
        (r"capture: {regex: 'user (?P<user_name>\w+)'}, match: {}", USER),
        (
            r"capture: {field: message, regex: 'user (?P<user_name>\w+)'}, match: {a: b}",
            AllOf((Equals("a", "b"), USER)),
        ),
        ("capture: {field: log.message, grammar: shop}, match: {}", Parses("log.message", "shop")),
        (
            r"capture: ['user (?P<user_name>\w+)', {grammar: sshd}], match: {a: b, c: d}",
            AllOf((Equals("a", "b"), Equals("c", "d"), USER, Parses("message", "sshd"))),
        ),
        ("capture: {grammar: shop}, match: 'a exists or b exists'", None),
    ],
)
def test_a_capture_is_a_condition_behind_match(text: str, condition: Condition | None) -> None:
    """One, or a list; of the message, where no field is named."""
    loaded = load(text)
    assert not loaded.errors
    (rule,) = loaded.rules
    if condition is not None:
        assert rule.match == condition
    else:
        assert isinstance(rule.match, AllOf)
        assert rule.match.conditions[1:] == (Parses("message", "shop"),)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("capture: 'user (x)'", 'f:1:22: "capture": it captures nothing; name a group: (?P<NAME>...) instead of (...)'),
        ("capture: {regex: user}", 'f:1:30: "regex": it captures nothing; name a group: (?P<user_name>...)'),
        ("capture: '(?P<message>x)'", 'the group "message" would fill message, which is the gateway\'s own'),
        ("capture: '(?P<log_source_ip>x)'", "which is the gateway's own"),
        ("capture: 'user ('", "the regular expression is wrong"),
        ("capture: {grammar: shp}", 'f:1:32: "grammar": there is no grammar "shp"; did you mean "shop"?'),
        ("capture: {grammar: zzzzzz}", "; there are "),
        ("capture: {field: message}", 'f:1:22: the key "regex" is missing in "capture"; or "grammar"'),
        (
            "capture: {regex: '(?P<x>a)', grammar: shop}",
            '"grammar" stands beside "regex"; write two captures in a list',
        ),
        ("capture: {regx: '(?P<x>a)'}", 'unknown key "regx" in "capture"; did you mean "regex"?'),
        ("capture: []", 'f:1:22: "capture": the list is empty'),
        ("capture: {field: 'a b', grammar: shop}", '"field": a field\'s name is wanted'),
    ],
)
def test_a_wrong_capture_says_where(text: str, error: str) -> None:
    """The rule is off, for one reason."""
    loaded = load(f"{text}, match: {{}}")
    assert not loaded.rules
    (found,) = loaded.errors
    assert error in str(found)


def test_where_grammars_are_not_known_none_is_wrong() -> None:
    """Whoever only asks for a rule's tasks does not load the operator's modules; such a rule matches nothing yet."""
    loaded = load("capture: {grammar: anything}, match: {}", None)
    assert not loaded.errors
    assert loaded.rules[0].match == Parses("message", "anything")
    assert found_fields(loaded.rules[0].match) == Found(every=True)
    with pytest.raises(ValueError, match="the grammar anything was loaded by name only"):
        compile_condition(loaded.rules[0].match)


def test_a_grammar_adds_its_fields() -> None:
    """Those that the event has already stay, reserved ones stay the gateway's, and without a match it is no event."""
    test = wants(Parses("log.message", "shop", COMPILED), None)
    event: Fields = {"log.message": "order 5 by eve", "gateway.trust": "datagram"}
    assert test(event) == {**event, "event.action": "order", "event.id": "5", "user.name": "eve"}
    assert test({"log.message": ["nothing", "refund 7"], "event.id": 4}) == {
        "log.message": ["nothing", "refund 7"],
        "event.id": 4,
        "event.action": "refund",
    }
    others: tuple[Fields, ...] = ({"log.message": "no order 5 by eve"}, {"log.message": {"x": "y"}}, {})
    assert not any(map(test, others))
    assert event == {"log.message": "order 5 by eve", "gateway.trust": "datagram"}


def test_match_and_unless_may_ask_for_what_was_captured() -> None:
    """The capture comes first where it must, whatever the order of the keys."""
    loaded = load("match: {user.name: eve}, unless: {event.action: refund}, capture: {grammar: shop}")
    (rule,) = loaded.rules
    test = wants(rule.match, rule.unless)
    assert test({"message": "order 5 by eve"})
    assert test({"message": "order 5 by bob"}) is None
    assert test({"message": "refund 5", "user.name": "eve"}) is None


def test_what_a_capture_fills_is_known() -> None:
    """Neither the reader nor the review takes a captured field for a misspelling."""
    loaded = load(
        "match: {event.dataset: main, shop.basket: 5}, capture: '(?P<shop_basket>[0-9]+) items', "
        "do: {run: [x, '${shop.basket}']}"
    )
    assert not loaded.warnings
    assert not list(Review(PARSER.grammars, ["main"]).of(loaded.rules[0]))
    by_grammar = load("match: {event.action: order}, capture: {grammar: shop}, do: {run: [x, '${event.id}']}")
    others = Parser(builtin_grammars()).grammars
    assert not list(Review(others, ["main"]).of(by_grammar.rules[0]))
    every = load("match: {any.thing: 5}, capture: {field: log.message, grammar: json}, do: {run: [x, '${o.ther}']}")
    assert not every.errors
    assert not list(Review(others, ["main"]).of(every.rules[0]))


def test_the_fields_of_a_grammar() -> None:
    """What its forms capture and mean; any field, where a sender names them."""
    assert found_fields(Parses("a", "shop", COMPILED)) == Found(frozenset({"event.action", "event.id", "user.name"}))
    anything = found_fields(AllOf((Parses("a", "json", BY_NAME["json"]), Exists("b", True))))
    assert anything.every
    assert "any.thing" in anything
    assert "gateway.trust" not in anything
    assert not found_fields(Not(Parses("a", "shop", COMPILED)))
    assert "x" in (Found(frozenset({"x"})) | frozenset({"y"}))


def test_a_grammar_makes_its_words_necessary() -> None:
    """The sieve asks for what one of the forms must hold, and lets each message through that the rule wants."""
    needs = Needs(PARSER.grammars)
    condition = Parses("message", "shop", COMPILED)
    need = needs.of(condition)
    assert need is not None
    sieve = Sieve([need])
    frames = [b"<13>x: order 5 by eve", b"<13>x: other", b"<13>x: refund 12", b"<13>x: reorder"]
    data = b"".join(frame + b"\n" for frame in frames)
    hits = [message.frame for message, _ in sieve.candidates(Batch(Frames(data), ORIGIN, 1.0))]
    test = compile_condition(condition)
    wanted = [frame for frame in frames if test(dict(PARSER.parse(Message(frame, ORIGIN, 1.0)).fields))]
    assert wanted == [frames[0], frames[2]]
    assert set(wanted) <= set(hits)
    assert frames[1] not in hits


def test_a_field_that_a_grammar_may_fill_is_not_asked_of_the_octets() -> None:
    """`event.action: order` can be what the capture says, of any message that the capture takes."""
    needs = Needs(Parser(builtin_grammars()).grammars)
    both = AllOf((Equals("event.action", "order"), Parses("message", "shop", COMPILED)))
    assert needs.of(both) == needs.of(Parses("message", "shop", COMPILED))


def test_a_capture_is_explained() -> None:
    """Its words name the grammar, and what the text was."""
    condition = Parses("message", "shop", COMPILED)
    assert words(condition) == "message: {grammar: shop}"
    fields: Fields = {"message": "refund 5"}
    answer = explain(condition, fields)
    assert (answer.holds, answer.found) == (True, "refund 5")
    assert fields["event.action"] == "refund"


def test_rules_with_captures_compare_by_the_grammars_name() -> None:
    """Two readings of the same rule file make equal rules."""
    again = CompiledGrammar(SHOP)
    assert Parses("a", "shop", COMPILED) == Parses("a", "shop", again)
    rule = Rule("r", Place("f"), Parses("a", "shop", COMPILED))
    assert rule == Rule("r", Place("f"), Parses("a", "shop", again))
