"""What is said to an FTP client: codes, lines, and nothing in them that a client could have made to look like ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.drop.visit import Refusal, Refused, Way

CODES: Mapping[Refusal, int] = {
    Refusal.DENIED: 550,
    Refusal.NAME: 553,
    Refusal.TAKEN: 553,
    Refusal.MISSING: 550,
    Refusal.QUOTA: 552,
    Refusal.TOO_LARGE: 552,
    Refusal.FULL: 452,
    Refusal.FAILED_CHECK: 550,  # the same file again would fail again, so that it is no 4xx
    Refusal.CUT: 426,
    Refusal.BUSY: 450,
    Refusal.BROKEN: 451,
}
"""RFC 959 section 4.2: 4xx is worth another try with the same file, 5xx is not."""

BAD = frozenset({500, 501, 502, 503, 504, 530})
"""What a client hears that does not know how to talk to us."""


class Declined(Exception):  # noqa: N818 -- it is an answer
    """A command is not obeyed: the reply's code (RFC 959 section 4.2) and its words."""

    def __init__(self, code: int, words: str) -> None:
        self.code = code
        super().__init__(words)


def declined(refused: Refused) -> Declined:
    """Put a session's refusal into a reply."""
    return Declined(CODES[refused.refusal], str(refused))


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; with a body it has several lines, the last one's words being `end`."""

    code: int
    words: str
    body: tuple[str, ...] = ()
    end: str = "End"

    def lines(self) -> Iterable[str]:
        """Return its lines (RFC 959 section 4.2; a body's lines are indented, as RFC 2389 and 3659 want them)."""
        if not self.body:
            return (f"{self.code} {self.words}",)
        return (f"{self.code}-{self.words}", *(f" {line}" for line in self.body), f"{self.code} {self.end}")


def printable(text: str) -> str:
    """Replace control characters: what comes from a client must not begin a line of ours or steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)


def shown(way: Way) -> str:
    """Write a path from the client's root."""
    return "/" + "/".join(way)


def quoted(way: Way) -> str:
    """Write a path as 257 has it: in quotes, a quote in it doubled (RFC 959, appendix II)."""
    return '"' + shown(way).replace('"', '""') + '"'
