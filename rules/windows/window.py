"""What all windows are: they take events apart for each key, and say when enough has come, or when a wait is over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from parsers.event import Event, FieldValue
from parsers.message import Message

Key = tuple[str, ...]

MAX_VALUE = 512
"""Characters of a value that is remembered. A stranger chooses how long it is: 100,000 keys as long as a message may be
would be gigabytes."""


def remembered(text: str) -> str:
    """Return what stands for a value in a key: the value; of a long one its beginning and what tells it from others."""
    if len(text) <= MAX_VALUE:
        return text
    rest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[: MAX_VALUE - len(rest) - 1]}…{rest}"


class Sighting(NamedTuple):
    """An event, as a window sees it.

    Attributes:
        fields: the event's, and those that the rule's regular expressions found.
        stages: the indexes of the stages that it fulfils; 0 where there is only one.
    """

    event: Event
    fields: Mapping[str, FieldValue]
    stages: Sequence[int] = (0,)


@dataclass(frozen=True, slots=True)
class Completed:
    """A window came true for a key, or ended otherwise.

    Attributes:
        count: how many events it took.
        began: when the first of them came, in seconds since 1970.
        earlier: those that it keeps besides the last, the oldest first, each with the stage it fulfilled.
        last: the event to act upon; None: the one at hand.
        otherwise: it did not come true, and what is to be done is the rule's `else`.
        fields: what is added to the event.
    """

    count: int
    began: float
    earlier: tuple[tuple[Message, int], ...] = ()
    last: tuple[Message, int] | None = None
    otherwise: bool = False
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


Taken = Completed | bool
"""What taking an event came to: the window came true, or whether the event changed anything."""


class Progress(NamedTuple):
    """How far a window is for one key.

    Attributes:
        have: what counts of what came.
        need: how much would have to; 0 where nothing is counted.
        due: when it ends by itself, in seconds since 1970.
        words: what it has, or what it still lacks.
        until: when the first of what counts does so no longer, in seconds since 1970; None where that is not so.
        has: what counts, where it is told apart: different values, the numbers of stages.
    """

    have: int
    need: int
    due: float | None = None
    words: str = ""
    until: float | None = None
    has: tuple[str, ...] = ()


class Window(Protocol):
    """What one rule remembers; times are in seconds since 1970, and none is earlier than the one before.

    Equal windows that are told the same are equal afterwards. What changes nothing returns False and need not be
    told again to one that is to catch up; that holds for the order in which keys are forgotten as well.
    """

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        ...

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Take an event."""
        ...

    def next_due(self) -> float | None:
        """Return when the first wait is over; None where none is."""
        ...

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:
        """Yield the waits that are over, each with its time, the earliest first."""
        ...

    def end(self, key: Key, due: float) -> Completed | None:
        """End a wait that is over; None where there is none such, or nothing comes of it."""
        ...

    def progress(self, key: Key, now: float) -> Progress | None:
        """Tell how far a key is; None where nothing is known of it."""
        ...

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        ...

    def postpone(self, seconds: float) -> None:
        """Let time that nobody could watch not count for what must not come."""
        ...

    def __len__(self) -> int:
        """Count the keys in memory."""
        ...


class Instant:
    """The part of a window that never ends by itself."""

    def next_due(self) -> float | None:
        """Return None: there is no wait."""
        return None

    def dues(self, now: float) -> Iterator[tuple[float, Key]]:  # noqa: ARG002 -- a window's signature
        """Yield nothing."""
        return iter(())

    def end(self, key: Key, due: float) -> Completed | None:  # noqa: ARG002 -- a window's signature
        """Return None."""
        return None

    def postpone(self, seconds: float) -> None:
        """Do nothing: what came counts from when it came."""
