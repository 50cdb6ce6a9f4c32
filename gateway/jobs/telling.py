"""Say how attempts ended, in the words of notices."""

from __future__ import annotations

from gateway.jobs.progress import Progress
from gateway.jobs.records import JobRecord, State
from gateway.notice import Notify
from gateway.notices.jobs import JobDead, JobFailed, JobRetried, JobSucceeded
from rules.outcome import Outcome, output_tail, problem_of

MAX_OUTPUT_SHOWN = 500
"""Characters of a failed process's output in the log: its last words."""


def tell_end(notify: Notify, record: JobRecord, outcome: Outcome, progress: Progress) -> None:
    """Say how an attempt ended, and what becomes of its job."""
    job, step = record.job, str(progress.fields["gateway.job.step"])
    about = f" for {', '.join(job.key)}" if job.key else ""
    tail = output_tail(outcome, MAX_OUTPUT_SHOWN)
    output = f"; output: {tail}" if tail else ""
    if outcome.success:
        notify(JobSucceeded(job.rule, about, step, job.id, outcome.seconds, output))
        return
    problem = problem_of(outcome)
    if progress.wait is not None:
        again = f"again in {progress.wait:.1f} s" if progress.wait else "again at once"
        notify(JobRetried(job.rule, about, step, job.id, record.attempt, problem, again, output))
        return
    notify(JobFailed(job.rule, about, step, job.id, outcome.seconds, problem, output))
    if progress.record.state is State.DEAD:
        notify(JobDead(job.rule, about, job.id, progress.record.box))
