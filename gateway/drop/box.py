"""The drop box: opens sessions, finishes at the start what was interrupted, and tidies up every minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, tzinfo
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.accounts.logins import comes_from
from gateway.checks.signers import Signers
from gateway.drop.account import Account, Demand
from gateway.drop.locker import Feed, Journal, Locker, Reactor, Surroundings
from gateway.drop.recovery import recover
from gateway.drop.retention import expire
from gateway.drop.session import BoxSession
from gateway.drop.visit import Client, LoginRefused, Refusal, Refused
from gateway.drop_config import DropSettings
from gateway.notice import Notify
from gateway.notices.drop import FilesExpired, FolderTrouble, SessionEnded

Steps = Generator[Deferred[Any], Any, None]


def utc(_: str) -> tzinfo:
    """Take time stamps without zone as UTC."""
    return UTC


class Box:
    """What the drop box's protocols put files into.

    Args:
        settings: where its folders are, and for how long what is kept.
        pool: for all that blocks; as many threads as there are, as many files come to disk at a time.
        reactor: provides time, and the way back from threads.
        journal: where events go; the pipeline.
        bookmarks: returns those in the journal whose names begin so.
        accounts: returns all accounts.
        notify: takes what is to be told.
        now: the wall clock, in seconds since 1970.
        feed: where the lines of uploaded logs go.
        signers: where the keys of those who may sign are read.
        zone_of: the zone of time stamps in logs that come through a source.
    """

    def __init__(
        self,
        settings: DropSettings,
        pool: ThreadPool,
        reactor: Reactor,
        journal: Journal,
        bookmarks: Callable[[str], Deferred[dict[str, str]]],
        accounts: Callable[[], Iterable[Account]],
        notify: Notify,
        now: Callable[[], float],
        *,
        feed: Feed,
        signers: Signers,
        zone_of: Callable[[str], tzinfo] = utc,
    ) -> None:
        self._settings = settings
        self._around = Surroundings(
            pool,
            reactor,
            journal,
            bookmarks,
            notify,
            now,
            feed,
            lambda: self._settings.folder,
            accounts,
            zone_of,
            signers,
        )
        self._lockers: dict[str, Locker] = {}
        self._opening: dict[str, list[Deferred[Locker]]] = {}
        self._sessions: Counter[str] = Counter()
        self._open: set[BoxSession] = set()
        self._sweeping = False
        self._stopped = False

    @inlineCallbacks
    def start(self) -> Steps:
        """Finish what the gateway's end has interrupted; sessions on a folder wait for that. Never fails."""
        for account in tuple(self._around.accounts()):
            yield self._locker(account).addErrback(_told)

    def open(self, account: Account, client: Client) -> BoxSession:
        """Open a session.

        Raises:
            LoginRefused: the account has as many as it may have, or the gateway stops.
        """
        if self._stopped:
            raise LoginRefused("the gateway is stopping")
        if self._sessions[account.name] >= account.terms.sessions:
            raise LoginRefused(f"the account has {account.terms.sessions} sessions already")
        self._sessions[account.name] += 1

        def left() -> None:
            self._open.discard(session)
            self._sessions[account.name] -= 1
            if not self._sessions[account.name]:
                del self._sessions[account.name]

        session = BoxSession(account, client, lambda: self._locker(account), left)
        self._open.add(session)
        return session

    def judge_again(self) -> None:
        """End the sessions whose accounts let them in no longer; the others go on with what their accounts are now."""
        accounts = {account.name: account for account in self._around.accounts()}
        for session in tuple(self._open):
            former, client = session.account, session.client
            account = accounts.get(former.name)
            problem = change_against(former, account, client, self._around.now())
            if problem is not None:
                self._around.notify(SessionEnded(former.name, client.address, problem))
                session.dismiss(problem)
            elif account is not None:
                session.account = account

    def follow(self, settings: DropSettings) -> None:
        """Go on with other settings."""
        self._settings = settings

    @inlineCallbacks
    def sweep(self) -> Steps:
        """Do what is due: files that have waited for long enough, retention, events that could not be kept."""
        if self._sweeping or self._stopped:
            return
        self._sweeping = True
        try:
            for account in tuple(self._around.accounts()):
                yield self._locker(account).addErrback(_told)
            for locker in tuple(self._lockers.values()):
                yield from self._sweep_locker(locker)
            yield from self._expire()
        finally:
            self._sweeping = False

    @inlineCallbacks
    def stop(self) -> Steps:
        """Open no more sessions, abort what is not whole, and fire when all that was is finished."""
        self._stopped = True
        for session in tuple(self._open):
            session.leave()
        for locker in tuple(self._lockers.values()):
            yield locker.stopped()
            yield locker.forget()

    # Lockers.

    def _locker(self, account: Account) -> Deferred[Locker]:
        """Return an account's locker, once what was interrupted there is finished."""
        path = str(account.folder)
        if path in self._lockers:
            return succeed(self._lockers[path])
        waiting: Deferred[Locker] = Deferred()
        self._opening.setdefault(path, []).append(waiting)
        if len(self._opening[path]) == 1:
            self._open_locker(account).addErrback(lambda failure: self._opened(path, failure))
        return waiting

    @inlineCallbacks
    def _open_locker(self, account: Account) -> Steps:
        path, around = str(account.folder), self._around
        locker = Locker(account.folder, around)
        try:
            names = {each.name for each in around.accounts() if str(each.folder) == path} | {account.name}
            uploads: dict[str, str] = {}
            logs: dict[str, str] = {}
            for name in sorted(names):
                uploads |= yield around.bookmarks(f"upload/{name}/")
                logs |= yield around.bookmarks(f"log/{name}/")
            yield recover(locker, uploads, logs, names)
        except Refused:
            raise  # told
        except Exception as error:  # noqa: BLE001 -- the journal's, most likely; the next try may do better
            locker.trouble(f"{type(error).__name__}: {error}")
            raise Refused(Refusal.BROKEN, "the server cannot do this now; its log says why") from None
        self._lockers[path] = locker
        self._opened(path, locker)

    def _opened(self, path: str, result: Locker | Failure) -> None:
        for waiting in self._opening.pop(path, ()):
            waiting.callback(result)

    # What is due.

    def _sweep_locker(self, locker: Locker) -> Steps:
        for record in tuple(locker.unreported.values()):
            yield locker.retry(record).addErrback(_told)
        for record in tuple(locker.arrivals.held.values()):
            checks = self._around.terms_of(record.account).checks
            if self._around.now() - record.received >= checks.wait:
                wanted = "checksum" if checks.checksum is Demand.REQUIRED else "signature"
                yield locker.release(record.id, f"no {wanted} came within {_long(checks.wait)}").addErrback(_told)
        yield locker.forget()

    def _expire(self) -> Steps:
        root = self._settings.folder
        for relative, seconds in sorted(self._settings.retention.items()):
            before = self._around.now() - seconds
            try:
                files: int = yield self._around.in_thread(expire, root, relative, before)
            except OSError as error:
                self._around.notify(FolderTrouble(str(root / relative), f"retention: {error.strerror}"))
                continue
            if files:
                self._around.notify(FilesExpired(str(root / relative), files, seconds))


def change_against(former: Account, account: Account | None, client: Client, now: float) -> str | None:
    """Say why an account no longer lets in a client that it has let in: what comes behind "the account"; None: it does.

    More or fewer rights, another quota and the like end no session; what may have let in the wrong one does.

    Args:
        former: as it was when the client was let in.
        account: as it is now; None: there is none any more.
        client: whom it has let in.
        now: seconds since 1970.
    """
    if account is None:
        return "was removed"
    secrets, before = ((each.password, each.external, each.anonymous) for each in (account, former))
    plain = not (client.encrypted or client.may_be_plain or account.terms.plain)
    found = (
        (account.disabled, "was disabled"),
        (account.expires is not None and account.expires <= now, "has expired"),
        (account.folder != former.folder, "has another folder"),
        (secrets != before, "has another password"),
        (bool(former.keys.keys() - account.keys.keys()), "has lost a key"),
        (not comes_from(client.address, account.networks), "is not for this address"),
        (plain, "is for encrypted connections only"),
    )
    return next((problem for is_so, problem in found if is_so), None)


def _told(failure: Failure) -> None:
    """Go on: it was told."""
    failure.trap(Refused)


def _long(seconds: float) -> str:
    """Say how long that is: `1h`, `90s`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"
