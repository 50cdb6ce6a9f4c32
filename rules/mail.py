"""Compose the mail of a `mail:` step, and the task that gives it to the local sendmail.

Foreign text goes into a mail only through `email.message`, which writes headers that no value can break out of, and a
body that no mailer takes for commands of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from parsers.event import FieldValue, lookup, printable
from rules.job import PLACEHOLDER
from rules.step import Mail, Task

_POLICY = SMTP.clone(cte_type="7bit")  # any way that a mail goes takes seven bits

MAX_SUBJECT = 200
"""Characters: what a list of mails shows, and then some."""

MAX_BODY = 64 * 1024
"""Characters: a mail is to be read."""

MAX_FIELD = 8 * 1024
"""Characters of one field in a body."""

MAX_DIGEST = 1024**2
"""Characters of the body of a mail that holds a digest: `rules.windows.digest` makes none that is longer."""

DIGEST = "gateway.digest"
"""The field that is the whole body where it is there and the rule says no other; it is not cut."""

OUTPUT = "gateway.job.output"
"""The field whose lines stand at the end of a body as they are."""

ABSENT = "-"
"""What stands for a field that the event does not have: an alarm with a gap is better than none."""

_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ufff9-\\ufffb]"
)
"""Control characters but tab and newline, and those that turn or hide text: a log line must not draw on a terminal."""


def sendmail_task(mail: Mail, sendmail: str, sender: str | None, defaults: Task) -> Task:
    """Return the task that gives a mail to a sendmail program.

    Its recipients are those of the configuration and stand behind `--`; `-i` keeps a lone dot from ending the mail
    (sendmail(8), postfix sendmail(1)).
    """
    envelope = ("-f", sender) if sender else ()
    # An address is no template: a dollar sign in it stays one.
    fixed = (argument.replace("$", "$$") for argument in (sendmail, "-i", *envelope, "--", *mail.to))
    whole = replace(mail, sender=sender)
    return replace(
        defaults, name=mail.name, argv=tuple(fixed), mail=whole, stdin=True, options=False, stream=False, ready=False
    )


def compose(mail: Mail, fields: Mapping[str, FieldValue], *, sender: str, hostname: str, job: str, now: float) -> bytes:
    """Write a mail as octets with CRLF ends of lines (RFC 5322), MIME where it is not ASCII; never fails for a value.

    Args:
        mail: whose `${field}` are filled in; an absent field is a dash.
        fields: the event, ready for JSON.
        sender: the address in `From`.
        hostname: of this machine, for `Message-ID`.
        job: the attempt's id: a mail that is sent twice has one Message-ID, so that it can be seen to be the same.
        now: seconds since 1970.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = ", ".join(mail.to)
    message["Subject"] = subject_of(mail, fields)
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{_atom(job)}@{_atom(hostname)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    body = _filled(mail.body, fields) if mail.body is not None else _shown(fields)
    message.set_content(_cut(_seen(body), MAX_DIGEST if DIGEST in fields else MAX_BODY).rstrip("\n") + "\n")
    return message.as_bytes()


def subject_of(mail: Mail, fields: Mapping[str, FieldValue]) -> str:
    """Return the subject of a mail: one line without what cannot be seen."""
    line = re.sub(r"\s+", " ", _seen(_filled(mail.subject, fields))).strip()
    # What looks like an encoded word (RFC 2047) would be decoded, by us or by the reader: `=?utf-8?q?=0ABcc=3A_x?=`.
    return _cut(line.replace("=?", "= ?"), MAX_SUBJECT)


def _filled(template: str, fields: Mapping[str, FieldValue]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if match[3]:
            return match[0]
        found = lookup(fields, match[2])
        return found if match[2] == DIGEST and isinstance(found, str) else _text(found)

    return PLACEHOLDER.sub(value, template)


def _text(value: FieldValue) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return _cut(value, MAX_FIELD)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _cut(", ".join(map(str, value)), MAX_FIELD)
    return _cut(json.dumps(value, ensure_ascii=False), MAX_FIELD)


def _shown(fields: Mapping[str, FieldValue]) -> str:
    """Show an event: one field a line, and the output of what failed below; of a digest, only what it collected."""
    digest = fields.get(DIGEST)
    if isinstance(digest, str):
        return digest
    lines = []
    for name, value in fields.items():
        if name != OUTPUT and value is not None:
            text = re.sub(r"\s*\n\s*", " \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS} ", _text(value).strip("\n"))
            lines.append(f"{name}: {text}")
    output = fields.get(OUTPUT)
    if isinstance(output, str) and output.strip():
        lines += ["", "output:", *(f"    {line}" for line in _cut(output, MAX_FIELD).splitlines())]
    return "\n".join(lines)


def _seen(text: str) -> str:
    r"""Write what cannot be seen as `\x1b`, `\u202e`."""
    whole = printable(text).replace("\r\n", "\n")
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), whole)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _atom(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z.-]", "-", text).strip(".-") or "gateway"
