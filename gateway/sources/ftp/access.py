"""Who the client is and how its words are protected: USER, PASS, AUTH, PBSZ, PROT.

Without TLS a client may give name and password when the source does not require TLS, or when it is on this machine. If
the source does require it, an account may be `plain` all the same, which only its name tells: so a name is accepted in
any case, and it is the logins that refuse whoever is neither `encrypted` nor `may_be_plain` and has no such account,
before they look at the password. Clients that can do better are told so in the reply to USER.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from gateway.addresses import is_loopback
from gateway.drop.visit import Client, LoginRefused, Session
from gateway.notices.ftp import InjectedPlainText
from gateway.sources.ftp.context import FtpContext
from gateway.sources.ftp.conversation import Conversation
from gateway.sources.ftp.replies import Declined, Reply
from gateway.sources.ftp.starttls import Upgradable
from gateway.tls import TLSConnection
from parsers.event import FieldValue

ANONYMOUS = frozenset({"anonymous", "ftp"})
"""Names under which nobody in particular logs in (RFC 1635)."""

MAX_NAME = 256
"""Characters of a name that may be an account's: more than any has, so that events of failed logins stay short."""


class Access(Conversation, Upgradable):
    """Adds TLS and the login.

    Attributes:
        session: what the client may do, once it has logged in; a command that runs still sees it when all is lost.
        protects_data: data connections are TLS too (PROT P).
    """

    def __init__(self, context: FtpContext, start_tls: Callable[[], None]) -> None:
        super().__init__(context)
        self.session: Session | None = None
        self.protects_data = False
        self._start_tls = start_tls
        self._tls: TLSConnection | None = None
        self._fields: Mapping[str, FieldValue] = {}
        self._has_size = False  # PBSZ was said
        self._name: str | None = None
        self._refused = 0

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the drop box."""
        super().connectionLost(reason)
        self.cut_off()
        if self.session is not None:
            self.session.leave()

    def dismiss(self, problem: str) -> None:
        """Say goodbye: the account lets the client in no longer, and why."""
        self.end(f"421 {problem}")

    def cut_off(self) -> None:
        """End what is under way: the connection is gone, and the session will be."""

    @property
    def visit(self) -> Session:
        """The session of a client that has logged in."""
        assert self.session is not None  # noqa: S101 -- the table of commands says when it is asked for
        return self.session

    @property
    def may_be_plain(self) -> bool:
        """Whether data may go unencrypted: the source, the account or the place allows it."""
        account = self.session.account if self.session is not None else None
        return (
            not self.context.source.tls_required
            or is_loopback(self.peer)
            or (account is not None and account.terms.plain)
        )

    # TLS.

    def ftp_AUTH(self, mechanism: str) -> Reply | None:  # noqa: N802 -- Twisted's name
        """Begin TLS; `SSL` would be implicit data protection (an old draft), which nobody needs today."""
        if self._tls is not None:
            raise Declined(503, "this connection is TLS already")
        if mechanism.upper() not in {"TLS", "TLS-C"}:
            raise Declined(504, "AUTH TLS is what is offered")
        if self.context.tls is None:
            raise Declined(502, "there is no TLS here; the source has no certificate")
        self.say(Reply(234, "Begin TLS"))
        if self.forget_plain_text():
            self.tell(InjectedPlainText, "sent plain text behind AUTH TLS, which was thrown away")
        self._name = None  # what was said in plain text does not count (RFC 4217 section 4)
        self.unregister()
        self._start_tls()
        return None

    def secured(self, transport: TLSConnection) -> None:
        """Go on over TLS."""
        self.transport = self._tls = transport
        if transport.agreed is not None:
            version, cipher = transport.agreed
            self._fields = {
                "tls.version_protocol": "tls",
                "tls.version": version.removeprefix("TLSv"),
                "tls.cipher": cipher,
            }
        transport.registerProducer(self, True)

    def ftp_PBSZ(self, size: str) -> Reply:  # noqa: N802
        """TLS needs no buffer size; it is 0 (RFC 4217 section 8)."""
        if self._tls is None:
            raise Declined(503, "AUTH TLS comes first")
        if not (size.isascii() and size.isdigit()):
            raise Declined(501, "a number is wanted: PBSZ 0")
        self._has_size = True
        return Reply(200, "PBSZ=0")

    def ftp_PROT(self, level: str) -> Reply:  # noqa: N802
        """Say whether data connections are TLS too."""
        if self._tls is None or not self._has_size:
            raise Declined(503, "AUTH TLS and PBSZ 0 come first")
        match level.upper():
            case "P":
                self.protects_data = True
                return Reply(200, "Data connections are TLS")
            case "C" if self.may_be_plain:
                self.protects_data = False
                return Reply(200, "Data connections are in the clear")
            case "C":
                raise Declined(534, "data must be protected here: PROT P")
            case "S" | "E":
                raise Declined(536, "TLS protects wholly or not at all: PROT P")
        raise Declined(504, "PROT P is what is offered")

    def ftp_CCC(self) -> Reply:  # noqa: N802
        """The control connection stays protected."""
        raise Declined(534, "commands stay protected here")

    def ftp_REIN(self) -> Reply:  # noqa: N802
        """A connection has one login."""
        raise Declined(502, "REIN is not offered; open another connection")

    # The login.

    def ftp_USER(self, name: str) -> Reply:  # noqa: N802
        """Hear who it is; whether there is such an account is not said here."""
        if len(name) > MAX_NAME or not name.isprintable():
            raise Declined(501, "no account is called so")
        self._name = name
        if name.lower() in ANONYMOUS and self.context.source.anonymous is not None:
            return Reply(331, "Any password will do")
        if self._client().encrypted or not self.context.source.tls_required:
            return Reply(331, "And the password?")
        if self.context.tls is None:
            return Reply(331, "And the password? Without TLS few accounts are let in")
        return Reply(331, "AUTH TLS comes first; without it few accounts are let in, and the password can be read")

    async def ftp_PASS(self, password: bytes) -> Reply | None:  # noqa: N802
        """Log in, or not; after too many mistakes the connection is closed."""
        name, self._name = self._name, None
        if name is None:
            raise Declined(503, "USER comes first")
        client, logins, source = self._client(), self.context.logins, self.context.source
        try:
            if name.lower() not in ANONYMOUS:
                session = await logins.by_password(client, name, password)
            elif source.anonymous is not None:
                session = await logins.by_password(client, source.anonymous, password)
            else:
                session = await logins.refuse(client, name, "the source lets nobody in without a name (anonymous)")
        except LoginRefused:
            self._refused += 1
            if self._refused >= self.context.tries:
                self.say(Reply(530, "Not logged in"))
                self.end(f"421 {self._refused} tries are enough")
                return None
            raise Declined(530, "Not logged in") from None
        if self.transport is None:
            session.leave()
            return None
        self.session, self.inside = session, True
        session.dismissed = self.dismiss
        self.wait_for(self.context.idle)
        return Reply(230, "Logged in")

    def ftp_ACCT(self, account: str) -> Reply:  # noqa: ARG002, N802
        """RFC 959's account is none that we need."""
        return Reply(202, "No account is needed beside name and password")

    def _client(self) -> Client:
        """Describe the client; who is on this machine is as good as encrypted: nobody is on the way."""
        source = self.context.source
        encrypted = self._tls is not None or is_loopback(self.peer)
        return Client(
            source.name,
            "ftp",
            self.peer,
            self._port,
            encrypted,
            any(ip_address(self.peer) in network for network in source.trusted),
            not source.tls_required,
            self._fields,
        )
