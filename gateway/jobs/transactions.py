"""What happens to jobs within one transaction of the store; all of it runs in the store's thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.jobs.database import Database
from gateway.jobs.lanes import lane_of
from gateway.jobs.perform import Performance
from gateway.jobs.progress import Progress, step_again, step_at
from gateway.jobs.records import LIVE, JobRecord, State
from gateway.pipeline import Effects
from rules.attempts import perhaps_done
from rules.findings import Closing
from rules.job import Job, Part
from rules.outcome import Ending
from rules.plan import NEVER, job_id
from rules.rule import Busy, Rule
from rules.windows.window import Key

Rules = Mapping[str, Rule]


@dataclass(slots=True)
class Changes:
    """What a transaction made of jobs: whom the worker has to look after once it is on disk.

    Attributes:
        started: new jobs that are claimed already.
        waiting: jobs that wait for their time or their turn.
        withdrawn: jobs that are not to be done any more; one that runs is to be ended.
        closed: the jobs that undid a state, or need not any more: it is not open.
        opened: the jobs that will undo a state which an operator's retry opens again.
    """

    started: list[JobRecord] = field(default_factory=list)
    waiting: list[JobRecord] = field(default_factory=list)
    withdrawn: list[JobRecord] = field(default_factory=list)
    closed: list[Job] = field(default_factory=list)
    opened: list[JobRecord] = field(default_factory=list)


def admit(
    database: Database,
    effects: Effects,
    rules: Rules,
    claimed: Collection[str],
    now: float,
    changes: Changes | None = None,
) -> Changes:
    """Keep what messages came to: the messages, and the jobs that they caused.

    Args:
        database: in a transaction.
        effects: what is to be kept.
        rules: the rules that are named there.
        claimed: ids of jobs that have their place already and may start at once.
        now: seconds since 1970.
        changes: those of the same transaction so far.
    """
    changes = changes or Changes()
    first = database.append(effects.messages)
    if effects.bookmarks:
        database.note(effects.bookmarks)
    closings = iter(effects.closings)
    closing = next(closings, None)
    for number, (job, index) in enumerate(effects.jobs):
        while closing is not None and closing[1] <= number:
            _close(database, closing[0], now, changes)
            closing = next(closings, None)
        begin = job.id in claimed
        _insert(database, job, first + index, rules.get(job.rule), claimed=begin, now=now, changes=changes)
    if closing is not None:
        _close(database, closing[0], now, changes)
        for rest, _ in closings:
            _close(database, rest, now, changes)
    return changes


def _insert(
    database: Database,
    job: Job,
    cause: int,
    rule: Rule | None,
    *,
    claimed: bool = False,
    now: float,
    changes: Changes,
) -> None:
    record = JobRecord(0, job, State.WAITING, cause, now, now)
    step = step_at(rule, record)
    lane = lane_of(step) if step else ""
    busy = rule.busy if rule and job.part is Part.DO else Busy.QUEUE
    others = database.live(job.rule, job.key) if busy is not Busy.QUEUE else []
    if busy is Busy.DROP and others:
        words = f"{others[0].job.id} was there before it (busy: drop)"
        _insert_ended(database, record, lane, State.DROPPED, words)
        return
    if busy is Busy.COALESCE:
        for other in others:
            if other.state is State.WAITING and other.attempt == 0 and other.step == 0:
                _end(database, other, State.DROPPED, f"{job.id} took its place (busy: coalesce)", now, changes)
    elif busy is Busy.RESTART:
        for other in others:
            _end(database, other, State.CANCELLED, f"{job.id} took its place (busy: restart)", now, changes)
    start = claimed and may_start(database, record, rule, now)
    state, attempt = (State.RUNNING, 1) if start else (State.WAITING, 0)
    stored = database.insert(job, cause=cause, now=now, lane=lane, state=state, attempt=attempt)
    if stored is not None:
        (changes.started if start else changes.waiting).append(stored)


def _insert_ended(database: Database, record: JobRecord, lane: str, state: State, words: str) -> None:
    stored = database.insert(record.job, cause=record.cause, now=record.created, lane=lane)
    if stored is not None:
        database.update(replace(stored, state=state, problem=words, ended=record.created))


def _end(database: Database, record: JobRecord, state: State, words: str, now: float, changes: Changes) -> None:
    database.update(replace(record, state=state, problem=words, ended=now))
    changes.withdrawn.append(record)


def _close(database: Database, closing: Closing, now: float, changes: Changes) -> None:
    for record in database.live(closing.rule, closing.key, Part.UNDO):
        if closing.reason == "lapsed" and record.state is State.WAITING:
            _end(database, record, State.CANCELLED, "what would have closed it did not come in time", now, changes)
        elif record.state is State.WAITING and record.due > now:
            due = replace(record, due=now)
            database.update(due)
            changes.waiting.append(due)


def is_keyed(rule: Rule, part: Part) -> bool:
    """Tell whether jobs of one key of a rule run one after the other."""
    return part is not Part.ON_FAILURE and (rule.undo is not None or (part is Part.DO and rule.busy is not Busy.QUEUE))


def may_start(database: Database, record: JobRecord, rule: Rule | None, now: float) -> bool:
    """Tell whether a job need not wait for an older one of its rule and key.

    Where a rule opens states, its `do` and `undo` for one key run in the order in which they were caused: a ban that is
    still being tried again must not come after its own end.
    """
    if rule is None or rule.undo is None or record.job.part is Part.ON_FAILURE:
        return True
    others = [other for part in (Part.DO, Part.UNDO) for other in database.live(record.job.rule, record.job.key, part)]
    return not any(
        other.state is State.RUNNING or _in_the_way(other, record, now)
        for other in others
        if _order(other) < _order(record)
    )


def _order(record: JobRecord) -> tuple[int, bool]:
    return record.cause, record.job.part is Part.UNDO


def _in_the_way(other: JobRecord, record: JobRecord, now: float) -> bool:
    """Tell whether an older job that waits comes first: an undo that is due or was begun, or a `do`.

    A `do` that waits for another try gives way to an undo, and is given up (`claim`).
    """
    if other.job.part is Part.UNDO:
        return other.due <= now or _perhaps_done(other)
    return record.job.part is Part.DO or not _perhaps_done(other)


def _perhaps_done(record: JobRecord) -> bool:
    """Tell whether a job was begun at least; what an attempt that failed has done nobody knows for sure."""
    return record.step > 0 or record.attempt > 0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the worker needs of the store at a start.

    Attributes:
        running: jobs that ran when the last gateway ended.
        paused: rules whose jobs wait, and since when.
        starts: for each rule with a rate, when it started its latest steps, the oldest first.
    """

    running: list[JobRecord]
    paused: Mapping[str, float]
    starts: Mapping[str, list[float]]


_BEGUN = frozenset(State) - {State.WAITING, State.DROPPED}


def recover(database: Database, rules: Iterable[Rule]) -> Recovered:
    """Read what the worker needs at a start."""
    starts: dict[str, list[float]] = {}
    for rule in rules:
        if rule.rate is not None:
            begun = [
                record
                for states in (_BEGUN, {State.WAITING})
                for record in database.jobs(states=states, rule=rule.name, part=Part.DO, limit=rule.rate.count)
                if record.attempt or record.step
            ]
            # when a job ended or is due again is no earlier than its start: too careful is right here
            starts[rule.name] = sorted(record.ended or record.due for record in begun)[-rule.rate.count :]
    return Recovered(database.running(), dict(database.paused), starts)


def claim(
    database: Database, ids: Iterable[str], rules: Mapping[str, Rule | None], now: float
) -> tuple[list[JobRecord], list[JobRecord], Changes]:
    """Claim jobs that wait.

    Returns:
        those that are claimed now, those that have to wait for another of their key, and what else changed; a job
        that is in neither list waits no more.
    """
    claimed: list[JobRecord] = []
    behind: list[JobRecord] = []
    changes = Changes()
    for identity in ids:
        record = database.job(identity)
        if record is None or record.state is not State.WAITING:
            continue
        if record.due > now:
            changes.waiting.append(record)  # it was moved along with the clock, or put off
        elif not may_start(database, record, rules.get(record.job.rule), now):
            behind.append(record)
        else:
            if record.job.part is Part.UNDO:
                _give_up_do(database, record, now, changes)
            running = replace(record, state=State.RUNNING, attempt=record.attempt + 1)
            database.update(running)
            claimed.append(running)
    return claimed, behind, changes


def _give_up_do(database: Database, undo: JobRecord, now: float, changes: Changes) -> None:
    """Give up a `do` that still waits for another try when its undo is due."""
    for record in database.live(undo.job.rule, undo.job.key):
        if record.cause == undo.cause and record.state is State.WAITING:
            _end(database, record, State.CANCELLED, "its undo was due before it succeeded", now, changes)


def finish(
    database: Database,
    progress: Progress,
    effects: Iterable[Effects],
    rules: Rules,
    performance: Performance | None,
    now: float,
) -> Changes:
    """Keep what became of a job, its attempt, and all that follows from it."""
    record, job, changes = progress.record, progress.record.job, Changes()
    database.add_attempt(job.id, progress.fields, now)
    current = database.job(job.id)
    if current is not None and current.state in LIVE:  # it was not cancelled meanwhile
        database.update(replace(record, number=current.number))
        _follow_up(database, progress, rules, now, changes)
    for each in effects:
        if each:
            admit(database, each, rules, (), now, changes)
    if performance is not None and performance.pause is not None:
        hold(database, performance.pause, paused=True, now=now)
    if performance is not None and performance.resume is not None:
        hold(database, performance.resume, paused=False, now=now)
    return changes


def _follow_up(database: Database, progress: Progress, rules: Rules, now: float, changes: Changes) -> None:
    record, job = progress.record, progress.record.job
    if record.state is State.WAITING:
        changes.waiting.append(record)
    elif job.part is Part.UNDO:
        changes.closed.append(job)
    elif job.part is Part.DO and record.state is not State.SUCCEEDED:
        ending = Ending(progress.fields["gateway.job.ending"])
        done = perhaps_done(record.step, record.attempt, ending)
        _close_what_failed(database, record, now, changes, done=done)
    if progress.failure is not None:
        _insert(database, progress.failure, record.cause, rules.get(job.rule), now=now, changes=changes)


def _close_what_failed(database: Database, record: JobRecord, now: float, changes: Changes, *, done: bool) -> None:
    """See to the open state of a job that failed for good: undo at once what it had done, forget it if that is nothing.

    A state that stayed open would swallow the next attack, while nothing was done about the first.
    """
    for undo in database.live(record.job.rule, record.job.key, Part.UNDO):
        if undo.cause != record.cause or undo.state is not State.WAITING:
            continue
        if done:
            due = replace(undo, due=now)
            database.update(due)
            changes.waiting.append(due)
        else:
            _end(database, undo, State.CANCELLED, "what it would undo was never done", now, changes)
            changes.closed.append(undo.job)


def retry(database: Database, identity: str, rules: Callable[[str], Rule | None], now: float) -> Changes | None:
    """Let a job that ended without success be done again; the state that it opens is open again.

    One that waits for its next try gets it now. None when there is no such job.
    """
    record = database.job(identity)
    if record is not None and record.state is State.WAITING and record.attempt:
        now_due = replace(record, due=min(now, record.due))
        database.update(now_due)
        return Changes(waiting=[now_due])
    if record is None or record.state in LIVE or record.state is State.SUCCEEDED:
        return None
    rule = rules(record.job.rule)
    record = replace(record, step=step_again(rule, record))
    step = step_at(rule, record)
    lane = lane_of(step) if step else record.lane
    fresh = replace(record, state=State.WAITING, attempt=0, due=now, lane=lane, box="", ended=None)
    database.update(fresh)
    changes = Changes(waiting=[fresh])
    if rule is None or rule.undo is None or record.job.part is not Part.DO:
        return changes
    if database.live(record.job.rule, record.job.key, Part.UNDO):
        return changes
    period = rule.undo.period(0)
    due = NEVER if period is None else now + period
    undo = replace(record.job, id=job_id(record.job.id, Part.UNDO.value, now), part=Part.UNDO, due=due)
    steps = rule.undo.steps
    opened = database.insert(undo, cause=record.cause, now=now, lane=lane_of(steps[0]) if steps else "")
    if opened is not None:
        changes.waiting.append(opened)
        changes.opened.append(opened)
    return changes


def cancel(database: Database, identity: str, now: float) -> Changes | None:
    """End a job that waits, runs or is a dead letter; None when there is no such job."""
    record = database.job(identity)
    if record is None or not (record.state in LIVE or record.state is State.DEAD):
        return None
    changes = Changes()
    _end(database, record, State.CANCELLED, "it was cancelled", now, changes)
    if record.job.part is Part.UNDO:
        changes.closed.append(record.job)
    elif record.job.part is Part.DO:
        done = _perhaps_done(record)
        _close_what_failed(database, record, now, changes, done=done)
    return changes


def hold(database: Database, rule: str, *, paused: bool, now: float) -> bool:
    """Let the jobs of a rule wait from now on, or go on; tell whether that is new."""
    if (rule in database.paused) == paused:
        return False
    if paused:
        database.pause(rule, now)
    else:
        database.resume(rule)
    return True


def undo_now(database: Database, rule: str, key: Key, now: float) -> Changes | None:
    """Let an open state be undone now; None when it is not open, or is being undone."""
    changes = Changes()
    _close(database, Closing(rule, key, "operator"), now, changes)
    return changes if changes.waiting else None
