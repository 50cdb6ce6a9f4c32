"""The accounts in use: those of the accounts file, read again when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gateway.accounts.accounts_file import AccountsFile, read_accounts
from gateway.drop.account import Account
from gateway.drop_config import DropSettings
from gateway.files import stamp_of
from gateway.notice import Notice, Notify
from gateway.notices.logins import AccountsDoubtful, AccountsGone, AccountsKept, AccountsRead, NoAccounts
from gateway.zone import local_zone

Stamp = tuple[int, int, int]


class Accounts:
    """Knows who has an account; knows nobody before the first `poll`.

    Args:
        settings: where the accounts file is, and what accounts have that do not say otherwise.
        notify: told what was read, and once of each thing that is wrong.
        zone: in which `expires: 2027-01-31` is meant.
    """

    def __init__(self, settings: DropSettings, notify: Notify, zone: Callable[[], tzinfo] = local_zone) -> None:
        self._settings = settings
        self._notify = notify
        self._zone = zone
        self._stamp: Stamp | None = None
        self._there = False
        self._accounts: Mapping[str, Account] = {}
        self._told: frozenset[str] = frozenset()

    @property
    def settings(self) -> DropSettings:
        """The drop box's settings as they are now."""
        return self._settings

    def find(self, name: str) -> Account | None:
        """Return the account of a name, disabled and expired ones too."""
        return self._accounts.get(name)

    def all(self) -> tuple[Account, ...]:
        """Return all accounts, in the order of the file."""
        return tuple(self._accounts.values())

    def follow(self, settings: DropSettings) -> frozenset[str]:
        """Go on with other settings; return as `poll` does."""
        if settings != self._settings:
            self._there = self._there and settings.accounts == self._settings.accounts
            self._settings = settings
            self._stamp = None
        return self.poll()

    def poll(self) -> frozenset[str]:
        """Read the file again if it has changed.

        It takes 0.1 s for 1,000 accounts, and next to nothing when nothing has changed.

        Returns:
            Names of the accounts that were there before and are no more, or are not as they were.
        """
        return self._take(self._read(self._settings))

    def poll_in_thread(self, reactor: Any, pool: ThreadPool) -> Deferred[frozenset[str]]:
        """Do what `poll` does, with the reading in a thread; to be called every few seconds."""
        settings = self._settings
        reading = deferToThreadPool(reactor, pool, self._read, settings)
        return reading.addCallback(lambda read: self._take(read) if settings is self._settings else frozenset())

    def _read(self, settings: DropSettings) -> tuple[Stamp, AccountsFile] | None:
        """Read the file; None when it is as it was. What was written while it was read is read the next time."""
        stamp = stamp_of(settings.accounts)
        return None if stamp == self._stamp else (stamp, read_accounts(settings, self._zone()))

    def _take(self, read: tuple[Stamp, AccountsFile] | None) -> frozenset[str]:
        if read is None:
            return frozenset()
        first = self._stamp is None
        self._stamp, found = read
        self._tell(found)
        if found.errors:
            return frozenset()
        former, self._accounts = self._accounts, found.accounts
        file = str(self._settings.accounts)
        was_there, self._there = self._there, not found.missing
        if found.missing and was_there:
            self._notify(AccountsGone(file))
        elif not found.accounts:
            self._notify(NoAccounts(file))
        elif first or former != found.accounts:
            self._notify(AccountsRead(file, len(found.accounts)))
        return frozenset(name for name, account in former.items() if found.accounts.get(name) != account)

    def _tell(self, found: AccountsFile) -> None:
        """Say what is wrong, but not what was said of the file as it was before."""
        said = self._told
        notices: dict[str, Notice] = {str(error): AccountsKept(str(error)) for error in found.errors}
        if not notices:
            notices = {str(warning): AccountsDoubtful(str(warning)) for warning in found.warnings}
        self._told = frozenset(notices)
        for words, notice in notices.items():
            if words not in said:
                self._notify(notice)
