"""What waits acts when its time has come, also over a restart, and downtime is no silence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.task import Clock

from gateway.attendance import Attendance
from gateway.notices.rules import Resumed, RuleElse, RuleFired
from gateway.pipeline import Pipeline
from gateway.waits import TICK, Waits
from parsers.message import Batch, Frames, Message, Origin, Trust
from tests.gateway.test_pipeline import Jobs, stages
from tests.gateway.told import Told

NOW = 1_700_000_000.0

RULES = """
- rule: late
  match: {message: {contains: begins}}
  when: {absent: {message: {contains: ends}}, within: 60s, by: [host.name]}
  do: {run: [alarm, "${host.name}"]}
  else: {run: [fine, "${host.name}"]}
- rule: alarm
  match: {message: {contains: ouch}}
  undo: {quiet: 60s, run: [calm]}
"""


def _batch(text: str, now: float) -> Batch:
    frame = f"<13>Nov 14 22:13:20 web1 app: {text}\n".encode()
    return Batch(Frames(frame), Origin("syslog", Trust.LOCAL, "192.0.2.7"), now)


class Running:
    """A pipeline with its waits, and a clock."""

    def __init__(self, folder: Path, now: float = NOW) -> None:
        self.clock, self.began = Clock(), now
        self.jobs, self.told = Jobs(), Told()
        self.pipeline = Pipeline(stages(RULES), self.jobs, self.told)
        attendance = Attendance(folder / "alive")
        self.waits = Waits(self.clock, self.pipeline, attendance, self.now, self.told)

    def now(self) -> float:
        """Return the time."""
        return self.began + self.clock.seconds()

    def pass_time(self, seconds: float) -> None:
        """Let it pass, tick by tick."""
        self.clock.pump([TICK] * round(seconds / TICK))

    def say(self, text: str) -> None:
        """Let a message come."""
        self.pipeline.accept(_batch(text, self.now()))

    def done(self) -> list[str]:
        """Return which jobs there were to be done."""
        return self.jobs.jobs

    def rebuilt(self, messages: Sequence[Message]) -> None:
        """Begin where another was."""
        self.pipeline.rebuild(messages, (), {})


def test_what_stays_away_is_noticed_in_time(tmp_path: Path) -> None:
    """Once, within a tick; what came instead makes the rule's `else`."""
    running = Running(tmp_path)
    running.waits.start()
    running.say("begins")
    running.pass_time(59)
    assert running.done() == []
    running.pass_time(1)
    assert running.done() == ["late/do"]
    running.pass_time(200)
    assert running.done() == ["late/do"]
    running.say("begins")
    running.say("ends")
    assert running.done() == ["late/do", "late/else"]
    assert [notice for notice in running.told if isinstance(notice, RuleElse)] == [RuleElse("late", " for web1")]
    assert RuleFired("late", 1, " for web1", "syslog", "192.0.2.7") in running.told


def test_a_state_ends_when_it_is_quiet(tmp_path: Path) -> None:
    """Each of the rule's events lets it last longer."""
    running = Running(tmp_path)
    running.waits.start()
    running.say("ouch")
    running.pass_time(50)
    running.say("ouch")
    running.pass_time(59)
    assert [closing for effects in running.jobs.kept for closing, _ in effects.closings] == []
    running.pass_time(2)
    (closing,) = [closing for effects in running.jobs.kept for closing, _ in effects.closings]
    assert (closing.rule, closing.reason) == ("alarm", "quiet")


def test_a_restart_ends_no_wait_twice_and_none_too_early(tmp_path: Path) -> None:
    """What the journal has is enough, and the time in which nobody watched does not count."""
    former = Running(tmp_path)
    former.waits.start()
    former.say("begins")
    former.pass_time(50)
    former.waits.stop()
    away = 1000.0
    later = Running(tmp_path, former.now() + away)
    later.rebuilt(former.jobs.messages)
    later.waits.start()
    assert later.told == [Resumed(away)]
    later.pass_time(9)
    assert later.done() == []
    later.pass_time(1.25)
    assert later.done() == ["late/do"]
    again = Running(tmp_path, later.now())
    again.rebuilt([*former.jobs.messages, *later.jobs.messages])
    again.waits.start()
    again.pass_time(200)
    assert again.done() == []


def test_a_sign_of_life_that_lies_in_the_future_means_nothing(tmp_path: Path) -> None:
    """The clock was set back while the gateway was down: no time is taken off."""
    running = Running(tmp_path)
    running.waits.start()
    os.utime(tmp_path / "alive", (NOW + 500, NOW + 500))
    later = Running(tmp_path, NOW + 10)
    later.say("begins")
    later.waits.start()
    later.pass_time(60)
    assert later.done() == ["late/do"]
