"""Turn an incident into the jobs to be done about it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from parsers.event import FieldValue, printable, printable_value
from parsers.message import Trust
from rules.correlate import Incident
from rules.job import Job, Part
from rules.own_events import is_own
from rules.rule import Rule

NEVER = 253402300800.0
"""The year 10000, in seconds since 1970: when a state is due that only an event closes."""


def job_id(*parts: str | bytes | float) -> str:
    """Derive an id from what caused a job: the same cause gives the same id, in every process and every year."""
    octets = (part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass") for part in parts)
    with_lengths = b"".join([len(one).to_bytes(8, "big") + one for one in octets])
    return hashlib.blake2b(with_lengths, digest_size=16).hexdigest()


def trusts(rule: Rule, least: Trust) -> frozenset[object]:
    """Return the values of `gateway.trust` of the senders that may start the rule's processes."""
    return frozenset(trust.name.lower() for trust in Trust if trust >= (rule.trust or least))


def is_trusted(fields: Mapping[str, FieldValue], enough: frozenset[object]) -> bool:
    """Tell whether a message may start a rule's processes: by its network, or by how its sender is known.

    Args:
        fields: the message's.
        enough: what `trusts` returned for the rule.
    """
    return "gateway.trusted" in fields or fields["gateway.trust"] in enough


def fields_of(incident: Incident) -> dict[str, FieldValue]:
    """Return the event of an incident's jobs, ready for JSON."""
    match, rule = incident.match, incident.match.rule
    fields = match.event.to_dict()
    if match.fields is not match.event.fields:  # what regular expressions found is text
        fields.update({name: printable(str(value)) for name, value in match.fields.items() if name not in fields})
    for earlier in incident.earlier:
        lacking = ((name, value) for name, value in earlier.items() if name not in fields)
        fields.update({name: printable_value(value) for name, value in lacking})
    fields.update(incident.added)
    if not is_own(match.event.fields):
        fields["rule.name"] = rule.name
    fields["gateway.count"] = incident.count
    fields["gateway.key"] = list(match.key)
    return fields


def plan(incident: Incident) -> tuple[Job, ...]:
    """Return what an incident makes to be done: the job of `do`, and the one that undoes it when the rule says how.

    Where the rule's condition ended without coming true, that is the job of `else`. An event has what it lacks from
    those before it that its window took.

    Their event has `rule.name`, the rule; but what the gateway says of its own jobs keeps the name of the rule whose
    job it was.
    """
    match, rule = incident.match, incident.match.rule
    if not (rule.otherwise if incident.otherwise else rule.do or rule.undo):
        return ()
    message = match.event.message
    fields = fields_of(incident)
    cause: tuple[str | bytes | float, ...] = (
        *match.key,
        message.origin.dataset,
        message.received,
        message.offset,
        message.frame,
    )

    def job(part: Part, due: float | None = None) -> Job:
        return Job(job_id(rule.name, part.value, *cause), rule.name, part, match.key, fields, due)

    if incident.otherwise:
        return (job(Part.ELSE),)
    do = (job(Part.DO),) if rule.do else ()
    return (*do, job(Part.UNDO, NEVER if incident.due is None else incident.due)) if rule.undo else do
