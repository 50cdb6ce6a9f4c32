"""Passwords of `external` accounts: a program of the operator's judges them, started by the runner like any other."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from gateway.drop.visit import Client
from gateway.drop_config import CHECKER, CHECKER_LINES
from rules.job import Attempt
from rules.outcome import Ending, Outcome

LEAST_TROUBLE = 50
"""Exit codes from here on say that nothing was judged: pwauth(8)'s own troubles begin here, then come sysexits(3), and
126 and 127 of shells. Below, 0 is yes and all others are no."""


class CheckerError(Exception):
    """The checker said neither yes nor no; the text says what it did, and holds nothing that it wrote."""


class CheckExternal(Protocol):
    """Judges a password; fires with the answer or fails with CheckerError."""

    def __call__(self, name: str, password: bytes, client: Client) -> Deferred[bool]:
        """Ask whether this is the password of that account."""
        ...


def external_check(run: Callable[[Attempt], Deferred[Outcome]]) -> CheckExternal:
    """Return what asks the task CHECKER; `run` is the runner's."""

    def check(name: str, password: bytes, client: Client) -> Deferred[bool]:  # noqa: ARG001 -- a CheckExternal's signature
        if set(password) & set(b"\0\r\n"):
            return succeed(False)  # two lines cannot say it, and nobody has such a password
        return run(attempt_of(name, password)).addCallback(judge)

    return check


def attempt_of(name: str, password: bytes) -> Attempt:
    """Return the attempt that asks; it is no job, so that nothing of it is ever written down."""
    text = password.decode("utf-8", "surrogateescape")
    fields = dict(zip(CHECKER_LINES, (name, text), strict=True))
    return Attempt(f"login-{secrets.token_hex(12)}-1", "drop", CHECKER, (), fields)


def judge(outcome: Outcome) -> bool:
    """Return what an outcome says of the password.

    Raises:
        CheckerError: it says nothing of it.
    """
    if outcome.ending is Ending.EXITED and outcome.exit_code is not None and outcome.exit_code < LEAST_TROUBLE:
        return outcome.exit_code == 0
    if outcome.ending is Ending.EXITED:
        raise CheckerError(f"it ended with exit code {outcome.exit_code}")
    raise CheckerError(outcome.error or f"it was {outcome.ending.value}")
