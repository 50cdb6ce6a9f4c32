"""A list of what was told, and other small stand-ins that several of the gateway's tests share."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from gateway.notice import Notice
from parsers.message import Batch, Origin, Trust

N = TypeVar("N", bound=Notice)

ORIGIN = Origin("syslog", Trust.NETWORK, "192.0.2.7", 4000, trusted=True)


class Told(list[Notice]):
    """A `notify` that remembers."""

    def __call__(self, notice: Notice) -> None:
        """Take one notice; it must have words."""
        assert str(notice)
        self.append(notice)

    def of(self, kind: type[N]) -> list[N]:
        """Return the notices of a kind."""
        return [notice for notice in self if type(notice) is kind]

    def lines(self) -> list[str]:
        """Return the notices in words."""
        return [str(notice) for notice in self]


class Accepted(list[Batch]):
    """An `accept` that remembers; while `wait` is set, its promises are kept back in `promises`."""

    def __init__(self) -> None:
        super().__init__()
        self.wait = False
        self.promises: list[Deferred[None]] = []

    def __call__(self, batch: Batch) -> Deferred[None]:
        """Take one batch."""
        self.append(batch)
        if not self.wait:
            return succeed(None)
        self.promises.append(Deferred())
        return self.promises[-1]

    def texts(self) -> list[bytes]:
        """Return all frames of all batches."""
        return [text for batch in self for text in batch.frames.texts()]
