"""`settled`: nothing more has come for a time, and of a set of files every one has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from heapq import merge

from parsers.event import FieldValue
from parsers.message import Message
from rules.when import Settled
from rules.windows.memory import OCTETS_PER_KEY, Waits, weight_of
from rules.windows.window import Completed, Key, Progress, Sighting, Taken


@dataclass(slots=True)
class _Gathering:
    """What has come for one key.

    Attributes:
        began: when the first event came.
        last: when the last came.
        message: the last.
        count: how many there were.
        files: the path that came last for each pattern.
    """

    began: float
    last: float
    message: Message
    count: int = 0
    files: dict[int, str] = field(default_factory=dict)


class SettledWindow:
    """For each key what has come: sets of files that are not whole, and all else, which is over when it is quiet."""

    def __init__(self, when: Settled) -> None:
        self._when = when
        self._patterns = [re.compile(translate(pattern)).match for pattern in when.files]
        room = OCTETS_PER_KEY * when.max_keys
        self._whole = Waits[_Gathering](when.max_keys, room, _weigh, lambda one: one.last + when.quiet)
        self._lacking = Waits[_Gathering](
            when.max_keys, room, _weigh, lambda one: None if when.within is None else one.began + when.within
        )

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Take an event; of a set of files, only one whose name fits a pattern."""
        name = str(seen.fields.get("file.name", ""))
        fitting = [index for index, fits in enumerate(self._patterns) if fits(name)]
        if self._patterns and not fitting:
            return False
        held = self._whole.held.get(key) or self._lacking.held.get(key)
        one = held or _Gathering(now, now, seen.event.message)
        before = _weigh(one) if held else 0
        one.last, one.message, one.count = now, seen.event.message, one.count + 1
        one.files.update(dict.fromkeys(fitting, str(seen.fields.get("file.path", name))))
        self._put(key, one, before, now)
        return True

    def _put(self, key: Key, one: _Gathering, before: int, now: float) -> None:
        """Put what has come for a key where it belongs, `before` being its weight where it was."""
        whole, lacking = self._whole, self._lacking
        if len(one.files) < len(self._patterns):
            if key in lacking.held:  # its place is that of its first file
                lacking.grow(_weigh(one) - before, now)
            else:
                lacking.admit(key, one, now)
        elif key in whole.held:
            whole.held.move_to_end(key)
            whole.grow(_weigh(one) - before, now)
        else:
            if lacking.held.pop(key, None) is not None:
                lacking.grow(-before, now)
            whole.admit(key, one, now)

    def next_due(self) -> float | None:
        """Return when the first is settled, or when the first set of files has waited too long."""
        dues = self._whole.next_due(), self._lacking.next_due()
        return min((due for due in dues if due is not None), default=None)

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:
        """Yield what is settled, and the sets that have waited too long."""
        return merge(self._whole.dues(now), self._lacking.dues(now))

    def end(self, key: Key, due: float) -> Completed | None:
        """Hand over what is settled; a set of files that is not whole is for the rule's `else`."""
        if (one := self._whole.end(key, due)) is not None:
            return self._completed(one)
        if (one := self._lacking.end(key, due)) is not None:
            return self._completed(one, otherwise=True)
        return None

    def _completed(self, one: _Gathering, *, otherwise: bool = False) -> Completed:
        fields: dict[str, FieldValue] = {}
        if self._patterns:
            fields["gateway.files"] = [one.files[index] for index in sorted(one.files)]
        if otherwise:
            fields["gateway.missing"] = ", ".join(self._missing(one))
        return Completed(one.count, one.began, last=(one.message, 0), otherwise=otherwise, fields=fields)

    def _missing(self, one: _Gathering) -> list[str]:
        return [pattern for index, pattern in enumerate(self._when.files) if index not in one.files]

    def progress(self, key: Key, now: float) -> Progress | None:  # noqa: ARG002 -- a window's signature
        """Tell what has come, and until when it waits."""
        if (one := self._whole.held.get(key)) is not None:
            return Progress(one.count, 0, one.last + self._when.quiet, "waits until it is quiet")
        if (one := self._lacking.held.get(key)) is not None:
            due = None if self._when.within is None else one.began + self._when.within
            return Progress(len(one.files), len(self._patterns), due, f"lacks {', '.join(self._missing(one))}")
        return None

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for one in (*self._whole.held.values(), *self._lacking.held.values()):
            one.began += seconds
            one.last += seconds

    def postpone(self, seconds: float) -> None:
        """Give sets of files that are not whole more time, for what came in this time was not seen."""
        for one in self._lacking.held.values():
            one.began += seconds

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._whole.evicted + self._lacking.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._whole.held) + len(self._lacking.held)


def _weigh(one: _Gathering) -> int:
    return weight_of(one.message) + sum(map(len, one.files.values()))
