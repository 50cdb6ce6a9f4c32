"""What a rule counts, and how far it is, in words; times as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from gateway.commands.terminal import duration
from rules.condition import AllOf, AnyOf, Condition, Not
from rules.explain import Explanation, Role
from rules.when import Absent, Count, Digest, Distinct, Every, Sequence, Settled, When
from rules.windows.window import Key, Progress
from rules.words import words

MAX_KEY = 120
"""Characters of a key, and of the values that came, that are shown."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Writes times as people read them beside an event that came at `now`: without the date where it is the same."""

    now: float
    zone: tzinfo

    def time(self, seconds: float) -> str:
        """Write a time, to the second."""
        moment, today = datetime.fromtimestamp(seconds, self.zone), datetime.fromtimestamp(self.now, self.zone)
        return f"{moment:%H:%M:%S}" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M:%S}"

    def day(self) -> str:
        """Write the time of the event with its day of the week, by which hours are told, and its zone."""
        return f"{datetime.fromtimestamp(self.now, self.zone):%a %Y-%m-%d %H:%M:%S %Z}"


def about(key: Key | None, by: tuple[str, ...]) -> str:
    """Name what a rule counts for: `192.0.2.7 (source.ip)`."""
    return f"{short(', '.join(key))} ({', '.join(by)})" if key else "all together"


def short(text: str) -> str:
    """Cut what is long."""
    return text if len(text) <= MAX_KEY else f"{text[:MAX_KEY]}…"


def mapping(condition: Condition) -> str:
    """Render a condition as a mapping where it could be written so."""
    parts = condition.conditions if isinstance(condition, AllOf) else (condition,)
    if parts and not any(isinstance(part, AllOf | AnyOf | Not) for part in parts):
        return f"{{{', '.join(map(words, parts))}}}"
    return f"{{{words(condition)}}}"


def progress_words(when: When | None, progress: Progress, clock: Clock) -> str:
    """Say how far a window is: `3 of 5 within 10m`."""
    span = f" within {duration(when.within)}" if when is not None and when.within is not None else ""
    match when:
        case Distinct(name):
            return f"{progress.have} of {progress.need} different {name}{span}"
        case Every(stages):
            numbers = f" (number {', '.join(progress.has)})" if progress.has else ""
            return f"{progress.have} of the {len(stages)} events of `all`{span}{numbers}"
        case Sequence(stages):
            return f"{progress.have} of the sequence of {len(stages)}{span}"
        case Absent() if progress.due is not None:
            return f"a wait until {clock.time(progress.due)}"
        case Digest():
            return f"{progress.have} of {progress.need} at most"
        case Settled():
            due = "" if progress.due is None else f" until {clock.time(progress.due)}"
            return f"{progress.words}{due}"
    return f"{progress.have} of {progress.need}{span}"


def intent(one: Explanation) -> str:
    """Say what a rule does with an event, where it is not known how it stands."""
    when, stage = one.rule.when, one.stage
    of = ", ".join(f"{name} = {short(value)}" for name, value in zip(stage.by, one.key or (), strict=True))
    of = of or "all together"
    span = duration(when.within) if when is not None and when.within is not None else ""
    match when:
        case Count(count):
            return f"counts it for {of}: {count} within {span} make it true"
        case Distinct(name, count):
            return f"counts its {name}, {short(one.part or '')}, for {of}: {count} different within {span} make it true"
        case Every(stages):
            return f"takes it as {stage.name} of {len(stages)} for {of}: one of each within {span} makes it true"
        case Sequence() if stage.role is Role.BREAKS:
            return f"breaks off the sequence for {of}, if one has begun"
        case Sequence(stages):
            return f"takes it as {stage.name} of {len(stages)} for {of}: all in order within {span} make it true"
        case Absent() if stage.role is Role.ENDS:
            return f"ends the wait for {of}, if there is one"
        case Absent(None):
            return f"waits for {of}: nothing more within {span} makes it true"
        case Absent(other):
            what = short(mapping(other.match)) if other else ""
            return f"waits for {of}: no {what} within {span} makes it true"
        case Digest(most=most):
            section = f", in the section {one.part}" if one.part else ""
            return f"collects it for {of}{section}: handed over after {span}, or when there are {most}"
        case Settled(quiet, files=patterns) if patterns:
            fits = f"it is {one.part}" if one.part else "but its file.name fits none of them"
            whole = f"true when all are there and quiet for {duration(quiet)}"
            return f"gathers files for {of}: {', '.join(patterns)}; {fits}; {whole}"
        case Settled(quiet):
            return f"waits for {of}: nothing more for {duration(quiet)} makes it true"
    return ""
