"""Time that passes without a message: rules that wait act when their time has come, and downtime is no silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall

from gateway.attendance import Attendance
from gateway.notice import Notify
from gateway.notices.jobs import GatewayFault
from gateway.notices.rules import Resumed
from gateway.pipeline import Pipeline

TICK = 0.25
"""Seconds between two looks at what is due: a wait ends that much late at most, and an idle gateway stays idle."""

BEAT = 1.0
"""Seconds between two signs of life on disk: downtime is known to that much."""


class Waits:
    """Ends the rules' waits in time.

    Args:
        reactor: schedules the looks.
        pipeline: whose rules wait.
        attendance: knows how long nobody watched, and is told that somebody does.
        now: seconds since 1970.
        notify: told when time was lost.
    """

    def __init__(
        self, reactor: Any, pipeline: Pipeline, attendance: Attendance, now: Callable[[], float], notify: Notify
    ) -> None:
        self._pipeline = pipeline
        self._attendance = attendance
        self._now = now
        self._notify = notify
        self._beaten = 0.0
        self._look = LoopingCall(self._pass)
        self._look.clock = reactor

    def start(self) -> None:
        """Let the time in which nobody watched not count for what must not come, and begin to watch."""
        now = self._now()
        away = self._attendance.resume(now)
        if self._pipeline.resume(away, now) and away > BEAT:
            self._notify(Resumed(away))
        self._look.start(TICK, now=False)

    def stop(self) -> None:
        """Stop watching."""
        if self._look.running:
            self._look.stop()
            self._attendance.beat(self._now())

    def _pass(self) -> None:
        try:
            now = self._now()
            self._pipeline.tick(now)
            if abs(now - self._beaten) >= BEAT:
                self._beaten = now
                self._attendance.beat(now)
        except Exception as error:  # noqa: BLE001 -- or no wait would ever end again
            self._notify(GatewayFault(f"{type(error).__name__}: {error}"))
