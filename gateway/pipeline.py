"""The way of a batch through the house: sift, parse, match, correlate, plan, commit.

Sources call `accept(batch)`. Its Deferred fires once everything those messages caused is committed, at once when
nothing was; a source that can acknowledge does so then and not before, and the others pause while too much is pending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from gateway.notice import Notify
from gateway.notices.rules import (
    ChainCut,
    EventLost,
    JobsHeld,
    RuleElse,
    RuleFired,
    SearchesStopped,
    SearchStopped,
    StateCloses,
    StatesSurplus,
    WindowsEvicted,
)
from gateway.notices.sources import SourceTotals
from parsers.event import Event, FieldValue
from parsers.message import Batch, Message
from parsers.parse import Parser
from rules.findings import Closing, Decision, StoppedSearch
from rules.fired import cause_of
from rules.job import Job
from rules.own_events import ANCESTORS, own_event
from rules.rebuild import KeptState, Openings, rebuild
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.sieve import Candidate, Sieve
from rules.standing import Asked, Standing, standings
from rules.wait_records import clock_set, over, resumed
from rules.windows.window import Key

Accept = Callable[[Batch], Deferred[None]]

MAX_ENDS = 1000
"""Waits that end in one transaction: however many are over at once, others get their turn."""

Bookmarks = Mapping[str, str | None]
"""How far ways in have come: names, each with a text to be kept, or None to forget it.

A name begins with its owner's: `upload/`, `log/`, `files/`, `timer/`.
"""

_NONE: Bookmarks = {}


@dataclass(slots=True)
class Effects:
    """What messages come to, to be kept as one: what the journal keeps, and what is to be done because of it.

    Attributes:
        messages: those that a rule counted.
        jobs: each with the index of the message that caused it.
        closings: open states that are to be undone now, each with how many of the jobs were caused before it.
        swallowed: an open state swallowed one of the messages; that state must be on disk before it is acknowledged.
        bookmarks: how far whoever brought the messages has come with them.
    """

    messages: list[Message] = field(default_factory=list)
    jobs: list[tuple[Job, int]] = field(default_factory=list)
    closings: list[tuple[Closing, int]] = field(default_factory=list)
    swallowed: bool = False
    bookmarks: Bookmarks = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether there is anything to keep."""
        return bool(self.messages or self.bookmarks)


class Jobs(Protocol):
    """Where what messages came to goes."""

    def commit(self, effects: Effects) -> Deferred[None]:
        """Keep it; fires when it is on disk."""
        ...

    def barrier(self) -> Deferred[None]:
        """Fire when all that was to be kept until now is on disk."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """What a reload replaces as one."""

    sieve: Sieve
    parser: Parser
    rulebook: RuleBook


class Pipeline:
    """Takes batches from all sources."""

    def __init__(self, stages: Stages, jobs: Jobs, notify: Notify) -> None:
        self._stages = stages
        self._jobs = jobs
        self._notify = notify
        self._frames: Counter[str] = Counter()
        self._octets: Counter[str] = Counter()
        self._evicted: dict[str, int] = {}
        self._stopped: Counter[str] = Counter()
        self.pending = 0
        """Octets of the batches whose jobs are not committed."""

    def accept(self, batch: Batch, bookmarks: Bookmarks = _NONE) -> Deferred[None]:
        """Take a batch; fires when all it caused is committed.

        Whoever can continue after it gives the place as bookmarks: they are kept with what it caused. When that is
        nothing they are not kept at all, for to take the batch again does no harm, and a later place replaces them.
        """
        source, frames = batch.origin.dataset, batch.frames
        self._frames[source] += frames.count()
        self._octets[source] += len(frames.data)
        self._end_waits(batch.received)
        stages = self._stages
        effects = Effects()
        for message, wanted in self._candidates(stages.sieve, batch):
            try:
                event = stages.parser.parse(message)
                self._feed(event, batch.received, wanted, effects)
            except Exception as error:  # noqa: BLE001 -- one message that meets a bug must not take the batch with it
                self._lose(message, error)
        if not effects and not effects.swallowed:
            return succeed(None)
        if effects:
            effects.bookmarks = bookmarks
        committed = self._jobs.commit(effects) if effects else self._jobs.barrier()
        if not committed.called:
            self.pending += len(frames.data)
            committed.addBoth(self._committed, len(frames.data))
        return committed

    def report(self, message: Message, bookmarks: Bookmarks = _NONE, *, keep: bool = True) -> Deferred[None]:
        """Take an event of a way in that makes its own (`rules.own_events`); fires when all it caused is committed.

        With `keep` the journal has it whether a rule counts it or not.
        """
        dataset = message.origin.dataset
        self._frames[dataset] += 1
        self._octets[dataset] += len(message.frame)
        self._end_waits(message.received)
        effects = self.decide(message)
        if keep and not effects.messages:
            effects.messages.append(message)
        effects.bookmarks = bookmarks
        if effects:
            return self._jobs.commit(effects)
        return self._jobs.barrier() if effects.swallowed else succeed(None)

    def note(self, bookmarks: Bookmarks) -> Deferred[None]:
        """Keep and forget bookmarks; fires when that is on disk."""
        return self._jobs.commit(Effects(bookmarks=bookmarks)) if bookmarks else succeed(None)

    def decide(self, message: Message) -> Effects:
        """Show the rules an event of our own; whoever asks keeps what comes of it."""
        effects = Effects()
        self._decide(message, effects)
        return effects

    def _decide(self, message: Message, effects: Effects) -> None:
        try:
            self._feed(own_event(message), message.received, None, effects)
        except Exception as error:  # noqa: BLE001 -- an event that meets a bug must not take its job with it
            self._lose(message, error)

    def tick(self, now: float) -> Deferred[None]:
        """End the waits whose time has come, `now` in seconds since 1970; fires when what they caused is committed.

        Each leaves a record in the journal: at a restart the rules see it there, and no wait ends twice.
        """
        effects = Effects()
        for due in self._stages.rulebook.dues(now, MAX_ENDS):
            self._decide(over(due, now), effects)
        return self._jobs.commit(effects) if effects else succeed(None)

    def _end_waits(self, now: float) -> None:
        """End what is over before a message of this time is looked at: it came too late."""
        due = self._stages.rulebook.next_due()
        if due is not None and due <= now:
            self.tick(now)

    def resume(self, away: float, now: float) -> bool:
        """Let so many seconds not count for what must not come; tell whether any rule waits."""
        if self._stages.rulebook.next_due() is None:
            return False
        effects = self.decide(resumed(away, now))
        self._jobs.commit(effects)
        return True

    def rebuild(self, messages: Iterable[Message], states: Iterable[KeptState], openings: Openings) -> int:
        """Bring the rules to where they were when these messages had come; return how many there are.

        See `rules.rebuild`. To be called once, before the first message.
        """
        stages = self._stages
        count = rebuild(stages.rulebook, stages.sieve, stages.parser, messages, states, openings, self._lose)
        self._evicted = stages.rulebook.evictions()  # told in the run in which they happened
        return count

    def longest_growth(self) -> float:
        """Return for how many seconds it matters at most that a state was open before."""
        return self._stages.rulebook.longest_growth()

    def longest_window(self) -> float:
        """Return for how many seconds the past matters to a rule at most."""
        return self._stages.rulebook.longest_window()

    def shift(self, seconds: float, now: float) -> None:
        """Move all that was counted along with a wall clock that was set, and keep in the journal that it was."""
        self._stages.rulebook.shift(seconds)
        self._jobs.commit(Effects([clock_set(seconds, now)]))

    def rule(self, name: str) -> Rule | None:
        """Return the rule of this name, None when there is none."""
        return self._stages.rulebook.rule(name)

    def standings(self, questions: Iterable[Asked], now: float) -> list[Standing]:
        """Look up how rules stand for keys, in the order of the questions; changes nothing."""
        return standings(self._stages.rulebook, questions, now)

    def open_state(self, rule: str, key: Key, due: float, job: str, opened: float) -> None:
        """Open a state that the store has open since then, unless one is; `job` is the id of the one that undoes it."""
        self._stages.rulebook.open(rule, key, due, job, opened)

    def close_state(self, rule: str, key: Key, job: str | None = None) -> None:
        """Close a state, now that it is undone; with the id of the `job` that did it, only if none opened it anew."""
        self._stages.rulebook.close(rule, key, job)

    def _feed(self, event: Event, now: float, wanted: Iterable[int] | None, effects: Effects) -> None:
        findings = self._stages.rulebook.feed(event, now, wanted)
        effects.swallowed |= findings.swallowed
        for stopped in findings.stopped:
            self._tell_stopped(stopped, event.message)
        if findings.cut:
            chain = (*_ancestors(event), *(decision.incident.match.rule.name for decision in findings.decisions))
            self._notify(ChainCut(", ".join(findings.cut), " > ".join(map(str, chain))))
        if not findings.matched:
            return
        index = len(effects.messages)
        effects.messages.append(event.message)
        for one in findings.came:
            if isinstance(one, Closing):
                effects.closings.append((one, len(effects.jobs)))
                self._tell_closing(one)
            else:
                self._tell(one)
                effects.jobs.extend((job, index) for job in one.jobs)

    def _lose(self, message: Message, error: Exception) -> None:
        self._notify(EventLost(f"{type(error).__name__}: {error}", repr(message.frame[:200])))

    def _candidates(self, sieve: Sieve, batch: Batch) -> Iterator[Candidate]:
        try:
            yield from sieve.candidates(batch)
        except Exception as error:  # noqa: BLE001 -- a batch that meets a bug must not take its connection with it
            self._notify(EventLost(f"{type(error).__name__}: {error}", repr(batch.frames.data[:200])))

    def _committed(self, result: object, octets: int) -> object:
        self.pending -= octets
        return result

    def replace(self, stages: Stages) -> None:
        """Go on with other rules; windows that count the same go with them."""
        stages.rulebook.inherit(self._stages.rulebook)
        self._stages = stages

    def tell_totals(self) -> None:
        """Say what each source has taken in."""
        for source in sorted(self._frames):
            self._notify(SourceTotals(source, self._frames[source], self._octets[source]))

    def tell_evictions(self) -> None:
        """Say which rules had to forget what still counted, since this was last asked."""
        now = self._stages.rulebook.evictions()
        for rule, keys in now.items():
            fresh = keys - self._evicted.get(rule, 0)
            if fresh:
                self._notify(WindowsEvicted(rule, fresh if fresh > 0 else keys))  # a new window counts anew
        self._evicted = now

    def tell_stopped_searches(self) -> None:
        """Say how many searches were stopped since this was last asked; the first of each rule was told at once."""
        for rule, count in self._stopped.items():
            if count > 1:
                self._notify(SearchesStopped(rule, count - 1))
        self._stopped.clear()

    def _tell_stopped(self, stopped: StoppedSearch, message: Message) -> None:
        """Tell the first of a rule; a flood is counted, so that it does not fill the log."""
        self._stopped[stopped.rule] += 1
        if self._stopped[stopped.rule] == 1:
            self._notify(
                SearchStopped(
                    stopped.rule,
                    message.origin.dataset,
                    _sender_of(message),
                    repr(stopped.pattern),
                    round(stopped.seconds * 1000),
                    stopped.length,
                    repr(stopped.text),
                )
            )

    def _tell_closing(self, closing: Closing) -> None:
        about = f" for {', '.join(closing.key)}" if closing.key else ""
        notice = StatesSurplus if closing.reason == "surplus" else StateCloses
        self._notify(notice(closing.rule, about))

    def _tell(self, decision: Decision) -> None:
        match = decision.incident.match
        origin = match.event.message.origin
        when, address = match.rule.when, origin.address or origin.host or "-"
        about = "" if when is None else f" for {', '.join(match.key)}" if when.by else " for all"
        sender = _sender_of(match.event.message)
        source, trust = cause_of(match)
        if decision.incident.otherwise:
            self._notify(RuleElse(match.rule.name, about))
        else:
            self._notify(RuleFired(match.rule.name, decision.incident.count, about, source, sender))
        if decision.held:
            self._notify(JobsHeld(match.rule.name, about, address, trust, source))


def _sender_of(message: Message) -> str:
    """Name who sent a message: by what is proven, and by the address."""
    origin = message.origin
    address = origin.address or origin.host or "-"
    identity = origin.peer.identity if origin.peer else None
    return f"{identity}, {address}" if identity and identity != address else address


def _ancestors(event: Event) -> list[FieldValue]:
    former = event.fields.get(ANCESTORS)
    return former if isinstance(former, list) else []
