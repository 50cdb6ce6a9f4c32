"""Logins: who is let into the drop box, and how long a refusal takes; the protocols only carry the question."""

from __future__ import annotations

import traceback
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import Any, Protocol

from argon2 import PasswordHasher
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.threadpool import ThreadPool

from gateway.accounts.accounts import Accounts
from gateway.accounts.checker import CheckerError, CheckExternal
from gateway.accounts.passwords import Passwords, TooManyWaitError
from gateway.accounts.public_keys import blob_type, fingerprint
from gateway.addresses import parse_address
from gateway.drop.account import Account
from gateway.drop.visit import Client, LoginRefused, Refusal, Session
from gateway.notice import Notify
from gateway.notices.logins import CheckerFailed, LoggedIn, LoginBroken, LoginFailed, PasswordHashOld
from parsers.event import FieldValue
from parsers.message import Message, Origin, Trust
from rules.condition import Network
from rules.own_events import DROP, own_message

ACTION = "drop-login"
"""`event.action` of each try."""

MAX_DELAY = 10.0
"""Seconds that a refusal takes at most, unless the first one takes longer already."""

FORGETFUL = 60.0
"""Seconds after which an address that sent no further wrong password begins anew."""

MAX_ADDRESSES = 10_000
"""Addresses whose failures are remembered; beyond it, those that failed longest ago are forgotten."""

MAX_SHOWN_NAME = 128
"""Characters of a name that a stranger made up, in events and in the log."""


class Report(Protocol):
    """Tells the rules of an event of our own; the journal keeps it where a rule counts it."""

    def __call__(self, message: Message, *, keep: bool) -> Deferred[None]:
        """Tell of one event."""
        ...


class Delays:
    """How long the refusals of an address take: each twice as long as the one before; IPv6 addresses by their /64."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def after_failure(self, address: str, first: float) -> float:
        """Count a failure and return how long it is to take, in seconds."""
        whence, now = network_of(address), self._seconds()
        count, last = self._failures.pop(whence, (0, now))
        if now - last > FORGETFUL:
            count = 0
        self._failures[whence] = (count + 1, now)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        return min(first * 2.0 ** min(count, 30), max(first, MAX_DELAY))


class _No(Exception):  # noqa: N818 -- it is an answer
    """Not let in, and why, for the log and the event."""

    def __init__(self, problem: str, refusal: Refusal = Refusal.DENIED) -> None:
        self.problem = problem
        self.refusal = refusal
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class _Yes:
    """Let in, and by what: words for people, and fields for the event."""

    account: Account
    how: str
    fields: dict[str, FieldValue]


class LoginDesk:
    """Lets clients in (`gateway.drop.visit.Logins`).

    Args:
        accounts: who has an account.
        open_session: begins a session; raises LoginRefused where the account has too many.
        report: is told of each try.
        reactor: provides time, and is where threads report.
        pool: in its threads passwords are judged.
        notify: told of each try too.
        now: seconds since 1970.
        check_external: judges the passwords of `external` accounts.
        hasher: how passwords are hashed.
    """

    def __init__(
        self,
        accounts: Accounts,
        open_session: Callable[[Account, Client], Session],
        report: Report,
        reactor: Any,
        pool: ThreadPool,
        notify: Notify,
        now: Callable[[], float],
        *,
        check_external: CheckExternal | None = None,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._accounts = accounts
        self._open_session = open_session
        self._report = report
        self._time: IReactorTime = reactor
        self._passwords = Passwords(reactor, pool, hasher)
        self._notify = notify
        self._now = now
        self._delays = Delays(self._time.seconds)
        self._told_weak: set[str] = set()
        self.check_external = check_external

    def by_password(self, client: Client, name: str, password: bytes) -> Deferred[Session]:
        """Let in whoever knows the password."""
        fields: dict[str, FieldValue] = {"ssh.method": "password"} if client.protocol == "sftp" else {}
        return self._judge(client, name, fields, lambda: self._password(client, name, password, fields))

    def has_key(self, name: str, key: bytes) -> bool:
        """Tell whether an account has this key, by its blob; whoever offers it has not shown to own it."""
        account = self._accounts.find(name)
        return account is not None and key in account.keys

    def by_key(self, client: Client, name: str, key: bytes) -> Deferred[Session]:
        """Let in whoever has shown to own this key."""
        fields: dict[str, FieldValue] = {
            "ssh.method": "publickey",
            "ssh.key_type": blob_type(key),
            "ssh.fingerprint": fingerprint(key),
        }
        return self._judge(client, name, fields, lambda: self._key(client, name, key, fields))

    def refuse(self, client: Client, name: str, problem: str) -> Deferred[Session]:
        """Refuse a try that went wrong before it came to a password or key: a bad signature, no encryption."""

        def no() -> _Yes:
            raise _No(problem)

        return self._judge(client, name, {}, no)

    @inlineCallbacks
    def _judge(
        self,
        client: Client,
        name: str,
        fields: dict[str, FieldValue],
        judgement: Callable[[], _Yes | Deferred[_Yes]],
    ) -> Generator[Deferred[Any], Any, Session]:
        """Come to a judgement, tell of it, and let it take its time."""
        began = self._time.seconds()
        try:
            yes: _Yes = yield maybeDeferred(judgement)
            session = self._enter(yes.account, client)
        except _No as no:
            answer = no
        except CancelledError:
            raise  # the client is gone
        except Exception as error:  # noqa: BLE001 -- whatever it is, it must not let anybody in, nor tell the password
            where = traceback.extract_tb(error.__traceback__)[-1]
            words = f"{type(error).__name__} in {where.name}, line {where.lineno}"
            self._notify(LoginBroken(client.source, _cut(name), words))
            answer = _No("it could not be judged", Refusal.BROKEN)
        else:
            self._notify(LoggedIn(client.source, name, client.address, yes.how))
            self._tell(client, name, "success", f"{name} logged in from {client.address} ({yes.how})", yes.fields)
            return session
        yield self._refused(client, name, answer, fields, began)
        raise LoginRefused

    @inlineCallbacks
    def _password(
        self, client: Client, name: str, password: bytes, fields: dict[str, FieldValue]
    ) -> Generator[Deferred[Any], Any, _Yes]:
        try:
            account = self._account(client, name)
            if not (account.password or account.external or account.anonymous):
                raise _No("the account has no password" + (", but keys" if account.keys else ""))
        except _No as no:
            try:  # else time would tell who has an account
                yield self._passwords.check(None, b"", network_of(client.address))
            except TooManyWaitError:
                raise _No(no.problem, Refusal.BUSY) from None
            raise
        if account.anonymous:
            return _Yes(account, "anonymous", fields)
        right = yield self._is_right(account, client, password)
        if not right:
            raise _No("wrong password")
        if self._account(client, name).password != account.password:  # it took a while
            raise _No("the password was changed meanwhile")
        self._tell_weak(account)
        return _Yes(self._account(client, name), "password", fields)

    @inlineCallbacks
    def _is_right(self, account: Account, client: Client, password: bytes) -> Generator[Deferred[Any], Any, bool]:
        try:
            if not account.external:
                right = yield self._passwords.check(account.password, password, network_of(client.address))
            elif self.check_external is None:
                raise _No("there is no checker for it", Refusal.BROKEN)
            else:
                right = yield self.check_external(account.name, password, client)
        except TooManyWaitError:
            raise _No("too many other logins wait to be judged", Refusal.BUSY) from None
        except CheckerError as error:
            self._notify(CheckerFailed(client.source, account.name, str(error)))
            raise _No("the checker did not judge the password", Refusal.BROKEN) from None
        return bool(right)

    def _key(self, client: Client, name: str, key: bytes, fields: dict[str, FieldValue]) -> _Yes:
        account = self._account(client, name)
        if key not in account.keys:
            raise _No("it is none of the account's keys")
        comment = account.keys[key]
        return _Yes(account, f"key {comment}" if comment else f"key {fingerprint(key)}", fields)

    def _account(self, client: Client, name: str) -> Account:
        """Return the account if it may be used in this way now."""
        account = self._accounts.find(name)
        if account is None:
            raise _No("there is no such account")
        if account.disabled:
            raise _No("the account is disabled")
        if account.expires is not None and account.expires <= self._now():
            raise _No("the account has expired")
        address = parse_address(client.address)
        if not comes_from(client.address, account.networks):
            raise _No("the account is not for this address")
        local = address is not None and address.is_loopback
        if not (client.encrypted or client.may_be_plain or local or account.terms.plain):
            raise _No("the connection is not encrypted")
        return account

    def _enter(self, account: Account, client: Client) -> Session:
        try:
            return self._open_session(account, client)
        except LoginRefused as refused:
            raise _No(str(refused) or "too many sessions", Refusal.BUSY) from None

    def _refused(
        self, client: Client, name: str, no: _No, fields: dict[str, FieldValue], began: float
    ) -> Deferred[None]:
        shown = _cut(name)
        self._notify(LoginFailed(client.source, shown, client.address, no.problem))
        words = f"login as {shown} from {client.address} refused: {no.problem}"
        more: dict[str, FieldValue] = {"event.reason": no.problem, "gateway.refusal": no.refusal.value}
        self._tell(client, shown, "failure", words, {**fields, **more})
        delay = self._accounts.settings.delay
        if no.refusal is Refusal.DENIED:
            delay = self._delays.after_failure(client.address, delay)
        left = began + delay - self._time.seconds()
        return deferLater(self._time, max(0.0, left), lambda: None)

    def _tell(self, client: Client, name: str, outcome: str, words: str, more: dict[str, FieldValue]) -> None:
        fields: dict[str, FieldValue] = {
            **client.fields,
            "event.action": ACTION,
            "event.category": "authentication",
            "event.outcome": outcome,
            "event.provider": client.source,
            "network.protocol": client.protocol,
            "user.name": name,
            "source.ip": client.address,
            "source.port": client.port,
            **more,
            "message": words,
        }
        origin = Origin(DROP, Trust.LOCAL, client.address, client.port)  # it is we who say it
        told = self._report(own_message(fields, self._now(), DROP, origin), keep=False)
        told.addErrback(lambda _: None)  # the store says itself what it cannot keep, and a login does not wait for it

    def _tell_weak(self, account: Account) -> None:
        stored = account.password
        if stored is not None and stored not in self._told_weak and self._passwords.is_weak(stored):
            self._told_weak.add(stored)
            self._notify(PasswordHashOld(account.name))


def _cut(name: str) -> str:
    return name if len(name) <= MAX_SHOWN_NAME else name[: MAX_SHOWN_NAME - 1] + "…"


def comes_from(address: str, networks: Collection[Network]) -> bool:
    """Tell whether an address is one that an account may come from; without networks each is."""
    found = parse_address(address)
    return not networks or any(found in network for network in networks if found)


def network_of(address: str) -> str:
    """Return who stands behind an address: of IPv6 the /64, for whoever has one of its addresses has them all."""
    found = parse_address(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found) >> 64 << 64, 64)))
    return address if found is None else str(found)
