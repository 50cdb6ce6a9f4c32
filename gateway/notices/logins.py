"""What accounts and logins of the drop box have to tell."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class LoggedIn(Notice):
    """Somebody came in."""

    words = "{source}: {account} logged in from {address} ({how})"
    source: str
    account: str
    address: str
    how: str


@dataclass(frozen=True, slots=True)
class LoginFailed(Notice):
    """Somebody was not let in; the client was not told why."""

    level = "warn"
    words = "{source}: login as {account} from {address} refused: {problem}"
    source: str
    account: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class LoginBroken(Notice):
    """A login could not be judged, and was refused: a bug of ours."""

    level = "critical"
    words = "{source}: login as {account} was refused, for it could not be judged (a bug of ours): {problem}"
    source: str
    account: str
    problem: str


@dataclass(frozen=True, slots=True)
class CheckerFailed(Notice):
    """The program that judges passwords did not answer yes or no."""

    level = "error"
    words = "{source}: {account} was refused, for the drop box's checker did not judge the password: {problem}"
    source: str
    account: str
    problem: str


@dataclass(frozen=True, slots=True)
class PasswordHashOld(Notice):
    """A right password's hash has other parameters than new ones get."""

    words = "the password of {account} is hashed in an old way; `gateway account password {account}` renews that"
    account: str


@dataclass(frozen=True, slots=True)
class AccountsRead(Notice):
    """The accounts file was read, at the start or because it has changed."""

    words = "{file}: {count:account} of the drop box in use"
    file: str
    count: int


@dataclass(frozen=True, slots=True)
class NoAccounts(Notice):
    """There is a drop box, and nobody has an account."""

    level = "warn"
    words = "{file} has no accounts, so that nobody can log in to the drop box; `gateway account add NAME` makes one"
    file: str


@dataclass(frozen=True, slots=True)
class AccountsGone(Notice):
    """The accounts file was there, and is no more: all accounts went with it."""

    level = "error"
    words = "{file} is gone, so that nobody can log in to the drop box any more; put it back, from a backup say"
    file: str


@dataclass(frozen=True, slots=True)
class AccountsKept(Notice):
    """The accounts file has an error; what was read before stays in use."""

    level = "error"
    words = "the accounts in use stay: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class AccountsDoubtful(Notice):
    """The accounts file loads, and something in it is probably not meant."""

    level = "warn"
    words = "{problem}"
    problem: str
