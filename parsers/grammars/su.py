"""su: who became whom, in the words of util-linux, of shadow and of the BSDs.

The forms are those of su(1) in each of them: util-linux writes `(to root) alice on pts/0`, shadow
`Successful su for root by alice` and `+ /dev/pts/0 alice:root`, the BSDs `alice to root on /dev/pts/0`.

What a local user chose: the name of the user to become. The caller and the terminal, at the end, are su's.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.su_examples import EXAMPLES
from parsers.grammars.tokens import end, lit, rx, word

_SWITCH: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "user-switch",
}
_SUCCESS: dict[str, FieldValue] = {**_SWITCH, "event.outcome": "success"}
_FAILURE: dict[str, FieldValue] = {**_SWITCH, "event.outcome": "failure"}

_CALLER = r"[^ ]+ on [^ ]+\Z"


def _parenthesised() -> ParserElement:
    return (
        lit("(to ")
        + rx(rf".*(?=\) {_CALLER})")("user.effective.name")
        + lit(") ")
        + word()("user.name")
        + lit(" on ")
        + word()("process.tty.name")
        + end()
    )


def _by() -> ParserElement:
    return lit("su for ") + rx(r".*(?= by [^ ]+\Z)")("user.effective.name") + lit(" by ") + word()("user.name") + end()


def _pair(sign: str) -> ParserElement:
    return (
        lit(f"{sign} ")
        + word()("process.tty.name")
        + lit(" ")
        + rx(r"[^: ]+")("user.name")
        + rx(r"[:-]")
        + rx(r".+")("user.effective.name")
        + end()
    )


def _bsd() -> ParserElement:
    return (
        rx(r"[^ ]+(?= to )")("user.name")
        + lit(" to ")
        + rx(r".+(?= on [^ ]+\Z)")("user.effective.name")
        + lit(" on ")
        + word()("process.tty.name")
        + end()
    )


GRAMMAR = Grammar(
    name="su",
    programs=("su", "su-l"),
    forms=(
        Form("switched", _parenthesised(), _SUCCESS),
        Form("failed", lit("FAILED SU ") + _parenthesised(), _FAILURE),
        Form("switched-by", lit("Successful ") + _by(), _SUCCESS),
        Form("failed-by", lit("FAILED ") + _by(), _FAILURE),
        Form("switched-pair", _pair("+"), _SUCCESS),
        Form("failed-pair", _pair("-"), _FAILURE),
        Form("failed-bsd", lit("BAD SU ") + _bsd(), _FAILURE),
        Form("switched-bsd", _bsd(), _SUCCESS),
        Form(
            "pam",
            rx(r"pam_(?:authenticate|acct_mgmt|chauthtok|open_session|setcred)(?=: )")("pam.call")
            + lit(": ")
            + rx(r".+")("event.reason")
            + end(),
            _FAILURE,
        ),
        Form(
            "no-entry",
            Opt(lit("su: "))
            + rx(r"(?:No passwd entry for user|user) '?")
            + rx(r".+(?='(?: does not exist.*)?\Z)")("user.effective.name")
            + rx(r"'(?: does not exist.*)?")
            + end(),
            {**_FAILURE, "event.reason": "no such user"},
        ),
    ),
    examples=EXAMPLES,
)
