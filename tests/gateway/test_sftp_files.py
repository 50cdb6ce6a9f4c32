"""The SFTP layer over a session in memory: what each request does, and that nothing a client sends upsets it."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gateway.drop.account import Terms
from gateway.drop.visit import Entry, Refusal, Refused
from gateway.sources.sftp.files import TOLD, SftpFiles
from gateway.sources.sftp.interruptions import MAX_REFUSED, PIECE, Interruptions
from gateway.sources.sftp.packets import Fields, Kind, Open, Status, long_name, packet, string, u32, u64
from gateway.sources.sftp.paths import MAX_PATH, path_of, way_of
from gateway.sources.sftp.requests import MAX_FOLDERS, MAX_HANDLES, MAX_PACKET, NAMES, Requests
from tests.gateway.sftp_stand_ins import MODIFIED, MemorySession, promise

FUZZED = 400
"""Mutated packets in one run; 10,000 take a few seconds."""

NOW = 1_700_000_100.0
INIT = packet(Kind.INIT, u32(3))
NEW = Open.WRITE | Open.CREATE | Open.TRUNCATE
NO_ATTRIBUTES = u32(0)


@dataclass
class Wire:
    """A channel whose other end looks at everything."""

    sent: bytearray = field(default_factory=bytearray)
    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bugs: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    has_room: bool = True

    def write(self, data: bytes) -> None:
        self.sent += data

    def say(self, words: str) -> None:
        self.said.append(words)

    def taken(self) -> None:
        pass

    def end(self, code: int) -> None:
        self.ends.append(code)

    def broken(self, problem: str) -> None:
        self.problems.append(problem)

    def failed(self, request: str, problem: object) -> None:
        self.bugs.append(f"{request}: {problem!r}")


class Client:
    """One client of a session; each method sends a request and returns its answer."""

    def __init__(self, session: MemorySession | None = None, *, begun: bool = True) -> None:
        self.session = session or MemorySession()
        self.clock = Clock()
        self.wire = Wire()
        self.files = SftpFiles(Requests(self.session, self.clock, lambda: NOW, Interruptions()), self.wire)
        self.count = 0
        if begun:
            self.files.feed(INIT)
            assert self.answers()[0][0] == Kind.VERSION

    def answers(self) -> list[tuple[int, Fields]]:
        """Return the packets that came since the last look: type, and what follows it."""
        found = []
        while self.wire.sent:
            (length,) = struct.unpack_from(">L", self.wire.sent)
            found.append((self.wire.sent[4], Fields(bytes(self.wire.sent[5 : 4 + length]))))
            del self.wire.sent[: 4 + length]
        return found

    def send(self, kind: Kind, body: bytes) -> int:
        """Send a request and return its number."""
        self.count += 1
        self.files.feed(packet(kind, u32(self.count) + body))
        return self.count

    def ask(self, kind: Kind, body: bytes) -> tuple[int, Fields]:
        """Send a request and return its answer, without the number."""
        number = self.send(kind, body)
        [(answer, fields)] = self.answers()
        assert fields.u32() == number
        return answer, fields

    def status(self, kind: Kind, body: bytes) -> tuple[Status, str]:
        """Send a request and return the status that it has for an answer."""
        answer, fields = self.ask(kind, body)
        assert answer == Kind.STATUS
        return Status(fields.u32()), fields.string().decode()

    def open(self, path: str, flags: Open = NEW, attributes: bytes = NO_ATTRIBUTES) -> bytes:
        """Open a file and return its handle."""
        answer, fields = self.ask(Kind.OPEN, string(path.encode()) + u32(flags) + attributes)
        assert answer == Kind.HANDLE, Status(fields.u32())
        return fields.string()

    def write(self, handle: bytes, offset: int, data: bytes) -> tuple[Status, str]:
        """Write to a file."""
        return self.status(Kind.WRITE, string(handle) + u64(offset) + string(data))

    def close(self, handle: bytes) -> tuple[Status, str]:
        """Close a file or folder."""
        return self.status(Kind.CLOSE, string(handle))

    def put(self, path: str, content: bytes) -> None:
        """Upload a file."""
        handle = self.open(path)
        assert self.write(handle, 0, content)[0] is Status.OK
        assert self.close(handle) == (Status.OK, "")


def attributes(fields: Fields) -> tuple[int, int, int]:
    """Read ATTRS as we write them: size, permissions, time of modification."""
    assert fields.u32() == 0x0D
    size, mode, _, modified = fields.u64(), fields.u32(), fields.u32(), fields.u32()
    return size, mode, modified


def test_what_is_announced_is_there() -> None:
    """The extensions are those that do something; one that would write over a file is not announced."""
    client = Client(begun=False)
    client.files.feed(packet(Kind.INIT, u32(6) + string(b"x") + string(b"y")))
    [(kind, fields)] = client.answers()
    assert (kind, fields.u32()) == (Kind.VERSION, 3)
    rest = fields.rest()
    for name in (b"fsync@openssh.com", b"limits@openssh.com"):
        assert string(name) + string(b"1") in rest
    assert b"rename" not in rest
    kind, fields = client.ask(Kind.EXTENDED, string(b"limits@openssh.com"))
    assert (kind, fields.u64()) == (Kind.EXTENDED_REPLY, MAX_PACKET)


def test_an_upload_in_pieces() -> None:
    """Writes come in any order; the file is there when CLOSE is answered, and not before."""
    client = Client()
    handle = client.open("/in/../report.csv")
    assert client.write(handle, 4, b"5678")[0] is Status.OK
    assert client.write(handle, 0, b"1234")[0] is Status.OK
    assert client.session.files == {}
    _, fields = client.ask(Kind.FSTAT, string(handle))
    assert attributes(fields)[0] == 8
    assert client.close(handle)[0] is Status.OK
    assert client.session.files == {("report.csv",): b"12345678"}
    assert client.close(handle) == (Status.FAILURE, "there is no such handle")


def test_close_waits_until_the_file_is_kept() -> None:
    """Close-OK comes when `finish` fires; what was sent behind it waits."""
    client = Client()
    handle = client.open("report.csv")
    client.session.uploads[0].ending = ending = promise()
    client.send(Kind.CLOSE, string(handle))
    client.send(Kind.REALPATH, string(b"."))
    assert client.answers() == []
    assert client.files.busy
    ending.callback(None)
    assert [kind for kind, _ in client.answers()] == [Kind.STATUS, Kind.NAME]
    assert not client.files.busy


def test_a_refused_file_is_refused_at_close() -> None:
    """When the file cannot be kept, CLOSE says so and why."""
    client = Client()
    handle = client.open("report.csv")
    client.session.uploads[0].ending = ending = promise()
    number = client.send(Kind.CLOSE, string(handle))
    ending.errback(Refused(Refusal.FAILED_CHECK, "its checksum is wrong"))
    [(_, fields)] = client.answers()
    assert (fields.u32(), fields.u32(), fields.string()) == (number, Status.FAILURE, b"its checksum is wrong")
    assert client.wire.said == ["its checksum is wrong"]


@pytest.mark.parametrize("how", ["lost", "eof", "broken"])
def test_what_is_not_closed_is_no_file(how: str) -> None:
    """A lost connection, an end without CLOSE and a broken protocol abort the upload; conch would finish it."""
    client = Client()
    handle = client.open("report.csv")
    client.write(handle, 0, b"half")
    if how == "lost":
        client.files.lost("the connection was lost")
    elif how == "eof":
        client.files.eof()
    else:
        client.files.feed(u32(MAX_PACKET + 1))
    [upload] = client.session.uploads
    assert len(upload.aborted) == 1
    assert not upload.finished
    assert client.wire.ends == {"lost": [], "eof": [0], "broken": [1]}[how]
    assert client.session.files == {}


def test_what_was_closed_stands_though_the_client_leaves() -> None:
    """After CLOSE the file is whole: a client that does not wait for the answer does not take it back."""
    client = Client()
    handle = client.open("report.csv")
    client.session.uploads[0].ending = ending = promise()
    client.send(Kind.CLOSE, string(handle))
    client.files.lost("the connection was lost")
    ending.callback(None)
    assert client.session.uploads[0].aborted == []
    assert client.answers() == []
    assert client.session.files == {("report.csv",): b""}


def test_an_upload_that_opens_too_late_is_aborted() -> None:
    """A client that leaves while its file is being opened leaves nothing."""
    client = Client()
    client.session.opening = opening = promise()
    client.send(Kind.OPEN, string(b"report.csv") + u32(NEW) + NO_ATTRIBUTES)
    client.files.lost("the connection was lost")
    opening.callback(None)
    assert client.session.uploads[0].aborted == ["the connection was lost"]
    assert client.answers() == []


def test_the_end_comes_after_what_came_before_it() -> None:
    """EOF behind requests that wait: they are done and answered first, then the channel ends with 0."""
    client = Client()
    handle = client.open("report.csv")
    client.session.uploads[0].ending = ending = promise()
    client.send(Kind.CLOSE, string(handle))
    client.send(Kind.MKDIR, string(b"new") + NO_ATTRIBUTES)
    client.files.eof()
    assert client.wire.ends == []
    ending.callback(None)
    assert len(client.answers()) == 2
    assert client.wire.ends == [0]
    assert ("new",) in client.session.folders


def test_no_room() -> None:
    """A write is answered when there is room for more, and nothing is taken meanwhile."""
    client = Client()
    handle = client.open("report.csv")
    client.session.uploads[0].room = room = promise()
    client.send(Kind.WRITE, string(handle) + u64(0) + string(b"1234"))
    client.send(Kind.WRITE, string(handle) + u64(4) + string(b"5678"))
    assert client.answers() == []
    assert client.files.buffered > 0
    client.session.uploads[0].room = None
    room.callback(None)
    assert len(client.answers()) == 2
    assert client.files.buffered == 0


def test_a_write_that_fails_makes_close_fail() -> None:
    """After one refused write there is no file, whatever else the client sends."""
    client = Client(MemorySession(Terms(max_file=4)))
    handle = client.open("report.csv")
    assert client.write(handle, 0, b"12345") == (Status.FAILURE, "the file is too large")
    assert client.write(handle, 0, b"1") == (Status.FAILURE, "the file is too large")
    assert client.close(handle) == (Status.FAILURE, "the file is too large")
    [upload] = client.session.uploads
    assert upload.aborted == ["the file is too large"]
    assert not upload.finished


@pytest.mark.parametrize("flags", [Open.WRITE | Open.CREATE | Open.APPEND, Open.WRITE | Open.CREATE, Open.WRITE])
def test_resuming_is_refused(flags: Open) -> None:
    """Nothing is added to a file that is there, and the words say what to do instead; OpenSSH's users see them."""
    client = Client()
    client.put("report.csv", b"1234")
    code, words = client.status(Kind.OPEN, string(b"report.csv") + u32(flags) + NO_ATTRIBUTES)
    assert (code, words) == (Status.PERMISSION_DENIED, "resuming is not offered: send the whole file")
    assert client.wire.said == [words]
    assert len(client.session.uploads) == 1


def test_resuming_blindly_is_refused() -> None:
    """An account that may not look at files is found out by its first write."""
    client = Client()
    client.session.blind = True
    handle = client.open("report.csv", Open.WRITE | Open.CREATE)
    assert client.write(handle, 4, b"5678")[0] is Status.PERMISSION_DENIED
    assert client.close(handle)[0] is Status.PERMISSION_DENIED
    assert client.session.uploads[0].aborted


def test_creating() -> None:
    """Without CREAT nothing new comes; with EXCL nothing old is touched; TRUNC leaves the conflict to the box."""
    client = Client()
    assert client.status(Kind.OPEN, string(b"a") + u32(Open.WRITE | Open.TRUNCATE) + NO_ATTRIBUTES)[0] is (
        Status.NO_SUCH_FILE
    )
    client.close(client.open("a", Open.WRITE | Open.CREATE | Open.EXCLUSIVE))
    assert client.status(Kind.OPEN, string(b"a") + u32(Open.WRITE | Open.CREATE | Open.EXCLUSIVE) + NO_ATTRIBUTES) == (
        Status.FAILURE,
        "there is a file of this name already",
    )
    client.close(client.open("a", Open.WRITE | Open.TRUNCATE))
    client.close(client.open("b", Open.WRITE | Open.CREATE))
    assert set(client.session.files) == {("a",), ("b",)}


def test_times_and_sizes() -> None:
    """A time set while the file is open or later is kept; owners and permissions are passed over; sizes are not set."""
    client = Client()
    handle = client.open("a", NEW, u32(0x0F) + u64(9) + u32(0, 0) + u32(0o600) + u32(1, 2))
    client.write(handle, 0, b"1234")
    assert client.status(Kind.FSETSTAT, string(handle) + u32(8) + u32(5, 1_000_000_000))[0] is Status.OK
    assert client.status(Kind.FSETSTAT, string(handle) + u32(1) + u64(4))[0] is Status.OK
    assert client.status(Kind.FSETSTAT, string(handle) + u32(1) + u64(3))[0] is Status.PERMISSION_DENIED
    client.close(handle)
    _, fields = client.ask(Kind.STAT, string(b"a"))
    assert attributes(fields) == (4, 0o100644, 1_000_000_000)
    assert client.status(Kind.SETSTAT, string(b"a") + u32(8) + u32(0, 77))[0] is Status.OK
    assert client.session.times[("a",)] == 77
    assert client.status(Kind.SETSTAT, string(b"a") + u32(4) + u32(0o777))[0] is Status.OK
    assert client.status(Kind.SETSTAT, string(b"a") + u32(1) + u64(4))[0] is Status.OK
    assert client.status(Kind.SETSTAT, string(b"a") + u32(1) + u64(0))[0] is Status.PERMISSION_DENIED
    assert client.status(Kind.SETSTAT, string(b"/") + u32(8) + u32(0, 77))[0] is Status.OK
    assert client.status(Kind.SETSTAT, string(b"none") + u32(8) + u32(0, 77))[0] is Status.NO_SUCH_FILE


def test_a_download() -> None:
    """A file comes in pieces, then EOF; a handle serves only what it was opened for."""
    client = Client()
    client.put("a", b"123456")
    handle = client.open("a", Open.READ)
    _, fields = client.ask(Kind.READ, string(handle) + u64(2) + u32(3))
    assert fields.string() == b"345"
    assert client.status(Kind.READ, string(handle) + u64(6) + u32(3))[0] is Status.EOF
    _, fields = client.ask(Kind.FSTAT, string(handle))
    assert attributes(fields)[0] == 6
    assert client.write(handle, 0, b"x")[0] is Status.PERMISSION_DENIED
    client.close(handle)
    assert client.session.downloads[0].closed
    client.open("a", Open.READ)
    client.files.lost("gone")
    assert client.session.downloads[1].closed


def test_a_listing() -> None:
    """A folder's entries come by the hundred with lines as `ls -l` writes them, then EOF."""
    client = Client()
    for number in range(NAMES + 1):
        client.session.files[(f"f{number:03}",)] = b"x" * number
    _, fields = client.ask(Kind.OPENDIR, string(b"/"))
    handle = fields.string()
    _, fields = client.ask(Kind.READDIR, string(handle))
    assert fields.u32() == NAMES
    assert fields.string() == b"f000"
    assert fields.string().startswith(b"-rw-r--r--    1")
    _, fields = client.ask(Kind.READDIR, string(handle))
    assert fields.u32() == 1
    assert client.status(Kind.READDIR, string(handle))[0] is Status.EOF
    assert client.close(handle)[0] is Status.OK


def test_long_names() -> None:
    """A line has the time of day of what is recent and the year of what is not; times that are no times do no harm."""
    assert long_name(Entry("a b", False, 7, MODIFIED), NOW).endswith("           7 Nov 14 22:13 a b")
    assert long_name(Entry("d", True, 0, 1.0), NOW).startswith("drwxr-xr-x    1 ")
    assert long_name(Entry("d", True, 0, 1.0), NOW).endswith("Jan  1  1970 d")
    assert long_name(Entry("d", True, 0, -5.0), NOW).endswith("Jan  1  1970 d")
    assert "2106" in long_name(Entry("d", True, 0, 1e12), NOW)


def test_changes() -> None:
    """Folders come and go, files go and get names that are free; what is not there is said to be missing."""
    client = Client()
    client.put("a", b"1")
    client.put("b", b"2")
    assert client.status(Kind.MKDIR, string(b"in") + NO_ATTRIBUTES)[0] is Status.OK
    assert client.status(Kind.MKDIR, string(b"in") + NO_ATTRIBUTES)[0] is Status.FAILURE
    assert client.wire.said == []  # a client that copies a tree makes each folder blindly
    assert client.status(Kind.RENAME, string(b"a") + string(b"b"))[0] is Status.FAILURE
    assert client.status(Kind.RENAME, string(b"a") + string(b"in/a"))[0] is Status.OK
    body = string(b"posix-rename@openssh.com") + string(b"b")
    assert client.status(Kind.EXTENDED, body + string(b"in/a"))[0] is Status.FAILURE
    assert client.status(Kind.EXTENDED, body + string(b"in/b"))[0] is Status.OK
    assert set(client.session.files) == {("in", "a"), ("in", "b")}
    assert client.status(Kind.REMOVE, string(b"in/a"))[0] is Status.OK
    assert client.status(Kind.REMOVE, string(b"in/a"))[0] is Status.NO_SUCH_FILE
    assert client.status(Kind.RMDIR, string(b"in"))[0] is Status.OK


def test_what_is_not_there() -> None:
    """Links, statvfs and whatever else there is are refused as unsupported; fsync of an upload is not."""
    client = Client()
    for kind in (Kind.READLINK, Kind.SYMLINK):
        assert client.status(kind, string(b"a") + string(b"b"))[0] is Status.OP_UNSUPPORTED
    for name in (b"statvfs@openssh.com", b"hardlink@openssh.com", b"copy-data"):
        assert client.status(Kind.EXTENDED, string(name) + string(b"a"))[0] is Status.OP_UNSUPPORTED
    handle = client.open("a")
    assert client.status(Kind.EXTENDED, string(b"fsync@openssh.com") + string(handle))[0] is Status.OK
    assert client.status(Kind.EXTENDED, string(b"fsync@openssh.com") + string(b"?"))[0] is Status.FAILURE


def test_too_many_handles() -> None:
    """A channel has so many files open and no more; closing one makes room."""
    client = Client()
    handles = [client.open(f"f{number}") for number in range(MAX_HANDLES)]
    code, words = client.status(Kind.OPEN, string(b"more") + u32(NEW) + NO_ATTRIBUTES)
    assert (code, words) == (Status.FAILURE, "64 files and folders may be open at a time")
    client.close(handles[0])
    client.open("more")


def test_too_many_folders() -> None:
    """What is in a folder takes our memory as long as it is open; so few may be at a time."""
    client = Client()
    handles = [client.ask(Kind.OPENDIR, string(b"/"))[1].string() for _ in range(MAX_FOLDERS)]
    assert client.status(Kind.OPENDIR, string(b"/"))[0] is Status.FAILURE
    client.close(handles[0])
    assert client.ask(Kind.OPENDIR, string(b"/"))[0] == Kind.HANDLE


def test_a_speed_limit() -> None:
    """An account's transfers are answered no faster than its speed; leaving in the middle leaves no timer."""
    client = Client(MemorySession(Terms(speed=1000)))
    handle = client.open("a")
    for number in range(3):
        client.send(Kind.WRITE, string(handle) + u64(number * 500) + string(b"x" * 500))
    assert client.answers() == []
    client.clock.advance(0.5)
    assert len(client.answers()) == 1
    client.clock.advance(0.5)
    assert len(client.answers()) == 1
    client.files.lost("the connection was lost")
    assert client.clock.getDelayedCalls() == []
    assert client.answers() == []


def test_a_client_that_does_not_read() -> None:
    """As long as nobody takes the answers, nothing more is done."""
    client = Client()
    client.wire.has_room = False
    client.send(Kind.REALPATH, string(b"/"))
    assert client.answers() == []
    client.wire.has_room = True
    client.files.proceed()
    assert len(client.answers()) == 1


def test_stopping() -> None:
    """A stop waits for the request that is under way, and begins none of those behind it."""
    client = Client()
    stopped: list[bool] = []
    handle = client.open("a")
    client.session.uploads[0].ending = ending = promise()
    client.send(Kind.CLOSE, string(handle))
    client.send(Kind.MKDIR, string(b"new") + NO_ATTRIBUTES)
    client.files.stop(lambda: stopped.append(True))
    assert stopped == []
    ending.callback(None)
    assert stopped == [True]
    assert len(client.answers()) == 1
    assert ("new",) not in client.session.folders


def test_a_bug_is_told_and_answered() -> None:
    """What is no refusal is our fault: the client gets a failure, and the log the request and the error."""
    client = Client()
    handle = client.open("a")
    client.session.uploads[0].ending = ending = promise()
    client.send(Kind.CLOSE, string(handle))
    ending.errback(Failure(ZeroDivisionError("oh")))
    [(_, fields)] = client.answers()
    assert (fields.u32(), fields.u32()) == (client.count, Status.FAILURE)
    assert client.wire.bugs == ["CLOSE: ZeroDivisionError('oh')"]


def test_lines_for_people_are_counted() -> None:
    """Who fails for ever does not get lines for ever: nobody may be reading them."""
    client = Client()
    for _ in range(TOLD + 5):
        client.status(Kind.RENAME, string(b"x") + string(b"y"))
    assert len(client.wire.said) == TOLD


@pytest.mark.parametrize(
    "octets",
    [
        packet(Kind.OPEN, u32(1)),
        packet(Kind.INIT, b""),
        INIT + INIT,
        INIT + u32(0),
        INIT + u32(MAX_PACKET + 1),
        INIT + packet(Kind.OPEN, b"\0"),
    ],
)
def test_a_broken_protocol_ends_the_channel(octets: bytes) -> None:
    """What cannot be SFTP is told once, and the channel ends with 1, however the octets arrive."""
    for step in (len(octets), 1):
        client = Client(begun=False)
        for at in range(0, len(octets), step):
            client.files.feed(octets[at : at + step])
        assert client.wire.ends == [1]
        assert len(client.wire.problems) == 1


def test_a_piece_that_is_cut_short_makes_close_fail() -> None:
    """A WRITE that is none leaves its place empty, so that nothing becomes a file."""
    client = Client()
    handle = client.open("a")
    client.write(handle, 0, b"hello")
    assert client.status(Kind.WRITE, string(handle) + u64(5) + u32(100))[0] is Status.BAD_MESSAGE
    assert client.close(handle)[0] is Status.FAILURE
    assert client.session.files == {}


def test_an_upload_that_ends_as_an_interrupted_one() -> None:
    """OpenSSH's sftp sends the same CLOSE after Ctrl-C: a file of full pieces only is refused, and taken when repeated.

    It shows by what OpenSSH does with a whole file: its last piece is what is left.
    """
    client = Client()
    for again in (False, True):
        handle = client.open("a")
        for piece in range(2):
            client.write(handle, piece * PIECE, bytes(PIECE))
        assert (client.close(handle)[0] is Status.OK) is again
    assert client.session.uploads[0].aborted != []
    assert "once more" in client.wire.said[0]
    handle = client.open("b")
    client.write(handle, 0, bytes(PIECE))
    client.write(handle, PIECE, b"x")
    assert client.close(handle)[0] is Status.OK
    client.put("c", b"")


def test_interruptions_are_remembered_up_to_a_limit() -> None:
    """An upload of another size is no repetition, and the oldest is forgotten first."""
    interruptions = Interruptions()
    assert [interruptions.comes_again("alice", ("a",), size) for size in (1, 2, 2, 2)] == [False, False, True, False]
    for number in range(MAX_REFUSED):
        interruptions.comes_again("alice", (str(number),), 1)
    assert not interruptions.comes_again("alice", ("a",), 2)


def test_what_was_uploaded_can_be_looked_at() -> None:
    """Clients compare the size after an upload (Paramiko's put), also as an account that may not look at files."""
    client = Client()
    client.session.blind = True
    client.session.files[("b",)] = b"of somebody else"
    client.put("a", b"hello")
    kind, fields = client.ask(Kind.STAT, string(b"a"))
    assert (kind, attributes(fields)[0]) == (Kind.ATTRS, 5)
    assert client.status(Kind.STAT, string(b"b"))[0] is Status.PERMISSION_DENIED


def test_a_request_that_is_cut_short_is_answered() -> None:
    """Fields that are not there are a bad message; the next request is none the worse for it."""
    client = Client()
    for kind in (Kind.OPEN, Kind.WRITE, Kind.CLOSE, Kind.STAT, Kind.RENAME, Kind.SETSTAT, Kind.EXTENDED):
        assert client.status(kind, u32(200))[0] is Status.BAD_MESSAGE
    assert client.ask(Kind.REALPATH, string(b"/"))[0] == Kind.NAME


@pytest.mark.parametrize(
    ("path", "way"),
    [
        (b"", ()),
        (b"/", ()),
        (b".", ()),
        (b"../../etc/passwd", ("etc", "passwd")),
        (b"//a/./b/", ("a", "b")),
        (b"/a/b/../c", ("a", "c")),
        ("/\u00fcber".encode(), ("\u00fcber",)),
    ],
)
def test_paths(path: bytes, way: tuple[str, ...]) -> None:
    """No path leads out of the root, and each has one way."""
    assert way_of(path) == way
    assert way_of(path_of(way)) == way


@pytest.mark.parametrize("path", [b"\xff", b"a\0b", b"a/" * MAX_PATH])
def test_paths_that_are_none(path: bytes) -> None:
    """Names are UTF-8 without NUL, and end somewhere."""
    with pytest.raises(Refused) as refused:
        way_of(path)
    assert refused.value.refusal is Refusal.NAME


def conversations(number: int) -> Iterator[bytes]:
    """Yield streams of packets that are nearly right."""
    chance = random.Random(4)
    handle = string(u32(1))
    attributes_ = u32(0x0D) + u64(3) + u32(0o644, 1, 2)
    whole = [
        packet(Kind.OPEN, u32(1) + string(b"a") + u32(NEW) + attributes_),
        packet(Kind.WRITE, u32(2) + handle + u64(0) + string(b"data" * 5)),
        packet(Kind.FSTAT, u32(3) + handle),
        packet(Kind.FSETSTAT, u32(3) + handle + attributes_),
        packet(Kind.CLOSE, u32(4) + handle),
        packet(Kind.OPEN, u32(1) + string(b"a") + u32(Open.READ) + NO_ATTRIBUTES),
        packet(Kind.READ, u32(5) + handle + u64(1) + u32(2)),
        packet(Kind.OPENDIR, u32(6) + string(b"/")),
        packet(Kind.READDIR, u32(7) + handle),
        packet(Kind.STAT, u32(8) + string(b"/a")),
        packet(Kind.SETSTAT, u32(8) + string(b"/a") + attributes_),
        packet(Kind.RENAME, u32(9) + string(b"a") + string(b"b")),
        packet(Kind.MKDIR, u32(10) + string(b"d") + attributes_),
        packet(Kind.RMDIR, u32(10) + string(b"d")),
        packet(Kind.REMOVE, u32(10) + string(b"a")),
        packet(Kind.REALPATH, u32(11) + string(b"../x")),
        packet(Kind.EXTENDED, u32(12) + string(b"limits@openssh.com")),
        packet(Kind.EXTENDED, u32(12) + string(b"posix-rename@openssh.com") + string(b"a") + string(b"b")),
    ]
    for _ in range(number):
        octets = bytearray(b"".join(chance.choices(whole, k=chance.randint(1, 4))))
        for _ in range(chance.randint(0, 4)):
            at = chance.randrange(len(octets))
            if chance.random() < 0.2:
                del octets[at : at + chance.randint(1, 4)]
            elif chance.random() < 0.2:
                octets[at:at] = chance.randbytes(chance.randint(1, 4))
            else:
                octets[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
            if not octets:
                octets = bytearray(b"\0")
        yield bytes(octets)


def test_mutated_packets() -> None:
    """Whatever comes: each whole packet is answered or the channel ends once, no bug is met, and no upload is left."""
    for octets in conversations(FUZZED):
        client = Client(MemorySession(Terms(max_file=1 << 20)))
        client.files.feed(octets)
        answers = len(client.answers())
        assert client.wire.bugs == []
        if client.wire.ends:
            assert client.wire.ends == [1]
            assert len(client.wire.problems) == 1
        else:
            assert answers == whole_packets(octets)
        client.files.eof()
        client.files.lost("gone")
        assert len(client.wire.ends) == 1
        for upload in client.session.uploads:
            assert upload.finished or len(upload.aborted) == 1


def whole_packets(octets: bytes) -> int:
    """Count the packets that are whole."""
    count = at = 0
    while at + 4 <= len(octets):
        at += 4 + int.from_bytes(octets[at : at + 4], "big")
        count += at <= len(octets)
    return count
