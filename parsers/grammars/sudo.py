"""sudo: who ran what as whom, and who was refused.

The forms are the "Log format" of sudoers(5): `user : [reason ; ]TTY=… ; PWD=… ; USER=… ; COMMAND=…`.

What a local user chose: the working directory, the environment and the command. When one of them holds a `; USER=` of
its own, target and command cannot be told apart from it, and the message yields the invoking user alone.
"""

from __future__ import annotations

from pyparsing import NotAny, Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.sudo_examples import EXAMPLES
from parsers.grammars.tokens import end, lit, rest, rx, word

_COMMAND: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "sudo-command",
    "event.outcome": "success",
}
_REFUSED: dict[str, FieldValue] = {
    "event.category": ["authentication", "process"],
    "event.type": ["denied"],
    "event.action": "sudo-command",
    "event.outcome": "failure",
}


def _invoker() -> ParserElement:
    """Match the user, right-justified in eight columns."""
    return rx(r" *") + rx(r"[^ :]+")("user.name") + lit(" : ")


def _unless_doubled() -> ParserElement:
    return NotAny(rx(r"(?>.*? ; (?:USER|COMMAND)=).* ; USER="))


def _where_and_what() -> ParserElement:
    return (
        Opt(lit("HOST=") + rx(r"[^ ;]+")("host.target.name") + lit(" ; "))
        + Opt(lit("TTY=") + word()("process.tty.name") + lit(" ; "))
        + Opt(lit("CHROOT=") + rx(r"(?:(?! ; (?:PWD|USER)=).)+")("sudo.chroot") + lit(" ; "))
        + Opt(lit("PWD=") + rx(r".+(?= ; USER=)")("process.working_directory") + lit(" ; "))
        + lit("USER=")
        + rx(r"[^ ]+")("user.effective.name")
        + Opt(lit(" ; GROUP=") + word()("group.name"))
        + Opt(lit(" ; TSID=") + word()("sudo.tsid"))
        + Opt(lit(" ; ENV=") + rx(r"(?:(?! ; COMMAND=).)+")("sudo.env"))
        + lit(" ; COMMAND=")
        + rx(r"(?s:.*)")("process.command_line")
    )


_REASON = r"[^;=]+(?= ; (?:HOST|TTY|CHROOT|PWD|USER)=)"

GRAMMAR = Grammar(
    name="sudo",
    programs=("sudo",),
    forms=(
        Form("command", _invoker() + _unless_doubled() + _where_and_what(), _COMMAND),
        Form(
            "refused",
            _invoker() + _unless_doubled() + rx(_REASON)("event.reason") + lit(" ; ") + _where_and_what(),
            _REFUSED,
        ),
        Form("command-unclear", _invoker() + rx(r"(?:HOST|TTY|CHROOT|PWD|USER)=") + rest(), _COMMAND),
        Form("refused-unclear", _invoker() + rx(_REASON)("event.reason") + rest(), _REFUSED),
        Form(
            "authentication",
            _invoker()
            + rx(r"(?:[0-9]+ incorrect password attempts?|a password is required|user NOT in sudoers)")("event.reason")
            + end(),
            _REFUSED,
        ),
        Form(
            "continued",
            _invoker() + lit("(command continued) ") + rx(r"(?s:.*)")("process.command_line"),
            {"event.category": ["process"], "event.type": ["info"], "event.action": "sudo-command-continued"},
        ),
        Form(
            "no-terminal",
            rx(r" *") + rx(r"(?:no tty present|a terminal is required)[^;]*")("event.reason") + end(),
            _REFUSED,
        ),
        Form(
            "unknown-user",
            rx(r" *unknown (?:user|uid):? ") + rx(r"[^ ]+")("user.effective.name") + end(),
            {**_REFUSED, "event.reason": "unknown user"},
        ),
    ),
    examples=EXAMPLES,
)
