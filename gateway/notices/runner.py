"""What the process that starts children has to tell."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class RunnerStarted(Notice):
    """The process that starts children is there and has its tasks."""

    words = "the runner is process {pid} and has {tasks:task}"
    pid: int
    tasks: int


@dataclass(frozen=True, slots=True)
class RunnerDied(Notice):
    """The process that starts children is gone with the jobs that it had; it is started again."""

    level = "error"
    words = "the runner died; {lost} jobs are lost; it is started again in {wait:g} seconds, and jobs wait until then"
    lost: int
    wait: float


@dataclass(frozen=True, slots=True)
class RunnerKeeperDied(Notice):
    """The outer of the runner's two processes is gone, which nothing but a signal or a bug of ours brings about."""

    level = "error"
    words = "the runner's outer process died: {reason}"
    reason: str


@dataclass(frozen=True, slots=True)
class RunnerWaits(Notice):
    """The runner waits for a former one, whose gateway was killed, to end its tasks."""

    level = "warn"
    words = "the runner waits until a former one (process {pid}) has ended its tasks, and jobs wait until then"
    pid: int


@dataclass(frozen=True, slots=True)
class RunnerGone(Notice):
    """The runner died wholly, and the gateway has no longer the privileges to start it."""

    level = "critical"
    words = "the runner is gone and can be started only by user {uid}, which the gateway is no longer: the gateway ends"
    uid: int


@dataclass(frozen=True, slots=True)
class RunnerGarbled(Notice):
    """The runner said what no gateway understands; it is started again."""

    level = "critical"
    words = "the runner and the gateway do not understand each other (a bug of ours): {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class RunnerReloaded(Notice):
    """The runner has loaded its tasks again."""

    words = "the runner has {tasks:task}"
    tasks: int


@dataclass(frozen=True, slots=True)
class RunnerReloadFailed(Notice):
    """The runner could not load its tasks; those of before stay."""

    level = "error"
    words = "the runner keeps the tasks it had: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class RunnerSaid(Notice):
    """A line on the runner's standard error: a traceback, or what only it could see."""

    level = "warn"
    words = "the runner says: {line}"
    line: str
