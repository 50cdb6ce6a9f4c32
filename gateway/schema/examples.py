"""The tests inside a rule: what is sent, how time passes, how tasks end, what must come of it."""

from __future__ import annotations

from gateway.schema.conditions import FIELD_NAME, known_fields
from gateway.schema.shapes import (
    SCALAR,
    Schema,
    about,
    choice,
    duration,
    ecma,
    either,
    listed,
    mapping,
    one_or_more,
    ref,
    table,
    text,
    whole,
)
from parsers.message import Trust
from rules.load_examples import ENDS, LOOKS, MAX_STATUS, MAX_TIMES, STEP

TRUST = choice(
    "The least that must be known of a sender: nothing (datagram), its address (network), its login (account), its "
    "certificate, or that it is this machine (local).",
    [trust.name.lower() for trust in Trust],
)

_VALUES = either("A value, or several.", SCALAR, {"type": "array", "items": SCALAR})

_TEXT: Schema = {"type": ["string", "number", "boolean"], "minLength": 1}

_SEND = either(
    "What comes in: a message's text, as it stands behind the header or whole, or several, or the fields of an event.",
    about("A text such as `sshd[7]: ...`, a line of a log file, or a whole message that begins with <.", _TEXT),
    listed("Several, one after the other.", _TEXT, least=1),
    about(
        "The fields of an event; what is known of the sender stands beside it, under trust.",
        {**ref("sent-fields"), "propertyNames": {"not": {"enum": ["gateway.trust", "gateway.trusted"]}}},
    ),
    examples=["sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"],
)

_FIELDS = table("Fields, and what they hold.", ref("values"), FIELD_NAME, known=known_fields(ref("values")))

_OUTCOME = either(
    "",
    {"enum": list(ENDS)},
    mapping("With an exit code.", {"exit": whole("The exit code.", 0, MAX_STATUS)}, required=["exit"]),
    mapping(
        "Ended by a signal.",
        {"signal": text("The signal's name.", r"(?:SIG)?[A-Z][A-Z0-9]*", examples=["KILL", "TERM"])},
        required=["signal"],
    ),
)

_OUTCOMES = one_or_more("How it ends, or one for each attempt.", ref("outcome"))

_HOW_OFTEN = {
    "do": "How many times the rule acts.",
    "undo": "How many times it is undone.",
    "else": "How many times else is done.",
    "on_failure": "How many times on_failure is done.",
    "tries": "How many attempts there are.",
    "open": "How many states are open.",
    "held": "How many events were held back: not trusted enough to start a process.",
}

_EXPECT = mapping(
    "What must have come of it, since the last time that something was expected.",
    {
        **{key: whole(words, 0, MAX_TIMES) for key, words in _HOW_OFTEN.items()},
        "argv": listed("The command of the first job.", SCALAR, least=1),
        "subject": text("The subject of the first mail."),
        "emit": about("Fields of the first event that emit makes.", ref("sent-fields")),
        "event": about("Fields of the first job's event.", ref("sent-fields")),
        "digest": text("Text that is in the digest."),
        "rule": text("It is about this rule, not about the one that has the test."),
    },
    some_of=[[key] for key in LOOKS],
    examples=[{"do": 1, "argv": ["ban", "192.0.2.7"]}],
)

TEST = mapping(
    "A step of the test; in this order: outcome, advance, send, expect.",
    {
        "outcome": either(
            "How tasks end from here on; success, as long as nobody says otherwise.",
            _OUTCOMES,
            table(
                "For each step, by its part and number.",
                _OUTCOMES,
                {"pattern": ecma(STEP)},
                examples=[{"do/2": "failure"}],
            ),
            examples=["failure", {"exit": 75}],
        ),
        "advance": duration("So much time passes.", example="10m"),
        "send": _SEND,
        "times": whole("So many times.", 1, MAX_TIMES, 1),
        "every": duration("The time from one to the next.", zero=True, example="1m"),
        "from": text("The sender's address.", r"[0-9A-Fa-f.:%]+") | {"default": "127.0.0.1"},
        "trust": about("How far the sender is known.", TRUST),
        "expect": _EXPECT,
    },
    wants={key: ["send"] for key in ("times", "every", "from", "trust")},
    some_of=[["send"], ["advance"], ["expect"], ["outcome"]],
)

DEFINITIONS = {"values": _VALUES, "outcome": {"anyOf": _OUTCOME["anyOf"]}, "sent-fields": _FIELDS}
