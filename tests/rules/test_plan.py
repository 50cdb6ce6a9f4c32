"""The jobs of an incident: their ids, and what they are told."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from parsers.event import Event
from parsers.message import Trust
from rules.correlate import Incident, Match, key_of
from rules.job import Job, Part
from rules.own_events import own_event, own_message
from rules.plan import NEVER, is_trusted, job_id, plan, trusts
from rules.rule import Rule, Undo
from tests.rules.sample_rules import FAILED, NOW, failed


def jobs_of(event: Event, rule: Rule = FAILED, **found: str) -> tuple[Job, ...]:
    """Plan the jobs of one event."""
    fields = {**event.fields, **found}
    key = key_of(fields, rule.when.by if rule.when else ())
    assert key is not None
    return plan(Incident(Match(rule, event, fields, key, trusted=True), 3))


def test_an_incident_is_a_job() -> None:
    """A job says its rule, its part and its key, and carries the whole event; it is to be done now."""
    (first,) = jobs_of(failed())
    assert (first.rule, first.part, first.key, first.due) == ("ssh", Part.DO, ("192.0.2.7",), None)
    assert first.event["rule.name"] == "ssh"
    assert first.event["gateway.count"] == 3
    assert first.event["gateway.key"] == ["192.0.2.7"]
    assert first.event["user.name"] == "root"
    assert str(first.event["event.original"]).startswith("<38>")


def test_what_is_to_be_undone_is_a_second_job() -> None:
    """It is due when the state is, and never where only an event closes it; a rule without steps makes no job."""
    rule = replace(FAILED, undo=Undo((), 60.0))
    do, undo = jobs_of(failed(), rule)
    assert (do.part, undo.part, undo.due, undo.event) == (Part.DO, Part.UNDO, NEVER, do.event)
    match = Match(rule, failed(), failed().fields, ("192.0.2.7",), trusted=True)
    assert [job.due for job in plan(Incident(match, 3, NOW + 60))] == [None, NOW + 60]
    assert [job.part for job in jobs_of(failed(), replace(rule, do=()))] == [Part.UNDO]
    assert jobs_of(failed(), replace(FAILED, do=())) == ()


def test_an_event_about_a_job_keeps_the_name_of_its_rule() -> None:
    """A breaker has to know which rule fails; any other event gets the rule's own name."""
    rule = replace(FAILED, name="breaker", when=None)
    about = own_event(own_message({"rule.name": "ssh", "event.action": "job-finished"}, NOW))
    assert jobs_of(about, rule)[0].event["rule.name"] == "ssh"
    emitted = own_event(own_message({"rule.name": "ssh"}, NOW, "emit"))
    assert jobs_of(emitted, rule)[0].event["rule.name"] == "breaker"


def test_the_same_cause_gives_the_same_id() -> None:
    """However often it is seen, here or elsewhere, in this version or the next."""
    assert [job.id for job in jobs_of(failed())] == [job.id for job in jobs_of(failed())]
    assert job_id("ssh", 1, "192.0.2.7", "main", NOW, 0, b"x") == "3ac6c00392c15f4ae1e2e460a2559f85"


def test_other_causes_give_other_ids() -> None:
    """Another rule, step, key, source, time, frame or place in the batch is another cause."""
    causes = [
        failed(),
        failed("192.0.2.8"),
        failed(received=NOW + 1e-6),
        failed(offset=100),
        failed(dataset="other"),
    ]
    ids = [job.id for event in causes for job in jobs_of(event)]
    ids += [job.id for job in jobs_of(failed(), replace(FAILED, name="ssh-2"))]
    ids += [job.id for job in jobs_of(failed(), replace(FAILED, when=None))]
    assert len(ids) == len(set(ids)) == 7


@given(st.lists(st.lists(st.text(max_size=3) | st.binary(max_size=3), max_size=3), max_size=6))
def test_no_two_lists_of_parts_run_together(lists: list[list[str | bytes]]) -> None:
    """`ab`, `c` is not `a`, `bc`; text of any kind has an id."""
    as_octets = {tuple(p if isinstance(p, bytes) else p.encode("utf-8", "surrogatepass") for p in one) for one in lists}
    assert len({job_id(*one) for one in lists}) == len(as_octets)


def test_a_job_can_be_written_as_json_whatever_the_sender_wrote() -> None:
    """Octets that are no UTF-8, in a key or a field that a regular expression found, become readable."""
    (job,) = jobs_of(failed(), replace(FAILED, when=None), **{"user.full_name": "a\udcff"})
    assert job.event["user.full_name"] == "a\\xff"
    rule = replace(FAILED, when=replace(FAILED.when, by=("labels.x",))) if FAILED.when else FAILED
    (job,) = jobs_of(failed(), rule, **{"labels.x": "b\udc80"})
    assert job.key == ("b\\x80",)
    assert json.dumps(dict(job.event), ensure_ascii=False).encode()


def test_trust_decides_who_starts_processes() -> None:
    """By how the sender is known, by its network, and as the rule says."""
    for trust in Trust:
        assert is_trusted(failed(trust=trust).fields, trusts(FAILED, Trust.ACCOUNT)) is (trust >= Trust.ACCOUNT)
        assert is_trusted(failed(trust=trust, trusted=True).fields, trusts(FAILED, Trust.LOCAL))
    lowered = trusts(replace(FAILED, trust=Trust.DATAGRAM), Trust.LOCAL)
    assert is_trusted(failed(trust=Trust.DATAGRAM).fields, lowered)
    raised = trusts(replace(FAILED, trust=Trust.LOCAL), Trust.DATAGRAM)
    assert not is_trusted(failed(trust=Trust.CERTIFICATE).fields, raised)
