"""Random rules of every kind, whose conditions hold for events that are at hand more often than not."""

from __future__ import annotations

from collections.abc import Sequence as Events
from random import Random

from parsers.errors import Place
from parsers.event import Event
from rules.condition import AllOf, AnyOf, Condition, Equals, OneOf
from rules.rule import Rule, Undo
from rules.step import Task
from rules.when import (
    Absent,
    Count,
    Digest,
    Distinct,
    Every,
    Section,
    Sequence,
    Settled,
    Stage,
    Suppress,
    When,
)
from tests.rules.random_conditions import condition

USUAL = ("event.action", "event.module", "event.outcome", "process.name", "event.dataset")
"""Fields that most conditions of most people ask for."""

BY = ((), ("host.name",), ("source.ip",), ("event.action",))
DO = (Task("x/do/1", ("x",)),)


def usual(random: Random, events: Events[Event]) -> Condition:
    """Return a condition as people write it: an action and its outcome, perhaps something else."""
    fields = random.choice(events).fields
    there = [name for name in USUAL if isinstance(fields.get(name), str)]
    parts: list[Condition] = []
    for name in random.sample(there, min(len(there), random.randrange(1, 4))):
        value = str(fields[name])
        others = [str(one.fields.get(name)) for one in random.sample(events, min(2, len(events)))]
        parts.append(Equals(name, value) if random.random() < 0.6 else OneOf(name, (value, *others)))
    if not parts or random.random() < 0.4:
        parts.append(condition(random, fields))
    random.shuffle(parts)
    together: Condition = AllOf(tuple(parts)) if len(parts) > 1 else parts[0]
    return AnyOf((together, usual(random, events))) if random.random() < 0.2 else together


def stage(random: Random, events: Events[Event], by: tuple[str, ...]) -> Stage:
    """Return one of several events, at times with another field for the key."""
    unless = usual(random, events) if random.random() < 0.1 else None
    return Stage(usual(random, events), unless, ("host.name",) if by and random.random() < 0.2 else ())


def when(random: Random, events: Events[Event]) -> When | None:
    """Return a condition over time, of any kind or none."""
    by, within = random.choice(BY), random.choice((1.0, 10.0))
    stages = tuple(stage(random, events, by) for _ in range(random.randrange(2, 4)))
    return random.choice(
        (
            None,
            Count(random.randrange(1, 4), within, by),
            Distinct("process.name", 2, within, by),
            Every(stages, within, by),
            Sequence(stages, within, by, stage(random, events, by) if random.random() < 0.5 else None),
            Absent(stages[0], within, by),
            Absent(None, within, by),
            Digest(within, by, 3, (Section("x", stages[0].match),)),
            Settled(within, by),
        )
    )


def rule(random: Random, events: Events[Event], name: str) -> Rule:
    """Return a rule."""
    over_time = when(random, events)
    loose = isinstance(over_time, Every | Sequence) and random.random() < 0.7
    return Rule(
        name,
        Place(""),
        AllOf(()) if loose else usual(random, events),
        unless=usual(random, events) if random.random() < 0.1 else None,
        when=over_time,
        suppress=Suppress(random.choice((5.0, None)), ()) if over_time and random.random() < 0.2 else None,
        do=DO,
        undo=_undo(random, events) if random.random() < 0.4 else None,
        otherwise=DO if isinstance(over_time, Absent) and over_time.stage else (),
    )


def _undo(random: Random, events: Events[Event]) -> Undo:
    unless = usual(random, events) if random.random() < 0.2 else None
    return Undo(DO, None, match=usual(random, events), unless=unless, count=random.randrange(1, 3))
