"""Logs for the comparison with SEC: made by chance from a seed, with bursts, pauses and exact distances."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

START = 1_767_225_600
"""2026-01-01 00:00 UTC."""

_REMEMBERED = 30


class Line(NamedTuple):
    """A line of a log and its whole second since 1970."""

    time: int
    text: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one log is made of.

    Attributes:
        texts: what is written, with `{key}` for a key; a text that stands there twice comes twice as often.
        keys: whom it is about.
        spans: the windows in seconds whose ends are to be hit exactly, and missed by one second.
    """

    texts: Sequence[str]
    keys: Sequence[str]
    spans: Sequence[int]


def make_log(traffic: Traffic, lines: int, seed: int, step: int = 1) -> list[Line]:
    """Return so many lines in the order of their times, all of them a multiple of `step` seconds after `START`."""
    chance = random.Random(f"{seed} {traffic.texts}")
    now = START
    recent: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED)
    log = []
    for _ in range(lines):
        key = chance.choice(traffic.keys)
        way = chance.random()
        if way < 0.3:  # a burst
            pass
        elif way < 0.75:
            now += chance.randint(1, 5)
        elif way < 0.97 and recent:
            begun, key = chance.choice(recent)
            now = max(now, begun + chance.choice(traffic.spans) + chance.choice((-1, 0, 0, 1)))
        else:
            now += chance.randint(1, 3 * max(traffic.spans))
        now += (START - now) % step
        recent.append((now, key))
        text = chance.choice(traffic.texts)
        log.append(stamped(now, text.replace("{key}", key)))
    return log


def merge_logs(logs: Iterable[Iterable[Line]]) -> list[Line]:
    """Put logs together in the order of time; of one second, those of an earlier log come first."""
    return sorted((line for log in logs for line in log), key=lambda line: line.time)


def stamped(time: int, text: str) -> Line:
    """Write a line as a syslog daemon would."""
    stamp = datetime.fromtimestamp(time, UTC)
    return Line(time, f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} {text}")
