"""FTP's data connections in memory: what a whole file is, what is refused, what is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError, ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.drop.account import WRITE_ONLY, Terms
from gateway.drop.visit import Refusal, Refused
from gateway.notices.ftp import ForeignData, NoDataPort
from gateway.sources.ftp.data import FOREIGN_PATIENCE, PATIENCE, RETIREMENT
from gateway.sources.ftp.streams import GRACE
from tests.gateway.ftp_stand_ins import ALL_RIGHTS, MemorySession
from tests.gateway.test_ftp import World

DONE = Failure(ConnectionDone())
RESET = Failure(ConnectionLost())


class Data:
    """The client's end of a data connection; none, when it is refused."""

    def __init__(self, world: World, peer: str = "127.0.0.1") -> None:
        self.world = world
        factory = world.reactor.tcpServers[-1][1]
        address = IPv4Address("TCP", peer, 5000)
        self.protocol: IProtocol | None = factory.buildProtocol(address)
        self.transport = StringTransport(peerAddress=address)
        if self.protocol is not None:
            self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """Send octets."""
        assert self.protocol is not None
        assert self.transport.producerState == "producing"
        self.protocol.dataReceived(data)

    def end(self, how: Failure = DONE) -> str:
        """End the stream; return what is said on the control connection, a moment later."""
        assert self.protocol is not None
        self.protocol.connectionLost(how)
        self.world.reactor.advance(GRACE)
        return self.world.heard()


@pytest.fixture
def world() -> Iterator[World]:
    """A client that has logged in."""
    world = World()
    world.log_in()
    yield world
    if world.protocol._inner.transport is not None:
        world.lose()
    assert not world.reactor.getDelayedCalls()


def store(world: World, name: str = "x") -> Data:
    """Begin an upload."""
    world.say("EPSV")
    data = Data(world)
    assert data.transport.producerState == "paused"
    assert world.code(f"STOR {name}") == 150
    return data


# Uploads


def test_a_file_whose_stream_ended_is_whole(world: World) -> None:
    """226 after it is kept, a moment after its end."""
    data = store(world)
    data.send(b"abc")
    data.send(b"def")
    assert world.logins.kept.files == {}
    assert data.end() == "226 The file is whole and kept, 6 octets\r\n"
    assert world.logins.kept.files == {("x",): b"abcdef"}
    assert world.code("STOR y") == 425


def test_the_connection_may_come_after_the_command(world: World) -> None:
    """150 is said first; an empty file is a file."""
    world.say("PASV")
    assert world.code("STOR x") == 150
    assert Data(world).end().startswith("226")
    assert world.logins.kept.files == {("x",): b""}


def test_a_reset_is_no_end(world: World) -> None:
    """426; nothing of the file stays."""
    data = store(world)
    data.send(b"abc")
    assert data.end(RESET).startswith("426 the data connection broke off")
    assert world.logins.kept.files == {}
    assert len(world.logins.kept.aborted) == 1


def test_a_dying_client_leaves_no_file(world: World) -> None:
    """The kernel ends both connections: the data connection's clean end proves nothing."""
    data = store(world)
    data.send(b"abc")
    assert data.protocol is not None
    data.protocol.connectionLost(DONE)
    world.lose()
    world.reactor.advance(1)
    assert world.logins.kept.files == {}
    assert world.logins.kept.aborted == ["the control connection is gone"]


def test_who_leaves_politely_leaves_no_file(world: World) -> None:
    """The control connection's end counts from its close_notify on, and also where a busy reactor reads it late."""
    data = store(world)
    data.send(b"abc")
    assert data.protocol is not None
    data.protocol.connectionLost(DONE)
    world.transport.disconnecting = True  # what TLS says after close_notify
    world.reactor.advance(GRACE)
    assert world.logins.kept.files == {}
    assert world.logins.kept.aborted == ["the control connection is gone"]
    late = store(world)
    assert late.protocol is not None
    late.protocol.connectionLost(DONE)
    world.reactor.callLater(GRACE, world.lose)
    world.reactor.advance(GRACE)
    assert world.logins.kept.files == {}


def test_an_upload_ends_with_its_control_connection(world: World) -> None:
    """Nobody would hear of its end: the data connection is cut."""
    data = store(world)
    data.send(b"abc")
    world.lose()
    assert data.transport.disconnected
    assert world.logins.kept.aborted == ["the control connection is gone"]


def test_abor_breaks_an_upload_off(world: World) -> None:
    """426, then 226, also with Telnet's signals before it; the next upload goes well."""
    data = store(world)
    data.send(b"abc")
    assert world.send(b"\xff\xf4\xff\xf2ABOR\r\n") == "426 you broke it off\r\n226 Broken off\r\n"
    assert data.transport.disconnected
    assert world.logins.kept.files == {}
    data = store(world)
    assert data.end().startswith("226")


def test_abor_finds_each_stage_of_a_transfer(world: World) -> None:
    """While the data connection is waited for, and when there is none."""
    world.say("EPSV")
    assert world.code("STOR x") == 150
    assert world.say("ABOR") == "426 you broke it off\r\n226 Broken off\r\n"
    world.say("EPSV")
    assert world.say("ABOR") == "226 There is nothing to break off\r\n"
    assert world.code("STOR x") == 425


def test_a_file_that_is_whole_is_not_broken_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ABOR comes while it is being kept: 226 for the file, 226 for ABOR."""
    kept: Deferred[object] = Deferred()
    data = store(world)
    upload = world.logins.sessions[0].uploads[0]
    finish = upload.finish
    monkeypatch.setattr(upload, "finish", lambda: kept.addCallback(lambda _: finish()))
    assert data.end() == ""
    assert world.say("ABOR") == ""
    kept.callback(None)
    assert [line[:3] for line in world.heard().splitlines()] == ["226", "226"]
    assert world.logins.kept.files == {("x",): b""}


def test_commands_wait_for_the_transfer(world: World) -> None:
    """STAT answers during it; NOOP and QUIT after it, in their order."""
    data = store(world)
    data.send(b"abc")
    assert world.say("STAT") == "211 STOR is under way, 3 octets so far\r\n"
    assert world.send(b"NOOP\r\nQUIT\r\n") == ""
    assert [line[:3] for line in data.end().splitlines()] == ["226", "200", "221"]
    assert world.closed


def test_two_uploads_of_one_name_are_one_file(world: World) -> None:
    """One is whole, the other gets 553."""
    data = store(world)
    world.logins.kept.files[("x",)] = b"the other"
    data.send(b"abc")
    assert data.end() == "553 there is such a file\r\n"
    assert world.logins.kept.files == {("x",): b"the other"}


def test_a_full_disk_stops_the_upload() -> None:
    """452 at once; the data connection is cut, and the part is gone."""
    for refusal, code in {Refusal.FULL: 452, Refusal.QUOTA: 552, Refusal.TOO_LARGE: 552}.items():
        world = World()
        world.log_in()
        data = store(world)
        session = world.logins.sessions[0]
        session.uploads[0].write = lambda *_: fail(Refused(refusal, "no more"))  # type: ignore[method-assign]  # noqa: B023
        data.send(b"abc")
        assert world.heard() == f"{code} no more\r\n"
        assert data.transport.disconnected
        assert world.logins.kept.aborted == ["no more"]
        world.lose()


def test_a_refused_name_leaves_the_data_connection_its_time(world: World) -> None:
    """553; the port is closed a second later, without a reset that a client could take for a broken network."""
    world.logins.kept.files[("x",)] = b""
    world.say("EPSV")
    data = Data(world)
    assert world.code("STOR x") == 553
    states = []
    for _ in range(2):
        world.reactor.advance(RETIREMENT / 2)
        states.append(data.transport.disconnected)
    assert states == [False, True]
    world.say("EPSV")
    assert world.code("STOR /") == 553
    assert world.code("STOR -x") == 553
    data = Data(world)
    assert data.transport.producerState == "paused"
    world.say("EPSV")
    assert data.transport.disconnected


def test_a_disk_that_is_slow_slows_the_client(world: World) -> None:
    """Nothing is read while there is no room; being slow is our own, so that nobody is idle."""
    world.logins.make = lambda account: MemorySession(account, world.logins.kept)
    session = world.logins.sessions[0]
    session.slow = []
    data = store(world)
    data.send(b"abc")
    assert data.transport.producerState == "paused"
    world.reactor.advance(500)
    assert world.heard() == ""
    session.slow.pop().callback(None)
    data.send(b"def")
    session.slow.pop().callback(None)
    assert data.end().startswith("226")


def test_a_speed_limit_is_kept(world: World) -> None:
    """After each read the client waits until it is as slow as it may be."""
    session = world.logins.sessions[0]
    session.account = replace(session.account, terms=Terms(rights=ALL_RIGHTS, speed=100))
    data = store(world)
    data.send(b"x" * 1000)
    assert data.transport.producerState == "paused"
    world.reactor.advance(9.9)
    assert data.transport.producerState == "paused"
    world.reactor.advance(0.2)
    data.send(b"x" * 100)
    assert data.end().startswith("226")


def test_a_stalled_upload_is_cut(world: World) -> None:
    """426 after the idle time, counted from the last octets."""
    data = store(world)
    world.reactor.advance(40)
    data.send(b"abc")
    world.reactor.advance(40)
    assert world.heard() == ""
    world.reactor.advance(21)
    assert world.heard() == "426 nothing went over the data connection for 60 s\r\n"
    assert data.transport.disconnected
    assert world.logins.kept.files == {}


def test_a_stop_cuts_an_upload(world: World) -> None:
    """426, 421; nothing of it stays."""
    data = store(world)
    data.send(b"abc")
    world.protocol.hang_up()
    assert [line[:3] for line in world.heard().splitlines()] == ["426", "421"]
    assert world.closed
    assert world.logins.kept.files == {}


def test_text_is_stored_with_our_line_ends(world: World) -> None:
    """TYPE A, wherever the octets are cut; without TYPE they are as they come."""
    world.say("TYPE A")
    data = store(world)
    for part in (b"a\r", b"\nb\rc\r\n", b"d\r"):
        data.send(part)
    assert data.end().startswith("226")
    assert world.logins.kept.files == {("x",): b"a\nb\rc\nd\r"}


def test_stou_names_the_file(world: World) -> None:
    """In 150 and 226 (RFC 1123 section 4.1.2.9), with a name of its own or one from the client's."""
    world.logins.kept.files[("x",)] = b""
    for line, name in {"STOU x": "x-1", "STOU": "upload"}.items():
        world.say("EPSV")
        data = Data(world)
        assert world.say(line) == f"150 FILE: {name}\r\n"
        assert data.end() == f"226 FILE: {name}\r\n"


def test_resuming_is_refused_clearly(world: World) -> None:
    """Who may read may say REST, and hears at STOR that it is for downloads; others hear it at once."""
    world.say("EPSV")
    assert world.say("REST 5", "STOR x") == "554 resuming is not offered: send the whole file\r\n"
    assert world.code("STOR x") == 150
    session = world.logins.sessions[0]
    world.say("ABOR")
    session.account = replace(session.account, terms=Terms(rights=WRITE_ONLY))
    assert world.say("REST 5") == "504 resuming is not offered: send the whole file\r\n"


# Downloads and lists


def fetched(world: World, line: str) -> str:
    """Obey a command that sends; return what came."""
    world.say("EPSV")
    data = Data(world)
    assert world.code(line) == 150, line
    assert data.transport.disconnecting
    found: str = data.transport.value().decode()
    assert data.end().startswith("226")
    return found


def test_files_and_folders_are_sent(world: World) -> None:
    """RETR, also from a place on and as text; the three lists."""
    kept = world.logins.kept
    kept.files = {("a.csv",): b"1\n2\n", ("in", "b"): b""}
    kept.folders.add(("in",))
    assert fetched(world, "RETR a.csv") == "1\n2\n"
    assert world.code("REST 2") == 350
    assert fetched(world, "RETR a.csv") == "2\n"
    assert fetched(world, "NLST") == "a.csv\r\n"
    assert fetched(world, "NLST *.csv") == "a.csv\r\n"
    assert fetched(world, "LIST -la *.txt") == ""
    assert fetched(world, "LIST -a").splitlines()[1].startswith("drwx")
    assert len(fetched(world, "LIST a.csv").splitlines()) == 1
    world.say("OPTS MLST type;")
    assert fetched(world, "MLSD") == "type=cdir; .\r\ntype=file; a.csv\r\ntype=dir; in\r\n"
    world.say("TYPE A")
    assert fetched(world, "RETR a.csv") == "1\r\n2\r\n"
    world.say("EPSV")
    assert world.code("RETR x") == 550
    world.say("EPSV", "TYPE I", "REST 9")
    assert world.code("RETR a.csv") == 554
    world.say("EPSV")
    assert world.code("MLSD a.csv") == 501


def test_a_client_that_takes_nothing_is_waited_for_and_then_cut(world: World) -> None:
    """The file is read as fast as the client takes it; after the idle time it is 426."""
    world.logins.kept.files[("x",)] = bytes(1024 * 1024)
    world.say("EPSV")
    data = Data(world)
    write = data.transport.write

    def filled(octets: bytes) -> None:
        write(octets)  # type: ignore[no-untyped-call]
        cast(IPushProducer, data.transport.producer).pauseProducing()

    data.transport.write = filled  # type: ignore[method-assign]
    assert world.code("RETR x") == 150
    assert len(data.transport.value()) == 256 * 1024
    world.reactor.advance(50)
    cast(IPushProducer, data.transport.producer).resumeProducing()
    assert len(data.transport.value()) == 512 * 1024
    world.reactor.advance(61)
    assert world.heard().startswith("426")
    assert data.transport.disconnected


def test_a_download_that_breaks_off_is_said(world: World) -> None:
    """The client has closed before it had all: 426."""
    session = world.logins.sessions[0]
    session.account = replace(session.account, terms=Terms(rights=ALL_RIGHTS, speed=10))
    world.logins.kept.files[("x",)] = b"x" * 100
    world.say("EPSV")
    data = Data(world)
    assert world.code("RETR x") == 150
    assert data.transport.value() == b""
    assert data.end() == "426 the data connection broke off\r\n"


# Who may connect


def test_data_from_another_address_is_refused(world: World) -> None:
    """Closed unread, said, and 425 when the client's own does not come soon; it may still come."""
    world.say("EPSV")
    assert Data(world, "192.0.2.66").protocol is None
    assert isinstance(world.notices[0], ForeignData)
    assert world.code("STOR x") == 150
    data = Data(world)
    assert data.end().startswith("226")
    world.say("EPSV")
    Data(world, "192.0.2.66")
    world.say("STOR y")
    world.reactor.advance(FOREIGN_PATIENCE)
    assert world.heard().startswith("425 the data connection came from 192.0.2.66")
    assert list(world.logins.kept.files) == [("x",)]


def test_one_port_takes_one_connection(world: World) -> None:
    """A second one is closed, and the first goes on."""
    data = store(world)
    assert Data(world).protocol is None
    data.send(b"a")
    assert data.end().startswith("226")


def test_a_port_that_nobody_uses_is_closed(world: World) -> None:
    """After half a minute; the next transfer hears why."""
    world.say("EPSV")
    world.reactor.advance(PATIENCE)
    assert Data(world).protocol is None
    assert "425 no data connection came" in world.say("STOR x")


def test_ports_are_taken_from_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any that is free; when none is, 425, and the log says so."""
    world = World(passive_ports=(50_000, 50_004))
    world.log_in()
    listen = world.reactor.listenTCP
    tried: list[int] = []

    def taken(port: int, *rest: object) -> object:
        tried.append(port)
        if len(set(tried)) < 5:
            raise CannotListenError("127.0.0.1", port, OSError("taken"))
        return listen(port, *rest)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(world.reactor, "listenTCP", taken)
    assert world.code("EPSV") == 229
    assert sorted(tried) == list(range(50_000, 50_005))
    tried[:] = []

    def full(port: int, *_: object) -> object:
        raise CannotListenError("127.0.0.1", port, OSError("taken"))

    monkeypatch.setattr(world.reactor, "listenTCP", full)
    assert world.code("EPSV") == 425
    assert isinstance(world.notices[-1], NoDataPort)
    world.lose()


def test_active_mode_connects_to_the_client() -> None:
    """When the transfer begins; a port that nobody listens on is 425."""
    world = World(active=True)
    world.log_in()
    world.say("PORT 127,0,0,1,20,20")
    assert world.code("STOR x") == 150
    factory = world.reactor.tcpClients[0][2]
    protocol = factory.buildProtocol(None)
    assert protocol is not None
    protocol.makeConnection(StringTransport())
    protocol.dataReceived(b"abc")
    protocol.connectionLost(DONE)
    world.reactor.advance(GRACE)
    assert world.heard().startswith("226")
    world.say("EPRT |1|127.0.0.1|5000|", "STOR y")
    world.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectError()))  # type: ignore[arg-type]
    assert world.heard().startswith("425 port 5000 of 127.0.0.1 cannot be connected to")
    world.say("PORT 127,0,0,1,20,20", "STOR z", "ABOR")
    late = world.reactor.tcpClients[-1][2].buildProtocol(None)
    assert late is not None
    transport = StringTransport()
    late.makeConnection(transport)
    assert transport.disconnected
    assert list(world.logins.kept.files) == [("x",)]
    world.lose()


def test_data_sent_before_its_command_is_not_read(world: World) -> None:
    """The connection is paused from its first moment; a transfer begins it."""
    world.say("EPSV")
    data = Data(world)
    assert data.transport.producerState == "paused"
    world.code("STOR x")
    assert data.transport.producerState == "producing"


def test_a_long_list_keeps_nobody_waiting(world: World) -> None:
    """Its lines are made a share at a time; all of them come."""
    world.logins.kept.files |= {(f"{number:05d}",): b"" for number in range(2500)}
    world.say("EPSV")
    data = Data(world)
    assert not world.say("NLST")
    world.reactor.advance(0)
    assert world.heard().startswith("150 ")
    assert data.transport.value().split() == [f"{number:05d}".encode() for number in range(2500)]
    assert data.end().startswith("226 ")


def test_the_end_of_a_client_that_is_ahead_with_commands_is_seen(world: World) -> None:
    """It is read on, and the file it was sending is none."""
    data = store(world)
    data.send(b"half")
    world.say(*["NOOP"] * 200)
    assert world.transport.producerState == "producing"
    world.lose()
    assert world.logins.kept.aborted == ["the control connection is gone"]


def test_a_port_is_closed_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its first connection; Twisted cannot close one again before the reactor's next turn."""
    closed: list[object] = []
    listen: Callable[..., Any] = world.reactor.listenTCP

    def counted(*args: object) -> object:
        port = listen(*args)
        port.stopListening = lambda: closed.append(port)
        return port

    monkeypatch.setattr(world.reactor, "listenTCP", counted)
    data = store(world)
    world.say("ABOR")
    data.end()
    world.lose()
    assert len(closed) == 1


def test_who_is_dismissed_in_the_middle_of_a_file_leaves_nothing(world: World) -> None:
    """426 for the transfer, then the last words."""
    data = store(world)
    data.send(b"half")
    dismissed = world.logins.sessions[-1].dismissed
    assert dismissed is not None
    dismissed("the account was removed")
    assert world.heard().splitlines() == ["426 the account was removed", "421 the account was removed"]
    assert not world.logins.kept.files
    assert world.logins.kept.aborted == ["the account was removed"]
