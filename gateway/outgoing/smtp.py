"""One mail over one connection, as an ESMTP client (RFC 5321), and what became of it.

Twisted's ESMTPClient speaks the protocol. What it does here otherwise, and why:

- It stuffs dots chunk by chunk, so that a line that begins with a dot at the border of two chunks would end the mail
  there, and the rest would be read as commands: the text of a log can be made to do that. The whole mail is made ready
  beforehand.
- It goes on with what came in clear behind the answer to STARTTLS (CVE-2011-0411, seen from the client): that ends the
  connection here.
- It keeps the last lines of the conversation for its errors, the password among them: not here.
- It tries a refused password twice with AUTH PLAIN, which counts twice at whoever bans us for that.
- It takes any number of lines as an answer: here there is a limit.
"""

# twisted.mail has no annotations
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.mail.smtp import (
    AUTHDeclinedError,
    AuthenticationError,
    AUTHRequiredError,
    CramMD5ClientAuthenticator,
    EHLORequiredError,
    ESMTPClient,
    LOGINAuthenticator,
    PLAINAuthenticator,
    SMTPClientError,
    TLSRequiredError,
)
from twisted.python.failure import Failure

from gateway.outgoing.endpoint import failure_words
from gateway.outgoing.tls import ServerCheck
from rules.outcome import Ending

MAX_LINES = 200
"""Lines of one answer; those to EHLO have some twenty."""

MAX_SHOWN = 400
"""Characters of one answer that go into an error."""

MAX_WORDS = 2000
"""Characters of an error: answers about many recipients."""

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one try to hand over a mail ended.

    Attributes:
        ending: CONFIRMED; NOT_STARTED or DECLINED (another try may go well); REFUSED (it would end the same); or LOST
            (nobody knows).
        words: the server's words, or ours where it said none.
    """

    ending: Ending
    words: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail and where it goes.

    Attributes:
        sender: a bare address, as the recipients are.
        content: the whole message with its header; any line ends.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are for the server."""

    user: bytes
    password: bytes


class _Plain(PLAINAuthenticator):
    """AUTH PLAIN (RFC 4616), with no authorization identity: the one form that all servers take."""

    def challengeResponse(self, secret: bytes, chal: object = None) -> bytes:  # noqa: ARG002, N802 -- Twisted's
        """Return what is sent."""
        return b"\0%b\0%b" % (self.user, secret)


def on_the_wire(content: bytes) -> bytes:
    """Return a message as DATA carries it: CRLF line ends, dots doubled at the beginning of lines (RFC 5321, 4.5.2)."""
    lines = _LINE_END.sub(b"\r\n", content)
    lines = lines if lines.endswith(b"\r\n") else lines + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", lines)


class SmtpConversation(ESMTPClient):
    """The conversation about one mail.

    Args:
        envelope: the mail.
        identity: this machine's name, for EHLO.
        tell: gets how it ended, once.
        closed: called when the connection is gone.
        starttls: makes and checks the server's TLS; None where there is none, or TLS stands already.
        login: the user and the password; the conversation fails where the server knows no login.
    """

    debug = False  # it would keep the password

    def __init__(
        self,
        envelope: Envelope,
        identity: str,
        tell: Callable[[Delivery], None],
        closed: Callable[[], None],
        *,
        starttls: ServerCheck | None = None,
        login: Login | None = None,
    ) -> None:
        super().__init__(login.password if login else None, starttls, identity.encode("ascii", "replace"))
        self._envelope = envelope
        self._tell: Callable[[Delivery], None] | None = tell
        self._closed = closed
        self._check = starttls
        self._lines = 0
        self._began = False  # with the mail itself
        self._over = False  # the whole mail was sent, and only the answer is missing
        self._eight_bit = False
        self.requireTransportSecurity = starttls is not None
        self.requireAuthentication = login is not None
        self.heloFallback = login is None and starttls is None
        if login:
            for kind in (CramMD5ClientAuthenticator, LOGINAuthenticator, _Plain):
                self.registerAuthenticator(kind(login.user))

    # What ESMTPClient asks for

    def getMailTo(self) -> Sequence[str]:  # noqa: N802 -- Twisted's name
        """Return the recipients."""
        return self._envelope.recipients

    def getMailData(self) -> BytesIO:  # noqa: N802 -- Twisted's name
        """Return the mail."""
        return BytesIO(on_the_wire(self._envelope.content))

    def transformChunk(self, chunk: bytes) -> bytes:  # noqa: N802 -- Twisted's name
        """Leave the mail as it is: it is ready."""
        return chunk

    def finishedFileTransfer(self, lastsent: bytes) -> None:  # noqa: ARG002, N802 -- Twisted's
        """End the mail."""
        self._over = True
        self.sendLine(b".")

    # What it must do otherwise

    def esmtpState_serverConfig(self, code: int, resp: bytes) -> None:  # noqa: N802 -- Twisted's name
        """Take what the server can do."""
        self._eight_bit = any(line.split()[:1] == [b"8BITMIME"] for line in resp.upper().splitlines())
        super().esmtpState_serverConfig(code, resp)

    def smtpState_from(self, code: int, resp: bytes) -> None:  # noqa: ARG002, N802 -- Twisted's
        """Begin with the mail, unless it has octets that the server cannot take; with none left, say goodbye."""
        if self._began:
            self._disconnectFromServer()
            return
        self._began = True
        eight_bit = not self._envelope.content.isascii()
        if eight_bit and not self._eight_bit:
            self._end(Ending.REFUSED, "the server takes no mail with octets beyond ASCII (8BITMIME)")
            self._disconnectFromServer()
            return
        self._from = self._envelope.sender
        self._failresponse = self.smtpTransferFailed
        self._expected = [250]
        self._okresponse = self.smtpState_to
        body = b" BODY=8BITMIME" if eight_bit else b""  # RFC 6152
        self.sendLine(b"MAIL FROM:<%b>%b" % (self._envelope.sender.encode("ascii"), body))

    def esmtpState_starttls(self, code: int, resp: bytes) -> None:  # noqa: N802 -- Twisted's name
        """Begin with TLS, unless something came in clear that would count as secure."""
        if self.clearLineBuffer():
            self._abort("the server, or somebody between, sent something in clear behind its answer to STARTTLS")
            return
        super().esmtpState_starttls(code, resp)

    def _esmtpState_plainAuth(self, code: int, resp: bytes) -> None:  # noqa: N802 -- Twisted's name
        self.esmtpAUTHDeclined(code, resp)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 -- Twisted's name
        """Take a line of an answer."""
        self._lines = self._lines + 1 if line[3:4] == b"-" else 0
        if self._lines > MAX_LINES:
            self._abort(f"the server's answer has more than {MAX_LINES} lines")
            return
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802 -- Twisted's
        """Give up: that is no SMTP."""
        self._abort("a line of the server's answer is too long: does it speak SMTP there?")

    # How it ends

    def sendError(self, exc: Exception) -> None:  # noqa: N802 -- Twisted's name
        """Take why it cannot go on."""
        if isinstance(exc, EHLORequiredError) and self.requireTransportSecurity:
            exc = TLSRequiredError(502, b"")
        self._end(*_judged(exc))
        super().sendError(exc)

    def sentMail(  # noqa: N802 -- Twisted's name
        self,
        code: int,
        resp: bytes | str,
        numOk: int,  # noqa: N803 -- Twisted's name
        addresses: Sequence[tuple[object, int, bytes]],
        log: object,  # noqa: ARG002
    ) -> None:
        """Take what became of the mail."""
        refused = [(_text(address), number, words) for address, number, words in addresses if not _good(number)]
        parts = [f"{address}: {shown(number, words)}" for address, number, words in refused]
        if not refused:
            self._end(Ending.CONFIRMED if _good(code) else _ending_of(code), shown(code, resp))
        elif numOk and not _good(code):
            self._end(_ending_of(code), "; ".join([shown(code, resp), *parts]))
        else:
            some = "some recipients were refused" if numOk else "the recipients were refused"
            least = min(number for _, number, _ in refused)  # another try may go well for one of them
            self._end(_ending_of(least), f"{some}: {'; '.join(parts)}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say why, unless it has ended already."""
        super().connectionLost(reason)
        self._end(Ending.LOST if self._over else Ending.DECLINED, failure_words(reason.value, self._check))
        self._closed()

    def give_up(self, words: str) -> None:
        """End it from outside: its time is up."""
        self._abort(words)

    def _abort(self, words: str) -> None:
        self._end(Ending.LOST if self._over else Ending.DECLINED, words)
        transport: Any = self.transport
        if transport:
            transport.abortConnection()

    def _end(self, ending: Ending, words: str) -> None:
        tell, self._tell = self._tell, None
        if tell:
            tell(Delivery(ending, words[:MAX_WORDS]))


def shown(code: int, words: bytes | str) -> str:
    """Render a server's answer as one line."""
    text = words.decode("utf-8", "backslashreplace") if isinstance(words, bytes) else words
    line = " ".join(text.split())[:MAX_SHOWN]
    return f"{code} {line}".strip() if code > 0 else line


def _judged(error: Exception) -> tuple[Ending, str]:
    """Say what an error of Twisted's means."""
    if isinstance(error, TLSRequiredError):
        return Ending.DECLINED, "the server offers no STARTTLS, and without TLS nothing is sent (tls:)"
    if isinstance(error, AUTHRequiredError | EHLORequiredError):
        return Ending.DECLINED, "the server offers no login that we know (CRAM-MD5, LOGIN, PLAIN)"
    if not isinstance(error, SMTPClientError):
        return Ending.DECLINED, f"{type(error).__name__}: {error}"
    words = shown(error.code, error.resp)
    if isinstance(error, AUTHDeclinedError | AuthenticationError):
        words = f"the server refuses the login: {words}"
    return _ending_of(error.code), words


def _good(code: int) -> bool:
    return 200 <= code < 300


def _ending_of(code: int) -> Ending:
    """RFC 5321 section 4.2.1: 5 says that another try would end the same; 4, and what is no answer, that it may not."""
    return Ending.REFUSED if 500 <= code < 600 else Ending.DECLINED


def _text(address: object) -> str:
    return address.decode("ascii", "replace") if isinstance(address, bytes) else str(address)
