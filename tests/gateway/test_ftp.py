"""FTP's conversation in memory: TLS, logins, the closed table, names, limits; no socket."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from ipaddress import ip_network
from pathlib import Path

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from gateway import clock as wall_clock
from gateway.drop.account import Terms
from gateway.drop.visit import Entry, Session
from gateway.drop_source_config import FtpSource
from gateway.handshakes import HalfHandshakes
from gateway.listen_address import Address
from gateway.notice import Notice
from gateway.notices.ftp import (
    BounceRefused,
    CommandBroke,
    InjectedPlainText,
    TalksOtherwise,
    TooManyBadCommands,
)
from gateway.notices.sources import HandshakeFailed
from gateway.sources.ftp.commands import COMMANDS
from gateway.sources.ftp.conversation import LAST_WORDS, MAX_AHEAD, MAX_BAD, MAX_TAKEN, MAX_WAITING
from gateway.sources.ftp.data import PATIENCE
from gateway.sources.ftp.factory import FtpFactory
from gateway.tls_context import server_context
from parsers.errors import Place
from parsers.message import Trust
from tests.gateway.ftp_stand_ins import ALL_RIGHTS, PASSWORD, PasswordLogins
from tests.made_certificates import SERVER, make

NOW = wall_clock.now()
REMOTE = "192.0.2.7"
SOURCE = FtpSource("drop", Place("gateway.yaml", 1, 1), Address("127.0.0.1", 0), UTC)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make the server's certificate."""
    return make(NOW, names=["localhost"], usage=[SERVER]).write(tmp_path_factory.mktemp("ftp"), "server")


class World:
    """One listener and one client of it."""

    def __init__(self, pair: tuple[Path, Path] | None = None, peer: str = "127.0.0.1", **changes: object) -> None:
        self.reactor = MemoryReactorClock()
        self.logins = PasswordLogins()
        self.notices: list[Notice] = []
        self.context = server_context([pair], None, now=NOW, clients=False) if pair else None
        source = replace(SOURCE, **changes)  # type: ignore[arg-type]
        self.factory = FtpFactory(
            source,
            (lambda: self.context) if self.context else None,  # type: ignore[return-value, arg-type]
            self.logins,
            self.reactor,  # type: ignore[arg-type]
            self.notices.append,
            lambda: NOW,
            idle=60.0,
            handshake_timeout=10.0,
            half=HalfHandshakes(10),
            tries=3,
        )
        kind = IPv6Address if ":" in peer else IPv4Address
        self.transport = StringTransport(
            kind("TCP", "::1" if ":" in peer else "127.0.0.1", 21), kind("TCP", peer, 4000)
        )
        self.protocol = self.factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)  # type: ignore[no-untyped-call]
        self.tls: ssl.SSLObject | None = None
        assert self.heard() == "220 Drop box ready\r\n"

    def heard(self) -> str:
        """Return what was said since the last time."""
        said: bytes = self.transport.value()
        self.transport.clear()
        if self.tls is not None and said:
            self.incoming.write(said)
            said = b""
            try:
                while more := self.tls.read(1 << 16):
                    said += more
            except ssl.SSLWantReadError:
                pass
        return said.decode()

    def send(self, data: bytes) -> str:
        """Send octets, return what is said to them."""
        if self.tls is not None:
            self.tls.write(data)
            data = self.outgoing.read()
        self.protocol.dataReceived(data)
        return self.heard()

    def say(self, *lines: str) -> str:
        """Send lines, return what is said to the last."""
        said = ""
        for line in lines:
            said = self.send(line.encode() + b"\r\n")
        return said

    def code(self, *lines: str) -> int:
        """Return the code of the last line's reply."""
        said = self.say(*lines)
        assert said, lines
        return int(said.splitlines()[-1][:3])

    def log_in(self) -> None:
        """Log in."""
        assert self.code("USER web", f"PASS {PASSWORD.decode()}") == 230

    def secure(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        """Send AUTH TLS and shake hands."""
        assert self.code("AUTH TLS") == 234
        self.shake_hands(version)

    def shake_hands(self, version: ssl.TLSVersion) -> None:
        """Go through the handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.incoming, self.outgoing)
        for _ in range(4):
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self.protocol.dataReceived(self.outgoing.read())
                self.incoming.write(self.transport.value())
                self.transport.clear()
            else:
                self.protocol.dataReceived(self.outgoing.read() or b"")
                break
        self.tls = tls

    def lose(self) -> None:
        """End the connection."""
        self.protocol.connectionLost(Failure(ConnectionDone()))

    @property
    def closed(self) -> bool:
        """Whether we have closed it."""
        return bool(self.transport.disconnecting or self.transport.disconnected)


@pytest.fixture
def world() -> Iterator[World]:
    """A client on this machine that has logged in."""
    world = World()
    world.log_in()
    yield world
    world.lose()
    assert not world.reactor.getDelayedCalls()


# TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_put_under_the_running_connection(pair: tuple[Path, Path], version: ssl.TLSVersion) -> None:
    """After AUTH TLS the conversation goes on encrypted, and the login knows what was agreed on."""
    world = World(pair, REMOTE)
    world.secure(version)
    assert world.code("PBSZ 0") == 200
    assert world.code("PROT P") == 200
    world.log_in()
    client = world.logins.clients[0]
    assert (client.encrypted, client.trust, client.address) == (True, Trust.ACCOUNT, REMOTE)
    assert client.fields["tls.version"] == f"1.{version.name[-1]}"
    assert client.fields["tls.version_protocol"] == "tls"
    assert "AES" in str(client.fields["tls.cipher"])
    assert world.code("QUIT") == 221
    world.lose()
    assert world.logins.kept.left == 1
    assert not world.reactor.getDelayedCalls()


def test_plain_text_behind_auth_is_thrown_away(pair: tuple[Path, Path]) -> None:
    """CVE-2011-0411: what somebody on the way put behind AUTH TLS is not obeyed after the handshake."""
    world = World(pair, REMOTE)
    assert world.send(b"AUTH TLS\r\nUSER evil\r\nPASS x\r\n") == "234 Begin TLS\r\n"
    assert isinstance(world.notices[0], InjectedPlainText)
    world.tls = None
    world.lose()
    assert world.logins.tried == []


def test_a_name_given_in_plain_text_does_not_count_after_tls(pair: tuple[Path, Path]) -> None:
    """RFC 4217 section 4: the login begins anew."""
    world = World(pair, REMOTE)
    world.say("USER evil")
    world.secure()
    assert world.code("PASS x") == 503


def test_a_handshake_that_fails_ends_the_connection(pair: tuple[Path, Path]) -> None:
    """Plain text where TLS should be: closed and said; the session's timers are gone."""
    world = World(pair, REMOTE)
    world.say("AUTH TLS")
    world.protocol.dataReceived(b"USER x\r\n")
    assert world.closed
    assert isinstance(world.notices[0], HandshakeFailed)
    world.lose()
    assert not world.reactor.getDelayedCalls()


def test_nothing_is_said_in_plain_text_during_a_handshake(pair: tuple[Path, Path]) -> None:
    """The time to log in ends while TLS is not there yet: the handshake's own limit closes, without a word."""
    world = World(pair, REMOTE)
    world.reactor.advance(55)
    world.say("AUTH TLS")
    world.reactor.advance(6)
    assert world.heard() == ""
    world.reactor.advance(5)
    assert world.transport.disconnected or world.closed


def test_tls_gives_no_more_time_to_log_in(pair: tuple[Path, Path]) -> None:
    """The time ends during the handshake: what is left after it is a handshake's time."""
    world = World(pair, REMOTE)
    world.reactor.advance(59)
    world.say("AUTH TLS")
    world.reactor.advance(5)
    assert not world.closed
    world.shake_hands(ssl.TLSVersion.TLSv1_3)
    assert world.code("NOOP") == 200
    world.reactor.advance(11)
    assert world.heard() == "421 No login in time\r\n"


def test_a_stop_says_goodbye_over_tls(pair: tuple[Path, Path]) -> None:
    """421 goes through TLS, and close_notify after it; in the middle of a handshake there are no words."""
    world = World(pair, REMOTE)
    world.secure()
    world.protocol.hang_up()
    assert world.tls is not None
    world.incoming.write(world.transport.value())
    assert world.tls.read(100).startswith(b"421")
    assert world.tls.read(100) == b""
    assert world.closed
    world = World(pair, REMOTE)
    world.say("AUTH TLS")
    world.protocol.hang_up()
    assert world.heard() == ""
    assert world.closed


def test_protection_has_its_order(pair: tuple[Path, Path]) -> None:
    """PROT after PBSZ after AUTH; levels that TLS has not are refused; commands stay protected."""
    world = World(pair, REMOTE)
    assert world.code("PBSZ 0") == 503
    assert world.code("PROT P") == 503
    assert world.code("AUTH SSL") == 504
    assert world.code("AUTH KERBEROS_V4") == 504
    world.secure()
    assert world.code("AUTH TLS") == 503
    assert world.code("PROT P") == 503
    assert world.code("PBSZ x") == 501
    assert world.code("PBSZ 0") == 200
    assert world.code("PROT S") == 536
    assert world.code("PROT X") == 504
    assert world.code("PROT C") == 534
    assert world.code("CCC") == 534
    world.log_in()
    world.say("EPSV")
    assert world.code("STOR x") == 522
    assert world.code("PROT P") == 200
    assert world.code("AUTH TLS") == 503


def test_an_account_that_may_be_plain_may_have_plain_data(pair: tuple[Path, Path]) -> None:
    """PROT C is obeyed where a plain login would be."""
    world = World(pair, REMOTE)
    world.logins.terms = Terms(rights=ALL_RIGHTS, plain=True)
    world.secure()
    assert world.code("PBSZ 0", "PROT C") == 534
    world.log_in()
    assert world.code("PROT C") == 200


def test_without_a_certificate_there_is_no_tls() -> None:
    """AUTH is refused, and not offered."""
    world = World()
    assert world.code("AUTH TLS") == 502
    assert "AUTH" not in world.say("FEAT")


# The login


def test_who_is_not_encrypted_is_told_and_judged_by_the_logins(pair: tuple[Path, Path]) -> None:
    """Only a name tells whether an account may be plain: so it is the logins that refuse, knowing it is plain."""
    world = World(pair, REMOTE)
    assert "AUTH TLS comes first" in world.say("USER web")
    world.say("PASS x")
    assert not world.logins.clients[0].encrypted
    assert not world.logins.clients[0].may_be_plain
    assert world.logins.clients[0].trust is Trust.NETWORK
    world = World(pair, REMOTE, tls_required=False)
    assert "AUTH TLS" not in world.say("USER web")
    world.say("PASS x")
    assert world.logins.clients[0].may_be_plain


def test_this_machine_needs_no_tls() -> None:
    """Nobody is on the way; an IPv4 client on an IPv6 socket is the same."""
    for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        world = World(peer=peer, trusted=(ip_network("127.0.0.0/8"),))
        world.log_in()
        assert world.logins.clients[0].encrypted
        assert world.logins.clients[0].trusted is ("127" in peer)


def test_three_wrong_passwords_close_the_connection() -> None:
    """530, 530, then 530 and 421; what was sent behind is not tried."""
    world = World()
    assert world.code("USER web", "PASS a") == 530
    assert world.code("PASS a") == 503
    said = world.send(b"USER web\r\nPASS b\r\nUSER web\r\nPASS c\r\nUSER web\r\nPASS open sesame\r\n")
    assert said.splitlines()[-2:] == ["530 Not logged in", "421 3 tries are enough"]
    assert world.closed
    assert [password for _, password in world.logins.tried] == [b"a", b"b", b"c"]


def test_a_login_takes_its_time_and_commands_wait() -> None:
    """Nothing is answered while the logins think; a client that left meanwhile leaves its session too."""
    world = World()
    world.logins.waits = Deferred()
    world.send(b"USER web\r\nPASS x\r\nNOOP\r\nPWD\r\n")
    assert world.heard() == ""
    waits, world.logins.waits = world.logins.waits, None
    world.lose()
    session: list[Session] = []
    world.logins.by_password(world.logins.clients[0], "web", PASSWORD).addCallback(session.append)
    waits.callback(session[0])
    assert world.logins.kept.left == 1


def test_nobody_in_particular_gets_the_account_for_them() -> None:
    """`anonymous` and `ftp` are one account, or nobody."""
    world = World()
    assert world.code("USER anonymous", "PASS me@") == 530
    assert "anonymous" in world.logins.refused[0]
    world = World(anonymous="guests")
    assert world.code("USER ftp", f"PASS {PASSWORD.decode()}") == 230
    assert world.logins.tried == [("guests", PASSWORD)]


def test_a_name_that_is_none_is_refused() -> None:
    """It would only fill the log."""
    world = World()
    assert world.code("USER " + "x" * 300) == 501
    assert world.code("USER a\x1bb") == 501
    assert world.send(b"USER \xff\xfe\r\n").startswith("501")
    assert world.code("PASS x") == 503


def test_a_client_that_never_logs_in_is_closed() -> None:
    """Six handshakes' time, whatever it says meanwhile; then a client that does not even close is cut off."""
    world = World()
    for _ in range(5):
        world.reactor.advance(10)
        assert world.code("NOOP") == 200
    world.reactor.advance(11)
    assert world.heard() == "421 No login in time\r\n"
    assert world.closed
    world.reactor.advance(LAST_WORDS)
    assert world.transport.disconnected


def test_a_silent_client_is_closed(world: World) -> None:
    """After the idle time; each command begins it anew."""
    world.reactor.advance(50)
    world.say("NOOP")
    world.reactor.advance(50)
    assert not world.closed
    world.reactor.advance(11)
    assert world.heard() == "421 Nothing came for 60 s\r\n"


# The table


@pytest.mark.parametrize(
    "name", sorted(name for name, command in COMMANDS.items() if command.when.value == "after the login")
)
def test_before_the_login_little_is_obeyed(name: str) -> None:
    """530, whatever the command."""
    world = World()
    assert world.say(f"{name} x" if COMMANDS[name].argument.value != "none" else name).startswith("530")


def test_what_is_not_offered_is_said(world: World) -> None:
    """Clear words, one code each."""
    for line, code in {
        "REIN": 502,
        "APPE x": 502,
        "SITE CHMOD 600 x": 502,
        "PORT 127,0,0,1,20,20": 502,
        "EPRT |1|127.0.0.1|5000|": 502,
        "FOO": 502,
        "USER x": 503,
        "RNTO x": 503,
        "STRU R": 504,
        "MODE B": 504,
        "TYPE E": 504,
        "TYPE": 501,
        "TYPE %s": 501,
        "STAT x": 504,
        "HELP FOO": 504,
        "OPTS UTF8 OFF": 504,
        "OPTS X": 501,
        "REST x": 501,
        "REST 99999999999999999999": 501,
        "MFMT x": 501,
        "MFMT x y": 501,
        "EPSV x": 501,
        "EPSV 2": 522,
        "STOR x": 425,
        "RETR x": 425,
        "LIST": 425,
        "CWD \x00": 553,
    }.items():
        assert world.code(line) == code, line
        assert world.code("NOOP") == 200


def test_what_costs_nothing_is_granted(world: World) -> None:
    """Commands that clients send without thinking have a good answer."""
    for line, code in {
        "SYST": 215,
        "FEAT": 211,
        "HELP": 214,
        "HELP STOR": 214,
        "STAT": 211,
        "NOOP x": 200,
        "CLNT lftp": 200,
        "ACCT x": 202,
        "ALLO 100": 202,
        "STRU F": 200,
        "MODE S": 200,
        "TYPE A": 200,
        "TYPE A N": 200,
        "TYPE L 8": 200,
        "type i": 200,
        "OPTS UTF8 ON": 200,
        "OPTS MLST Type;Size;Color;": 200,
        "REST 0": 350,
        "ABOR": 226,
        "EPSV ALL": 200,
    }.items():
        assert world.code(line) == code, line
    assert world.code("PASV") == 503
    assert " MLST type*;size*;modify;perm;" in world.say("FEAT")
    assert world.code("QUIT") == 221
    assert world.closed


def test_too_many_bad_commands_close_the_connection() -> None:
    """Twenty in a row; one that is good in between begins anew."""
    world = World()
    for _ in range(MAX_BAD - 1):
        assert world.code("XYZZY") == 502
    assert world.code("NOOP") == 200
    said = world.send(b"XYZZY\r\n" * (MAX_BAD + 5))
    assert said.count("502") == MAX_BAD
    assert said.endswith("421 Too many commands that are none\r\n")
    assert isinstance(world.notices[0], TooManyBadCommands)


def test_other_protocols_are_recognised() -> None:
    """TLS from the beginning and HTTP are closed at once, and the log says what it was."""
    for hello in (b"\x16\x03\x01\x02\x00", b"POST / HTTP/1.1\r\n"):
        world = World()
        assert world.send(hello) == ""
        assert isinstance(world.notices[0], TalksOtherwise)
        assert world.transport.disconnected


def test_a_line_too_long_is_one_error(world: World) -> None:
    """It is skipped; the next command is obeyed."""
    assert world.send(b"CWD " + b"x" * 100_000).startswith("500")
    assert world.send(b"y" * 5000 + b"\r\nPWD\r\n").startswith("257")


# Many commands at once


def test_commands_at_once_are_answered_in_order_and_by_the_turn(world: World) -> None:
    """However many come in one read, replies are in order, and other clients have their turns in between."""
    said = world.send(b"NOOP\r\n" * 1000 + b"PWD\r\n")
    assert 0 < said.count("200") <= MAX_WAITING
    for _ in range(40):
        world.reactor.advance(0)
        said += world.heard()
    assert said.count("200 Here") == 1000
    assert said.endswith('257 "/" is where you are\r\n')
    assert world.transport.producerState == "producing"


def test_a_client_that_does_not_read_is_not_obeyed(world: World) -> None:
    """While its replies fill our buffer, nothing is read and nothing is answered; then all goes on."""
    control = world.transport.producer
    assert control is not None
    control.pauseProducing()
    assert world.send(b"PWD\r\n" * 10) == ""
    assert world.transport.producerState == "paused"
    control.resumeProducing()
    world.reactor.advance(0)
    assert world.heard().count("257") == 10
    assert world.transport.producerState == "producing"


# Names


def test_folders_and_files_have_their_commands(world: World) -> None:
    """Each does what its name says, with its own code."""
    kept = world.logins.kept
    kept.files[("a b",)] = b"12345"
    for line, answer in {
        "MKD in": '257 "/in" was made',
        "MKD /in": "550 there is such a folder",
        "CWD in": '250 You are in "/in"',
        "PWD": '257 "/in" is where you are',
        "CDUP": '250 You are in "/"',
        "XCUP": '250 You are in "/"',
        "CWD nowhere": "550 there is nothing of this name",
        "CWD a b": "550 this is no folder",
        "SIZE a b": "213 5",
        "SIZE in": "550 a folder has no size",
        "MFMT 20260131235959 a b": "213 Modify=20260131235959; /a b",
        "MDTM a b": "213 20260131235959",
        "MDTM in": "550 this is said of files only",
        "RNFR a b": "350 And its new name?",
        "RNTO in/c": "250 The file was renamed",
        "RNTO x": "503 RNFR comes first",
        "DELE in/c": "250 The file was deleted",
        "DELE x": "550 there is nothing of this name",
        "RMD in": "250 The folder was removed",
        "TYPE A": "200 Text: CR LF at the ends of lines, LF in files",
        "SIZE x": "550 SIZE is known for TYPE I only",
    }.items():
        assert world.say(line) == f"{answer}\r\n", line


def test_a_rename_is_two_commands_in_a_row(world: World) -> None:
    """Any other command in between ends it."""
    assert world.code("RNFR a", "NOOP") == 200
    assert world.code("RNTO b") == 503


def test_one_entrys_facts_go_over_the_control_connection(world: World) -> None:
    """MLST; a name cannot make a line of its own."""
    world.logins.kept.files[("a\r\n226 b",)] = b"1"
    assert world.say("MLST") == "250-Facts\r\n type=dir;modify=19700101000000;perm=eclmpdf; /\r\n250 End\r\n"
    world.logins.kept.folders.add(("x\x1b",))
    assert world.say("CWD x\x1b") == '250 You are in "/x?"\r\n'


def test_our_own_fault_is_said_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """451 for the client, a line with the place for the log, and the conversation goes on."""

    def broken(*_: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr(world.logins.sessions[0], "delete", broken)
    assert world.code("DELE x") == 451
    assert isinstance(world.notices[0], CommandBroke)
    assert "KeyError('oh') at " in str(world.notices[0])
    assert world.code("NOOP") == 200


# Where data comes from


def test_a_port_is_opened_on_the_address_that_the_client_knows(world: World) -> None:
    """PASV names it, EPSV only the port; a new one closes the one before."""
    said = world.say("PASV")
    assert said.startswith("227 Entering Passive Mode (127,0,0,1,")
    assert world.reactor.tcpServers[-1][3] == "127.0.0.1"
    world.say("EPSV 1")
    assert len(world.reactor.tcpServers) == 2
    world.reactor.advance(PATIENCE + 1)
    world.say("EPSV")
    assert world.code("STOR x") == 150
    world.reactor.advance(PATIENCE)
    assert world.heard() == "425 no data connection came\r\n"
    assert world.logins.kept.aborted == ["no data connection came"]


def test_pasv_names_the_address_that_a_router_shows() -> None:
    """`passive_address`, and only there."""
    world = World(passive_address="203.0.113.9")
    world.log_in()
    assert "(203,0,113,9," in world.say("PASV")
    assert world.say("EPSV").startswith("229 Entering Extended Passive Mode (|||")


def test_ipv6_has_epsv() -> None:
    """PASV cannot name an IPv6 address."""
    world = World(peer="::1")
    world.log_in()
    assert world.code("PASV") == 502
    assert world.code("EPSV 2") == 229
    assert world.reactor.tcpServers[-1][3] == "::1"
    assert world.code("EPSV 1") == 522


def test_active_mode_is_for_the_clients_own_address() -> None:
    """No bounce to other machines (RFC 2577), nor to ports of the system."""
    world = World(active=True)
    world.log_in()
    assert "EPRT" in world.say("FEAT")
    assert world.code("PORT 192,0,2,9,20,20") == 504
    assert world.code("PORT 127,0,0,1,0,25") == 504
    assert world.code("EPRT |2|::1|5000|") == 504
    assert [type(notice) for notice in world.notices] == [BounceRefused] * 3
    for wrong in ("PORT 1,2,3", "PORT 256,1,1,1,1,1", "EPRT x", "EPRT |1|x|5000|", "EPRT |1|::1|5000|"):
        assert world.code(wrong) == 501
    assert world.code("EPRT |3|x|5000|") == 522
    assert not world.reactor.tcpClients
    assert world.code("PORT 127,0,0,1,20,20") == 200
    assert world.code("STOR x") == 150
    assert world.reactor.tcpClients[0][:2] == ("127.0.0.1", 20 * 256 + 20)


# The end


def test_a_stop_says_goodbye(world: World) -> None:
    """421, and nothing more is obeyed."""
    world.protocol.hang_up()
    assert world.heard() == "421 The gateway is stopping, try again later\r\n"
    assert world.closed
    assert world.send(b"NOOP\r\n") == ""


def test_a_stop_waits_for_the_command_that_runs() -> None:
    """Its answer comes first."""
    world = World()
    waits = world.logins.waits = Deferred()
    world.send(b"USER web\r\nPASS x\r\nNOOP\r\n")
    world.protocol.hang_up()
    assert not world.closed
    world.logins.waits = None
    world.logins.by_password(world.logins.clients[0], "web", PASSWORD).addCallback(waits.callback)
    assert world.heard() == "230 Logged in\r\n421 The gateway is stopping, try again later\r\n"
    assert world.closed


# Anything at all

WORDS = (b"x", b"/", b"..", b"", b"1", b"0", b"|1|127.0.0.1|5000|", b"TLS", b"UTF8 ON", b"%s%d", b"20260101000000 x")


def fuzzed(rounds: int, seed: int, tell: Callable[[str], None] = lambda _: None) -> None:
    """Send random command lines; each is answered, and nothing is our own fault."""
    source = random.Random(seed)
    names = [name.encode() for name in COMMANDS if name not in {"QUIT", "PASS", "USER"}]
    world = None
    for number in range(rounds):
        if world is None or world.closed:
            world = World(active=bool(source.getrandbits(1)))
            if source.random() < 0.9:
                world.log_in()
        verb = source.choice(names) if source.random() < 0.8 else source.randbytes(source.randint(1, 6))
        choice = source.random()
        word = (
            source.choice(WORDS) if choice < 0.6 else source.randbytes(source.randint(0, 60 if choice < 0.98 else 9000))
        )
        line = (verb + b" " + word if source.random() < 0.8 else verb).replace(b"\n", b"").replace(b"\r", b"")
        said = world.send(line + b"\r\n")
        for _ in range(5):
            if said.startswith("150"):
                world.reactor.advance(PATIENCE)
                for _, _, factory, _, _ in world.reactor.tcpClients:
                    factory.clientConnectionFailed(None, Failure(ConnectError()))  # type: ignore[arg-type]
                world.reactor.tcpClients.clear()
                said = world.heard()
        answered = (
            said or world.closed or not line.strip(b"\xff\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe")
        )
        assert answered, (number, line)
        assert not [notice for notice in world.notices if isinstance(notice, CommandBroke)], (line, world.notices)
        assert all(each.isprintable() for each in said.split("\r\n")), (line, said)
        tell(f"{line!r} {said!r}")


def test_random_command_lines_are_answered() -> None:
    """No traceback, no silence, nothing unprintable (`fuzzed(3_000, seed)` for more)."""
    fuzzed(400, 1)


# One client's lines keep nobody else waiting.


def test_half_a_line_is_waited_for_without_looking_again_and_again(world: World) -> None:
    """Nothing is to be done in the next turn of the reactor."""
    world.send(b"NO")
    assert not [call for call in world.reactor.getDelayedCalls() if call.getTime() <= world.reactor.seconds()]
    assert world.send(b"OP\r\n") == "200 Here\r\n"


def test_empty_lines_are_taken_a_share_at_a_time(world: World) -> None:
    """They cost time although nothing is done for them; what stands behind them is obeyed in a later turn."""
    assert not world.send(b"\r\n" * MAX_TAKEN + b"NOOP\r\n")
    world.reactor.advance(0)
    assert world.heard() == "200 Here\r\n"


def test_questions_during_a_transfer_have_a_limit(world: World) -> None:
    """Those beyond it are answered when it is over, and are not read before."""
    waiting: Deferred[Entry] = Deferred()
    world.logins.sessions[-1].entry = lambda way: waiting  # type: ignore[method-assign]
    assert not world.say("CWD x")
    count = MAX_AHEAD // 4
    assert world.send(b"STAT\r\n" * count).count("211 ") == MAX_WAITING
    assert world.transport.producerState == "paused"
    waiting.callback(Entry("x", True, 0, 0.0))
    world.reactor.advance(0)
    assert world.heard().count("211 End") == count - MAX_WAITING
    assert world.transport.producerState == "producing"


def test_a_command_that_outlives_its_connection_is_nobodys_fault() -> None:
    """The list that it was about is not sent, and the log has nothing of it."""
    world = World()
    world.log_in()
    waiting: Deferred[Entry] = Deferred()
    world.logins.sessions[-1].entry = lambda way: waiting  # type: ignore[method-assign]
    world.say("EPSV", "LIST")
    world.lose()
    waiting.callback(Entry("/", True, 0, 0.0))
    assert not world.notices
    assert world.logins.kept.left == 1


def test_a_tls_session_is_left_once(pair: tuple[Path, Path]) -> None:
    """Also where TLS lies between."""
    world = World(pair)
    world.secure()
    world.log_in()
    world.lose()
    assert world.logins.kept.left == 1


def test_who_is_dismissed_hears_why(world: World) -> None:
    """The connection is closed behind the last words."""
    dismissed = world.logins.sessions[-1].dismissed
    assert dismissed is not None
    dismissed("the account was disabled")
    assert world.heard() == "421 the account was disabled\r\n"
    assert world.transport.disconnecting
