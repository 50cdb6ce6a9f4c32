"""Logins: who is let in, how long a refusal takes, what is told, and that a password is nowhere to be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
from argon2 import PasswordHasher, Type
from twisted.internet.defer import Deferred, fail, succeed

from gateway.accounts.accounts import Accounts
from gateway.accounts.checker import CheckerError, attempt_of, external_check, judge
from gateway.accounts.logins import MAX_ADDRESSES, Delays, LoginDesk, network_of
from gateway.accounts.passwords import MAX_WAITING
from gateway.accounts.public_keys import fingerprint
from gateway.drop.account import Account, Terms
from gateway.drop.visit import Client, LoginRefused, Logins, Session
from gateway.drop_config import CHECKER, CHECKER_LINES, DropSettings
from gateway.notices.logins import CheckerFailed, LoggedIn, LoginBroken, LoginFailed, PasswordHashOld
from gateway.runner.children import Identity, StartError, environment, lines_of
from gateway.runner.protocol import Start, read_request, request_line
from parsers.event import Event
from parsers.message import Message, Trust
from rules.job import Attempt
from rules.outcome import Ending, Outcome
from rules.own_events import own_event
from rules.step import Task
from tests.gateway.own_kinds import assert_known
from tests.gateway.test_accounts import BLOB
from tests.gateway.test_passwords import CHEAP, RIGHT, Threads
from tests.gateway.told import Told

NOW = 1_800_000_000.0
PASSWORD = b"correct horse"
CLIENT = Client("drop-ftp", "ftp", "192.0.2.7", 4000, encrypted=True, fields={"tls.version": "1.3"})
PLAIN = replace(CLIENT, encrypted=False)
SSH = Client("drop-sftp", "sftp", "192.0.2.7", 4001, encrypted=True)
FOLDER = Path("/srv/drop/alice")
ALICE = Account("alice", FOLDER, RIGHT, keys={BLOB: "alice@pc"})


class StandIn:
    """Accounts that stand in memory."""

    def __init__(self, *accounts: Account) -> None:
        self.settings = DropSettings(Path("/srv/drop"), Path("accounts.yaml"))
        self.known = {account.name: account for account in accounts}

    def find(self, name: str) -> Account | None:
        """Return one."""
        return self.known.get(name)


class Desk:
    """A desk with everything around it, and what came of each login."""

    def __init__(self, *accounts: Account) -> None:
        self.threads = Threads()
        self.clock = self.threads.clock
        self.told = Told()
        self.events: list[Event] = []
        self.messages: list[Message] = []
        self.accounts = StandIn(*accounts)
        self.opened: list[tuple[Account, Client]] = []
        self.full = False
        self.desk = LoginDesk(
            cast("Accounts", self.accounts),
            self.open,
            self.report,
            _Reactor(self.threads),
            cast("Any", self.threads),
            self.told,
            lambda: NOW,
            hasher=CHEAP,
        )

    def open(self, account: Account, client: Client) -> Session:
        """Begin a session."""
        if self.full:
            raise LoginRefused("alice has 64 sessions already")
        self.opened.append((account, client))
        return cast("Session", object())

    def report(self, message: Message, *, keep: bool) -> Deferred[None]:
        """Take an event; it is not kept unless a rule counts it."""
        assert not keep
        assert_known(message)
        self.messages.append(message)
        self.events.append(own_event(message))
        return fail(RuntimeError("stopping")) if len(self.events) % 2 else succeed(None)

    def login(self, login: Deferred[Session]) -> float | None:
        """See a login through; return after how many seconds it was refused, None where it was let in."""
        came: list[bool] = []
        login.addCallbacks(
            lambda _: came.append(True), lambda failure: came.append(failure.check(LoginRefused) is None)
        )
        self.threads.run()
        seconds = 0.0
        while not came:
            self.clock.advance(0.25)
            seconds += 0.25
            assert seconds < 100
        assert came in ([True], [False])
        return None if came == [True] else seconds

    def password(self, name: str = "alice", password: bytes = PASSWORD, client: Client = CLIENT) -> float | None:
        """Log in by password."""
        return self.login(self.desk.by_password(client, name, password))

    def reason(self) -> object:
        """Return why the last login failed."""
        return self.events[-1].fields.get("event.reason")


class _Reactor:
    """Time and threads."""

    def __init__(self, threads: Threads) -> None:
        self.seconds = threads.clock.seconds
        self.callLater = threads.clock.callLater
        self.callFromThread = threads.callFromThread


def test_a_right_password_lets_in_at_once() -> None:
    """It is told, it is an event of ours with what is known of the connection, and there is a session."""
    desk = Desk(ALICE)
    _logins: Logins = desk.desk
    assert desk.password() is None
    assert desk.opened == [(ALICE, CLIENT)]
    (event,) = desk.events
    wanted = {
        "event.dataset": "drop",
        "event.action": "drop-login",
        "event.category": "authentication",
        "event.outcome": "success",
        "event.provider": "drop-ftp",
        "network.protocol": "ftp",
        "user.name": "alice",
        "source.ip": "192.0.2.7",
        "source.port": 4000,
        "tls.version": "1.3",
        "gateway.trust": "local",
        "message": "alice logged in from 192.0.2.7 (password)",
    }
    assert wanted.items() <= event.fields.items()
    assert "event.reason" not in event.fields
    assert desk.messages[0].origin.trust is Trust.LOCAL
    assert desk.told.of(LoggedIn) == [LoggedIn("drop-ftp", "alice", "192.0.2.7", "password")]


@pytest.mark.parametrize(
    ("account", "client", "name", "password", "reason"),
    [
        (ALICE, CLIENT, "bob", PASSWORD, "there is no such account"),
        (ALICE, CLIENT, "alice\n", PASSWORD, "there is no such account"),
        (replace(ALICE, disabled=True), CLIENT, "alice", PASSWORD, "the account is disabled"),
        (replace(ALICE, expires=NOW), CLIENT, "alice", PASSWORD, "the account has expired"),
        (
            replace(ALICE, networks=(ip_network("10.0.0.0/8"),)),
            CLIENT,
            "alice",
            PASSWORD,
            "the account is not for this",
        ),
        (ALICE, PLAIN, "alice", PASSWORD, "the connection is not encrypted"),
        (ALICE, replace(PLAIN, address="who knows"), "alice", PASSWORD, "the connection is not encrypted"),
        (ALICE, CLIENT, "alice", b"wrong", "wrong password"),
        (ALICE, CLIENT, "alice", b"", "wrong password"),
        (replace(ALICE, password=None), CLIENT, "alice", b"", "the account has no password, but keys"),
        (Account("alice", FOLDER), CLIENT, "alice", b"", "the account has no password"),
        (Account("alice", FOLDER, external=True), CLIENT, "alice", PASSWORD, "there is no checker for it"),
    ],
)
def test_refusals(account: Account, client: Client, name: str, password: bytes, reason: str) -> None:
    """Each takes a second and a judgement's time; why is in the event and in the log, and the client is not told."""
    desk = Desk(account)
    login = desk.desk.by_password(client, name, password)
    assert (len(desk.threads.work) == 1) is (not account.external)
    assert desk.login(login) == 1.0
    assert not desk.opened
    assert str(desk.reason()).startswith(reason)
    assert desk.events[0].fields["event.outcome"] == "failure"
    (failed,) = desk.told.of(LoginFailed)
    assert failed.problem.startswith(reason)


def test_the_client_is_told_nothing() -> None:
    """What the protocol gets has no words."""
    desk = Desk(ALICE)
    failures: list[Any] = []
    desk.desk.by_password(CLIENT, "bob", PASSWORD).addErrback(failures.append)
    desk.threads.run()
    assert not failures
    desk.clock.advance(1)
    assert str(failures[0].value) == ""


@pytest.mark.parametrize(
    ("account", "client"),
    [
        (replace(ALICE, networks=(ip_network("192.0.2.0/24"),)), CLIENT),
        (replace(ALICE, networks=(ip_network("192.0.2.0/24"),)), replace(CLIENT, address="::ffff:192.0.2.7")),
        (replace(ALICE, networks=(ip_network("2001:db8::/32"),)), replace(CLIENT, address="2001:db8::7")),
        (replace(ALICE, expires=NOW + 1), CLIENT),
        (ALICE, replace(PLAIN, address="127.0.0.1")),
        (ALICE, replace(PLAIN, address="::1")),
        (replace(ALICE, terms=Terms(plain=True)), PLAIN),
    ],
)
def test_who_may(account: Account, client: Client) -> None:
    """From its networks, before its end, without encryption from this machine or where that is said."""
    assert Desk(account).password(client=client) is None


def test_refusals_take_longer_each_time() -> None:
    """Twice as long each time, ten seconds at most, for known and unknown names; a minute's peace begins anew."""
    desk = Desk(ALICE)
    assert [desk.password("alice", b"x"), desk.password("bob"), desk.password("alice", b"y")] == [1.0, 2.0, 4.0]
    assert [desk.password("bob") for _ in range(2)] == [8.0, 10.0]
    assert desk.password(client=replace(CLIENT, address="192.0.2.8"), password=b"x") == 1.0
    assert desk.password() is None
    desk.clock.advance(61)
    assert desk.password("bob") == 1.0


def test_delays_are_bounded() -> None:
    """Only so many addresses are remembered, a whole /64 of IPv6 is one, and a delay of nothing stays nothing."""
    delays = Delays(lambda: 0.0)
    for number in range(MAX_ADDRESSES + 10):
        delays.after_failure(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
    assert len(delays) == MAX_ADDRESSES
    assert [delays.after_failure(f"2001:db8::{number:x}", 1.0) for number in range(3)] == [1.0, 2.0, 4.0]
    assert delays.after_failure("2001:db8:0:1::", 1.0) == 1.0
    assert [delays.after_failure("192.0.2.7", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert [delays.after_failure("192.0.2.8", 30.0) for _ in range(2)] == [30.0, 30.0]
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"


def test_a_key_lets_in() -> None:
    """Whoever has shown to own one of the account's keys comes in; the event says which key it was."""
    desk = Desk(ALICE)
    assert desk.desk.has_key("alice", BLOB)
    assert not desk.desk.has_key("alice", b"other")
    assert not desk.desk.has_key("bob", BLOB)
    assert desk.login(desk.desk.by_key(SSH, "alice", BLOB)) is None
    fields = desk.events[0].fields
    assert fields["ssh.method"] == "publickey"
    assert fields["ssh.key_type"] == "ssh-ed25519"
    assert fields["ssh.fingerprint"] == fingerprint(BLOB)
    assert desk.told.of(LoggedIn)[0].how == "key alice@pc"
    assert desk.login(desk.desk.by_key(SSH, "alice", b"other")) == 1.0
    assert desk.reason() == "it is none of the account's keys"
    desk.accounts.known["alice"] = replace(ALICE, disabled=True)
    assert desk.login(desk.desk.by_key(SSH, "alice", BLOB)) == 2.0
    assert desk.password(client=SSH, password=b"x") == 4.0
    assert desk.events[-1].fields["ssh.method"] == "password"


def test_a_try_that_went_wrong_before() -> None:
    """The protocol's own refusals are counted, delayed and told like all others."""
    desk = Desk(ALICE)
    assert desk.login(desk.desk.refuse(SSH, "x" * 500, "its signature is wrong")) == 1.0
    assert desk.reason() == "its signature is wrong"
    assert len(str(desk.events[0].fields["user.name"])) == 128


def test_an_anonymous_account_takes_any_password() -> None:
    """People send their mail address, or nothing."""
    desk = Desk(Account("guest", Path("/srv/drop/guest"), anonymous=True))
    assert desk.password("guest", b"me@example.com") is None
    assert desk.password("guest", b"") is None
    assert desk.password("guest", b"", PLAIN) == 1.0


def test_too_many_sessions_are_no_failed_guess() -> None:
    """It is refused as busy, which the rules for guessing leave out, and no delay grows by it."""
    desk = Desk(ALICE)
    desk.full = True
    assert [desk.password(), desk.password()] == [1.0, 1.0]
    assert desk.reason() == "alice has 64 sessions already"
    assert desk.events[-1].fields["gateway.refusal"] == "busy"


def test_too_many_logins_wait() -> None:
    """Where so many wait already, the next is refused as busy, and those that wait are judged."""
    desk = Desk(ALICE)
    logins = [desk.desk.by_password(CLIENT, "alice", b"%d" % number) for number in range(MAX_WAITING + 3)]
    for login in logins:
        login.addErrback(lambda _: None)
    assert [event.fields["gateway.refusal"] for event in desk.events] == ["busy"]
    desk.threads.run()
    assert len(desk.events) == MAX_WAITING + 3
    desk.clock.advance(10)


def test_a_crowd_does_not_show_who_has_an_account() -> None:
    """Where too many wait, a name that nobody has is refused as fast as any other."""
    took = []
    for name in ("alice", "bob"):
        desk = Desk(ALICE)
        for number in range(MAX_WAITING + 2):
            desk.desk.by_password(CLIENT, "alice", b"%d" % number).addErrback(lambda _: None)
        logins = [desk.desk.by_password(CLIENT, name, b"x") for _ in range(2)]
        for login in logins:
            login.addErrback(lambda _: None)
        seconds = 0
        while not all(login.called for login in logins):
            desk.clock.advance(1)
            seconds += 1
        took.append(seconds)
    assert took[0] == took[1]


def test_an_account_that_changes_during_its_login() -> None:
    """What counts is how it is when the password has been judged."""
    for changed, reason in (
        (None, "there is no such account"),
        (replace(ALICE, disabled=True), "the account is disabled"),
        (replace(ALICE, password=CHEAP.hash("other")), "the password was changed meanwhile"),
    ):
        desk = Desk(ALICE)
        login = desk.desk.by_password(CLIENT, "alice", PASSWORD)
        desk.accounts.known = {} if changed is None else {"alice": changed}
        assert desk.login(login) == 1.0
        assert desk.reason() == reason


def test_a_weak_hash_is_told_once() -> None:
    """The operator is asked to renew it; it works."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.I).hash(PASSWORD)
    desk = Desk(replace(ALICE, password=weak))
    assert [desk.password(), desk.password()] == [None, None]
    assert desk.told.of(PasswordHashOld) == [PasswordHashOld("alice")]


def test_a_bug_lets_nobody_in() -> None:
    """What cannot be judged is refused and told, without what was in it."""
    desk = Desk(Account("alice", FOLDER, external=True))

    def broken(name: str, password: bytes, client: Client) -> Deferred[bool]:
        raise ValueError(f"cannot take {password!r}")

    desk.desk.check_external = broken
    assert desk.password() == 1.0
    (bug,) = desk.told.of(LoginBroken)
    assert "ValueError in broken" in bug.problem
    assert desk.events[-1].fields["gateway.refusal"] == "broken"
    assert "horse" not in "".join(desk.told.lines())


def test_a_client_that_leaves_is_not_judged() -> None:
    """A login that is cancelled opens no session, and is no bug."""
    desk = Desk(ALICE)
    login = desk.desk.by_password(CLIENT, "alice", PASSWORD)
    login.addErrback(lambda _: None)
    login.cancel()
    desk.threads.run()
    assert not desk.opened
    assert not desk.told


# The checker


def checked(run: Callable[[Attempt], Deferred[Outcome]]) -> Desk:
    """Return a desk whose account is judged by a checker."""
    desk = Desk(Account("alice", FOLDER, external=True))
    desk.desk.check_external = external_check(run)
    return desk


@pytest.mark.parametrize(
    ("outcome", "delay", "reason"),
    [
        (Outcome("x", Ending.EXITED, 0), None, None),
        (Outcome("x", Ending.EXITED, 1), 1.0, "wrong password"),
        (Outcome("x", Ending.EXITED, 2, stderr=b"correct horse"), 1.0, "wrong password"),
        (Outcome("x", Ending.EXITED, 51), 1.0, "the checker did not judge the password"),
        (
            Outcome("x", Ending.TIMED_OUT, error="it ran longer than 10 s"),
            1.0,
            "the checker did not judge the password",
        ),
        (Outcome("x", Ending.CONFIRMED), 1.0, "the checker did not judge the password"),
    ],
)
def test_the_checker_judges(outcome: Outcome, delay: float | None, reason: str | None) -> None:
    """Exit code 0 lets in, others below 50 do not; what it could not judge is told to the operator."""
    asked: list[Attempt] = []

    def run(attempt: Attempt) -> Deferred[Outcome]:
        asked.append(attempt)
        return succeed(outcome)

    desk = checked(run)
    assert desk.password() == delay
    assert desk.reason() == reason
    assert (asked[0].task, asked[0].key) == (CHECKER, ())
    assert bool(desk.told.of(CheckerFailed)) is (reason is not None and "judge" in reason)
    assert "horse" not in "".join(desk.told.lines()) + str(desk.events)


@pytest.mark.parametrize("password", [b"a\nb", b"a\0b", b"a\r"])
def test_a_password_that_is_no_line_is_wrong(password: bytes) -> None:
    """It is not even asked about: what comes after a newline would be another answer."""
    asked: list[Attempt] = []
    desk = checked(lambda attempt: succeed(asked.append(attempt)))  # type: ignore[arg-type, func-returns-value]
    assert desk.password(password=password) == 1.0
    assert not asked


@pytest.mark.parametrize("password", [b"correct horse", b"\xff\xfe", "Füße".encode(), b"${user.name} '"])
def test_the_checker_reads_two_lines_and_nothing_else_has_them(password: bytes) -> None:
    """The octets come through the runner's protocol as they were; the environment has none of them."""
    attempt = attempt_of("alice", password)
    start = read_request(request_line(Start(attempt.id, attempt.task, attempt.rule, attempt.key, attempt.event)))
    assert isinstance(start, Start)
    assert lines_of(start.fields, CHECKER_LINES) == b"alice\n" + password + b"\n"
    task = Task(CHECKER, ("check",), lines=CHECKER_LINES)
    variables = environment(task, start, Identity("nobody", "/"))
    text = password.decode("utf-8", "surrogateescape")
    assert not any(text in value or "alice" in value for value in variables.values())
    assert not any("USER" in name for name in variables if name.startswith("GATEWAY_"))
    assert attempt.id != attempt_of("alice", password).id


def test_a_line_that_is_none_is_refused() -> None:
    """The runner does not start a program with lines that are not what was asked for."""
    for fields in ({}, {"user.name": "a\nb"}, {"user.name": 7}):
        with pytest.raises(StartError):
            lines_of(cast("Any", fields), ("user.name",))


def test_what_is_no_judgement() -> None:
    """The words name what happened, never what the program wrote."""
    with pytest.raises(CheckerError, match="it ended with exit code 75"):
        judge(Outcome("x", Ending.EXITED, 75, stdout=b"secret"))
    with pytest.raises(CheckerError, match="it was lost"):
        judge(Outcome("x", Ending.LOST))
