"""Tests out of a rule file: what is sent, how time passes, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping

from parsers.errors import OperatorError, Place
from parsers.event import FieldValue
from parsers.message import Trust
from rules.load_condition import FIELD
from rules.own_events import DROP, GATEWAY, OWN
from rules.rule import Expect, Send, TestStep
from rules.schema import Fields, Problems, Reader, as_list, as_table
from rules.strict_yaml import MappingNode, Node, SequenceNode
from rules.values import as_address, as_choice, as_duration, as_int, as_text, choices, leaf

MAX_TIMES = 1_000_000
"""Messages that one test step may send."""

TRUST = choices(Trust)


def as_test(node: Node, problems: Problems) -> TestStep:
    """Read one step of a rule's `test`."""
    with Fields(node, problems, "test") as fields:
        for key in ("times", "every", "from", "trust"):
            if key in fields and "send" not in fields:
                problems.error(f'"{key}" says how to send, but there is no "send"', fields.place_of(key))
        if not any(key in fields for key in ("send", "advance", "expect")):
            problems.error("a test step needs send, advance or expect", node.place)
        given = {key: fields.place_of(key) for key in ("from", "trust") if key in fields}
        what = fields.take("send", _sent, None)
        if isinstance(what, Mapping):
            _refuse_sender(what, given, problems)
        send = Send(
            what if isinstance(what, str) else "",
            times=fields.take("times", as_int(1, MAX_TIMES), 1),
            every=fields.take("every", as_duration(zero=True), 0.0),
            address=fields.take("from", as_address(), "127.0.0.1"),
            trust=fields.take("trust", as_choice(TRUST), Trust.ACCOUNT if _is_drop(what) else Trust.LOCAL),
            fields=None if isinstance(what, str) else what,
        )
        advance = fields.take("advance", as_duration(), 0.0)
        expect = fields.take("expect", _expect, None)
    return TestStep(node.place, None if what is None else send, advance, expect)


def _is_drop(what: str | Mapping[str, FieldValue] | None) -> bool:
    return isinstance(what, Mapping) and what["event.dataset"] == DROP


def _refuse_sender(what: Mapping[str, FieldValue], given: Mapping[str, Place], problems: Problems) -> None:
    """Refuse what says who sends, as far as the event has no sender; whoever uploads is known by its account."""
    for key, place in given.items():
        if key == "from" and _is_drop(what):
            problems.error('"from" is source.ip here: put it among the fields', place)
        elif not _is_drop(what):
            problems.error(f'"{key}" is about a sender; an event of the gateway\'s own has none', place)


def _sent(node: Node, problems: Problems) -> str | Mapping[str, FieldValue]:
    """Read a message's text, or the fields of an event of the gateway's own."""
    if not isinstance(node, MappingNode):
        return as_text(r"(?s).+", "a message's text")(node, problems)
    sent = as_table(_value, FIELD, "a field's name")(node, problems)
    if sent.setdefault("event.dataset", GATEWAY) not in OWN:
        place = next(entry.value.place for entry in node.entries if entry.key == "event.dataset")
        raise OperatorError(
            f"these are fields of the gateway's own events: event.dataset is {' or '.join(sorted(OWN))}", place
        )
    return sent


def _value(node: Node, problems: Problems) -> FieldValue:
    one: Reader[FieldValue] = leaf("a value", lambda scalar: scalar.value())
    return list(as_list(one)(node, problems)) if isinstance(node, SequenceNode) else one(node, problems)


def _expect(node: Node, problems: Problems) -> Expect:
    number = as_int(0, MAX_TIMES)
    with Fields(node, problems, "expect") as fields:
        if not any(key in fields for key in ("do", "argv", "undo", "open")):
            fields.require("do", number, "write how many times it must be done (or undo, or open)")
        place = fields.place_of("argv") if "argv" in fields else None
        do = fields.take("do", number, None)
        argv = fields.take("argv", as_list(as_text(), least=1), None)
        undo, opened = fields.take("undo", number, None), fields.take("open", number, None)
    if place is not None and do == 0:
        problems.error('"argv" says how the first job is called, but no job is expected', place)
    return Expect(do, argv, undo, opened)
