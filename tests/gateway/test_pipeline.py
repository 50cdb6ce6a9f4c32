"""The pipeline: everything is counted, what nobody wants costs nothing, and one bad message takes no other with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from twisted.internet.defer import Deferred, succeed

from gateway.notices import EventLost, JobsHeld, RuleFired, SourceTotals
from gateway.pipeline import Pipeline, Stages
from parsers.event import Event
from parsers.message import Batch, Frames, Message, Origin, Peer, Trust
from parsers.parse import Parser, builtin_grammars
from rules.job import Job
from rules.load import Defaults, load_rules
from rules.rulebook import RuleBook
from rules.sieve import Candidate, Sieve
from tests.gateway.told import ORIGIN, Told

RULES = """
- rule: twice
  match: {message: {contains: knock}}
  when: {count: 2, within: 1m, by: []}
  do: {run: [/bin/true]}
- rule: told
  match: {message: {contains: hello}}
"""


class Jobs:
    """Keeps what is committed; with `wait`, the promise is kept back."""

    def __init__(self) -> None:
        self.chains: list[tuple[Job, ...]] = []
        self.events: list[Event] = []
        self.promises: list[Deferred[None]] = []
        self.wait = False

    def commit(self, events: Sequence[Event], chains: Sequence[tuple[Job, ...]]) -> Deferred[None]:
        """Take them."""
        self.events += events
        self.chains += chains
        if not self.wait:
            return succeed(None)
        self.promises.append(Deferred())
        return self.promises[-1]


class BrokenParser(Parser):
    """A parser with a bug that one message meets."""

    def parse(self, message: Message) -> Event:
        """Parse, or fail."""
        if b"bug" in message.frame:
            raise RuntimeError("a bug")
        return super().parse(message)


class BrokenSieve(Sieve):
    """A sieve that fails after its first candidate."""

    def candidates(self, batch: Batch) -> Iterator[Candidate]:
        """Yield one message, and fail."""
        yield next(super().candidates(batch))
        raise RuntimeError("a bug")


@cache
def made_parser(*, broken: bool) -> Parser:
    """Make a parser once: its patterns take a moment to compile."""
    return (BrokenParser if broken else Parser)(builtin_grammars())


def stages(text: str = RULES, *, broken_parser: bool = False, sieve: type[Sieve] = Sieve) -> Stages:
    """Make the stages of rules."""
    loaded = load_rules(text, "rules.yaml", Defaults())
    assert loaded.errors == ()
    made = made_parser(broken=broken_parser)
    book = RuleBook(loaded.rules, made.grammars)
    return Stages(sieve(book.needs), made, book)


def batch(*lines: str, origin: Origin = ORIGIN) -> Batch:
    """Make a batch of lines."""
    return Batch(Frames("".join(f"{line}\n" for line in lines).encode()), origin, 1_700_000_000.0)


def test_a_batch_that_nobody_wants_is_done_at_once() -> None:
    """Nothing is committed for it, and it is counted."""
    jobs, told = Jobs(), Told()
    pipeline = Pipeline(stages(), jobs, told)
    assert pipeline.accept(batch("nothing", "of interest")).called
    pipeline.tell_totals()
    assert told == [SourceTotals("syslog", 2, 20)]
    assert not jobs.events


def test_a_rule_comes_true() -> None:
    """The event and the chain of jobs are committed, and the rule is told."""
    jobs, told = Jobs(), Told()
    Pipeline(stages(), jobs, told).accept(batch("knock", "knock"))
    assert [[job.rule for job in chain] for chain in jobs.chains] == [["twice"]]
    assert len(jobs.events) == 1
    assert told == [RuleFired("twice", 2, " for all", "syslog", "192.0.2.7")]
    assert told.lines() == ["rule twice: 2 events for all from syslog (192.0.2.7)"]


def test_a_rule_that_only_tells() -> None:
    """A rule without `do` says that it came true, and commits nothing."""
    jobs, told = Jobs(), Told()
    assert Pipeline(stages(), jobs, told).accept(batch("hello")).called
    assert told.lines() == ["rule told: 1 event from syslog (192.0.2.7)"]
    assert not jobs.chains


def test_a_tls_peer_is_named() -> None:
    """The identity of its certificate stands before its address."""
    told = Told()
    peer = Peer("web1", "CN=web1", "00")
    origin = Origin("syslog-tls", Trust.CERTIFICATE, "192.0.2.1", 4000, peer)
    Pipeline(stages(), Jobs(), told).accept(batch("hello", origin=origin))
    assert told.lines() == ["rule told: 1 event from syslog-tls (web1, 192.0.2.1)"]


def test_a_sender_that_is_not_trusted() -> None:
    """Its events count and are told, nothing is started, and the log says what would change that."""
    jobs, told = Jobs(), Told()
    origin = Origin("udp", Trust.DATAGRAM, "192.0.2.9", 514)
    Pipeline(stages(), jobs, told).accept(batch("knock", "knock", origin=origin))
    assert not jobs.chains
    assert told.of(JobsHeld) == [JobsHeld("twice", " for all", "192.0.2.9", "datagram", "udp")]


def test_what_waits_is_counted_in_octets() -> None:
    """`pending` grows by the batch until its jobs are committed, whether that succeeds or fails."""
    jobs = Jobs()
    jobs.wait = True
    pipeline = Pipeline(stages(), jobs, Told())
    first = pipeline.accept(batch("knock", "knock"))
    failed = pipeline.accept(batch("knock", "knock"))
    seen = [(first.called, pipeline.pending)]
    jobs.promises[0].callback(None)
    seen.append((first.called, pipeline.pending))
    assert seen == [(False, 24), (True, 12)]
    jobs.promises[1].errback(OSError("the disk is full"))
    assert pipeline.pending == 0
    failed.addErrback(lambda failure: failure.trap(OSError))


def test_a_message_that_meets_a_bug() -> None:
    """It is told, escaped, and the others of the batch go on."""
    jobs, told = Jobs(), Told()
    Pipeline(stages(broken_parser=True), jobs, told).accept(batch("hello \x1b bug", "knock", "knock"))
    assert [notice.frame for notice in told.of(EventLost)] == [r"b'hello \x1b bug'"]
    assert len(jobs.chains) == 1


def test_a_batch_that_meets_a_bug() -> None:
    """A sieve that fails is told; what it had found is done, and the connection goes on."""
    jobs, told = Jobs(), Told()
    assert Pipeline(stages(sieve=BrokenSieve), jobs, told).accept(batch("hello", "knock")).called
    assert len(told.of(RuleFired)) == 1
    assert len(told.of(EventLost)) == 1


def test_other_rules_inherit_windows() -> None:
    """After a reload a rule that counts as before goes on counting; one that counts otherwise begins anew."""
    jobs = Jobs()
    pipeline = Pipeline(stages(), jobs, Told())
    pipeline.accept(batch("knock"))
    pipeline.replace(stages(RULES + "- {rule: new, match: {message: {contains: other}}}\n"))
    pipeline.accept(batch("knock"))
    assert len(jobs.chains) == 1
    pipeline.accept(batch("knock"))
    pipeline.replace(stages(RULES.replace("1m", "2m")))
    pipeline.accept(batch("knock"))
    assert len(jobs.chains) == 1
