"""Turn an incident into the jobs to be done about it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from parsers.event import FieldValue, printable
from parsers.message import Trust
from rules.correlate import Incident
from rules.job import Job
from rules.rule import Rule

_TRUST = {trust.name.lower(): trust for trust in Trust}


def job_id(*parts: str | bytes | float) -> str:
    """Derive an id from what caused a job: the same cause gives the same id, in every process and every year."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        octets = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        digest.update(len(octets).to_bytes(8, "big"))
        digest.update(octets)
    return digest.hexdigest()


def is_trusted(fields: Mapping[str, FieldValue], rule: Rule, least: Trust) -> bool:
    """Tell whether a message may start the rule's processes: by how its sender is known, or by its network."""
    return "gateway.trusted" in fields or _TRUST[str(fields["gateway.trust"])] >= (rule.trust or least)


def plan(incident: Incident) -> tuple[Job, ...]:
    """Return the incident's jobs, one for each step, to be done in this order."""
    match = incident.match
    message = match.event.message
    fields = match.event.to_dict()
    # what regular expressions found is text
    fields.update({name: printable(str(value)) for name, value in match.fields.items() if name not in fields})
    fields["rule.name"] = match.rule.name
    fields["gateway.count"] = incident.count
    fields["gateway.key"] = [printable(value) for value in match.key]
    cause: tuple[str | bytes | float, ...] = (
        *match.key,
        message.origin.dataset,
        message.received,
        message.offset,
        message.frame,
    )
    return tuple(
        Job(
            id=job_id(match.rule.name, step, *cause),
            rule=match.rule.name,
            task=task.name,
            key=tuple(map(printable, match.key)),
            event=fields,
        )
        for step, task in enumerate(match.rule.do, 1)
    )
