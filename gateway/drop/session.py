"""What one login may do in its folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, inlineCallbacks

from gateway.drop.account import Account, OnConflict, Right
from gateway.drop.arrival import needs_event
from gateway.drop.download import BoxDownload
from gateway.drop.folder import entry_of
from gateway.drop.locker import Locker
from gateway.drop.names import way_problem
from gateway.drop.part import Part, new_id
from gateway.drop.placing import TAKEN
from gateway.drop.record import Record, Standing
from gateway.drop.upload import BoxUpload, tell_failed
from gateway.drop.visit import Client, Download, Entry, Refusal, Refused, Upload, Way

P = ParamSpec("P")
T = TypeVar("T")
Steps = Generator[Deferred[Any], Any, T]

MAX_REMEMBERED = 1000
"""Files that a session may still look at and whose time it may change: clients do so right after each upload."""

NOTHING = "there is no such file or folder"


class BoxSession:
    """A login; see `gateway.drop.visit.Session`.

    Args:
        account: whose it is.
        client: who is at the other end.
        locker: fires with the account's, once what was interrupted there is finished.
        left: called when the session is over.
    """

    def __init__(
        self, account: Account, client: Client, locker: Callable[[], Deferred[Locker]], left: Callable[[], None]
    ) -> None:
        self.account = account
        self.client = client
        self.dismissed: Callable[[str], None] | None = None
        self._locker = locker
        self._left: Callable[[], None] | None = left
        self._uploads: set[BoxUpload] = set()
        self._uploaded: dict[Way, Entry] = {}  # also by the name that was asked for, where it got another

    @inlineCallbacks
    def upload(self, way: Way, *, unique: bool = False) -> Steps[Upload]:
        """Begin a file; see `Session`."""
        locker: Locker = yield self._locker()
        try:
            self._allow(Right.UPLOAD)
            self._check(way, root=False)
            begun: tuple[Part, Way, OnConflict] = yield locker.in_thread(self._begin, locker, way, unique)
        except Refused as refused:
            tell_failed(locker, self.account.name, self.client, way, refused)
            raise
        part, given, on_conflict = begun

        def ended(upload: BoxUpload, entry: Entry | None) -> None:
            self._uploads.discard(upload)
            if entry is not None:
                self._remember(way, entry)

        upload = BoxUpload(locker, self.account, self.client, part, way, given, on_conflict, ended)
        self._uploads.add(upload)
        if self._left is None:
            upload.abort("the connection was lost")
        return upload

    @inlineCallbacks
    def read(self, way: Way) -> Steps[Download]:
        """Open a file to be read; see `Session`."""
        self._allow(Right.READ)
        self._check(way, root=False)
        locker: Locker = yield self._locker()
        descriptor: int = yield locker.in_thread(locker.folder.open_file, way)
        return BoxDownload(locker, descriptor, os.fstat(descriptor).st_size)

    @inlineCallbacks
    def entries(self, way: Way) -> Steps[Sequence[Entry]]:
        """Return what is in a folder; see `Session`."""
        self._check(way)
        locker: Locker = yield self._locker()
        if Right.LIST in self.account.terms.rights:
            listed: list[Entry] = yield locker.in_thread(locker.folder.entries, way)
            return listed
        found: Entry | None = yield locker.in_thread(locker.folder.entry, way)
        if found is None or not found.is_folder:
            raise Refused(Refusal.MISSING, NOTHING)
        return []

    @inlineCallbacks
    def entry(self, way: Way) -> Steps[Entry]:
        """Return one entry; see `Session`."""
        self._check(way)
        locker: Locker = yield self._locker()
        found: Entry | None = yield locker.in_thread(locker.folder.entry, way)
        if found is None or not (found.is_folder or self.account.terms.rights & {Right.LIST, Right.READ}):
            raise Refused(Refusal.MISSING, NOTHING)
        return found

    def uploaded(self, way: Way) -> Entry | None:
        """Return what this session has uploaded; see `Session`. Who may look at files sees those that are there."""
        if self.account.terms.rights & {Right.LIST, Right.READ}:
            return None
        return self._uploaded.get(way)

    @inlineCallbacks
    def set_modified(self, way: Way, modified: float) -> Steps[None]:
        """Give a file that this session has uploaded another time of modification; see `Session`."""
        self._check(way, root=False)
        if way not in self._uploaded:
            raise Refused(Refusal.DENIED, "only a file that was uploaded in this session can get another time")
        entry = self._uploaded[way]
        locker: Locker = yield self._locker()
        yield locker.in_thread(locker.folder.set_modified, (*way[:-1], entry.name), modified)
        self._remember(way, replace(entry, modified=modified))

    @inlineCallbacks
    def make_folder(self, way: Way) -> Steps[None]:
        """Make a folder; see `Session`."""
        self._allow(Right.FOLDERS)
        self._check(way, root=False)
        locker: Locker = yield self._locker()
        if locker.arrivals.claims.taken(way):
            raise Refused(Refusal.TAKEN, TAKEN)
        yield locker.in_thread(locker.folder.make_folder, way)

    @inlineCallbacks
    def remove_folder(self, way: Way) -> Steps[None]:
        """Remove an empty folder; see `Session`."""
        self._allow(Right.FOLDERS)
        self._check(way, root=False)
        locker: Locker = yield self._locker()
        yield locker.in_thread(locker.folder.remove_folder, way)

    @inlineCallbacks
    def delete(self, way: Way) -> Steps[None]:
        """Delete a file; see `Session`."""
        self._allow(Right.DELETE)
        self._check(way, root=False)
        locker: Locker = yield self._locker()
        octets: int = yield locker.in_thread(locker.folder.delete, way)
        locker.usage.gone(octets)
        self._uploaded.pop(way, None)

    @inlineCallbacks
    def rename(self, old: Way, new: Way) -> Steps[None]:
        """Give a file another name; see `Session`."""
        self._check(old, root=False)
        self._check(new, root=False)
        locker: Locker = yield self._locker()
        record: Record | None = yield locker.in_thread(self._rename, locker, old, new)
        self._uploaded.pop(old, None)
        if record is not None:
            record = yield locker.counted(locker.conclude(record, self.account.terms))
            if record.standing is Standing.REJECTED:
                raise Refused(Refusal.FAILED_CHECK, record.problem)
            self._remember(new, Entry(record.way[-1], False, record.size, record.modified or record.received))

    def dismiss(self, problem: str) -> None:
        """End it, because its account lets it in no longer."""
        if self.dismissed is not None:
            self.dismissed(f"the account {problem}")
        self.leave()

    def leave(self) -> None:
        """Have no more of it: uploads that are not finished are aborted."""
        if self._left is not None:
            left, self._left = self._left, None
            for upload in tuple(self._uploads):
                upload.abort("the connection was lost")
            left()

    # In a thread.

    def _begin(self, locker: Locker, way: Way, unique: bool) -> tuple[Part, Way, OnConflict]:
        terms, arrivals = self.account.terms, locker.arrivals
        on_conflict = OnConflict.RENAME if unique else terms.on_conflict
        identity = new_id()
        given = way
        with locker.folder.at(way[:-1]):
            pass  # it is there
        found = locker.folder.found(way)
        if not needs_event(terms, way) and not unique:
            if found is not None and not stat.S_ISREG(found.st_mode):
                raise Refused(Refusal.TAKEN, TAKEN)
        elif on_conflict is OnConflict.RENAME:
            if locker.repeatable(way) is None:
                given = arrivals.placing.claim_other(way, identity)
        elif found is not None or arrivals.claims.taken(way):
            replaces = found is not None and stat.S_ISREG(found.st_mode) and on_conflict is OnConflict.REPLACE
            if locker.repeatable(way) is None and (not replaces or arrivals.claims.taken(way)):
                raise Refused(Refusal.TAKEN, TAKEN)
        locker.around.live.add(identity)  # before there is anything of it
        try:
            return Part(locker.folder, identity, terms, locker.usage), given, on_conflict
        except BaseException:
            locker.end(identity)
            raise

    def _rename(self, locker: Locker, old: Way, new: Way) -> Record | None:
        """Rename; return the record of a file that becomes an event by that."""
        account, folder = self.account, locker.folder
        found = folder.found(old)
        entry = None if found is None else entry_of(old[-1], found)
        if entry is None:
            raise Refused(Refusal.MISSING, NOTHING)
        unfinished = not entry.is_folder and not needs_event(account.terms, old)
        becomes_event = unfinished and needs_event(account.terms, new)
        if unfinished:
            self._allow(Right.UPLOAD)
        else:
            self._allow(Right.RENAME)
            if entry.is_folder:
                self._allow(Right.FOLDERS)
            elif not needs_event(account.terms, new):
                raise Refused(Refusal.NAME, "a file that was whole cannot get the name of one that is not")
        if not becomes_event:
            if locker.arrivals.claims.taken(new):
                raise Refused(Refusal.TAKEN, TAKEN)
            folder.move(old, new)
            return None
        record = Record(
            new_id(),
            account.name,
            new,
            new,
            self.client,
            0,  # what is taken from the name is described then
            "",
            None,
            locker.around.now(),
            account.terms.on_conflict,
            fields=dict(self.client.fields),
        )
        locker.around.live.add(record.id)
        try:
            return locker.arrivals.rename(old, record, account.terms.checks)
        except BaseException:
            locker.end(record.id)
            raise

    # What is allowed.

    def _allow(self, right: Right) -> None:
        if right not in self.account.terms.rights:
            raise Refused(Refusal.DENIED, "the account may not do this")
        if self._left is None:
            raise Refused(Refusal.CUT, "the connection was lost")

    def _check(self, way: Way, *, root: bool = True) -> None:
        if not way and not root:
            raise Refused(Refusal.NAME, "this is the root folder")
        if problem := way_problem(way):
            raise Refused(Refusal.NAME, problem)

    def _remember(self, asked: Way, entry: Entry) -> None:
        for way in {asked, (*asked[:-1], entry.name)}:
            self._uploaded[way] = entry
        while len(self._uploaded) > MAX_REMEMBERED:
            del self._uploaded[next(iter(self._uploaded))]
