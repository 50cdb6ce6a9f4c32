"""One message on its way to a destination, and the outcome that it comes to."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from rules.outcome import Ending, Outcome

Tell = Callable[[Outcome], None]


class Parcel:
    """A message that waits, is under way, or has its outcome, which is told once.

    Args:
        job: whose attempt it is.
        message: what is to be delivered.
        clock: for the time it took.
        tell: gets the outcome.

    Attributes:
        sent: how often it was written to a connection.
    """

    __slots__ = ("_began", "_clock", "_late", "_tell", "job", "message", "sent")

    def __init__(self, job: str, message: bytes, clock: IReactorTime, tell: Tell) -> None:
        self.job = job
        self.message = message
        self.sent = 0
        self._clock = clock
        self._began = clock.seconds()
        self._tell: Tell | None = tell
        self._late: IDelayedCall | None = None

    @property
    def settled(self) -> bool:
        """Whether it has its outcome."""
        return self._tell is None

    def expire_in(self, seconds: float, late: Callable[[Parcel], None]) -> None:
        """Have `late` called with it, unless it has its outcome by then."""
        self._late = self._clock.callLater(seconds, late, self)

    def delivered(self, words: str) -> None:
        """Tell that the destination has it; `words` are kept with the attempt."""
        self._settle(Ending.CONFIRMED, None, words)

    def rejected(self, words: str) -> None:
        """Tell that the destination did not take it; another try is asked for."""
        self._settle(Ending.DECLINED, words, temporary=True)

    def failed(self, words: str) -> None:
        """Tell that it did not arrive, or that nobody knows, where it was sent before; another try is asked for."""
        self._settle(Ending.LOST if self.sent else Ending.NOT_STARTED, words, temporary=True)

    def _settle(self, ending: Ending, error: str | None, words: str = "", *, temporary: bool = False) -> None:
        tell, self._tell = self._tell, None
        if self._late is not None and self._late.active():
            self._late.cancel()
        if tell is None:
            return
        seconds = self._clock.seconds() - self._began
        tell(Outcome(self.job, ending, seconds=seconds, error=error, stdout=words.encode(), temporary=temporary))
