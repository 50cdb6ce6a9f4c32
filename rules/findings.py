"""What the rule book says of an event: what is to be done, what closes, and why nothing is."""

from __future__ import annotations

from dataclasses import dataclass

from rules.correlate import Incident
from rules.job import Job
from rules.windows.window import Key


@dataclass(frozen=True, slots=True)
class Decision:
    """What one event, or the end of a wait, made of one rule.

    `held` says that the rule has something to do, and that the sender is not trusted far enough for it.
    """

    incident: Incident
    jobs: tuple[Job, ...]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """An open state that is to close now.

    Attributes:
        reason: `event`, the one that its rule waited for; `surplus`: too many are open; `time`: it is due; `quiet`: the
            rule's events have ceased; `lapsed`: what would have closed it stayed away, and nothing is undone.
        job: the id of the job that undoes it.
    """

    rule: str
    key: Key
    reason: str = "event"
    job: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A wait that is over: `key` is the window's, or the `state`'s; `time` is in seconds since 1970."""

    time: float
    rule: str
    key: Key
    state: bool = False


@dataclass(frozen=True, slots=True)
class StoppedSearch:
    """A rule's search that took too long in an event (`rules.searching`), so that the rule did not see the event.

    Attributes:
        rule: its name.
        pattern: what was searched for.
        text: the beginning of what it was searched in, `length` characters long.
        seconds: after which it was stopped.
    """

    rule: str
    pattern: str
    text: str
    length: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What one event came to.

    Attributes:
        matched: a rule counted it, so it belongs into the journal; repeats that an open state swallows do not.
        came: what is to be done and what closes, in this order: one event may open a state and close it again.
        cut: the rules that want it and do not get it, for it has too many ancestors.
        swallowed: a rule took it for a repeat of what it acted upon, and no rule counted it.
        stopped: searches that took too long, which is to be told.
    """

    matched: bool = False
    came: tuple[Decision | Closing, ...] = ()
    cut: tuple[str, ...] = ()
    swallowed: bool = False
    stopped: tuple[StoppedSearch, ...] = ()

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What is to be done."""
        return tuple(one for one in self.came if isinstance(one, Decision))

    @property
    def closings(self) -> tuple[Closing, ...]:
        """What closes."""
        return tuple(one for one in self.came if isinstance(one, Closing))
