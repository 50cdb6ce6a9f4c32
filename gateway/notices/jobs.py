"""What jobs have to tell: how attempts ended, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class JobSucceeded(Notice):
    """A process ended with exit code 0."""

    words = "rule {rule}{about}: {task} succeeded (job {job}, {seconds:.3f} s){output}"
    rule: str
    about: str
    task: str
    job: str
    seconds: float
    output: str


@dataclass(frozen=True, slots=True)
class JobFailed(Notice):
    """A process failed, or could not be started."""

    level = "error"
    words = "rule {rule}{about}: {task} failed: {problem} (job {job}, {seconds:.3f} s){output}"
    rule: str
    about: str
    task: str
    job: str
    seconds: float
    problem: str
    output: str


@dataclass(frozen=True, slots=True)
class JobRetried(Notice):
    """An attempt failed, and there will be another."""

    level = "warn"
    words = "rule {rule}{about}: {task} (job {job}) failed at attempt {attempt}: {problem}; {again}{output}"
    rule: str
    about: str
    task: str
    job: str
    attempt: int
    problem: str
    again: str
    output: str


@dataclass(frozen=True, slots=True)
class JobDead(Notice):
    """A job that failed for good is kept for the operator."""

    level = "error"
    words = (
        "rule {rule}{about}: job {job} is a dead letter in {box}; `gateway jobs show {job}`, then `retry` or `cancel`"
    )
    rule: str
    about: str
    job: str
    box: str


@dataclass(frozen=True, slots=True)
class JobsRecovered(Notice):
    """The last gateway ended while jobs ran; each runs again, or becomes a dead letter where a rule says so."""

    level = "warn"
    words = "{jobs:job} ran when the last gateway ended"
    jobs: int


@dataclass(frozen=True, slots=True)
class RulePaused(Notice):
    """A `pause` step holds a rule's jobs back."""

    level = "warn"
    words = "rule {rule}: paused; its jobs wait until it is resumed"
    rule: str


@dataclass(frozen=True, slots=True)
class RuleResumed(Notice):
    """A `resume` step lets a rule's jobs go on."""

    words = "rule {rule}: resumed"
    rule: str


@dataclass(frozen=True, slots=True)
class JobsOrphaned(Notice):
    """Jobs are due, and their rule is not loaded: its file does not load, or it was taken away."""

    level = "error"
    words = "rule {rule}: is not loaded, and jobs of it wait for it; mend its file and reload, or `gateway jobs cancel`"
    rule: str


@dataclass(frozen=True, slots=True)
class UndoOrphaned(Notice):
    """A state is to be undone, and the rule that says how is not loaded."""

    level = "error"
    words = (
        "rule {rule}: what it did for {key} is to be undone now, and the rule is not loaded; put it back and reload, "
        "or undo it by hand and `gateway jobs cancel {job}`"
    )
    rule: str
    key: str
    job: str


@dataclass(frozen=True, slots=True)
class GatewayFault(Notice):
    """A bug of ours; what it concerned stays in the store."""

    level = "error"
    words = "a bug of the gateway, please report it: {problem}"
    problem: str
