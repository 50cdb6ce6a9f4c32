"""Errors that say whose fault it is: the peer's octets or the operator's file; any other exception is our bug."""

from __future__ import annotations

from dataclasses import dataclass


class RemoteError(Exception):
    """The peer sent what no receiver could accept; the text is one line for the log."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an operator's file something stands; `line` and `column` count from 1."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Render as compilers do, so that editors can jump there."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class OperatorError(Exception):
    """The operator's file or command line is wrong; says where, what, and what to do.

    `place` is None when no file is at fault (a port in use, say).
    """

    def __init__(self, problem: str, place: Place | None = None) -> None:
        self.problem = problem
        self.place = place
        super().__init__(f"{place}: {problem}" if place else problem)
