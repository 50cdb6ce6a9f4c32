"""Passwords: hashed with argon2, and judged in threads, a few at a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

AT_ONCE = 2
"""Passwords that are judged at a time: each takes 64 MiB and four threads for about a tenth of a second."""

MAX_WAITING = 256
"""Passwords that wait for their turn: some fifteen seconds, after which clients give up."""

MAX_PASSWORD = 1024
"""Octets; no longer one is ever right."""

REMEMBERED = 300.0
"""Seconds for which a right password is known to be right: machines log in again and again, for each file."""

MAX_REMEMBERED = 4096


class TooManyWaitError(Exception):
    """So many logins wait to be judged that this one is refused."""


def usual_hasher() -> PasswordHasher:
    """Return what hashes new passwords: argon2id with 64 MiB, 3 passes, 4 lanes (RFC 9106 section 4, second choice)."""
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@dataclass(slots=True, eq=False)
class _Try:
    """A password that waits to be judged; `stored` is None where there is nothing to compare it with."""

    stored: str | None
    password: bytes
    mark: bytes
    answer: Deferred[bool] = field(default_factory=Deferred)


class FairLine:
    """Tries that wait, in one line for each address; the addresses take turns, so that a flood delays only itself."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._lines: OrderedDict[str, deque[_Try]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, address: str, one: _Try) -> _Try | None:
        """Let a try wait; return the one that has to leave for it: the last of the longest line, where all is full."""
        self._lines.setdefault(address, deque()).append(one)
        self._count += 1
        if self._count <= self._limit:
            return None
        longest = max(self._lines, key=lambda each: len(self._lines[each]))
        if len(self._lines[longest]) == len(self._lines[address]):
            longest = address  # who comes last leaves first
        leaving = self._lines[longest].pop()
        self._left(longest)
        return leaving

    def take(self) -> _Try:
        """Return whose turn it is."""
        address, line = next(iter(self._lines.items()))
        one = line.popleft()
        self._lines.move_to_end(address)
        self._left(address)
        return one

    def _left(self, address: str) -> None:
        self._count -= 1
        if not self._lines[address]:
            del self._lines[address]


class Passwords:
    """Judges passwords.

    Args:
        reactor: provides time (IReactorTime), and is where the threads report (IReactorFromThreads).
        pool: the threads, of which AT_ONCE are used at a time.
        hasher: says how new passwords are hashed, and how long a judgement takes of a name that does not exist.
    """

    def __init__(self, reactor: Any, pool: ThreadPool, hasher: PasswordHasher | None = None) -> None:
        self._reactor = reactor
        self._pool = pool
        self._hasher = hasher or usual_hasher()
        self._nobody = _hash_of_nothing(self._hasher)
        self._line = FairLine()
        self._running = 0
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()

    def check(self, stored: str | None, password: bytes, address: str) -> Deferred[bool]:
        """Tell whether a password is the one of a hash; without a hash it takes its time too, and is wrong.

        Args:
            stored: the hash.
            password: what the client sent.
            address: who it came from: addresses take turns.

        Returns:
            Fires with the answer, or fails with TooManyWaitError.
        """
        mark = self._mark(stored or "", password)
        if stored is not None and self._is_remembered(mark):
            return succeed(True)
        one = _Try(stored, password[: MAX_PASSWORD + 1], mark)
        leaving = self._line.add(address, one)
        if leaving is one:
            return fail(TooManyWaitError())
        if leaving is not None:
            leaving.answer.errback(TooManyWaitError())
        self._go_on()
        return one.answer

    def is_weak(self, stored: str) -> bool:
        """Tell whether a hash costs who steals it less than those of new passwords."""
        try:
            has = extract_parameters(stored)
        except (InvalidHashError, ValueError):
            return False
        cost: int = self._hasher.memory_cost * self._hasher.time_cost
        return has.type is not Type.ID or bool(has.memory_cost * has.time_cost < cost)

    def _go_on(self) -> None:
        while self._running < AT_ONCE and self._line:
            one = self._line.take()
            if one.answer.called:
                continue  # whoever asked is gone
            if one.stored is not None and self._is_remembered(one.mark):
                one.answer.callback(True)  # another login of the same has just been judged
                continue
            self._running += 1
            judged = deferToThreadPool(self._reactor, self._pool, self._judge, one.stored, one.password)
            judged.addBoth(self._judged, one)

    def _judge(self, stored: str | None, password: bytes) -> bool:
        """Compare, in a thread."""
        try:
            self._hasher.verify(stored or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None and len(password) <= MAX_PASSWORD

    def _judged(self, answer: bool | Failure, one: _Try) -> None:
        self._running -= 1
        if answer is True:
            self._right[one.mark] = self._reactor.seconds() + REMEMBERED
            self._right.move_to_end(one.mark)
            if len(self._right) > MAX_REMEMBERED:
                self._right.popitem(last=False)
        if isinstance(answer, Failure):
            one.answer.errback(answer)
        else:
            one.answer.callback(answer)
        self._go_on()

    def _mark(self, stored: str, password: bytes) -> bytes:
        """Return what stands for a hash with its password; nobody can make it without the key, which is ours alone."""
        return hmac.digest(self._key, stored.encode() + b"\0" + password, hashlib.sha256)

    def _is_remembered(self, mark: bytes) -> bool:
        until = self._right.get(mark)
        return until is not None and until > float(self._reactor.seconds())


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return a hash that no password has, with the costs of this hasher."""

    def encoded(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).decode("ascii").rstrip("=")

    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${encoded(hasher.salt_len)}${encoded(hasher.hash_len)}"
