"""Passwords: right and wrong ones, who waits for whom, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from argon2 import PasswordHasher
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gateway.accounts.passwords import MAX_PASSWORD, MAX_WAITING, Passwords, TooManyWaitError, usual_hasher

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SALT = b"salt of a test.."
RIGHT = CHEAP.hash("correct horse", salt=SALT)


class Threads:
    """A reactor and its threads in one, which do their work when they are told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.work: list[Callable[[], None]] = []

    def seconds(self) -> float:
        """Return the time."""
        return self.clock.seconds()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:  # noqa: N802 -- Twisted's name
        """Call at once."""
        call(*args)

    def callInThreadWithCallback(  # noqa: N802 -- Twisted's name
        self, done: Callable[[bool, Any], None], call: Callable[..., Any], *args: Any, **more: Any
    ) -> None:
        """Keep work for later."""

        def do() -> None:
            try:
                answer = call(*args, **more)
            except Exception:  # noqa: BLE001 -- as a thread pool does
                done(False, Failure())
            else:
                done(True, answer)

        self.work.append(do)

    def step(self) -> None:
        """Do the first piece of work."""
        self.work.pop(0)()

    def run(self) -> None:
        """Do all of it."""
        while self.work:
            self.step()


class Answers(list[object]):
    """What came of several questions, in the order in which it came."""

    def of(self, who: str, answer: Deferred[bool]) -> None:
        """Remember who was answered what."""
        answer.addCallbacks(lambda right: self.append((who, right)), lambda failure: self.append((who, failure.type)))


@pytest.fixture
def threads() -> Threads:
    """Return threads that wait."""
    return Threads()


@pytest.fixture
def passwords(threads: Threads) -> Passwords:
    """Return what judges passwords, with hashes that cost nothing."""
    return Passwords(threads, threads, CHEAP)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stored", "password", "right"),
    [
        (RIGHT, b"correct horse", True),
        (RIGHT, b"wrong horse", False),
        (RIGHT, b"", False),
        (None, b"correct horse", False),
        (None, b"", False),
        ("$argon2id$v=19$m=8,t=1,p=1$broken", b"correct horse", False),
        (CHEAP.hash("x" * MAX_PASSWORD, salt=SALT), b"x" * MAX_PASSWORD, True),
        (CHEAP.hash("x" * (MAX_PASSWORD + 1), salt=SALT), b"x" * (MAX_PASSWORD + 1), False),
        (CHEAP.hash(b"\xff\xfe", salt=SALT), b"\xff\xfe", True),
    ],
)
def test_a_password_is_right_or_wrong(
    threads: Threads, passwords: Passwords, stored: str | None, password: bytes, right: bool
) -> None:
    """Only the one of the hash is right; no hash, a damaged hash and endless passwords are wrong, never an error."""
    answers = Answers()
    answers.of("it", passwords.check(stored, password, "192.0.2.7"))
    assert not answers
    threads.run()
    assert answers == [("it", right)]


def test_a_name_that_does_not_exist_takes_as_long(threads: Threads, passwords: Passwords) -> None:
    """Without a hash there is a judgement all the same, of a hash with the same costs."""
    passwords.check(None, b"x", "192.0.2.7")
    assert len(threads.work) == 1
    assert CHEAP.check_needs_rehash(passwords._nobody) is False


def test_two_at_a_time(threads: Threads, passwords: Passwords) -> None:
    """The others wait, and each that ends lets one more begin."""
    answers = Answers()
    for number in range(5):
        answers.of(str(number), passwords.check(RIGHT, b"wrong %d" % number, "192.0.2.7"))
    assert len(threads.work) == 2
    threads.step()
    assert len(threads.work) == 2
    threads.run()
    assert answers == [(str(number), False) for number in range(5)]


def test_a_right_password_is_remembered_for_a_while(threads: Threads, passwords: Passwords) -> None:
    """A machine that logs in for each file waits once; a wrong password and another hash are judged anew."""
    answers = Answers()
    answers.of("first", passwords.check(RIGHT, b"correct horse", "192.0.2.7"))
    threads.run()
    answers.of("again", passwords.check(RIGHT, b"correct horse", "192.0.2.8"))
    assert answers == [("first", True), ("again", True)]
    for stored, password in ((RIGHT, b"correct horsf"), (CHEAP.hash("other"), b"correct horse"), (None, b"x")):
        passwords.check(stored, password, "192.0.2.7")
        assert len(threads.work) == 1
        threads.run()
    threads.clock.advance(301)
    passwords.check(RIGHT, b"correct horse", "192.0.2.7")
    assert len(threads.work) == 1


def test_many_logins_of_one_account_at_once_cost_two(threads: Threads, passwords: Passwords) -> None:
    """Whoever waited with the same password is let in with the one that was judged."""
    answers = Answers()
    for number in range(100):
        answers.of(str(number), passwords.check(RIGHT, b"correct horse", f"192.0.2.{number}"))
    threads.step()
    assert len(answers) == 99  # the second of the two is still in its thread
    threads.run()
    assert len(answers) == 100
    assert not threads.work


def test_a_flood_delays_only_its_own_address(threads: Threads, passwords: Passwords) -> None:
    """Addresses take turns; where the line is full, the longest address loses its last, and is told so."""
    answers = Answers()
    for number in range(MAX_WAITING + 2):
        answers.of(f"flood {number}", passwords.check(RIGHT, b"%d" % number, "203.0.113.66"))
    assert not answers
    answers.of("one too many", passwords.check(RIGHT, b"x", "203.0.113.66"))
    assert answers == [("one too many", TooManyWaitError)]
    answers.of("honest", passwords.check(RIGHT, b"correct horse", "192.0.2.7"))
    assert answers[1:] == [(f"flood {MAX_WAITING + 1}", TooManyWaitError)]
    for _ in range(4):
        threads.step()
    assert ("honest", True) in answers
    threads.run()


def test_whoever_left_is_not_judged(threads: Threads, passwords: Passwords) -> None:
    """A login that is cancelled while it waits costs no thread."""
    for _ in range(2):
        passwords.check(None, b"", "192.0.2.7")
    waiting = passwords.check(RIGHT, b"x", "192.0.2.7")
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    threads.step()
    assert len(threads.work) == 1


def test_new_hashes_are_expensive() -> None:
    """They follow RFC 9106's second recommendation; cheaper ones and other kinds are weak."""
    hasher = usual_hasher()
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (65_536, 3, 4)
    passwords = Passwords(Clock(), Threads(), hasher)  # type: ignore[arg-type]
    assert passwords.is_weak(RIGHT)
    assert not passwords.is_weak("$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$" + "A" * 43)
    assert passwords.is_weak("$argon2i$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$" + "A" * 43)
    assert not passwords.is_weak("what else")
