"""The settings of what goes out: what is read, what is usual, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, ConfigErrors, load
from gateway.jobs.retention import Retention
from gateway.outgoing.service import flaws
from gateway.outgoing_config import (
    ClientTls,
    RelpDestination,
    Security,
    SendmailSettings,
    Server,
    SmtpSettings,
    TlsDestination,
    read_password,
)
from parsers.errors import OperatorError, Place

PLACE = Place("g.yaml", 1, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with made-up files."""
    for name in ("ca.pem", "own.pem", "own.key", "password"):
        (tmp_path / name).write_text("made up")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "open").write_text("s3cret")
    (tmp_path / "open").chmod(0o640)
    return tmp_path


def load_text(folder: Path, text: str) -> Config:
    """Load a configuration with this text."""
    path = folder / "g.yaml"
    path.write_text(text + "\nsources: {syslog: {tcp: 1514}}\n")
    return load(path)


def smtp(folder: Path, text: str) -> SmtpSettings:
    """Return the settings of `mail: {smtp: ...}`."""
    found = load_text(folder, f"mail: {{smtp: {text}}}").mail
    assert isinstance(found, SmtpSettings)
    return found


def test_nothing_said(folder: Path) -> None:
    """Mail goes to sendmail, there are no destinations, and seven days are kept."""
    found = load_text(folder, "")
    assert found.mail == SendmailSettings(program=Path("/usr/sbin/sendmail"))
    assert found.destinations == ()
    assert found.journal == Retention(7 * 86_400.0, 1024**3)


def test_everything_said(folder: Path) -> None:
    """All keys of mail, and both kinds of destinations."""
    found = load_text(
        folder,
        """
mail: {smtp: "Mail.Example.com:587", user: us, password_file: password, from: gw@example.com, ca: ca.pem,
       certificate: own.pem, key: own.key, name: "mx.example.com", tls: starttls, timeout: 20s}
destinations:
  siem: {tls: "[2001:DB8::1]:6514", certificate: own.pem}
  archive: {relp: "logs.example.com:2514", tls: implicit, ca: ca.pem, name: 192.0.2.1, timeout: 5m}
  next: {relp: "127.0.0.1:2514"}
journal: {keep: 30d, size: 64MiB}
""",
    )
    pair = (folder / "own.pem", folder / "own.key")
    assert found.mail == SmtpSettings(
        PLACE,
        Server("mail.example.com", 587),
        Security.STARTTLS,
        ClientTls("mx.example.com", folder / "ca.pem", pair),
        ("us", folder / "password"),
        "gw@example.com",
        20.0,
    )
    assert found.destinations == (
        TlsDestination("siem", PLACE, Server("2001:db8::1", 6514), ClientTls("2001:db8::1", None, (pair[0], pair[0]))),
        RelpDestination(
            "archive", PLACE, Server("logs.example.com", 2514), ClientTls("192.0.2.1", folder / "ca.pem"), 300.0
        ),
        RelpDestination("next", PLACE, Server("127.0.0.1", 2514)),
    )
    assert found.journal == Retention(30 * 86_400.0, 64 * 1024**2)
    assert not found.warnings
    sendmail = load_text(folder, "mail: {sendmail: /opt/bin/msmtp, from: root}").mail
    assert sendmail == SendmailSettings(None, Path("/opt/bin/msmtp"), "root")


@pytest.mark.parametrize(
    ("server", "security"),
    [
        ('"mail.example.com:25"', Security.STARTTLS),
        ('"mail.example.com:465"', Security.IMPLICIT),
        ('"127.0.0.1:25"', Security.NONE),
        ('"[::1]:25"', Security.NONE),
        ("localhost:25", Security.NONE),
        ("localhost:465", Security.IMPLICIT),
    ],
)
def test_tls_is_usual_but_on_this_machine(folder: Path, server: str, security: Security) -> None:
    """Who says nothing gets TLS, unless the server is this machine."""
    found = smtp(folder, server)
    assert found.security is security
    assert (found.tls is None) == (security is Security.NONE)


def test_places_do_not_count(folder: Path) -> None:
    """A line more above leaves a connection's settings the same."""
    one = load_text(folder, 'destinations: {a: {tls: "h:1"}}').destinations
    other = load_text(folder, '# more\n\ndestinations: {a: {tls: "h:1"}}').destinations
    assert one == other
    assert one[0].place != other[0].place


ERRORS = [
    ('mail: {smtp: "h:25", sendmail: /x}', 'g.yaml:1:7: "mail": mail goes one way: write either smtp or sendmail'),
    ("mail: {smtp: mail.example.com}", '"smtp": "mail.example.com" has no port'),
    ('mail: {smtp: "h:0"}', '"smtp": 0 is no port'),
    ('mail: {smtp: "1.2.3.400:25"}', "is no IP address"),
    ('mail: {smtp: "2001:db8::1:25"}', "is wanted, not"),
    ('mail: {smtp: "[mail]:25"}', "brackets are for IPv6 addresses"),
    ('mail: {smtp: "h_x!:25"}', "is no host name"),
    ('mail: {smtp: "h:25", tls: maybe}', "one of starttls, implicit, none is wanted"),
    ('mail: {smtp: "h:25", user: us}', 'a login is a user and a password_file; "password_file" is missing'),
    ('mail: {smtp: "h:25", password_file: password}', '"user" is missing'),
    ('mail: {smtp: "h:25", user: us, password_file: gone}', "gone does not exist"),
    ('mail: {smtp: "h:25", from: "Us <us@x>"}', "a mail address such as gateway@example.com is wanted"),
    ('mail: {smtp: "h:25", from: "a<b>@x"}', "a bare mail address is wanted"),
    ('mail: {smtp: "localhost:25", ca: ca.pem}', '"ca" is for TLS, and tls is none here'),
    ('mail: {smtp: "h:25", key: own.key}', '"key" has no certificate'),
    ('mail: {smtpp: "h:25"}', 'unknown key "smtpp" in "mail"; did you mean "smtp"?'),
    ("mail: {user: us}", '"user" is for a server, and none is named under "smtp"'),
    ("mail: {sendmail: sendmail}", "a program's whole path is wanted"),
    ("mail: postfix", "a mapping (key: value) is wanted here"),
    ("destinations: {a: {}}", '"a": a destination has one of tls and relp; there is none'),
    ('destinations: {A b: {relp: "h:1"}}', '"A b" cannot be a destination\'s name'),
    ('destinations: {a: {relp: "h:1", tls: starttls}}', "one of implicit, none is wanted"),
    ('destinations: {a: {relp: "h:1", tls: none, name: x}}', '"name" is for TLS'),
    ('destinations: {a: {tls: "h:1", ca: empty}}', "does not exist"),
    ('destinations: {a: {tls: "h:1", timeout: 5}}', "write a unit: 5s"),
    ("destinations: {a: {tls: none}}", '"none" has no port'),
    ("journal: {keep: 0s}", "must be greater than 0"),
    ("journal: {size: 1KiB}", "a size from 16,777,216"),
]


@pytest.mark.parametrize(("text", "words"), ERRORS)
def test_mistakes_are_told(folder: Path, text: str, words: str) -> None:
    """Each with its place and what to write."""
    with pytest.raises(ConfigErrors) as caught:
        load_text(folder, text)
    said = str(caught.value).replace(f"{folder}/", "")
    assert words in said
    assert said.startswith("g.yaml:1:")
    assert len(caught.value.errors) == 1


WARNINGS = [
    (
        'destinations: {a: {tls: "h:1", certificate: own.pem, key: open}}',
        "others than its owner can reach open (mode 0640)",
    ),
    ('mail: {smtp: "h:25", user: us, password_file: open}', "others than its owner can reach open (mode 0640)"),
    (
        'mail: {smtp: "h:25", tls: none, user: us, password_file: password}',
        "the password goes over the network to h:25",
    ),
    ('destinations: {a: {relp: "h:1", tls: none}}', "plain RELP to h:1 can be read and changed on its way"),
]


@pytest.mark.parametrize(("text", "words"), WARNINGS)
def test_what_is_probably_not_meant(folder: Path, text: str, words: str) -> None:
    """A password that others can read, on the disk or on the wire, and messages in clear."""
    (warning,) = load_text(folder, text).warnings
    assert words in str(warning).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the first line is empty"),
        (b"\nx", "the first line is empty"),
        (b"x" * 5000, "too long"),
        (b"a\0b", "NUL"),
    ],
)
def test_passwords_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    """The file is named."""
    file = tmp_path / "p"
    file.write_bytes(content)
    with pytest.raises(OperatorError, match=words):
        read_password(file)
    file.write_bytes("pässwörd \r\nsecond".encode())
    assert read_password(file) == "pässwörd ".encode()


def test_check_finds_what_would_fail_later(folder: Path) -> None:
    """Certificates that are none; each with the place of its setting."""
    found = load_text(
        folder,
        'mail: {smtp: "h:25", ca: ca.pem}\ndestinations: {a: {tls: "h:1"}, b: {tls: "h:1", certificate: own.pem}}',
    )
    said = [str(flaw).replace(f"{folder}/", "") for flaw in flaws(found.mail, found.destinations)]
    assert len(said) == 2
    assert said[0].startswith("g.yaml:2:37: b: own.pem: there is no usable PEM certificate")
    assert said[1].startswith("g.yaml:1:8: mail: ca.pem: there is no usable PEM certificate")
