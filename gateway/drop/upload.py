"""An upload under way: octets wait for the disk, within limits, and become a file when the client says so."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.python.failure import Failure

from gateway.drop.account import Account, OnConflict
from gateway.drop.arrival import needs_event
from gateway.drop.events import failed_event
from gateway.drop.locker import Locker
from gateway.drop.names import shown
from gateway.drop.part import Part
from gateway.drop.record import Record, Standing
from gateway.drop.visit import Client, Entry, Refusal, Refused, Way
from gateway.notice import host_port
from gateway.notices.drop import UploadFailed, UploadNotKept

T = TypeVar("T")
Steps = Generator[Deferred[Any], Any, T]

MAX_WAITING = 4 * 1024**2
"""Octets of one upload that wait for the disk. It keeps a thread busy for some milliseconds; from there on the client
is not read until half of it is written."""

MAX_ALL_WAITING = 128 * 1024**2
"""Octets of all uploads together that wait for the disk: with more than 32 at a time each has a smaller share."""

LUMP = 64 * 1024
"""Octets below which nothing is written before the end: small files come to disk in one go."""

PIECE = 128
"""Octets that a piece costs beside its own."""

_KINDS: Mapping[Refusal, type[UploadFailed]] = {
    Refusal.QUOTA: UploadNotKept,
    Refusal.TOO_LARGE: UploadNotKept,
    Refusal.FULL: UploadNotKept,
    Refusal.BROKEN: UploadNotKept,
}
"""What is told of an upload that its client is not to blame for."""


class BoxUpload:
    """A file on its way in; see `gateway.drop.visit.Upload`.

    Args:
        locker: where it goes.
        account: whose it is.
        client: who sends it.
        part: where it is written.
        asked: what the client calls it.
        way: the name it gets.
        on_conflict: what is done when that is taken.
        ended: called once, when nothing more comes of it, with the file that it is now, or None.
    """

    def __init__(
        self,
        locker: Locker,
        account: Account,
        client: Client,
        part: Part,
        asked: Way,
        way: Way,
        on_conflict: OnConflict,
        ended: Callable[[BoxUpload, Entry | None], None],
    ) -> None:
        self.way = way
        self._locker = locker
        self._account = account
        self._client = client
        self._part = part
        self._asked = asked
        self._on_conflict = on_conflict
        self._ended = self._counted(ended)
        self._modified: float | None = None
        self._pieces: list[tuple[bytes, int | None]] = []
        self._waiting = 0
        self._waiters: list[Deferred[None]] = []
        self._writing = False
        self._idle: list[Deferred[None]] = []
        self._over = False  # nothing more may come
        self._refused: Refused | None = None
        self._removed: Deferred[None] | None = None
        self._left = False

    def write(self, data: bytes, offset: int | None = None) -> Deferred[None] | None:
        """Take octets for a place in the file; see `Upload`."""
        if self._refused is not None:
            return fail(self._refused)
        if self._over:
            return fail(Refused(Refusal.CUT, "the upload is over"))
        self._pieces.append((data, offset))
        self._waiting += len(data) + PIECE
        if self._waiting < LUMP:
            return None
        self._write()
        if self._waiting <= self._room:
            return None
        self._waiters.append(Deferred())
        return self._waiters[-1]

    @property
    def _room(self) -> int:
        """How many octets may wait; half of it is always enough for a write to begin."""
        return max(min(MAX_WAITING, MAX_ALL_WAITING // max(self._locker.around.uploads, 1)), 2 * LUMP)

    def set_modified(self, modified: float) -> None:
        """Give the file this time of modification, once it is whole; in seconds since 1970."""
        self._modified = modified

    def finish(self) -> Deferred[Entry]:
        """Say that this was all; see `Upload`."""
        if self._refused is not None:
            return fail(self._refused)
        if self._over:
            return fail(Refused(Refusal.CUT, "the upload is over"))
        self._over = True
        return self._locker.counted(self._finish())

    def abort(self, problem: str) -> Deferred[None]:
        """Have nothing of it; see `Upload`. What was said to be all goes on, but its client may not hear of it."""
        self._left = True
        if self._over:
            return self._removed or succeed(None)
        return self._break(Refused(Refusal.CUT, problem))

    def _counted(self, ended: Callable[[BoxUpload, Entry | None], None]) -> Callable[[BoxUpload, Entry | None], None]:
        """Count this upload among those under way until it has ended."""
        around = self._locker.around
        around.uploads += 1

        def end(upload: BoxUpload, entry: Entry | None) -> None:
            around.uploads -= 1
            ended(upload, entry)

        return end

    # To the disk.

    def _write(self) -> None:
        if self._writing or not self._pieces:
            return
        pieces, self._pieces = self._pieces, []
        self._writing = True
        octets = sum(len(data) + PIECE for data, _ in pieces)
        self._locker.in_thread(self._part.write, pieces).addBoth(self._written, octets)

    def _written(self, result: object, octets: int) -> None:
        self._writing = False
        self._waiting -= octets
        if isinstance(result, Failure):
            self._break(_refused(result))
        elif self._waiting >= LUMP and not self._over:
            self._write()
        if self._waiting <= self._room // 2:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                waiter.callback(None)
        if not self._writing:
            idle, self._idle = self._idle, []
            for each in idle:
                each.callback(None)

    def _when_idle(self) -> Deferred[None]:
        if not self._writing:
            return succeed(None)
        self._idle.append(Deferred())
        return self._idle[-1]

    # Its end.

    @inlineCallbacks
    def _finish(self) -> Steps[Entry]:
        yield self._when_idle()
        if self._refused is not None:
            raise self._refused
        pieces, self._pieces = self._pieces, []
        record: Record | None = None
        try:
            record, size, repeated = yield self._locker.in_thread(self._complete, pieces)
            if record is not None:
                record = yield from self._conclude(record, repeated)
                if record.standing is Standing.REJECTED:
                    raise Refused(Refusal.FAILED_CHECK, record.problem)
        except Refused as refused:
            self._refused = refused
            self._ended(self, None)
            if record is None or refused.refusal not in {Refusal.FAILED_CHECK, Refusal.BROKEN}:
                self._tell_failed(refused)  # else it is in quarantine, or here and its event is kept later
            raise
        modified = self._locker.around.now() if self._modified is None else self._modified
        entry = Entry(self.way[-1], is_folder=False, size=size, modified=modified)
        self._ended(self, entry)
        return entry

    def _conclude(self, record: Record, repeated: Record | None) -> Steps[Record]:
        locker = self._locker
        self.way = record.way
        if repeated is None:
            try:
                record = yield locker.conclude(record, self._account.terms)
            except Refused:
                locker.acknowledge_later(record)  # it is told to send it again
                raise
            if self._left:
                locker.acknowledge_later(record)
        elif record.id in locker.unreported:
            locker.acknowledge_later(record)
            record = yield locker.retry(locker.unreported[record.id])
            locker.unacknowledged.pop(record.asked, None)
        return record

    def _complete(self, pieces: list[tuple[bytes, int | None]]) -> tuple[Record | None, int, Record | None]:
        """Bring it to its place; return its record (None: unfinished), its size, and that of the file it repeats."""
        part, arrivals, terms = self._part, self._locker.arrivals, self._account.terms
        try:
            part.write(pieces)
            size, sha256 = part.complete(self._modified)
            if not needs_event(terms, self.way):
                arrivals.unfinished(part, self.way)
                self._locker.end(part.id)
                return None, size, None
            former = self._locker.repeatable(self._asked)
            self._locker.unacknowledged.pop(self._asked, None)
            if former is not None and (former.size, former.sha256) == (size, sha256) and self._is_there(former):
                part.remove()
                self._locker.end(part.id)
                return former, size, former
            record = Record(
                part.id,
                self._account.name,
                self.way,
                self._asked,
                self._client,
                size,
                sha256,
                self._modified,
                self._locker.around.now(),
                self._on_conflict,
                fields=dict(self._client.fields),
            )
            return arrivals.arrive(part, record, terms.checks), size, None
        except BaseException:
            part.remove()
            self._locker.end(part.id)
            raise

    def _is_there(self, former: Record) -> bool:
        found = self._locker.folder.entry(former.way)
        return found is not None and not found.is_folder and found.size == former.size

    def _break(self, refused: Refused) -> Deferred[None]:
        """Have nothing of it, because of this; those who wait hear of it."""
        if self._removed is not None:
            return self._removed
        self._over = True
        self._refused = refused
        self._pieces = []
        removed: Deferred[None] = Deferred()
        self._removed = removed
        waiters, self._waiters = self._waiters, []
        self._locker.in_background(self._remove(removed))
        for waiter in waiters:
            waiter.errback(refused)
        return removed

    @inlineCallbacks
    def _remove(self, removed: Deferred[None]) -> Steps[None]:
        yield self._when_idle()
        with suppress(Refused):  # told; the next start removes it
            yield self._locker.in_thread(self._part.remove)
        self._locker.end(self._part.id)
        self._ended(self, None)
        if self._refused is not None:
            self._tell_failed(self._refused)
        removed.callback(None)

    def _tell_failed(self, refused: Refused) -> None:
        tell_failed(self._locker, self._account.name, self._client, self.way, refused)


def tell_failed(locker: Locker, account: str, client: Client, way: Way, refused: Refused) -> None:
    """Say that an upload came to nothing, to the operator and to the rules."""
    around = locker.around
    kind = _KINDS.get(refused.refusal, UploadFailed)
    around.notify(kind(account, shown(way), host_port(client.address, client.port), str(refused)))
    message = failed_event(client, account, way, refused.refusal, str(refused), around.now())
    around.journal.report(message, {}, keep=False).addErrback(lambda _: None)  # the gateway stops; it promised nothing


def _refused(failure: Failure) -> Refused:
    error = failure.value
    return error if isinstance(error, Refused) else Refused(Refusal.BROKEN, "the server cannot do this now")
