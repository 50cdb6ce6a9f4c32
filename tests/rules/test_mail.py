"""Mails of rules: what they say, and that no message can make them say more."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.event import FieldValue
from rules.job import fill_argv
from rules.mail import MAX_BODY, MAX_SUBJECT, compose, sendmail_task
from rules.step import Mail, Task

HOSTILE = [
    "a\r\nBcc: victim@example.org",
    "a\nBcc: victim@example.org\n\nbody",
    "a\rBcc: victim@example.org",
    "a\x0bb\x0cc\x1cd\x85e\u2028Bcc: x",
    "=?utf-8?q?a=0ABcc=3A_x?=",
    "\x1b]0;title\x07\x1b[2J",
    "\u202egnp.exe",
    "\udcff\udc80",
    "\0",
    "~! id\n~r /etc/shadow\n.\nFrom x\n",
    "x" * 100_000,
    "é" * 100_000,
    "\n" * 100_000,
]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec=None))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


def mail(subject: str = "${text}", body: str | None = None, to: tuple[str, ...] = ("root",)) -> Mail:
    """Make a step."""
    return Mail("rule/do/1", to, subject, body)


def octets(step: Mail, /, **fields: FieldValue) -> bytes:
    """Compose a mail."""
    return compose(step, fields, sender="gateway@example.org", hostname="gw.example.org", job="0f-1", now=1e9)


def composed(step: Mail, /, **fields: FieldValue) -> EmailMessage:
    """Compose a mail and read it again."""
    return message_from_bytes(octets(step, **fields), policy=SMTP)


def body_of(message: EmailMessage) -> str:
    """Return what a reader sees."""
    return str(message.get_content()).replace("\r\n", "\n")


def test_the_headers() -> None:
    """Who, when, and that no human has written it; the same attempt has the same Message-ID."""
    fields: dict[str, FieldValue] = {"file.name": "a.csv", "process.exit_code": 3}
    message = composed(mail("import of ${file.name}: exit ${process.exit_code}"), **fields)
    assert message["Subject"] == "import of a.csv: exit 3"
    assert (message["From"], message["To"]) == ("gateway@example.org", "root")
    assert message["Date"] == "Sun, 09 Sep 2001 01:46:40 +0000"
    assert message["Message-ID"] == "<0f-1@gw.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"


def test_several_recipients() -> None:
    """They are those of the step, in its order."""
    message = composed(mail(to=("ops@example.org", "root")), text="x")
    assert message["To"].addresses == (Address("", "ops", "example.org"), Address("", "root", ""))


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_stays_in_its_place(value: str) -> None:
    """Whatever a message says, the headers are the same, the subject is one line, and nothing acts on a screen."""
    for step in (mail(), mail("x", "${text}"), mail("x")):
        raw = octets(step, text=value)
        message = message_from_bytes(raw, policy=SMTP)
        assert sorted(name.lower() for name in message) == [
            "auto-submitted",
            "content-transfer-encoding",
            "content-type",
            "date",
            "from",
            "message-id",
            "mime-version",
            "subject",
            "to",
        ]
        assert message["To"] == "root"
        assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]", raw)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", message["Subject"])
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", body_of(message))
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert len(raw) < 8 * MAX_BODY


@given(st.dictionaries(st.text(st.characters(codec=None), max_size=10), VALUES, max_size=5), st.text(max_size=20))
def test_every_event_makes_a_mail(fields: dict[str, Any], template: str) -> None:
    """An alarm is never lost because of what is in it, nor because of what is not."""
    for step in (mail(template + "${text} ${}"), mail("x", template), mail("x")):
        raw = compose(step, fields, sender="a@b", hostname="b", job="c", now=0)
        assert message_from_bytes(raw, policy=SMTP)["From"] == "a@b"


def test_a_subject_that_is_not_ascii() -> None:
    """It is encoded (RFC 2047), and read as it was written."""
    raw = octets(mail("Prüfung ${text}"), text="für 日本")
    assert raw.isascii()
    assert message_from_bytes(raw, policy=SMTP)["Subject"] == "Prüfung für 日本"


def test_a_long_subject() -> None:
    """It is cut where a list of mails would not show it any more."""
    subject = composed(mail(), text="word " * 1000)["Subject"]
    assert len(subject) <= MAX_SUBJECT
    assert subject.endswith("…")


def test_fields_that_are_absent_and_those_that_are_no_text() -> None:
    """A dash, the words of a list, JSON; `$$` is a dollar sign."""
    step = mail("x", "${none}|${nothing}|${list}|${mixed}|${table}|${yes}|${number}|$$5|$5|${")
    text = body_of(
        composed(step, nothing=None, list=["a", "b"], mixed=["a", 1], table={"a": None}, yes=True, number=1.5)
    )
    assert text == '-|-|a, b|["a", 1]|{"a": null}|true|1.5|$5|$5|${\n'


def test_the_body_of_the_step() -> None:
    """Its lines stay, and those of a value too."""
    assert body_of(composed(mail("x", "one\n${text}\n\ttwo"), text="a\r\nb")) == "one\na\nb\n\ttwo\n"


def test_a_mail_without_a_body_shows_the_event() -> None:
    """One field a line, what is not there left out, and the output below as it was."""
    fields: dict[str, FieldValue] = {
        "source.ip": "192.0.2.7",
        "user.name": None,
        "tags": ["a", "b"],
        "message": "one\n  two\n",
        "gateway.job.output": "Traceback:\n  File x\n",
    }
    assert body_of(composed(mail("x"), **fields)) == (
        "source.ip: 192.0.2.7\ntags: a, b\nmessage: one ↵ two\n\noutput:\n    Traceback:\n      File x\n"
    )


def test_a_long_body_is_cut() -> None:
    """A mail is to be read, and mail systems have limits."""
    text = body_of(composed(mail("x"), **{f"field{number}": "x" * 5000 for number in range(100)}))
    assert len(text) <= MAX_BODY + 1
    assert text.endswith("…\n")


@pytest.mark.parametrize("hostname", ["", "b\r\nBcc: x", "é", "a_b", "." * 10])
def test_any_hostname(hostname: str) -> None:
    """A machine may be called whatever it is."""
    raw = compose(mail("x"), {}, sender="a@b", hostname=hostname, job="0f-1", now=0)
    assert re.fullmatch(r"<0f-1@[0-9A-Za-z.-]+>", str(message_from_bytes(raw, policy=SMTP)["Message-ID"]))


class TestSendmail:
    """The task that gives a mail to a sendmail program."""

    def test_the_arguments_are_fixed(self) -> None:
        """Recipients stand behind `--`; no event can change a word of them."""
        step = mail(to=("root", "-oQ/tmp@example.org", "a$b@example.org", "${user.name}"))
        task = sendmail_task(step, "/usr/sbin/sendmail", "gw@example.org", Task("", (), timeout=7, user="mail"))
        argv = fill_argv(task.argv, {"user.name": "forged"}, options=task.options)
        assert argv == ["/usr/sbin/sendmail", "-i", "-f", "gw@example.org", "--", *step.to]
        assert (task.name, task.timeout, task.user, task.stdin) == ("rule/do/1", 7, "mail", True)
        assert task.mail is not None
        assert (task.mail.to, task.mail.sender) == (step.to, "gw@example.org")

    def test_without_a_sender(self) -> None:
        """The program knows who it is run by."""
        task = sendmail_task(mail(), "sendmail", None, Task("", ()))
        assert task.argv == ("sendmail", "-i", "--", "root")
        assert task.mail is not None
        assert task.mail.sender is None
