"""What stands in a rule's `test`: messages arrive, time passes, tasks end, and something must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parsers.errors import Place
from parsers.event import FieldValue
from parsers.message import Trust
from rules.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Send:
    """Messages arrive, one after the other.

    Attributes:
        texts: what stands behind the envelope (`sshd[7]: Failed ...`), a log file's line, which begins with its time
            (`Nov 23 10:00:01 web1 sshd[7]: Failed ...`), or a whole frame, which begins with `<`.
        times: how often all of them are sent.
        every: seconds between two messages.
        address: who sends them (`log.source.address`).
        fields: of an event that is sent instead of texts; `event.dataset` says whether it is one of the gateway's own.
    """

    texts: tuple[str, ...] = ()
    times: int = 1
    every: float = 0.0
    address: str = "127.0.0.1"
    trust: Trust = Trust.LOCAL
    fields: Mapping[str, FieldValue] | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """What must have happened since the last expectation; None: it does not matter.

    Attributes:
        do: how many times the rule came true.
        argv: how the first command was called.
        undo: how many states were undone.
        open: how many states are open now.
        otherwise: how many times the rule's `else` came (`else`).
        on_failure: how many jobs failed for good.
        tries: how many times a process was started, those included that try again.
        held: how many times the rule came true for senders that are not trusted.
        subject: of the first mail.
        emit: fields of the first event that was emitted.
        event: fields of the event that the rule first acted upon.
        digest: what stands in the digest of that event.
        rule: the rule that is meant; None: the one that holds the test.
        places: where each of these stands, by the word of the rule file.
    """

    do: int | None = None
    argv: tuple[str, ...] | None = None
    undo: int | None = None
    open: int | None = None
    otherwise: int | None = None
    on_failure: int | None = None
    tries: int | None = None
    held: int | None = None
    subject: str | None = None
    emit: Mapping[str, FieldValue] | None = None
    event: Mapping[str, FieldValue] | None = None
    digest: str | None = None
    rule: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How the rule's steps end from here on, one outcome for each attempt; the last one stays.

    Attributes:
        processes: of the processes of `do`, `undo` and `else` that are not named; empty: they succeed.
        steps: of those that are, by part and number: `do/1`, `on_failure/2`.
        places: where those stand.
    """

    processes: tuple[Outcome, ...] = ()
    steps: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TestStep:
    """One entry of a rule's `test`; any part of it may be absent.

    What is absent in the entry does not happen; the rest comes in this order: tasks end as `outcome` says from now on,
    time passes, messages arrive, somebody looks.
    """

    place: Place
    send: Send | None = None
    advance: float = 0.0
    expect: Expect | None = None
    outcome: Outcomes | None = None
    __test__ = False  # not one of pytest's classes
