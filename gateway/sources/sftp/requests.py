"""SFTP requests, each done on a session of the drop box: what OpenSSH's sftp-server does, as far as it fits."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from gateway.drop.visit import Entry, Refusal, Refused, Session, Way
from gateway.sources.sftp.handles import RESUME_WORDS, Handle, OpenDownload, OpenFolder, OpenUpload
from gateway.sources.sftp.interruptions import INTERRUPTED_WORDS, PIECE, Interruptions
from gateway.sources.sftp.packets import (
    VERSION,
    Attributes,
    Fields,
    Kind,
    Malformed,
    Open,
    Status,
    attributes_of,
    long_name,
    ok,
    packet,
    status,
    string,
    u32,
    u64,
)
from gateway.sources.sftp.paths import path_of, way_of

MAX_PACKET = 256 * 1024
"""Octets of one packet, as OpenSSH's: a longer one is no SFTP."""

MAX_DATA = MAX_PACKET - 1024
"""Octets that one READ returns; the client learns it from `limits@openssh.com` and makes use of it."""

MAX_HANDLES = 64
"""Files and folders that one channel may have open: as many descriptors of ours."""

MAX_FOLDERS = 4
"""Folders among them: what is in each is in our memory, 30 MB for 100,000 files."""

NAMES = 100
"""Entries in one answer to READDIR: 70 KiB with the longest names."""

SHORTEST_WAIT = 0.01
"""Seconds; a transfer that is ahead of its speed by less goes on."""

Answer = bytes | Deferred[bytes]
Steps = Generator[Deferred[Any], Any, bytes]
H = TypeVar("H", OpenUpload, OpenDownload, OpenFolder)

_CODES = {Refusal.DENIED: Status.PERMISSION_DENIED, Refusal.MISSING: Status.NO_SUCH_FILE}
_EXTENSIONS = ((b"fsync@openssh.com", b"1"), (b"limits@openssh.com", b"1"))


def refusal(request: int, refused: Refused) -> bytes:
    """Write the answer to what is not done."""
    return status(request, _CODES.get(refused.refusal, Status.FAILURE), str(refused))


def version_packet() -> bytes:
    """Write the answer to INIT: our version, and the extensions that we have."""
    return packet(Kind.VERSION, u32(VERSION) + b"".join(string(name) + string(value) for name, value in _EXTENSIONS))


class Requests:
    """Does the requests of one channel; they come one after the other, as each is answered.

    Attributes:
        handles: what is open, by the handle that the client has for it.
    """

    def __init__(
        self,
        session: Session,
        clock: IReactorTime,
        now: Callable[[], float],
        interruptions: Interruptions,
    ) -> None:
        self.handles: dict[bytes, Handle] = {}
        self._interruptions = interruptions
        self._session = session
        self._clock = clock
        self._now = now
        self._speed = session.account.terms.speed
        self._delay: Deferred[bytes] | None = None
        self._count = 0
        self._gone: str | None = None
        self._table: dict[int, Callable[[int, Fields], Answer]] = {
            Kind.OPEN: self._open,
            Kind.CLOSE: self._close,
            Kind.READ: self._read,
            Kind.WRITE: self._write,
            Kind.LSTAT: self._stat,
            Kind.STAT: self._stat,
            Kind.FSTAT: self._fstat,
            Kind.SETSTAT: self._setstat,
            Kind.FSETSTAT: self._fsetstat,
            Kind.OPENDIR: self._opendir,
            Kind.READDIR: self._readdir,
            Kind.REMOVE: self._remove,
            Kind.MKDIR: self._mkdir,
            Kind.RMDIR: self._rmdir,
            Kind.REALPATH: self._realpath,
            Kind.RENAME: self._rename,
            Kind.EXTENDED: self._extended,
        }

    def do(self, kind: int, request: int, fields: Fields) -> Answer:
        """Do one request and return its answer.

        Raises:
            Refused: it is not done; so the Deferred fails.
            Malformed: the fields are not those of this request.
        """
        method = self._table.get(kind)
        if method is None:
            return status(request, Status.OP_UNSUPPORTED, "there is no such operation here")
        return method(request, fields)

    def drop(self, problem: str) -> None:
        """The client is gone: whatever it has open is dropped, and what is being opened will be."""
        self._gone = problem
        handles, self.handles = self.handles, {}
        for handle in handles.values():
            handle.drop(problem)
        if self._delay is not None:
            self._delay.cancel()

    # Transfers.

    @inlineCallbacks
    def _open(self, request: int, fields: Fields) -> Steps:
        way = way_of(fields.string())
        flags = Open(fields.u32() & 0x3F)
        attributes = fields.attributes()
        self._check_room()
        if not flags & Open.WRITE:
            download = yield self._session.read(way)
            return self._opened(request, OpenDownload(download, way))
        whole = bool(flags & (Open.TRUNCATE | Open.EXCLUSIVE))
        if flags & Open.APPEND:
            raise Refused(Refusal.DENIED, RESUME_WORDS)
        if not whole or not flags & Open.CREATE or flags & Open.EXCLUSIVE:
            yield from self._check_there(way, flags)
        upload = yield self._session.upload(way)
        handle = OpenUpload(upload, way, whole)
        handle.change(Attributes(None, attributes.modified))
        return self._opened(request, handle)

    def _check_there(self, way: Way, flags: Open) -> Generator[Deferred[Any], Any, None]:
        """Refuse an upload that does not fit to what is there, as far as the account may know what is."""
        try:
            yield self._session.entry(way)
        except Refused as refused:
            if refused.refusal is Refusal.MISSING and flags & Open.CREATE:
                return
            if refused.refusal is Refusal.DENIED:  # it may not look; a taken name and a late beginning show later
                return
            raise
        if flags & Open.EXCLUSIVE:
            raise Refused(Refusal.TAKEN, "there is a file of this name already")
        if not flags & Open.TRUNCATE:
            raise Refused(Refusal.DENIED, RESUME_WORDS)

    def _write(self, request: int, fields: Fields) -> Answer:
        upload = self._handle(fields, OpenUpload)
        try:
            offset = fields.u64()
            data = fields.string()
        except Malformed:
            upload.give_up(Refused(Refusal.CUT, "a piece of the file was no whole request"))
            raise
        try:
            room = upload.write(data, offset)
        except Refused as refused:
            upload.give_up(refused)
            raise
        if room is None and self._speed is None:
            return ok(request)
        if room is None:
            return self._paced(upload, len(data), ok(request))
        return self._when_room(request, upload, len(data), room)

    @inlineCallbacks
    def _when_room(self, request: int, upload: OpenUpload, octets: int, room: Deferred[None]) -> Steps:
        try:
            yield room
        except Refused as refused:
            upload.give_up(refused)
            raise
        answer = self._paced(upload, octets, ok(request))
        return answer if isinstance(answer, bytes) else (yield answer)

    @inlineCallbacks
    def _read(self, request: int, fields: Fields) -> Steps:
        download = self._handle(fields, OpenDownload)
        offset = fields.u64()
        data = yield download.download.read(offset, min(fields.u32(), MAX_DATA))
        if not data:
            return status(request, Status.EOF)
        answer = self._paced(download, len(data), packet(Kind.DATA, u32(request) + string(data)))
        return answer if isinstance(answer, bytes) else (yield answer)

    @inlineCallbacks
    def _close(self, request: int, fields: Fields) -> Steps:
        handle = self.handles.pop(fields.string(), None)
        if handle is None:
            raise Refused(Refusal.BROKEN, "there is no such handle")
        if isinstance(handle, OpenUpload):
            account = self._session.account.name
            if handle.ends_as_interrupted and not self._interruptions.comes_again(account, handle.way, handle.size):
                handle.give_up(Refused(Refusal.CUT, INTERRUPTED_WORDS))
            yield handle.end()  # from here on the client's word stands, even if it leaves
        else:
            handle.drop("closed")
        return ok(request)

    def _paced(self, transfer: OpenUpload | OpenDownload, octets: int, answer: bytes) -> Answer:
        """Hold an answer back until the transfer is no faster than the account may be."""
        if self._speed is None or self._gone is not None:
            return answer
        now = self._clock.seconds()
        transfer.due = max(transfer.due, now) + octets / self._speed
        wait = transfer.due - now
        if wait < SHORTEST_WAIT:
            return answer
        self._delay = deferLater(self._clock, wait, lambda: answer)
        return self._delay.addBoth(self._delayed)

    def _delayed(self, result: bytes | Failure) -> bytes:
        self._delay = None
        return b"" if isinstance(result, Failure) else result  # cancelled: the client is gone

    # What stands in folders.

    @inlineCallbacks
    def _stat(self, request: int, fields: Fields) -> Steps:
        way = way_of(fields.string())
        try:
            entry = yield self._session.entry(way)
        except Refused as refused:
            entry = self._session.uploaded(way)  # clients look whether what they sent came whole
            if entry is None:
                raise refused from None
        return self._attributes(request, entry)

    @inlineCallbacks
    def _fstat(self, request: int, fields: Fields) -> Steps:
        handle = self._any_handle(fields)
        if isinstance(handle, OpenUpload):
            modified = self._now() if handle.modified is None else handle.modified
            name = handle.upload.way[-1] if handle.upload.way else ""
            return self._attributes(request, Entry(name, False, handle.size, modified))
        entry = yield self._session.entry(handle.way)
        return self._attributes(request, entry)

    @inlineCallbacks
    def _setstat(self, request: int, fields: Fields) -> Steps:
        """Set the time of a file; permissions and owners are ours, and a client that sets them is not bothered."""
        way = way_of(fields.string())
        wanted = fields.attributes()
        if wanted.size is not None:
            entry = yield self._session.entry(way)
            if entry.is_folder or entry.size != wanted.size:
                raise Refused(Refusal.DENIED, "a file cannot be cut or extended")
        if wanted.modified is not None:
            try:
                yield self._session.set_modified(way, float(wanted.modified))
            except Refused as refused:
                if not (yield from self._is_folder(way)):  # a client that copies a tree sets the times of folders too
                    raise refused from None
        return ok(request)

    def _is_folder(self, way: Way) -> Generator[Deferred[Any], Any, bool]:
        try:
            entry = yield self._session.entry(way)
        except Refused:
            return False
        return bool(entry.is_folder)

    def _fsetstat(self, request: int, fields: Fields) -> Answer:
        self._handle(fields, OpenUpload).change(fields.attributes())
        return ok(request)

    @inlineCallbacks
    def _opendir(self, request: int, fields: Fields) -> Steps:
        way = way_of(fields.string())
        self._check_room()
        if sum(isinstance(handle, OpenFolder) for handle in self.handles.values()) >= MAX_FOLDERS:
            raise Refused(Refusal.BUSY, f"{MAX_FOLDERS} folders may be open at a time")
        entries = yield self._session.entries(way)
        return self._opened(request, OpenFolder(way, entries))

    def _readdir(self, request: int, fields: Fields) -> Answer:
        entries = self._handle(fields, OpenFolder).next(NAMES)
        if not entries:
            return status(request, Status.EOF)
        now = self._now()
        names = (
            string(entry.name.encode()) + string(long_name(entry, now).encode()) + attributes_of(entry)
            for entry in entries
        )
        return packet(Kind.NAME, u32(request, len(entries)) + b"".join(names))

    def _realpath(self, request: int, fields: Fields) -> Answer:
        path = string(path_of(way_of(fields.string())))
        return packet(Kind.NAME, u32(request, 1) + path + path + u32(0))

    # Changes.

    @inlineCallbacks
    def _remove(self, request: int, fields: Fields) -> Steps:
        yield self._session.delete(way_of(fields.string()))
        return ok(request)

    @inlineCallbacks
    def _mkdir(self, request: int, fields: Fields) -> Steps:
        yield self._session.make_folder(way_of(fields.string()))
        return ok(request)

    @inlineCallbacks
    def _rmdir(self, request: int, fields: Fields) -> Steps:
        yield self._session.remove_folder(way_of(fields.string()))
        return ok(request)

    @inlineCallbacks
    def _rename(self, request: int, fields: Fields) -> Steps:
        old, new = way_of(fields.string()), way_of(fields.string())
        yield self._session.rename(old, new)
        return ok(request)

    def _extended(self, request: int, fields: Fields) -> Answer:
        name = fields.string()
        if name == b"posix-rename@openssh.com":  # not announced: it would write over what has the new name
            return self._rename(request, fields)
        if name == b"fsync@openssh.com":
            self._handle(fields, OpenUpload)  # CLOSE does it, for all files
            return ok(request)
        if name == b"limits@openssh.com":
            return packet(Kind.EXTENDED_REPLY, u32(request) + u64(MAX_PACKET, MAX_DATA, PIECE, MAX_HANDLES))
        return status(request, Status.OP_UNSUPPORTED, "there is no such extension here")

    # Handles.

    def _check_room(self) -> None:
        if len(self.handles) >= MAX_HANDLES:
            raise Refused(Refusal.BUSY, f"{MAX_HANDLES} files and folders may be open at a time")

    def _opened(self, request: int, handle: Handle) -> bytes:
        """Give out a handle; what was opened for a client that has left meanwhile is dropped."""
        if self._gone is not None:
            handle.drop(self._gone)
            return b""
        self._count += 1
        key = u32(self._count & 0xFFFFFFFF)
        self.handles[key] = handle
        return packet(Kind.HANDLE, u32(request) + string(key))

    def _any_handle(self, fields: Fields) -> Handle:
        handle = self.handles.get(fields.string())
        if handle is None:
            raise Refused(Refusal.BROKEN, "there is no such handle")
        return handle

    def _handle(self, fields: Fields, kind: type[H]) -> H:
        handle = self._any_handle(fields)
        if not isinstance(handle, kind):
            raise Refused(Refusal.DENIED, "what is open there was not opened for this")
        return handle

    def _attributes(self, request: int, entry: Entry) -> bytes:
        return packet(Kind.ATTRS, u32(request) + attributes_of(entry))
