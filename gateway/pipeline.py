"""The way of a batch through the house: sift, parse, match, correlate, plan, commit.

Sources call `accept(batch)`. Its Deferred fires once everything those messages caused is committed, at once when
nothing was; a source that can acknowledge does so then and not before, and the others pause while too much is pending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from gateway.notices import EventLost, JobsHeld, Notify, RuleFired, SourceTotals
from parsers.event import Event
from parsers.message import Batch, Message
from parsers.parse import Parser
from rules.job import Job
from rules.rulebook import Decision, RuleBook
from rules.sieve import Candidate, Sieve

Accept = Callable[[Batch], Deferred[None]]


class Jobs(Protocol):
    """Where events and the jobs they caused go."""

    def commit(self, events: Sequence[Event], chains: Sequence[tuple[Job, ...]]) -> Deferred[None]:
        """Keep them; fires when they are kept. The jobs of one chain run in order, up to the first that fails."""
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
        self.pending = 0
        """Octets of the batches whose jobs are not committed."""

    def accept(self, batch: Batch) -> Deferred[None]:
        """Take a batch; fires when all it caused is committed."""
        source, frames = batch.origin.dataset, batch.frames
        self._frames[source] += frames.count()
        self._octets[source] += len(frames.data)
        stages = self._stages
        events: list[Event] = []
        chains: list[tuple[Job, ...]] = []
        for message, wanted in self._candidates(stages.sieve, batch):
            try:
                event = stages.parser.parse(message)
                decisions = stages.rulebook.feed(event, batch.received, wanted)
            except Exception as error:  # noqa: BLE001 -- one message that meets a bug must not take the batch with it
                self._notify(EventLost(f"{type(error).__name__}: {error}", repr(message.frame[:200])))
                continue
            if decisions:
                events.append(event)
                for decision in decisions:
                    self._tell(decision, message)
                    if decision.jobs:
                        chains.append(decision.jobs)
        if not chains:
            return succeed(None)
        committed = self._jobs.commit(events, chains)
        if not committed.called:
            self.pending += len(frames.data)
            committed.addBoth(self._committed, len(frames.data))
        return committed

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

    def _tell(self, decision: Decision, message: Message) -> None:
        match, origin = decision.incident.match, message.origin
        when, address = match.rule.when, origin.address or origin.host or "-"
        about = "" if when is None else f" for {', '.join(match.key)}" if when.by else " for all"
        identity = origin.peer.identity if origin.peer else None
        sender = f"{identity}, {address}" if identity and identity != address else address
        self._notify(RuleFired(match.rule.name, decision.incident.count, about, origin.dataset, sender))
        if decision.held:
            trust = str(match.fields["gateway.trust"])
            self._notify(JobsHeld(match.rule.name, about, address, trust, origin.dataset))
