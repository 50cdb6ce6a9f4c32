"""What `gateway jobs show` prints about one job."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.commands.looking import iso, job_for_json, roughly, stamp, when
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD, Page, json_line
from gateway.control.queries import show_key
from gateway.control.values import PAUSED
from gateway.jobs.records import AttemptRecord, State

if TYPE_CHECKING:
    from gateway.control.values import JobDetails
    from gateway.jobs.records import JobRecord
    from parsers.event import FieldValue

SHORT = 12
"""Digits of an id where nobody needs all of them."""


def show(details: JobDetails, *, as_json: bool) -> None:
    """Print everything about a job."""
    if as_json:
        print(json_line(_for_json(details)))
        return
    from gateway import clock

    page, now = Page(), clock.now()
    _job(page, details, now)
    _cause(page, details)
    for attempt in details.attempts:
        _attempt(page, attempt, now)
    if not details.attempts:
        page.row("attempts", "none has ended yet")
    _others(page, "together with", details.siblings, details.paused, now)
    _others(page, "caused", details.caused, details.paused, now)
    if not details.complete:
        page.row("", ("too many jobs came after it to look through them all for those it caused", DIM))
    _event(page, details)


def _for_json(details: JobDetails) -> dict[str, object]:
    return {
        **job_for_json(details.record, details.paused),
        "paused": iso(details.paused.get(details.record.job.rule)),
        "event": dict(details.record.job.event),
        "cause_problem": details.cause_problem,
        "attempts": [
            {"number": one.number, "ended": iso(one.ended), "event": dict(one.fields)} for one in details.attempts
        ],
        "siblings": [job_for_json(one, details.paused) for one in details.siblings],
        "caused": [job_for_json(one, details.paused) for one in details.caused],
    }


def _job(page: Page, details: JobDetails, now: float) -> None:
    from gateway.commands.jobs import state_cell

    record, job = details.record, details.record.job
    page.row("job", job.id)
    page.row("rule", job.rule, (f"  {job.part.value}", DIM))
    page.row("key", show_key(job.key))
    box = f" in the box {record.box}" if record.box else ""
    state = state_cell(record, details.paused)
    page.row("state", state, box, "" if state[0] == PAUSED else _moment(record, now))
    since = details.paused.get(job.rule)
    if since is not None:
        words = f"the rule is paused since {when(since, now)}"
        page.row("", (words, DOUBTFUL), f"; `gateway jobs resume {job.rule}` lets its jobs go on")
    tries = f", begun {record.attempt} times" if record.attempt > 1 else ", begun once" if record.attempt else ""
    if record.state is not State.SUCCEEDED:
        page.row("step", f"{record.step + 1}{tries}", (f"  {record.lane}", DIM))
    if record.problem:
        for number, line in enumerate(record.problem.split("\n")):
            page.row("" if number else "problem", (line, BAD))
    page.row("made", when(record.created, now))


def _moment(record: JobRecord, now: float) -> str:
    if record.ended is not None:
        return f", ended {when(record.ended, now)}"
    if record.state is State.RUNNING:
        return ""
    if record.due <= now:
        return ", due now"
    what = "to be undone" if record.open and not record.attempt else "next try" if record.problem else "due"
    return f", {what} {when(record.due, now)}"


def _cause(page: Page, details: JobDetails) -> None:
    event = details.record.job.event
    former = event.get("gateway.job.id")
    if isinstance(former, str):
        page.row("caused by", f"job {former}")
    source = event.get("event.dataset")
    kept = f" ({details.cause_problem})" if details.cause_problem else ""
    page.row("cause", f"journal record {details.record.cause}{kept}, from {_text(source)}")
    original = event.get("event.original")
    if isinstance(original, str):
        page.row("", original)


def _attempt(page: Page, attempt: AttemptRecord, now: float) -> None:
    fields = attempt.fields
    outcome = _text(fields.get("event.outcome"))
    took = fields.get("event.duration")
    span = f" after {_span(took / 1e9)}" if isinstance(took, int | float) else ""
    number = _text(fields.get("gateway.job.attempt"))
    words = fields.get("error.message")
    said = f": {words}" if isinstance(words, str) else ""
    colour = GOOD if outcome == "success" else BAD
    page.row(f"attempt {number}", (outcome, colour), f"{said}{span}", (f"  {when(attempt.ended, now)}", DIM))
    page.row("", (_text(fields.get("gateway.job.step")), DIM))
    following = fields.get("gateway.job.next_try")
    if isinstance(following, str):
        page.row("", f"then the next try {stamp(datetime.fromisoformat(following).timestamp(), now)}")
    output = fields.get("gateway.job.output")
    for line in output.split("\n") if isinstance(output, str) else ():
        page.row("", ("| ", DIM), line)


def _span(seconds: float) -> str:
    if seconds >= 60:
        return roughly(seconds)
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _others(page: Page, label: str, records: tuple[JobRecord, ...], paused: Collection[str], now: float) -> None:
    from gateway.commands.jobs import state_cell

    for number, record in enumerate(records):
        moment = record.ended if record.ended is not None else record.due
        times = "" if record.ended is None and record.due <= now else f" {when(moment, now)}"
        what = f"{record.job.id[:SHORT]}  {record.job.rule}  {record.job.part.value}  "
        page.row("" if number else label, what, state_cell(record, paused), times)


def _event(page: Page, details: JobDetails) -> None:
    fields = {name: value for name, value in details.record.job.event.items() if name != "event.original"}
    width = max(map(len, fields), default=0)
    for number, (name, value) in enumerate(fields.items()):
        page.row("" if number else "event", (f"{name:<{width}} ", DIM), _text(value))


def _text(value: FieldValue) -> str:
    return value if isinstance(value, str) else "-" if value is None else json.dumps(value, ensure_ascii=False)
