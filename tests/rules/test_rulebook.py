"""The rule book: an event goes in, what is to be done comes out."""

from __future__ import annotations

import re
from dataclasses import replace

from parsers.event import Event
from parsers.message import Message, Origin, Trust
from rules.condition import AllOf, Equals, Matches
from rules.findings import Closing, Findings
from rules.job import Part
from rules.plan import NEVER
from rules.rule import Rule, Undo
from rules.rulebook import RuleBook
from rules.when import Count
from tests.rules.sample_rules import AT_ONCE, FAILED, NOW, PARSER, PLACE, failed


def test_rules_see_an_event_in_their_order() -> None:
    """Every rule that wants it decides for itself."""
    rulebook = RuleBook([FAILED, AT_ONCE, replace(AT_ONCE, name="third")])
    names = [[one.incident.match.rule.name for one in rulebook.feed(failed(), NOW).decisions] for _ in range(3)]
    assert names == [["at-once", "third"], ["at-once", "third"], ["ssh", "at-once", "third"]]


def test_only_candidates_are_asked() -> None:
    """The sieve's answer spares the other rules."""
    rulebook = RuleBook([AT_ONCE, replace(AT_ONCE, name="second")])
    decisions = rulebook.feed(failed(), NOW, (1,)).decisions
    assert [decision.incident.match.rule.name for decision in decisions] == ["second"]


def test_what_one_rule_finds_is_not_anothers() -> None:
    """Named groups add fields to their rule's copy of the event."""
    finds = replace(AT_ONCE, name="finds", match=Matches("message", re.compile("for (?P<labels_who>[a-z]+)")))
    asks = replace(AT_ONCE, name="asks", match=Equals("labels.who", "root"))
    event = failed()
    (decision,) = RuleBook([finds, asks]).feed(event, NOW).decisions
    assert decision.jobs[0].event["labels.who"] == "root"
    assert "labels.who" not in event.fields


def test_what_is_to_be_done_is_held_back_from_strangers() -> None:
    """The rule fires and says so, and starts nothing; a rule that starts nothing is not held."""
    (decision,) = RuleBook([AT_ONCE]).feed(failed(trust=Trust.NETWORK), NOW).decisions
    assert (decision.held, decision.jobs) == (True, ())
    (decision,) = RuleBook([replace(AT_ONCE, do=())]).feed(failed(trust=Trust.NETWORK), NOW).decisions
    assert (decision.held, decision.jobs) == (False, ())
    (decision,) = RuleBook([AT_ONCE], least_trust=Trust.NETWORK).feed(failed(trust=Trust.NETWORK), NOW).decisions
    assert (decision.held, len(decision.jobs)) == (False, 1)


def test_strangers_are_counted_apart() -> None:
    """Two forged messages and two true ones are not the three that the rule wants, nor four."""
    rulebook = RuleBook([FAILED])
    senders = [Trust.DATAGRAM, Trust.LOCAL, Trust.DATAGRAM, Trust.LOCAL, Trust.DATAGRAM, Trust.LOCAL]
    held = [[one.held for one in rulebook.feed(failed(trust=trust), NOW).decisions] for trust in senders]
    assert held == [[], [], [], [], [True], [False]]


def test_an_event_without_the_counted_field_counts_nowhere() -> None:
    """No incident, however many come."""
    rule = replace(FAILED, when=Count(1, 60.0, ("labels.absent",)))
    assert RuleBook([rule]).feed(failed(), NOW) == Findings()


def test_a_reload_keeps_the_windows_of_rules_that_count_the_same() -> None:
    """Another command, place or test changes no count; another condition, window or name does."""
    changes: list[tuple[Rule, bool]] = [
        (FAILED, True),
        (replace(FAILED, place=replace(PLACE, line=9), do=FAILED.do[:1], trust=Trust.NETWORK), True),
        (replace(FAILED, match=Equals("event.outcome", "failure")), False),
        (replace(FAILED, unless=Equals("user.name", "x")), False),
        (replace(FAILED, when=Count(3, 61.0, ("source.ip",))), False),
        (replace(FAILED, name="renamed"), False),
    ]
    for rule, kept in changes:
        former = RuleBook([AT_ONCE, FAILED])
        for _ in range(2):
            former.feed(failed(), NOW)
        rulebook = RuleBook([rule, AT_ONCE])
        rulebook.inherit(former)
        fired = {decision.incident.match.rule.name for decision in rulebook.feed(failed(), NOW).decisions}
        assert (rule.name in fired) is kept
        assert rulebook.correlation(0).rule is rule


def test_equal_regular_expressions_count_the_same() -> None:
    """A reload reads the file anew, and the same pattern is the same condition."""
    rule = replace(FAILED, match=Matches("message", re.compile("Failed (?:x|password)")))
    former = RuleBook([rule])
    former.feed(failed(), NOW)
    re.purge()
    rulebook = RuleBook([replace(rule, match=Matches("message", re.compile("Failed (?:x|password)")))])
    rulebook.inherit(former)
    window = rulebook.correlation(0).window
    assert window is not None
    assert len(window) == 1


def test_needs_stand_beside_their_rules() -> None:
    """The sieve is told what each rule needs to see, in the rules' order."""
    rulebook = RuleBook([replace(AT_ONCE, match=Equals("host.name", "x")), AT_ONCE], PARSER.grammars)
    assert rulebook.needs[0] is None
    assert rulebook.needs[1]


def test_keys_are_bounded() -> None:
    """A stranger's addresses push each other out."""
    rulebook = RuleBook([FAILED], max_keys=2)
    for number in range(5):
        rulebook.feed(failed(f"192.0.2.{number}"), NOW)
    window = rulebook.correlation(0).window
    assert window is not None
    assert (len(window), window.evicted) == (2, 3)


SUCCESS = AllOf((Equals("event.action", "ssh-login"), Equals("event.outcome", "success")))
BANS = replace(FAILED, undo=Undo((), 60.0, 2.0, 100.0))
PAIR = replace(FAILED, name="pair", when=Count(1, 60.0, ("source.ip",)), undo=Undo((), None, match=SUCCESS))


def logged_in(address: str = "192.0.2.7", trust: Trust = Trust.LOCAL) -> Event:
    """Return the event of a login that succeeded."""
    frame = f"<38>Jan  1 00:00:00 web1 sshd[7]: Accepted password for root from {address} port 4000 ssh2".encode()
    return PARSER.parse(Message(frame, Origin("main", trust, "127.0.0.1"), NOW))


def fed(rulebook: RuleBook, *events: Event, now: float = NOW) -> list[Findings]:
    """Feed events at one time."""
    return [rulebook.feed(event, now) for event in events]


def test_repeats_are_swallowed_while_a_state_is_open() -> None:
    """They are not even kept; other keys go on, and so do senders who may not open it."""
    rulebook = RuleBook([BANS])
    opening = fed(rulebook, *[failed()] * 3)[-1].decisions[0]
    assert [(job.part, job.due) for job in opening.jobs] == [(Part.DO, None), (Part.UNDO, NOW + 60)]
    assert fed(rulebook, *[failed()] * 9) == [Findings(swallowed=True)] * 9
    assert fed(rulebook, failed("192.0.2.8"))[0].matched
    assert fed(rulebook, *[failed(trust=Trust.NETWORK)] * 3)[-1].decisions[0].held
    assert rulebook.close("ssh", ("192.0.2.7",), opening.jobs[1].id)
    assert [bool(one.decisions) for one in fed(rulebook, *[failed()] * 3)] == [False, False, True]


def test_a_state_closes_by_time_and_stays_open_longer_next_time() -> None:
    """Growth is by key, and has a limit."""
    rulebook = RuleBook([BANS])
    now, waited = NOW, []
    for _ in range(3):
        due = fed(rulebook, *[failed()] * 3, now=now)[-1].decisions[0].jobs[1].due
        assert due is not None
        assert not list(rulebook.fall_due(due - 0.001))
        waited.append(due - now)
        (closing,) = rulebook.fall_due(due)
        assert (closing.rule, closing.key, closing.reason) == ("ssh", ("192.0.2.7",), "time")
        now = due
    assert waited == [60.0, 100.0, 100.0]
    assert fed(rulebook, *[failed("192.0.2.8")] * 3, now=now)[-1].decisions[0].jobs[1].due == now + 60


def test_an_event_closes_a_state() -> None:
    """That of its own key, once, and only when its sender is trusted; the event is kept."""
    rulebook = RuleBook([PAIR])
    (opened,) = fed(rulebook, failed())
    ((job,),) = [[job for job in one.jobs if job.part is Part.UNDO] for one in opened.decisions]
    assert job.due == NEVER
    assert fed(rulebook, logged_in("192.0.2.8"), logged_in(trust=Trust.NETWORK)) == [Findings(), Findings()]
    assert fed(rulebook, logged_in()) == [Findings(True, (Closing("pair", ("192.0.2.7",), "event", job.id),))]
    assert fed(rulebook, logged_in()) == [Findings()]
    assert fed(rulebook, failed())[0].decisions


def test_a_closing_event_may_name_its_key_otherwise() -> None:
    """The fields of `by` stand in the order of the rule's."""
    rule = replace(PAIR, undo=Undo((), None, match=Equals("message", "up"), by=("labels.address",)))
    rulebook = RuleBook([rule])
    fed(rulebook, failed())
    event = logged_in()
    event.fields.update({"message": "up", "labels.address": "192.0.2.7"})
    assert [closing.key for closing in fed(rulebook, event)[0].closings] == [("192.0.2.7",)]


def test_an_event_may_close_and_open_at_once() -> None:
    """It closes first: what it says comes after what was."""
    rule = replace(PAIR, undo=Undo((), None, match=Equals("event.action", "ssh-login")))
    rulebook = RuleBook([rule])
    fed(rulebook, failed())
    (again,) = fed(rulebook, failed(received=NOW + 1))
    assert (len(again.closings), len(again.decisions)) == (1, 1)
    assert again.closings[0].job != again.decisions[0].jobs[1].id


def test_of_too_many_states_the_oldest_closes() -> None:
    """A stranger's addresses cost no more memory than there may be; the one that closes is said."""
    rulebook = RuleBook([PAIR], max_keys=2)
    found = fed(rulebook, *(failed(f"192.0.2.{number}") for number in range(4)))
    assert [[(closing.key, closing.reason) for closing in one.closings] for one in found] == [
        [],
        [],
        [(("192.0.2.0",), "surplus")],
        [(("192.0.2.1",), "surplus")],
    ]
    states = rulebook.correlation(0).states
    assert states is not None
    assert (len(states), states.evicted) == (2, 2)


def test_an_undo_that_is_done_late_leaves_a_new_state_alone() -> None:
    """The id of its job tells the one from the other."""
    rulebook = RuleBook([PAIR])
    (first,) = fed(rulebook, failed())
    fed(rulebook, logged_in(), failed(received=NOW + 1))
    assert not rulebook.close("pair", ("192.0.2.7",), first.decisions[0].jobs[1].id)
    assert rulebook.close("pair", ("192.0.2.7",))
    assert not rulebook.close("pair", ("192.0.2.7",))
    assert not rulebook.close("nobody", ())
    rulebook.open("pair", ("192.0.2.7",), NEVER, "retried", NOW)
    assert fed(rulebook, failed()) == [Findings(swallowed=True)]
    assert rulebook.close("pair", ("192.0.2.7",), "retried")


def test_a_reload_keeps_open_states() -> None:
    """Also when the rule counts otherwise now; not when it counts by other fields, or undoes nothing."""
    changes = [
        (PAIR, True),
        (replace(PAIR, match=Equals("event.outcome", "failure"), undo=Undo((), 5.0)), True),
        (replace(PAIR, when=Count(1, 60.0, ("user.name",))), False),
        (replace(PAIR, undo=None), False),
        (replace(PAIR, name="renamed"), False),
    ]
    for rule, kept in changes:
        former = RuleBook([PAIR])
        fed(former, failed())
        rulebook = RuleBook([rule])
        rulebook.inherit(former)
        assert (not fed(rulebook, failed())[0].matched) is kept


def test_a_clock_that_was_set_moves_what_was_counted() -> None:
    """Windows and open states keep their lengths."""
    rulebook = RuleBook([FAILED, replace(BANS, name="bans", when=None)])
    fed(rulebook, failed(), failed())
    rulebook.shift(-3600)
    assert fed(rulebook, failed(), now=NOW - 3590)[0].decisions
    assert not list(rulebook.fall_due(NOW - 3541))
    assert len(list(rulebook.fall_due(NOW - 3540))) == 1


def test_what_was_forgotten_is_counted_for_each_rule() -> None:
    """And the past matters for as long as the longest window."""
    rulebook = RuleBook([FAILED, replace(FAILED, name="other", when=Count(2, 90.0, ())), AT_ONCE], max_keys=1)
    assert rulebook.longest_window() == 90.0
    assert RuleBook([AT_ONCE]).longest_window() == 0.0
    assert rulebook.evictions() == {}
    fed(rulebook, failed("192.0.2.1"), failed("192.0.2.2"))
    assert rulebook.evictions() == {"ssh": 1}
    assert rulebook.rule("ssh") is FAILED
    assert rulebook.rule("nobody") is None
