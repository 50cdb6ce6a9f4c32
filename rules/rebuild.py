"""Rebuild what a rule book knew from what was kept: the journal's messages are its past, the store says what is open.

The messages are folded through the same rules with their own times, and the jobs that come of it are thrown away, for
the store has them. The store is the authority on states: one that it does not know is not open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from parsers.message import Batch, Frames, Message, Origin, Trust
from parsers.parse import Parser
from rules.findings import Findings
from rules.job import Part
from rules.open_states import OpenState
from rules.own_events import event_of, is_own_message
from rules.plan import NEVER
from rules.rulebook import RuleBook
from rules.sieve import Sieve
from rules.windows.window import Key

CHUNK = 2000
"""Messages that are sifted at a time: enough that a scan's own cost is nothing."""

_ORIGIN = Origin("", Trust.LOCAL)
"""The sieve asks for octets only."""


class KeptState(NamedTuple):
    """One state that was opened, as the store has it; it is open while `closed` is None.

    Attributes:
        job: the id of the job that undoes it.
        opened: when it was opened, in seconds since 1970.
        due: when it closes by itself; `rules.plan.NEVER`: only an event closes it.
        closed: when it was undone.
    """

    rule: str
    key: Key
    job: str
    opened: float
    due: float
    closed: float | None = None


_CLOSED, _OPENED = 0, 1
"""In this order when both are at one time."""

Openings = Mapping[tuple[str, Key], int]
"""How often the state of each rule and key was opened, the one last that was opened last."""


def rebuild(
    rulebook: RuleBook,
    sieve: Sieve,
    parser: Parser,
    messages: Iterable[Message],
    states: Iterable[KeptState],
    openings: Openings,
    lost: Callable[[Message, Exception], None],
) -> int:
    """Bring a new rule book to where an earlier one was; return how many messages were kept.

    The rule book counts as the earlier one did as far as the messages reach back. A window that began before them
    lacks what it had, and has what a count that came true back then would have used up: keep more than one window.

    Args:
        rulebook: with no past.
        sieve: that of the same rules.
        parser: makes events of the messages.
        messages: in the order in which they were kept.
        states: all that were open at the first message or since, in any order; it does no harm to name one twice.
        openings: for how long a state is open that is opened again.
        lost: told of a message that meets a bug, and then left out.
    """
    past = _Past(rulebook, states)
    count = 0
    rest = iter(messages)
    while chunk := list(islice(rest, CHUNK)):
        for message, wanted in _candidates(sieve, chunk):
            past.go_on_to(message.received)
            try:
                event = event_of(message, parser.parse)
                past.learn(rulebook.feed(event, message.received, wanted))
            except Exception as error:  # noqa: BLE001 -- one message that meets a bug must not keep the gateway down
                lost(message, error)
        count += len(chunk)
    past.settle(openings)
    return count


class _Past:
    """Goes through what was opened and closed, as time goes on."""

    def __init__(self, rulebook: RuleBook, states: Iterable[KeptState]) -> None:
        self._rulebook = rulebook
        self._known = {state.job: state for state in states}
        self._states = sorted(self._known.values(), key=lambda state: state.opened)
        self._over: set[str] = set()
        """Jobs whose states are closed, be they done or not."""
        turns = [(state.opened, _OPENED, state) for state in self._states]
        turns += [(state.closed, _CLOSED, state) for state in self._states if state.closed is not None]
        self._turns = sorted(turns, key=lambda turn: turn[:2], reverse=True)

    def go_on_to(self, now: float) -> None:
        """Open what was opened before this time, and close what was closed until it."""
        turns = self._turns
        while turns and (turns[-1][0] < now or (turns[-1][0] == now and turns[-1][1] == _CLOSED)):
            _, kind, state = turns.pop()
            if kind == _OPENED:
                self._open(state)
            else:
                self._over.add(state.job)
                self._rulebook.close(state.rule, state.key, state.job)

    def _open(self, state: KeptState) -> None:
        # the event that opened it has done so already, unless it is older than the messages or the rule is another
        correlation = self._rulebook.named(state.rule)
        open_states = correlation.states if correlation else None
        if open_states is not None and state.job not in self._over and state.key not in open_states:
            due = None if state.due >= NEVER else state.due
            open_states.restore(state.key, OpenState(due, state.job), state.opened)

    def learn(self, findings: Findings) -> None:
        """Take note of what an event came to; what it would have opened and did not open is not open."""
        self._over.update(closing.job for closing in findings.closings)
        for decision in findings.decisions:
            for job in decision.jobs:
                if job.part is Part.UNDO and job.id not in self._known:
                    self._rulebook.close(job.rule, job.key, job.id)

    def settle(self, openings: Openings) -> None:
        """Leave open what the store has open, and take over how often what was opened."""
        self.go_on_to(float("inf"))
        self._rulebook.forget_states()
        for state in self._states:
            if state.closed is None:
                self._open(state)
        self._rulebook.settle_states()
        for (rule, key), times in openings.items():
            correlation = self._rulebook.named(rule)
            if correlation is not None and correlation.states is not None:
                correlation.states.remember(key, times)


def _candidates(sieve: Sieve, messages: Sequence[Message]) -> Iterator[tuple[Message, Sequence[int] | None]]:
    """Yield the messages that a rule could want, in their order, with those rules; our own are for all of them."""
    data, starts, stops = bytearray(), [], []
    for message in messages:
        starts.append(len(data))
        data += message.frame
        stops.append(len(data))
        data += b"\n"
    wanted = {
        found.offset: rules
        for found, rules in sieve.candidates(Batch(Frames(bytes(data), starts, stops), _ORIGIN, 0.0))
    }
    for message, start in zip(messages, starts, strict=True):
        if is_own_message(message):
            yield message, None
        elif start in wanted:
            yield message, wanted[start]
