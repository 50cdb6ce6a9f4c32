"""What the store has to tell."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class Rebuilt(Notice):
    """Windows and open states are as they were when the last gateway ended."""

    words = "the journal was read back: {records:message}, {states:open state}, in {seconds:.2f} s"
    records: int
    states: int
    seconds: float


@dataclass(frozen=True, slots=True)
class JournalDamaged(Notice):
    """Something in the journal's files is not as it was written."""

    level = "error"
    words = "journal: damaged: {damage}; `gateway journal verify` reads all of it"
    damage: str


@dataclass(frozen=True, slots=True)
class JournalStuck(Notice):
    """The disk does not take the journal's writes: nothing is acknowledged until it does."""

    level = "critical"
    words = "journal: cannot be written: {problem}; what arrives waits, unacknowledged, and it is tried again"
    problem: str


@dataclass(frozen=True, slots=True)
class JournalUnstuck(Notice):
    """The disk takes the journal's writes again."""

    level = "warn"
    words = "journal: can be written again, after {seconds:.1f} s"
    seconds: float


@dataclass(frozen=True, slots=True)
class JournalFault(Notice):
    """The journal's thread met a bug and has ended: nothing is kept any more."""

    level = "critical"
    words = "journal: its thread met a bug of ours, please report it; the gateway ends: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class JournalAbandoned(Notice):
    """The gateway ended while the disk did not take the journal's writes; nothing of this was acknowledged."""

    level = "error"
    words = "journal: {count:transaction} not written within {seconds:g} s of the stop; none was acknowledged"
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RetentionFailed(Notice):
    """Old records could not be dropped; it is tried again."""

    level = "error"
    words = "journal: old records could not be dropped: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class JournalInspected(Notice):
    """Everything in the store was read once after the start; damages are told apart."""

    words = "journal: read {records:message} and {jobs:job}, {damages:damage}, in {seconds:.1f} s"
    records: int
    jobs: int
    damages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class JournalNotInspected(Notice):
    """The store could not be read as a whole after the start."""

    level = "warn"
    words = "journal: could not be read as a whole (`gateway journal verify`): {problem}"
    problem: str
