"""What the gateway as a whole has to tell: its start, reloads and end, its clock, and who asks it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class ConfigurationWarning(Notice):
    """The configuration loads, and something in it is probably not meant."""

    level = "warn"
    words = "{problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class RuleOff(Notice):
    """A rule or a rule file does not load: it is off, and the rest runs."""

    level = "error"
    words = "off until it is mended: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class Reloaded(Notice):
    """The configuration was read anew."""

    words = "reloaded {config}: {rules:rule}, {sources:source}"
    config: str
    rules: int
    sources: int


@dataclass(frozen=True, slots=True)
class ReloadRefused(Notice):
    """The new configuration does not load; the one in use stays."""

    level = "error"
    words = "not reloaded, the configuration in use stays: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class Ready(Notice):
    """Everything that could be started is."""

    words = "ready: {rules:rule}, {sources:source}"
    rules: int
    sources: int


@dataclass(frozen=True, slots=True)
class Stopping(Notice):
    """The gateway was asked to end."""

    words = "stopping; processes that run get {seconds:g} seconds to end"
    seconds: float


@dataclass(frozen=True, slots=True)
class Suppressed(Notice):
    """So many notices of one kind, about one source or rule, were counted and not shown."""

    words = "{count:more notice} of the kind {kind}{about} within {seconds:g} s"
    kind: str
    about: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadyInPart(Notice):
    """Everything that could be started is, and some sources could not be opened."""

    level = "warn"
    words = "ready: {rules:rule}, {sources:source}; NOT listening: {missing}"
    rules: int
    sources: int
    missing: str


@dataclass(frozen=True, slots=True)
class ReloadedInPart(Notice):
    """The configuration was read anew, and some sources could not be opened."""

    level = "warn"
    words = "reloaded {config}: {rules:rule}, {sources:source}; NOT listening: {missing}"
    config: str
    rules: int
    sources: int
    missing: str


@dataclass(frozen=True, slots=True)
class ClockSet(Notice):
    """The wall clock was set while the gateway ran; what waits was moved along, so that it happens when it should."""

    level = "warn"
    words = "the clock was set by {seconds:+.1f} s; {jobs:job} that wait were moved along"
    seconds: float
    jobs: int


@dataclass(frozen=True, slots=True)
class ControlMissing(Notice):
    """There is no control socket, so that the commands can only read the store's files."""

    level = "error"
    words = "nobody can look inside, retry or cancel while this gateway runs: {path}: {problem}"
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class ControlRefused(Notice):
    """Somebody who may not look inside came to the control socket."""

    level = "warn"
    words = "user {uid} may not look inside, and was refused at the control socket"
    uid: int


@dataclass(frozen=True, slots=True)
class ControlFailed(Notice):
    """A question at the control socket met a bug."""

    level = "critical"
    words = "a question at the control socket was not answered (a bug of ours): {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class OperatorChanged(Notice):
    """An operator changed a job, or held a rule back."""

    words = "rule {rule}: {what}, as user {uid} asked"
    rule: str
    what: str
    uid: int
