"""What rules need to see: as narrow as can be, and never narrower than what they match."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pyparsing as pp
import pytest

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.tokens import lit, rx, word
from parsers.lowering import CompiledGrammar
from parsers.message import Batch, Origin, Trust, one_frame
from parsers.parse import Parser
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InNetworks,
    Matches,
    Not,
    OneOf,
)
from rules.match import wants
from rules.needs import Needs, found_by_rule
from rules.sieve import Sieve
from tests.rules.random_messages import GRAMMARS

PARSER = Parser(GRAMMARS)
NEEDS = Needs(PARSER.grammars)


def _double(fields: dict[str, FieldValue]) -> None:
    fields["file.path"] = str(fields.get("file.name", "")) * 2


DOOR = Grammar(
    name="door",
    programs=("door",),
    forms=(
        Form("open", lit("opened by ") + word()("user.name"), {"event.action": "open", "event.category": ["a", "b"]}),
        Form("shut", lit("shut by ") + word()("user.name"), {"event.action": "shut"}),
        Form("file", lit("file ") + word()("file.name"), refine=_double, derived=("file.path",)),
        Form("who", lit("it is ") + rx("[a-z]+")("process.name") + lit(" pid ") + rx("[0-9]+")("process.pid")),
    ),
    examples=(),
)
UPPER = Grammar(
    name="upper",
    programs=("upper",),
    forms=(Form("any", (lit("say ") + word()("user.name").add_parse_action(pp.common.upcase_tokens))),),
    examples=(),
)
DOORS = Needs([CompiledGrammar(DOOR)])


def expressions(needs: Needs, condition: Condition) -> list[str] | None:
    """Return what a condition needs, blanks readable."""
    need = needs.of(condition)
    return None if need is None else [necessary.expression.replace(r"\x20", " ") for necessary in need]


def test_a_forms_meaning_needs_its_shape() -> None:
    """A field that the form itself sets stands for the form's own words."""
    assert expressions(DOORS, Equals("event.action", "open")) == ["opened by [\\x00-\\x09\\x0b-\\x1f\\x21-\\xff]"]
    assert expressions(DOORS, Equals("event.category", "b")) == expressions(DOORS, Equals("event.action", "open"))
    both = expressions(DOORS, Matches("event.action", re.compile("^(open|shut)$")))
    assert both is not None
    assert len(both) == 2


def test_what_no_form_can_give_is_never_sought() -> None:
    """A rule that nothing can fulfil makes no candidate."""
    for condition in (
        Equals("event.action", "close"),
        Exists("source.ip", True),
        Compare("log.syslog.priority", "gt", 200),
    ):
        assert expressions(DOORS, condition) == []
    together = AllOf((Equals("event.action", "shut"), Exists("file.name", True)))
    assert expressions(DOORS, together) == []


def test_of_what_must_all_hold_the_rarest_is_sought() -> None:
    """One necessary thing is enough; the longer text is rarer."""
    found = expressions(DOORS, AllOf((Contains("message", "ab"), Equals("user.name", "mallory-the-first"))))
    assert found == ["mallory\\x2dthe\\x2dfirst"]


def test_of_alternatives_all_are_sought() -> None:
    """One alternative that needs to see everything makes the rule see everything."""
    assert expressions(DOORS, AnyOf((Contains("message", "abc"), OneOf("message", ("def", "ghi"))))) == [
        "abc",
        "def",
        "ghi",
    ]
    assert expressions(DOORS, AnyOf((Contains("message", "abc"), Not(Contains("message", "x"))))) is None


@pytest.mark.parametrize(
    "condition",
    [
        Exists("user.name", False),
        Not(Equals("user.name", "root")),
        Equals("gateway.trust", "local"),
        Equals("host.name", "web1"),
        Equals("event.dataset", "main"),
        Equals("log.source.address", "192.0.2.7"),
        Equals("message", "x"),
        Equals("message", ""),
        Compare("log.syslog.severity.code", "le", 5),
        Equals("log.syslog.facility.name", "user"),
        Exists("message", True),
        InNetworks("source.ip", (ip_network("10.0.0.0/8"),)),
        AllOf(()),
    ],
)
def test_what_the_octets_cannot_tell_makes_every_message_a_candidate(condition: Condition) -> None:
    """The source's knowledge, the default priority, what is absent and what is vague stand in no octets."""
    assert expressions(NEEDS, condition) is None


def test_a_priority_other_than_the_default_stands_in_the_frame() -> None:
    """Only a message that says its priority has another than user.notice."""
    assert expressions(NEEDS, Compare("log.syslog.severity.code", "le", 0)) == [
        f"<(?:{'|'.join(str(facility * 8) for facility in range(24))})>"
    ]


def test_fields_that_the_rule_itself_finds_ask_nothing_of_the_form() -> None:
    """A named group fills its field for every message, whatever form it has, and wherever the condition stands."""
    finds = Matches("message", re.compile("user=(?P<user_name>[a-z]+) end"))
    assert found_by_rule([AnyOf((finds,)), Not(Matches("message", re.compile("(?P<x>a)")))]).names == {"user.name"}
    for condition in (
        AllOf((finds, Equals("user.name", "root"))),
        AllOf((Equals("user.name", "root"), finds)),
        AllOf((finds, AnyOf((Equals("user.name", "root"), Equals("user.name", "admin"))))),
        AllOf((finds, AllOf((Equals("user.name", "root"), Equals("log.syslog.appname", "door"))))),
    ):
        assert _passes(condition, b"<13>Jan  1 00:00:00 h door: user=root end", NEEDS, PARSER)


DECODED = [
    (Equals("user.name", "root"), rb'{"user":"\u0072oot","a":1}'),
    (Equals("labels.a", "443"), b'{"a":4.43e2}'),
    (Equals("labels.a", 443), b'{"a":44300e-2}'),
    (Equals("labels.a", "1e-05"), b'{"a":0.00001}'),
    (Equals("labels.a", "9007199254740992"), b'{"a":9007199254740993.0}'),
    (Equals("labels.a", 0.12345678901234568), b'{"a":0.1234567890123456789}'),
    (Equals("labels.a", True), b'{"a":true}'),
    (Contains("labels.a", "443"), b'{"a":[null,"x",{"b":1},4.43e2]}'),
    (Matches("labels.a", re.compile("^443$")), b'{"a":4.43E+2}'),
    (Glob("labels.a", "44*3"), b'{"a":4.43E+2}'),
    (Equals("source.port", 443), b"sport=0443 src=192.0.2.7"),
    (Equals("labels.dport", 443), b"sport=1 dport=17 dport=0443"),
    (Equals("user.name", 'a"b'), rb'user="a\"b" x=y'),
    (Equals("user.name", "a=b"), rb"CEF:0|E|W|1|1|n|3|suser=a\=b"),
    (Equals("process.pid", 7), b'{"pid":7e0}'),
    (Equals("labels.process.name", "sshd"), b"process.name=sshd user=x"),
    (Contains("url.path", "/b"), b'192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET http://h/b?c HTTP/1.1" 403 199'),
    (Equals("log.syslog.structured_data.a.k", 'v"w'), rb'1 - - - - - [a k="v\"w"] x'),
    (Contains("log.syslog.structured_data.-.raw", '"bad'), b'1 - - - - - [a "bad] x'),
    (Contains("message", "b\nc"), b"a b\nc"),
    (Matches("message", re.compile("(?i)disk")), "no di\u017f\u212a left".encode()),
    (Matches("message", re.compile(r"^bad .octet")), b"bad \xffoctet"),
]


@pytest.mark.parametrize(("condition", "text"), DECODED, ids=[text.decode("latin-1")[:40] for _, text in DECODED])
def test_values_that_stand_otherwise_in_the_octets_are_not_missed(condition: Condition, text: bytes) -> None:
    """Escapes, numbers written in other ways, derived values, letters that fold: the rule gets its message."""
    assert _passes(condition, b"<34>" + text, NEEDS, PARSER)


def test_a_rule_on_json_text_does_not_see_all_json() -> None:
    """Only escapes make a value illegible, and numbers only for rules that a number could pass."""
    sieve = Sieve([NEEDS.of(Equals("user.name", "mallory")), NEEDS.of(Equals("labels.a", 443))])
    ordinary = (
        b'<13>{"user":"root","ts":1700000000.123,"id":"3e8f","n":[1,2.50],"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}'
    )
    assert list(sieve.candidates(Batch(one_frame(ordinary), Origin("main", Trust.LOCAL), 1.0))) == []


def test_forms_may_fill_what_the_header_fills_too() -> None:
    """The program's name and number come from either."""
    parser, needs = Parser([DOOR]), Needs([CompiledGrammar(DOOR)])
    for condition in (Equals("process.name", "cron"), Equals("process.pid", 42)):
        assert _passes(condition, b"<34>Jan  1 00:00:00 h door: it is cron pid 042", needs, parser)
        assert _passes(condition, b"<34>Jan  1 00:00:00 h cron[042]: x", needs, parser)
    assert _passes(Equals("file.path", "abab"), b"<34>Jan  1 00:00:00 h door: file ab", needs, parser)


def test_forms_that_run_in_pyparsing_may_do_anything() -> None:
    """A parse action can change what it matched, so nothing of it is sought."""
    parser = Parser([UPPER])
    needs = Needs(parser.grammars)
    assert expressions(needs, Equals("user.name", "ROOT")) is None
    assert _passes(Equals("user.name", "ROOT"), b"<34>Jan  1 00:00:00 h upper: say root", needs, parser)


def _passes(condition: Condition, frame: bytes, needs: Needs, parser: Parser) -> bool:
    """Tell whether the sieve passes a message; the condition must hold for it, else the test would tell nothing."""
    batch = Batch(one_frame(frame), Origin("main", Trust.LOCAL), 1_767_225_600.0)
    (every,) = [message for message, _ in Sieve([None]).candidates(batch)]
    fields = parser.parse(every).fields
    assert wants(condition, None)(fields) is not None, fields
    return len(list(Sieve([needs.of(condition)]).candidates(batch))) == 1
