"""The pipeline: everything is counted, what nobody wants costs nothing, and one bad message takes no other with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from twisted.internet.defer import Deferred, succeed

from gateway.notices.rules import ChainCut, EventLost, JobsHeld, RuleFired, StateCloses, StatesSurplus, WindowsEvicted
from gateway.notices.sources import SourceTotals
from gateway.pipeline import Effects, Pipeline, Stages
from parsers.event import Event, FieldValue
from parsers.message import Batch, Frames, Message, Origin, Peer, Trust
from parsers.parse import Parser, builtin_grammars
from rules.job import Part
from rules.load import Defaults, load_rules
from rules.own_events import MAX_ANCESTORS, own_message
from rules.rebuild import KeptState
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
        self.kept: list[Effects] = []
        self.promises: list[Deferred[None]] = []
        self.wait = False

    def commit(self, effects: Effects) -> Deferred[None]:
        """Take it."""
        self.kept.append(effects)
        if not self.wait:
            return succeed(None)
        self.promises.append(Deferred())
        return self.promises[-1]

    def barrier(self) -> Deferred[None]:
        """Wait for those before."""
        return self.commit(Effects()) if self.promises else succeed(None)

    @property
    def jobs(self) -> list[str]:
        """What is to be done."""
        return [f"{job.rule}/{job.part.value}" for effects in self.kept for job, _ in effects.jobs]

    @property
    def messages(self) -> list[Message]:
        """What the journal keeps."""
        return [message for effects in self.kept for message in effects.messages]


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
    assert not jobs.kept


def test_a_rule_comes_true() -> None:
    """All that was counted and the job are committed as one, and the rule is told."""
    jobs, told = Jobs(), Told()
    Pipeline(stages(), jobs, told).accept(batch("knock", "knock"))
    (effects,) = jobs.kept
    assert [message.offset for message in effects.messages] == [0, 6]
    assert [(job.rule, index) for job, index in effects.jobs] == [("twice", 1)]
    assert told == [RuleFired("twice", 2, " for all", "syslog", "192.0.2.7")]
    assert told.lines() == ["rule twice: 2 events for all from syslog (192.0.2.7)"]


def test_a_rule_that_only_tells() -> None:
    """A rule without `do` says that it came true; its event is kept, for it was counted."""
    jobs, told = Jobs(), Told()
    assert Pipeline(stages(), jobs, told).accept(batch("hello")).called
    assert told.lines() == ["rule told: 1 event from syslog (192.0.2.7)"]
    assert not jobs.jobs
    assert len(jobs.messages) == 1


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
    assert not jobs.jobs
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
    assert len(jobs.jobs) == 1


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
    assert len(jobs.jobs) == 1
    pipeline.accept(batch("knock"))
    pipeline.replace(stages(RULES.replace("1m", "2m")))
    pipeline.accept(batch("knock"))
    assert len(jobs.jobs) == 1


STATES = """
- rule: down
  match: {message: {contains: down}}
  do: {run: [/bin/true]}
  undo: {after: 1h, match: {message: {contains: back}}, run: [/bin/true]}
- rule: watch
  match: {event.dataset: gateway, event.outcome: failure}
  do: {run: [/bin/true]}
"""


def own(**fields: FieldValue) -> Message:
    """Make an event of the gateway's own."""
    return own_message({name.replace("_", "."): value for name, value in fields.items()}, 1_700_000_000.0)


def test_a_state_closes_where_it_stands_among_the_jobs() -> None:
    """What is to be undone was caused before; what opens again after it in one batch is not meant."""
    jobs, told = Jobs(), Told()
    Pipeline(stages(STATES), jobs, told).accept(batch("down", "down", "back", "down"))
    (effects,) = jobs.kept
    assert [message.frame for message in effects.messages] == [b"down", b"back", b"down"]
    assert [(job.part, index) for job, index in effects.jobs] == [
        (Part.DO, 0),
        (Part.UNDO, 0),
        (Part.DO, 2),
        (Part.UNDO, 2),
    ]
    ((closing, position),) = effects.closings
    assert (closing.rule, closing.key, closing.job, position) == ("down", (), effects.jobs[1][0].id, 2)
    assert told.of(StateCloses) == [StateCloses("down", "")]


def test_an_event_of_our_own_is_decided() -> None:
    """Whoever asks gets what comes of it; nothing is committed here, and a bug takes nothing with it."""
    jobs, told = Jobs(), Told()
    pipeline = Pipeline(stages(STATES), jobs, told)
    effects = pipeline.decide(own(event_outcome="failure"))
    assert [(job.rule, index) for job, index in effects.jobs] == [("watch", 0)]
    assert not pipeline.decide(own(event_outcome="success"))
    assert not jobs.kept
    assert not pipeline.decide(own()._replace(frame=b"no json"))
    assert len(told.of(EventLost)) == 1


def test_a_chain_that_is_too_long_is_told() -> None:
    """With the rules that would have gone on, and those that led there."""
    told = Told()
    chain = [f"r{number}" for number in range(MAX_ANCESTORS)]
    assert not Pipeline(stages(STATES), Jobs(), told).decide(own(event_outcome="failure", gateway_ancestors=[*chain]))
    assert told.of(ChainCut) == [ChainCut("watch", " > ".join(chain))]


def test_a_new_pipeline_goes_on_from_what_was_kept() -> None:
    """Windows are half full, states are open; the jobs of then are not made again."""
    jobs = Jobs()
    Pipeline(stages(RULES + STATES), jobs, Told()).accept(batch("knock", "down"))
    undo = jobs.kept[0].jobs[1][0]
    assert undo.due is not None
    states = [KeptState("down", (), undo.id, 1_700_000_000.1, undo.due)]
    again = Jobs()
    pipeline = Pipeline(stages(RULES + STATES), again, Told())
    assert pipeline.rebuild(jobs.messages, states, {("down", ()): 1}) == 2
    assert not again.kept
    assert pipeline.longest_window() == 60.0
    pipeline.accept(batch("down"))
    assert not again.kept
    pipeline.accept(batch("knock"))
    assert again.jobs == ["twice/do"]
    pipeline.close_state("down", (), "another")
    pipeline.accept(batch("down"))
    assert len(again.kept) == 1
    pipeline.close_state("down", (), undo.id)
    pipeline.open_state("down", (), 1_700_000_100.0, "retried", 1_700_000_000.0)
    pipeline.accept(batch("down"))
    assert len(again.kept) == 1
    assert pipeline.rule("down") is not None
    assert pipeline.rule("nobody") is None


def test_what_windows_forgot_is_told_once() -> None:
    """After a reload a window that counts anew begins at nothing."""
    rules = """
- {rule: r, match: {message: {contains: "k"}}, when: {count: 2, within: 1m, by: [message]}}
"""
    told = Told()
    made = stages(rules)
    book = RuleBook(made.rulebook.rules, made.parser.grammars, max_keys=1)
    pipeline = Pipeline(Stages(made.sieve, made.parser, book), Jobs(), told)
    pipeline.tell_evictions()
    pipeline.accept(batch("k1", "k2", "k3"))
    pipeline.tell_evictions()
    pipeline.tell_evictions()
    assert told.of(WindowsEvicted) == [WindowsEvicted("r", 2)]
    pipeline.replace(stages(rules.replace("1m", "2m")))
    pipeline.tell_evictions()
    assert len(told.of(WindowsEvicted)) == 1
    pipeline.shift(5.0, 1_700_000_005.0)


def test_a_state_that_closes_because_of_others_is_told() -> None:
    """It is a warning: a stranger may have chosen what fills the table."""
    told = Told()
    made = stages(STATES.replace("do: {run", "when: {count: 1, within: 1m, by: [message]}\n  do: {run", 1))
    book = RuleBook(made.rulebook.rules, made.parser.grammars, max_keys=1)
    Pipeline(Stages(made.sieve, made.parser, book), Jobs(), told).accept(batch("down 1", "down 2"))
    assert told.of(StatesSurplus) == [StatesSurplus("down", " for down 1")]


def dropped(name: str = "a.csv") -> Message:
    """Make the event of an upload."""
    origin = Origin("drop", Trust.ACCOUNT, "192.0.2.7", 4000, account="acme")
    return own_message({"event.action": "upload-complete", "file.name": name, "message": "knock"}, 7.0, origin=origin)


def test_an_event_of_a_way_in_is_kept_whether_a_rule_counts_it_or_not() -> None:
    """An upload is acknowledged: so the journal has it, with how far its way in has come."""
    jobs, told = Jobs(), Told()
    pipeline = Pipeline(stages("- {rule: none, match: {message: nothing}}"), jobs, told)
    pipeline.report(dropped(), {"upload/acme/1": "1"})
    pipeline.report(dropped(), keep=False)
    assert [(effects.messages, effects.bookmarks) for effects in jobs.kept] == [([dropped()], {"upload/acme/1": "1"})]
    pipeline.tell_totals()
    assert [notice.source for notice in told if isinstance(notice, SourceTotals)] == ["drop"]


def test_rules_see_the_events_of_a_way_in() -> None:
    """They count as any other, by the trust of whoever sent the file."""
    jobs = Jobs()
    pipeline = Pipeline(stages(), jobs, Told())
    pipeline.report(dropped("a"))
    pipeline.report(dropped("b"), keep=False)
    assert jobs.jobs == ["twice/do"]
    assert [len(effects.messages) for effects in jobs.kept] == [1, 1]
    ((job, _),) = jobs.kept[1].jobs
    assert job.event["event.dataset"] == "drop"
    assert job.event["gateway.trust"] == "account"


def test_the_place_in_a_file_is_kept_with_what_its_lines_caused() -> None:
    """A batch of nothing needs no commit; the next that causes something carries a later place."""
    jobs = Jobs()
    pipeline = Pipeline(stages(), jobs, Told())
    assert pipeline.accept(batch("nothing"), {"log/a": "1"}).called
    pipeline.accept(batch("knock"), {"log/a": "2"})
    pipeline.note({"log/a": None})
    pipeline.note({})
    assert [effects.bookmarks for effects in jobs.kept] == [{"log/a": "2"}, {"log/a": None}]
