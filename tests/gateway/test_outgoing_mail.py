"""Mail to a server: what is said, what each answer means, and that nothing goes out unprotected."""

from __future__ import annotations

import base64
import hmac
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock

from gateway import clock
from gateway.outgoing.endpoint import _TlsFactory
from gateway.outgoing.mail import CONNECTIONS, MAX_WAITING, SmtpMailer
from gateway.outgoing.smtp import MAX_LINES, Delivery, Envelope, SmtpConversation, on_the_wire
from gateway.outgoing_config import ClientTls, Security, Server, SmtpSettings
from parsers.errors import Place
from rules.outcome import Ending, Outcome
from rules.step import Mail
from tests.gateway.outgoing_peers import Endpoint, TlsServer, Wire, attempt
from tests.made_certificates import SERVER, make

PLACE = Place("gateway.yaml", 1, 1)
MAIL = Mail("rule/do/1", ("ops@example.com", "root"), "disk full on ${host.name}", "It is ${message}.")
GREETING = b"220 mail.example.com ESMTP\r\n"
FEATURES = b"250-mail.example.com\r\n250-8BITMIME\r\n250 SIZE 1000000\r\n"


def settings(**more: Any) -> SmtpSettings:
    """Return settings for a server without TLS and login, or as `more` says."""
    usual: dict[str, Any] = {"security": Security.NONE, "sender": "gateway@example.com"}
    return SmtpSettings(PLACE, Server("192.0.2.1", 587), **{**usual, **more})


class Office:
    """A mailer whose server is the test."""

    def __init__(self, chosen: SmtpSettings | None = None) -> None:
        self.clock, self.endpoint = Clock(), Endpoint()
        self.mailer = SmtpMailer(
            chosen or settings(),
            self.clock,
            hostname="gw.example.com",
            now=lambda: 1e9,
            endpoint=self.endpoint,
        )
        self.outcome: Outcome | None = None

    def send(self, mail: Mail = MAIL, **fields: Any) -> Deferred[Outcome]:
        """Send a mail."""
        answer = self.mailer.send(mail, attempt(host_name="db1", **fields))
        return answer.addCallback(self._note)

    def _note(self, outcome: Outcome) -> Outcome:
        self.outcome = outcome
        return outcome

    def converse(self, *answers: bytes, wire: Wire | None = None) -> tuple[Wire, list[bytes]]:
        """Give the answers one by one; return what the client said after each."""
        wire = wire or self.endpoint.accept()
        said = []
        for answer in answers:
            wire.protocol.dataReceived(answer)
            while wire.producer is not None:  # the mail itself is written chunk by chunk
                wire.drain()
            said.append(wire.sent())
        return wire, said

    def error(self) -> str:
        """Return why it failed."""
        assert self.outcome is not None
        assert self.outcome.error is not None
        return self.outcome.error.removeprefix("192.0.2.1:587: ")

    def end(self, wire: Wire) -> None:
        """End the connection; nothing may be left behind."""
        wire.end()
        self.clock.advance(0)
        assert not self.clock.getDelayedCalls()
        assert not self.mailer._open


def test_a_mail_is_handed_over() -> None:
    """The whole conversation; the server's last words are kept, for its log knows the mail by them."""
    office = Office()
    office.send(message="serious")
    wire, said = office.converse(
        GREETING,
        FEATURES,
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"354 go on\r\n",
        b"250 2.0.0 queued as 4F7\r\n",
    )
    assert said[:5] == [
        b"EHLO gw.example.com\r\n",
        b"MAIL FROM:<gateway@example.com>\r\n",
        b"RCPT TO:<ops@example.com>\r\n",
        b"RCPT TO:<root>\r\n",
        b"DATA\r\n",
    ]
    head, _, body = said[5].partition(b"\r\n\r\n")
    assert b"Subject: disk full on db1\r\n" in head + b"\r\n"
    assert re.search(rb"(?m)^Message-ID: <job-1@gw\.example\.com>\r$", head)
    assert body == b"It is serious.\r\n.\r\n"
    assert office.outcome is not None
    assert office.outcome.success
    assert not office.outcome.temporary
    assert office.outcome.stdout == b"250 2.0.0 queued as 4F7"
    _, said = office.converse(b"250 reset\r\n", b"221 bye\r\n", wire=wire)
    assert said == [b"QUIT\r\n", b""]
    office.end(wire)


@given(
    st.lists(st.sampled_from([b".", b"..", b"\r\n", b"\n", b"\r", b"x", b"." * 20, b"line\n.\n", b"y" * 16380])).map(
        b"".join
    )
)
def test_no_text_can_end_the_mail(text: bytes) -> None:
    """Whatever a body holds, the server reads it back, and sees the end where we put it."""
    wire = on_the_wire(text)
    assert wire.endswith(b"\r\n")
    lines = wire.split(b"\r\n")[:-1]
    assert all(b"\r" not in line and b"\n" not in line and line != b"." for line in lines)
    read = [line[1:] if line.startswith(b".") else line for line in lines]
    assert read == re.split(rb"\r\n|\r|\n", text)[: len(read)]


def test_a_dot_between_two_chunks_stays() -> None:
    """Twisted's own stuffing works chunk by chunk, of 16 KiB: text made for that could say commands to the server."""
    office = Office()
    office.send(Mail("rule/do/1", ("root",), "s", ("a" * 70 + "\n.\nMAIL FROM:<x>\n") * 600))
    _, said = office.converse(GREETING, FEATURES, b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n")
    sent = said[4]
    assert sent.count(b"\r\n.\r\n") == 1
    assert sent.endswith(b"\r\n.\r\n")
    assert sent.count(b"\r\n..\r\n") == 600


ANSWERS = [
    ([b"554 no service\r\n"], Ending.REFUSED, "554 no service"),
    ([b"421 too busy\r\n"], Ending.DECLINED, "421 too busy"),
    ([GREETING, FEATURES, b"451 later\r\n"], Ending.DECLINED, "451 later"),
    ([GREETING, FEATURES, b"550 5.7.1 sender\r\n"], Ending.REFUSED, "550 5.7.1 sender"),
    (
        [GREETING, FEATURES, b"250 ok\r\n", b"550 no such user\r\n", b"550 neither\r\n"],
        Ending.REFUSED,
        "the recipients were refused: ops@example.com: 550 no such user; root: 550 neither",
    ),
    (
        [GREETING, FEATURES, b"250 ok\r\n", b"550 no such user\r\n", b"450 greylisted\r\n"],
        Ending.DECLINED,
        "the recipients were refused: ops@example.com: 550 no such user; root: 450 greylisted",
    ),
    (
        [GREETING, FEATURES, *[b"250 ok\r\n"] * 2, b"550-no\r\n550 user\r\n", b"354 go\r\n", b"250 queued\r\n"],
        Ending.REFUSED,
        "some recipients were refused: root: 550 no user",
    ),
    ([GREETING, FEATURES, *[b"250 ok\r\n"] * 3, b"451 disk\r\n"], Ending.DECLINED, "451 disk"),
    ([GREETING, FEATURES, *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"554 spam\r\n"], Ending.REFUSED, "554 spam"),
    ([GREETING, FEATURES, *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"452 full\r\n"], Ending.DECLINED, "452 full"),
    ([b"hello\r\n"], Ending.DECLINED, "Invalid response from SMTP server: b'hello'"),
    ([b"x" * 70000], Ending.DECLINED, "a line of the server's answer is too long: does it speak SMTP there?"),
    (
        [GREETING, b"250-x\r\n" * (MAX_LINES + 2)],
        Ending.DECLINED,
        f"the server's answer has more than {MAX_LINES} lines",
    ),
]


@pytest.mark.parametrize(("answers", "ending", "words"), ANSWERS)
def test_every_answer_has_its_meaning(answers: list[bytes], ending: Ending, words: str) -> None:
    """4 asks for another try, 5 does not, each with the server's words."""
    office = Office()
    office.send()
    wire, _ = office.converse(*answers)
    assert office.outcome is not None
    assert office.outcome.ending is ending
    assert office.outcome.temporary == (ending is not Ending.REFUSED)
    assert office.error() == words
    office.end(wire)


def test_old_servers_get_helo() -> None:
    """One that does not know EHLO is spoken to as in 1982, unless TLS or a login is wanted."""
    office = Office()
    office.send()
    _, said = office.converse(GREETING, b"502 what?\r\n", b"250 hello\r\n")
    assert said == [b"EHLO gw.example.com\r\n", b"HELO gw.example.com\r\n", b"MAIL FROM:<gateway@example.com>\r\n"]


@pytest.mark.parametrize("features", [FEATURES, b"250 mail\r\n"])
def test_octets_beyond_ascii_need_a_server_that_takes_them(features: bytes) -> None:
    """RFC 6152: they are announced where the mail has any, and a server without 8BITMIME gets none of it."""
    office = Office()
    told: list[Delivery] = []
    envelope = Envelope("a@example.com", ("root",), "Subject: x\r\n\r\nü\r\n".encode())
    wire, conversation = Wire(), SmtpConversation(envelope, "gw", told.append, lambda: None)
    wire.protocol = conversation
    conversation.makeConnection(wire)  # type: ignore[no-untyped-call]
    _, said = office.converse(GREETING, features, wire=wire)
    if features is FEATURES:
        assert said[1] == b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\n"
    else:
        assert told == [Delivery(Ending.REFUSED, "the server takes no mail with octets beyond ASCII (8BITMIME)")]
        assert said[1] == b"QUIT\r\n"


def test_a_cut_before_and_after_the_end_of_the_mail() -> None:
    """Before, it was not sent, surely; after, nobody knows, and a rule may say that such a mail is not repeated."""
    office = Office()
    office.send()
    wire, _ = office.converse(GREETING, FEATURES)
    wire.end(ConnectionLost())
    assert office.outcome is not None
    assert office.outcome.ending is Ending.DECLINED
    assert office.error() == "the connection was cut"
    office = Office()
    office.send()
    wire, _ = office.converse(GREETING, FEATURES, *[b"250 ok\r\n"] * 3, b"354 go\r\n")
    wire.end(ConnectionLost())
    assert office.outcome is not None
    assert office.outcome.ending is Ending.LOST
    office.clock.advance(0)
    assert not office.clock.getDelayedCalls()


def test_the_whole_has_a_limit_of_time() -> None:
    """However the time goes: no connection, no greeting, no last answer; and no server holds a connection for ever."""
    office = Office()
    office.send()
    office.clock.advance(60)
    assert office.outcome is not None
    assert office.outcome.ending is Ending.NOT_STARTED
    assert office.error() == "it took more than 60 s"
    office = Office()
    office.send()
    wire = office.endpoint.accept()
    office.clock.advance(60)
    assert wire.aborted
    assert office.error() == "it took more than 60 s"
    office.end(wire)
    office = Office()
    office.send()
    wire, _ = office.converse(GREETING, FEATURES, *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"250 queued\r\n")
    assert office.outcome
    assert office.outcome.success
    office.clock.advance(60)  # it never answers RSET
    assert wire.aborted
    office.end(wire)


def test_no_connection() -> None:
    """Why, in words."""
    office = Office()
    office.send()
    office.endpoint.refuse()
    assert office.error() == "the connection is refused: nothing listens there"
    assert office.outcome is not None
    assert office.outcome.ending is Ending.NOT_STARTED
    office.clock.advance(0)
    assert not office.clock.getDelayedCalls()


def test_only_a_few_connections_at_a_time() -> None:
    """The others wait their turn, up to a limit; stopping ends all of them."""
    office = Office()
    outcomes: list[Outcome] = []
    for _ in range(CONNECTIONS + MAX_WAITING + 1):
        office.send().addCallback(outcomes.append)
    assert office.endpoint.attempts == CONNECTIONS
    assert [outcome.error for outcome in outcomes] == ["192.0.2.1:587: 200 mails wait already"]
    office.endpoint.refuse()
    office.clock.advance(0)
    assert office.endpoint.attempts == CONNECTIONS + 1
    office.mailer.stop()
    office.send()
    assert len(outcomes) == CONNECTIONS + MAX_WAITING + 1
    assert {outcome.error for outcome in outcomes[2:]} == {"192.0.2.1:587: the gateway is stopping"}
    office.clock.advance(0)
    assert not office.clock.getDelayedCalls()


def test_cancelling_gives_up() -> None:
    """The outcome comes as always."""
    office = Office()
    office.send().cancel()
    assert office.outcome is not None
    assert office.error() == "it was cancelled"


# Login


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """Return a password's file."""
    file = tmp_path / "password"
    file.write_bytes(b"s3cret\n")
    return file


def test_login_plain_is_tried_once(password: Path) -> None:
    """A refused password is not tried again in another form, and is in no error."""
    office = Office(settings(login=("us", password)))
    office.send()
    wire, said = office.converse(GREETING, b"250-x\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 wrong\r\n")
    assert said[1] == b"AUTH PLAIN " + base64.b64encode(b"\0us\0s3cret") + b"\r\n"
    assert said[2] == b"QUIT\r\n"
    assert office.outcome is not None
    assert office.outcome.ending is Ending.REFUSED
    assert office.error() == "the server refuses the login: 535 5.7.8 wrong"
    office.end(wire)


def test_login_by_challenge(password: Path) -> None:
    """CRAM-MD5 comes first: the password itself is not sent."""
    office = Office(settings(login=("us", password)))
    office.send()
    challenge = b"<1@mail>"
    _, said = office.converse(
        GREETING,
        b"250-x\r\n250 AUTH LOGIN CRAM-MD5\r\n",
        b"334 " + base64.b64encode(challenge) + b"\r\n",
        b"235 ok\r\n",
    )
    proof = hmac.new(b"s3cret", challenge, "md5").hexdigest().encode()
    assert base64.b64decode(said[2]) == b"us " + proof
    assert said[3].startswith(b"MAIL FROM")


def test_login_for_a_moment_refused(password: Path) -> None:
    """4 asks for another try here too."""
    office = Office(settings(login=("us", password)))
    office.send()
    office.converse(GREETING, b"250-x\r\n250 AUTH PLAIN\r\n", b"454 4.7.0 later\r\n")
    assert office.outcome is not None
    assert office.outcome.ending is Ending.DECLINED


@pytest.mark.parametrize("features", [b"250 x\r\n", b"250-x\r\n250 AUTH GSSAPI\r\n", b"502 what?\r\n"])
def test_without_a_login_nothing_is_sent(password: Path, features: bytes) -> None:
    """A server that knows none of ours gets no mail, and HELO is no way round."""
    office = Office(settings(login=("us", password)))
    office.send()
    _, said = office.converse(GREETING, features)
    assert b"MAIL" not in b"".join(said)
    assert office.error() == "the server offers no login that we know (CRAM-MD5, LOGIN, PLAIN)"


def test_a_password_that_cannot_be_read(password: Path) -> None:
    """Its file is named; there is no connection."""
    password.unlink()
    office = Office(settings(login=("us", password)))
    office.send()
    assert office.endpoint.attempts == 0
    assert "the password cannot be read: No such file" in office.error()


# STARTTLS


class SecureOffice(Office):
    """A mailer that wants STARTTLS, and the server's certificate is for `names`."""

    def __init__(self, folder: Path, *names: str) -> None:
        ca = make(clock.now(), common_name="CA", authority=True)
        ca.write(folder, "ca")
        files = make(clock.now(), names=names, usage=[SERVER], issuer=ca).write(folder, "server")
        self.tls = TlsServer(*files)
        tls = ClientTls("mail.example.com", folder / "ca.pem")
        super().__init__(settings(security=Security.STARTTLS, tls=tls))


class SecureWire(Wire):
    """A wire that can begin with TLS, as Twisted's TCP transport does."""

    def startTLS(self, check: Any) -> None:  # noqa: N802 -- Twisted's name
        """Put TLS between the protocol and this wire."""
        inner = self.protocol
        factory: Any = _TlsFactory(check, True, Factory(), Clock())
        tls = self.protocol = factory.protocol(factory, inner, False)
        tls.makeConnection(self)
        inner.transport = tls


@pytest.fixture(autouse=True)
def secure_wires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all wires be able to begin with TLS."""
    monkeypatch.setattr("tests.gateway.outgoing_peers.Wire", SecureWire)


OFFER = b"250-mail.example.com\r\n250 STARTTLS\r\n"


def test_starttls_comes_before_the_mail(tmp_path: Path) -> None:
    """Nothing but EHLO and STARTTLS is said in clear; then the server is asked again what it can do."""
    office = SecureOffice(tmp_path, "mail.example.com")
    office.send()
    wire, said = office.converse(GREETING, OFFER)
    assert said == [b"EHLO gw.example.com\r\n", b"STARTTLS\r\n"]
    wire.protocol.dataReceived(b"220 go\r\n")
    office.tls.pump(wire)
    assert office.tls.received == b"EHLO gw.example.com\r\n"
    office.tls.say(FEATURES)
    office.tls.pump(wire)
    assert office.tls.received.endswith(b"MAIL FROM:<gateway@example.com>\r\n")


def test_starttls_checks_the_name(tmp_path: Path) -> None:
    """A server with another name gets nothing, and the words say which names it has."""
    office = SecureOffice(tmp_path, "other.example.com")
    office.send()
    wire, _ = office.converse(GREETING, OFFER)
    wire.protocol.dataReceived(b"220 go\r\n")
    office.tls.pump(wire)
    wire.finish()
    assert office.tls.received == b""
    assert office.error().startswith("the server's certificate is for other.example.com, and not for mail.example.com")
    assert office.outcome is not None
    assert office.outcome.temporary


@pytest.mark.parametrize("features", [FEATURES, b"502 what?\r\n"])
def test_without_starttls_nothing_is_sent(tmp_path: Path, features: bytes) -> None:
    """Whoever cuts the offer out gets no mail; HELO is no way round."""
    office = SecureOffice(tmp_path, "mail.example.com")
    office.send()
    _, said = office.converse(GREETING, features)
    assert b"MAIL" not in b"".join(said)
    assert office.error() == "the server offers no STARTTLS, and without TLS nothing is sent (tls:)"


def test_a_server_that_offers_starttls_and_refuses_it(tmp_path: Path) -> None:
    """Its words are told, and nothing is sent."""
    office = SecureOffice(tmp_path, "mail.example.com")
    office.send()
    _, said = office.converse(GREETING, OFFER, b"454 not now\r\n")
    assert b"MAIL" not in b"".join(said)
    assert office.outcome is not None
    assert office.outcome.ending is Ending.DECLINED


def test_what_comes_in_clear_behind_the_switch_ends_it(tmp_path: Path) -> None:
    """An answer injected behind `220 go` would count as the server's own, said under TLS (CVE-2011-0411)."""
    office = SecureOffice(tmp_path, "mail.example.com")
    office.send()
    wire, _ = office.converse(GREETING, OFFER)
    wire.protocol.dataReceived(b"220 go\r\n250-mail.example.com\r\n250 AUTH PLAIN\r\n")
    assert wire.aborted
    assert "in clear behind its answer to STARTTLS" in office.error()
