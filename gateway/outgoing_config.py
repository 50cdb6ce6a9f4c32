"""What leaves over the network, as the configuration gives it: where mail goes, and the destinations of `forward`.

Nothing here is opened but to see that a file is there. What is secret and what is a certificate is read when a
connection needs it, so that a renewed file is used without a reload.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from gateway.files import as_file
from gateway.trust import parse_host_name
from parsers.errors import OperatorError, Place
from rules.schema import Fields, Problems, Reader, mapping_of, scalar_of
from rules.strict_yaml import Node, shown
from rules.values import as_choice, as_duration, as_text

SENDMAIL = Path("/usr/sbin/sendmail")
"""Where the Linux Standard Base puts it; Postfix, Exim, msmtp and nullmailer all bring one."""

MAIL_TIMEOUT = 60.0
"""Seconds for one whole mail: servers that look up their clients' names take some before they greet."""

FORWARD_TIMEOUT = 30.0
"""Seconds that one message waits for its destination: long enough for a server to be restarted."""

DESTINATION_NAME = r"[a-z0-9][a-z0-9_.-]{0,63}"

KINDS = ("tls", "relp")

SMTP_KEYS = ("tls", "user", "password_file", "ca", "certificate", "key", "name", "timeout")
"""What only a mail server needs."""


class Security(enum.Enum):
    """How a connection is protected. There is no "if the server offers it": who can cut the offer out reads along."""

    STARTTLS = "starttls"  # RFC 3207, and nothing is sent without it
    IMPLICIT = "implicit"  # TLS from the first octet (RFC 8314)
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to; `host` is a name or an IP address."""

    host: str
    port: int

    def __str__(self) -> str:
        """Render as `HOST:PORT`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")  # RFC 6761 section 6.3


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom we believe, and who we are.

    Attributes:
        name: the host name or IP address that the server's certificate must carry.
        ca: the authorities that may sign it; None for those of the system.
        pair: our own certificate chain and its key, for servers that want to see one.
    """

    name: str
    ca: Path | None = None
    pair: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Mail goes to a server.

    Attributes:
        security: anything but NONE has `tls`.
        login: the user, and the file that holds the password.
        sender: the address that mail is from; None: `gateway@` and this machine's name.
        timeout: seconds for one whole mail.
    """

    place: Place = field(compare=False)
    server: Server
    security: Security
    tls: ClientTls | None = None
    login: tuple[str, Path] | None = None
    sender: str | None = None
    timeout: float = MAIL_TIMEOUT


@dataclass(frozen=True, slots=True)
class SendmailSettings:
    """Mail goes to the program that this machine has for it.

    Attributes:
        place: None where the configuration says nothing of mail.
        sender: the address that mail is from; None: whatever the program makes of the gateway's user.
    """

    place: Place | None = field(default=None, compare=False)
    program: Path = SENDMAIL
    sender: str | None = None


MailSettings = SmtpSettings | SendmailSettings


@dataclass(frozen=True, slots=True)
class TlsDestination:
    """A syslog server over TLS (RFC 5425): octet counting; nothing is acknowledged.

    Attributes:
        timeout: seconds that one message may wait.
    """

    name: str
    place: Place = field(compare=False)
    server: Server
    tls: ClientTls
    timeout: float = FORWARD_TIMEOUT


@dataclass(frozen=True, slots=True)
class RelpDestination:
    """A syslog server that acknowledges what it has; `tls` is None for the plain protocol."""

    name: str
    place: Place = field(compare=False)
    server: Server
    tls: ClientTls | None = None
    timeout: float = FORWARD_TIMEOUT


DestinationSettings = TlsDestination | RelpDestination


def as_mail(folder: Path) -> Reader[MailSettings]:
    """Read `mail:`; relative files are the configuration's neighbours."""

    def read(node: Node, problems: Problems) -> MailSettings:
        with Fields(node, problems, "mail") as fields:
            if "smtp" in fields and "sendmail" in fields:
                for key in ("smtp", "sendmail"):
                    fields.pop(key)
                fields.rest()
                raise OperatorError("mail goes one way: write either smtp or sendmail", node.place)
            place = fields.place_of("smtp")
            if "smtp" in fields:
                return _smtp(fields, problems, folder, place) or SendmailSettings(place)
            fields.pop("smtp")
            for key in SMTP_KEYS:
                if entry := key in fields and fields.pop(key):
                    problems.error(f'"{key}" is for a server, and none is named under "smtp"', entry.place)
            program = Path(fields.take("sendmail", as_text(r"/.*", "a program's whole path"), str(SENDMAIL)))
            return SendmailSettings(node.place, program, fields.take("from", as_mail_address, None))

    return read


def _smtp(fields: Fields, problems: Problems, folder: Path, place: Place) -> SmtpSettings | None:
    server = fields.take("smtp", as_server, None)
    usual = _usual_security(server) if server else Security.STARTTLS
    security = fields.take("tls", as_choice({item.value: item for item in Security}), usual)
    user_at, given = fields.place_of("user"), {key for key in ("user", "password_file") if key in fields}
    user = fields.take("user", as_text(r"[\x21-\x7e]+", "a user's name in ASCII"), None)
    password = fields.take("password_file", _as_secret(folder), None)
    sender = fields.take("from", as_mail_address, None)
    tls = _client_tls(fields, problems, folder, server, wanted=security is not Security.NONE, place=place)
    timeout = fields.take("timeout", as_duration(), MAIL_TIMEOUT)
    if len(given) == 1:
        other = "password_file" if "user" in given else "user"
        problems.error(f'a login is a user and a password_file; "{other}" is missing', user_at)
    if server is None:
        return None
    if security is Security.NONE and user and not server.local:
        problems.warn(f"the password goes over the network to {server} for all to read; use tls: starttls", user_at)
    login = (user, password) if user and password else None
    return SmtpSettings(place, server, security, tls, login, sender, timeout)


def _usual_security(server: Server) -> Security:
    if server.port == 465:  # RFC 8314 section 3.3
        return Security.IMPLICIT
    return Security.NONE if server.local else Security.STARTTLS


def as_destinations(folder: Path) -> Reader[tuple[DestinationSettings, ...]]:
    """Read `destinations:`; relative files are the configuration's neighbours."""

    def read(node: Node, problems: Problems) -> tuple[DestinationSettings, ...]:
        found: list[DestinationSettings] = []
        for entry in mapping_of(node).entries:
            if not re.fullmatch(DESTINATION_NAME, entry.key):
                problems.error(f"{shown(entry.key)} cannot be a destination's name; use a-z, 0-9, - _ .", entry.place)
            destination = problems.attempt(entry.value, _as_destination(entry.key, folder), entry.key)
            if destination is not None:
                found.append(destination)
        return tuple(found)

    return read


def _as_destination(name: str, folder: Path) -> Reader[DestinationSettings | None]:
    def read(node: Node, problems: Problems) -> DestinationSettings | None:
        with Fields(node, problems, name) as fields:
            relp = "relp" in fields  # whose `tls` is not an address
            if not relp and "tls" not in fields:
                for key in KINDS:
                    fields.pop(key)
                fields.rest()
                raise OperatorError(f"a destination has one of {' and '.join(KINDS)}; there is none", node.place)
            place = fields.place_of("relp" if relp else "tls")
            server = fields.take("relp" if relp else "tls", as_server, None)
            usual = Security.NONE if server and server.local else Security.IMPLICIT
            words = {item.value: item for item in (Security.IMPLICIT, Security.NONE)}
            security = fields.take("tls", as_choice(words), usual) if relp else Security.IMPLICIT
            wanted = security is Security.IMPLICIT
            tls = _client_tls(fields, problems, folder, server, wanted=wanted, place=place)
            timeout = fields.take("timeout", as_duration(), FORWARD_TIMEOUT)
        if server is None:
            return None
        if tls is None:
            if not wanted and not server.local:
                problems.warn(f"{name}: plain RELP to {server} can be read and changed on its way; prefer tls", place)
            return RelpDestination(name, place, server, None, timeout) if not wanted else None
        kind = RelpDestination if relp else TlsDestination
        return kind(name, place, server, tls, timeout)

    return read


def _client_tls(
    fields: Fields, problems: Problems, folder: Path, server: Server | None, *, wanted: bool, place: Place
) -> ClientTls | None:
    given = [key for key in ("ca", "certificate", "key", "name") if key in fields]
    name = fields.take("name", _as_server_name, server.host if server else "")
    ca = fields.take("ca", as_file(folder, advice=""), None)
    certificate = fields.take("certificate", as_file(folder, advice=""), None)
    key = fields.take("key", _as_secret(folder), None)
    if given and not wanted:
        problems.error(f'"{given[0]}" is for TLS, and tls is none here', place)
    if "key" in given and "certificate" not in given:
        problems.error('"key" has no certificate; name it under "certificate"', place)
    pair = (certificate, key or certificate) if certificate else None
    return ClientTls(name, ca, pair) if wanted and name else None


SERVER = r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?"
"""`HOST:PORT` or `[IPV6]:PORT`."""


def as_server(node: Node, problems: Problems) -> Server:  # noqa: ARG001 -- a reader's signature
    """Read `HOST:PORT` or `[IPV6]:PORT`."""
    wanted = 'a server such as "syslog.example.com:6514" or "[2001:db8::1]:6514"'
    text = scalar_of(node, wanted).text
    match = re.fullmatch(SERVER, text, re.ASCII)
    if not match or not (match[1] or match[2]):
        raise OperatorError(f"{wanted} is wanted, not {shown(text)}", node.place)
    if not match[3]:
        raise OperatorError(f"{shown(text)} has no port; {wanted} is wanted", node.place)
    if not 0 < int(match[3]) <= 0xFFFF:
        raise OperatorError(f"{match[3]} is no port", node.place)
    try:
        host = _host(match[1] or match[2])
    except ValueError as error:
        raise OperatorError(str(error), node.place) from None
    if (":" in host) != (match[1] is not None):
        raise OperatorError(f"brackets are for IPv6 addresses, not {shown(host)}", node.place)
    return Server(host, int(match[3]))


def _as_server_name(node: Node, problems: Problems) -> str:
    text = as_text(r".+", "the name in the server's certificate")(node, problems)
    try:
        return _host(text)
    except ValueError as error:
        raise OperatorError(str(error), node.place) from None


def _host(text: str) -> str:
    """Return a host name in lower case, or an IP address in its usual form.

    Raises:
        ValueError: it is neither; four numbers that are no address (`1.2.3.400`) are no name either.
    """
    try:
        return str(ip_address(text))
    except ValueError:
        name = parse_host_name(text)
        if re.fullmatch(r"[0-9.]+", name):
            raise ValueError(f"{text!r} is no IP address") from None
        return name


MAIL_ADDRESS = r"[\x21-\x7e]+@[\x21-\x7e]+|[A-Za-z0-9._+-]+"


def as_mail_address(node: Node, problems: Problems) -> str:
    """Read a mail address without a display name; a bare name is a user of the server."""
    text = as_text(MAIL_ADDRESS, "a mail address such as gateway@example.com")(node, problems)
    if any(character in text for character in '<>(),;:"\\'):
        raise OperatorError(f"a bare mail address is wanted, not {shown(text)}", node.place)
    return text


def _as_secret(folder: Path) -> Reader[Path]:
    def read(node: Node, problems: Problems) -> Path:
        path = as_file(folder, advice="")(node, problems)
        mode = path.stat().st_mode & 0o7777
        if mode & 0o077:
            problems.warn(f"others than its owner can reach {path} (mode {mode:04o}); chmod 0600", node.place)
        return path

    return read


MAX_SECRET = 4096
"""Octets of a password's file; a longer one is the wrong file."""


def read_password(file: Path) -> bytes:
    """Return the password: the first line of its file.

    Raises:
        OperatorError: the file cannot be read, is too long, or holds no password.
    """
    place = Place(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_SECRET + 1)
    except OSError as error:
        raise OperatorError(f"the password cannot be read: {error.strerror}", place) from None
    if len(content) > MAX_SECRET:
        raise OperatorError("this is too long for a password; is it the right file?", place)
    lines = content.splitlines()
    if not lines or not lines[0]:
        raise OperatorError("the first line is empty; the password stands there", place)
    if b"\0" in lines[0]:
        raise OperatorError("a password cannot hold a NUL character", place)
    return lines[0]
