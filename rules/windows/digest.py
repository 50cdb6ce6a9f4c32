"""`digest`: what comes within a time is collected and handed over as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from parsers.event import FieldValue, printable
from parsers.message import Message
from rules.match import holds
from rules.when import Digest
from rules.windows.memory import Waits, weight_of
from rules.windows.window import Completed, Key, Progress, Sighting, Taken

MAX_CHARACTERS = 512 * 1024
"""Characters of the lines of one digest: a mail of this length is read by nobody; what is over is only counted."""

MAX_TOTAL = 64 * 1024**2
"""Octets of all digests of one rule: a stranger chooses how many keys there are."""

LINE, KEY = 150, 1000
"""Octets of a line besides its characters, and of a key besides its lines."""


@dataclass(slots=True)
class _Collection:
    """What was collected for one key.

    Attributes:
        message: the last.
        counts: how many events there were of each section that has any; the index after the last is for the others.
        lines: for each section its lines and how often each came.
        characters: of all lines.
        omitted: how many events are not among the lines.
    """

    began: float
    message: Message
    counts: Counter[int] = field(default_factory=Counter)
    lines: dict[int, dict[str, int]] = field(default_factory=dict)
    characters: int = 0
    omitted: int = 0


class DigestWindow:
    """For each key what was collected."""

    def __init__(self, when: Digest) -> None:
        self._when = when
        self._titles = [*(section.title for section in when.sections), ""]
        self._tests = [holds(section.match) for section in when.sections]
        # lines are left out before it comes to that a digest has no room
        self._digests = Waits[_Collection](when.max_keys, 2 * MAX_TOTAL, _weigh, lambda one: one.began + when.within)

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Collect an event."""
        digests, message = self._digests, seen.event.message
        one = digests.held.get(key)
        if one is None:
            one = _Collection(now, message)
            digests.admit(key, one, now)
        before = _weigh(one)
        one.message = message
        self._add_line(one, seen)
        digests.grow(_weigh(one) - before, now)
        if one.counts.total() < self._when.most:
            return True
        if key in digests.held:
            digests.remove(key)
        return self._completed(one, of_time=False)

    def _add_line(self, one: _Collection, seen: Sighting) -> None:
        section = len(self._tests)
        if self._tests:
            fields = dict(seen.fields)
            section = next((index for index, test in enumerate(self._tests) if test(fields)), section)
        one.counts[section] += 1
        line = printable(seen.event.classic_line())
        if self._when.unique:
            line = _without_stamp(line)
        lines = one.lines.setdefault(section, {})
        if line in lines:
            lines[line] += 1
        elif one.characters + len(line) > MAX_CHARACTERS or self._digests.weight + len(line) > MAX_TOTAL:
            one.omitted += 1
        else:
            lines[line] = 1
            one.characters += len(line)

    def next_due(self) -> float | None:
        """Return when the first digest is to be handed over."""
        return self._digests.next_due()

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:
        """Yield the digests whose time is over."""
        return self._digests.dues(now)

    def end(self, key: Key, due: float) -> Completed | None:
        """Hand over a digest."""
        one = self._digests.end(key, due)
        return None if one is None else self._completed(one, of_time=True)

    def _completed(self, one: _Collection, *, of_time: bool) -> Completed:
        sections: list[FieldValue] = []
        for index, count in sorted(one.counts.items()):
            lines: list[FieldValue] = [_shown(*line) for line in one.lines[index].items()]
            sections.append({"title": self._titles[index], "count": count, "lines": lines})
        fields: dict[str, FieldValue] = {"gateway.sections": sections, "gateway.digest": _text(sections, one.omitted)}
        last = (one.message, 0) if of_time else None
        return Completed(one.counts.total(), one.began, last=last, fields=fields)

    def progress(self, key: Key, now: float) -> Progress | None:  # noqa: ARG002 -- a window's signature
        """Tell how much is collected."""
        one = self._digests.held.get(key)
        if one is None:
            return None
        return Progress(one.counts.total(), self._when.most, one.began + self._when.within, "collects")

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for one in self._digests.held.values():
            one.began += seconds

    def postpone(self, seconds: float) -> None:
        """Do nothing: what was collected is handed over in time."""

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._digests.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._digests.held)


def _weigh(one: _Collection) -> int:
    lines = sum(map(len, one.lines.values()))
    return KEY + weight_of(one.message) + LINE * lines + one.characters


def _without_stamp(line: str) -> str:
    """Leave away the time, which would make any two lines differ: `Mmm dd hh:mm:ss ` are 16 characters."""
    return line[16:]


def _shown(line: str, times: int) -> str:
    return line if times == 1 else f"{line} ({times} times)"


def _text(sections: list[FieldValue], omitted: int) -> str:
    """Render the sections as a mail has them."""
    parts: list[str] = []
    for section in sections:
        if isinstance(section, dict) and isinstance(lines := section["lines"], list):
            heading = f"{section['title']} ({section['count']})" if section["title"] else ""
            parts.append("\n".join((*((heading, "=" * len(heading)) if heading else ()), *map(str, lines))))
    if omitted:
        parts.append(f"{omitted} more are left out: this is as much as one digest holds")
    return "\n\n".join(parts)
