"""Tests out of a rule file: what is sent, how time passes, how tasks end, and what must come of it."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from parsers.errors import OperatorError, Place
from parsers.event import FieldValue
from parsers.message import Trust
from rules.example import Expect, Outcomes, Send, TestStep
from rules.load_condition import FIELD
from rules.outcome import Ending, Outcome
from rules.own_events import DROP, EMITTED, FILES, FINISHED, GATEWAY
from rules.schema import Fields, Problems, Reader, as_list, as_one_or_more, as_table, did_you_mean, mapping_of
from rules.sent import DATASET
from rules.strict_yaml import MappingNode, Node, ScalarNode, SequenceNode, shown
from rules.values import as_address, as_choice, as_duration, as_int, as_text, choices, leaf

MAX_TIMES = 1_000_000
"""Messages that one test step may send."""

MAX_STATUS = 255
"""The greatest exit code (exit(3))."""

TRUST = choices(Trust)

_SENDABLE = frozenset({GATEWAY, EMITTED, DROP, FILES})
"""Datasets of the gateway's own whose events a test can send."""

_OF_JOBS = ("gateway.job.", "rule.name")
"""How names of fields begin that only the gateway's own events have."""

ENDS = {
    "success": Outcome("", Ending.CONFIRMED),
    "failure": Outcome("", Ending.DECLINED),
    "timeout": Outcome("", Ending.TIMED_OUT),
}

STEP = re.compile(r"(?:do|undo|else|on_failure)/[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class _Sent:
    """What one `send` holds."""

    texts: tuple[str, ...] = ()
    fields: Mapping[str, FieldValue] | None = None

    @property
    def dataset(self) -> str:
        """The name of the source that it would have come through."""
        return DATASET if self.fields is None else str(self.fields["event.dataset"])


def as_test(node: Node, problems: Problems) -> TestStep:
    """Read one step of a rule's `test`."""
    with Fields(node, problems, "test") as fields:
        for key in ("times", "every", "from", "trust"):
            if key in fields and "send" not in fields:
                problems.error(f'"{key}" says how to send, but there is no "send"', fields.place_of(key))
        if not any(key in fields for key in ("send", "advance", "expect", "outcome")):
            problems.error("a test step needs send, advance, outcome or expect", node.place)
        given = {key: fields.place_of(key) for key in ("from", "trust") if key in fields}
        what = fields.take("send", _sent, None)
        if what is not None:
            _refuse_sender(what.dataset, given, problems)
        usual = Trust.ACCOUNT if what is not None and what.dataset == DROP else Trust.LOCAL
        send = Send(
            () if what is None else what.texts,
            times=fields.take("times", as_int(1, MAX_TIMES), 1),
            every=fields.take("every", as_duration(zero=True), 0.0),
            address=fields.take("from", as_address(), "127.0.0.1"),
            trust=fields.take("trust", as_choice(TRUST), usual),
            fields=None if what is None else what.fields,
        )
        advance = fields.take("advance", as_duration(), 0.0)
        outcome = fields.take("outcome", _outcomes, None)
        expect = fields.take("expect", _expect, None)
    return TestStep(node.place, None if what is None else send, advance, expect, outcome)


def _refuse_sender(dataset: str, given: Mapping[str, Place], problems: Problems) -> None:
    """Refuse what says who sends, as far as the event has no sender; whoever uploads is known by its account."""
    for key, place in given.items():
        if key == "from" and dataset == DROP:
            problems.error('"from" is source.ip here: put it among the fields', place)
        elif dataset in _SENDABLE - {DROP}:
            problems.error(f'"{key}" is about a sender; an event of the gateway\'s own has none', place)


def _sent(node: Node, problems: Problems) -> _Sent:
    """Read a message's text or several, or the fields of an event."""
    if not isinstance(node, MappingNode):
        return _Sent(as_one_or_more(as_text(r"(?s).+", "a message's text"))(node, problems))
    sent = as_table(_value, FIELD, "a field's name")(node, problems)
    for entry in node.entries:
        if entry.key in ("gateway.trust", "gateway.trusted"):
            problems.error(f'{entry.key} is what "trust" beside "send" says', entry.place)
    sent.setdefault("event.dataset", GATEWAY if _is_about_jobs(sent) else DATASET)
    return _Sent(fields=sent)


def _is_about_jobs(sent: Mapping[str, FieldValue]) -> bool:
    """Tell whether fields are those of what the gateway says of its own jobs, where `event.dataset` does not say."""
    return sent.get("event.action") == FINISHED or any(name.startswith(_OF_JOBS) for name in sent)


def _value(node: Node, problems: Problems) -> FieldValue:
    one: Reader[FieldValue] = leaf("a value", lambda scalar: scalar.value())
    return list(as_list(one)(node, problems)) if isinstance(node, SequenceNode) else one(node, problems)


def _outcomes(node: Node, problems: Problems) -> Outcomes:
    """Read how tasks end: all of them alike, or a table of steps."""
    if not isinstance(node, MappingNode) or any(entry.key in ("exit", "signal") for entry in node.entries):
        return Outcomes(as_one_or_more(_outcome)(node, problems))
    steps: dict[str, tuple[Outcome, ...]] = {}
    places = {entry.key: entry.place for entry in node.entries}
    for entry in mapping_of(node).entries:
        ends = problems.attempt(entry.value, as_one_or_more(_outcome), entry.key)
        if not STEP.fullmatch(entry.key):
            problems.error(
                f"{shown(entry.key)} is no outcome: write exit: CODE, signal: NAME, or a step: do/1, on_failure/2",
                entry.place,
            )
        elif ends is not None:
            steps[entry.key] = ends
    return Outcomes(steps=steps, places=places)


def _outcome(node: Node, problems: Problems) -> Outcome:
    """Read how one attempt ends."""
    if isinstance(node, ScalarNode):
        return as_choice(ENDS)(node, problems)
    with Fields(node, problems, "outcome") as fields:
        if "signal" in fields:
            number = fields.take("signal", _signal, None)
            return Outcome("", Ending.KILLED, signal=number)
        code = fields.require("exit", as_int(0, MAX_STATUS), "write exit: CODE, or signal: NAME")
    return Outcome("", Ending.EXITED, code)


def _signal(node: Node, problems: Problems) -> int:
    name = as_text("(?:SIG)?[A-Z][A-Z0-9]*", "a signal's name such as KILL")(node, problems)
    known = {one.name.removeprefix("SIG"): one.value for one in signal.Signals}
    number = known.get(name.removeprefix("SIG"))
    if number is None:
        raise OperatorError(f"there is no signal {name}{did_you_mean(name.removeprefix('SIG'), known)}", node.place)
    return number


def _expect(node: Node, problems: Problems) -> Expect:
    number, table = as_int(0, MAX_TIMES), as_table(_value, FIELD, "a field's name")
    with Fields(node, problems, "expect") as fields:
        if not any(key in fields for key in LOOKS):
            fields.require("do", number, f"write how many times it must be done (or {', '.join(LOOKS[1:])})")
        places = {key: fields.place_of(key) for key in LOOKS if key in fields}
        if named := fields.value_of("rule"):
            places["rule"] = named.place
        do = fields.take("do", number, None)
        argv = fields.take("argv", as_list(as_text(), least=1), None)
        undo, opened = fields.take("undo", number, None), fields.take("open", number, None)
        otherwise = fields.take("else", number, None)
        on_failure = fields.take("on_failure", number, None)
        expect = Expect(
            do,
            argv,
            undo,
            opened,
            otherwise,
            on_failure,
            tries=fields.take("tries", number, None),
            held=fields.take("held", number, None),
            subject=fields.take("subject", as_text(), None),
            emit=fields.take("emit", table, None),
            event=fields.take("event", table, None),
            digest=fields.take("digest", as_text(), None),
            rule=fields.take("rule", as_text(), None),
            places=places,
        )
    if do == 0 and not (undo or otherwise or on_failure):
        for key in [key for key in ("argv", "event", "digest") if key in places]:
            what = "says how the first job is called" if key == "argv" else "is about what the first job gets"
            problems.error(f'"{key}" {what}, but no job is expected', places[key])
    return expect


LOOKS = (
    *("do", "undo", "else", "on_failure", "tries", "open", "held"),
    *("argv", "subject", "emit", "event", "digest"),
)
"""What an expectation may be about."""
