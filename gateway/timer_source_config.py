"""Timers out of the configuration: `timer`."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import tzinfo

from gateway.schedule import Every, Schedule, ScheduleError, parse_cron
from gateway.source_fields import SourceHead
from parsers.errors import OperatorError, Place
from rules.schema import Fields, Problems, Reader, scalar_of
from rules.strict_yaml import Node, shown
from rules.values import as_choice, as_duration, choices

_INTERVAL = re.compile(r"[0-9][0-9.a-z]*", re.ASCII)
_WANTED = 'an interval such as 5m, five cron fields such as "0 2 * * *", or "@daily"'


class Missed(enum.Enum):
    """What becomes of times that were due while the gateway did not run."""

    ONCE = "once"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class TimerSource:
    """A timer: an event each time that it is due.

    Attributes:
        zone: in which due times are written, and of a cron expression's fields.
    """

    name: str
    place: Place
    schedule: Schedule
    zone: tzinfo
    missed: Missed = Missed.ONCE


def as_timer(head: SourceHead, fields: Fields, _: Problems) -> TimerSource | None:
    """Read a timer; the head's zone is that of the key `zone`."""
    schedule = fields.take("timer", _as_schedule(head.zone), None)
    missed = fields.take("missed", as_choice(choices(Missed)), Missed.ONCE)
    return None if schedule is None else TimerSource(head.name, head.place, schedule, head.zone, missed)


def _as_schedule(zone: tzinfo) -> Reader[Schedule]:
    def read(node: Node, problems: Problems) -> Schedule:
        text = scalar_of(node, _WANTED).text
        if _INTERVAL.fullmatch(text):
            seconds = as_duration()(node, problems)
            if not seconds.is_integer():
                raise OperatorError(f"whole seconds are wanted, at least 1s, not {text}", node.place)
            return Every(int(seconds))
        try:
            return parse_cron(text, zone)
        except ScheduleError as error:
            raise OperatorError(f"{_WANTED} is wanted, not {shown(text)}: {error}", node.place) from None

    return read
