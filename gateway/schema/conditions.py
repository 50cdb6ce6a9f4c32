"""What stands where a condition does: fields and what they must be, expressions, and the lists and macros they name."""

from __future__ import annotations

from gateway.schema.shapes import (
    SCALAR,
    Schema,
    about,
    ecma,
    either,
    listed,
    mapping,
    named,
    number,
    one_or_more,
    path,
    ref,
    table,
    text,
    truth,
)
from parsers.fields import INTEGERS, KNOWN
from rules.expression import PIECE
from rules.load_condition import COMPARISONS, FIELD

WELL_KNOWN = {
    "event.action": "what happened: ssh-login, upload-complete, job-finished, timer",
    "event.dataset": "the name of the source that it came through; drop, files, emit and gateway are our own",
    "event.module": "the grammar that took the message apart: sshd, postfix",
    "event.outcome": "success or failure",
    "event.provider": "the source that an upload or a watched file came through",
    "event.reason": "why",
    "file.directory": "the folder that the file is in",
    "file.hash.sha256": "the checksum of an uploaded file",
    "file.name": "the name of a file, without its folders",
    "file.path": "the whole path of a file",
    "file.size": "the octets of a file",
    "gateway.account": "the account that uploaded the log which held the message",
    "gateway.trust": "how far the sender is known: datagram, network, account, certificate, local",
    "host.name": "the machine that the message is about",
    "log.source.address": "the address that sent the message",
    "log.syslog.appname": "the program, as the header names it (RFC 5424 APP-NAME, RFC 3164 TAG)",
    "log.syslog.facility.code": "0 kern, 1 user, 2 mail, 3 daemon, 4 auth, 10 authpriv, 16 to 23 local0 to local7",
    "log.syslog.facility.name": "kern, user, mail, daemon, auth, authpriv, local0",
    "log.syslog.hostname": "the machine, as the header names it",
    "log.syslog.severity.code": "0 emergency, 1 alert, 2 critical, 3 error, 4 warning, 5 notice, 6 info, 7 debug",
    "log.syslog.severity.name": "emergency, alert, critical, error, warning, notice, informational, debug",
    "message": "the text of the message, without its header",
    "process.exit_code": "the exit code of a job's last process",
    "process.name": "the program that says it",
    "process.pid": "the number of the process that says it",
    "rule.name": "the rule whose job it was",
    "service.name": "the service that it is about",
    "source.ip": "the address of the peer that it is about",
    "source.port": "the port of the peer that it is about",
    "user.name": "the user that it is about",
}
"""In a few words what the fields hold that rules ask for most."""


def known_fields(value: Schema) -> dict[str, Schema]:
    """Return the fields that editors offer, each with this schema of its value."""
    return {name: about(_words(name), value, title=name) for name in sorted(KNOWN)}


def _words(name: str) -> str:
    words = WELL_KNOWN.get(name, "a number" if name in INTEGERS else "")
    return f"The field {name}{words and ': '}{words}."


FIELD_NAME: Schema = {"type": "string", "pattern": ecma(FIELD)}

_FIELD = either(
    "The name of a field, such as source.ip or user.name; `gateway parse` shows which a message has.",
    {"enum": sorted(KNOWN)},
    FIELD_NAME,
)

fields = listed("Names of fields.", ref("field"))

_CONDITION = either(
    "Which events: a mapping of fields, all of which must be so, or an expression. {} is every event.",
    table(
        "Fields, and what they must be; any, all and not combine conditions.",
        ref("test"),
        FIELD_NAME,
        known={
            "any": named("any", listed("One of these conditions must hold.", ref("condition"), least=1)),
            "all": named("all", listed("All of these conditions must hold.", ref("condition"), least=1)),
            "not": about("This condition must not hold.", ref("condition"), title="not"),
            **known_fields(ref("test")),
        },
    ),
    about("An expression, or the name of a macro: $failed-login.", {"type": "string", "minLength": 1}),
    examples=[
        {"event.action": "ssh-login", "event.outcome": "failure"},
        'message ~ "Failed .* from" and log.syslog.severity.code <= 4',
        "$failed-login",
    ],
)

_VALUES = one_or_more("Values.", SCALAR)

_COMPARED = {"gt": "greater than", "lt": "less than", "ge": "this number or greater", "le": "this number or less"}

_OPERATORS = mapping(
    "Operators, all of which must hold.",
    {
        "in": about(
            "The field is one of these values, or an address in one of these networks; $NAME is a list.", _VALUES
        ),
        "glob": one_or_more("The field matches the shell pattern, all of it.", text("A shell pattern.", r"[\s\S]+")),
        "regex": one_or_more(
            "The field has this regular expression somewhere; a group (?P<user_name>...) fills user.name.",
            text("A regular expression, as Python writes them."),
        ),
        "contains": one_or_more("The field has this text somewhere.", text("Text.", r"[\s\S]+")),
        **{key: number(f"The field is {_COMPARED[key]}.") for key in COMPARISONS},
        "exists": truth("true: the field is there. false: it is not."),
        "any": listed("One of these must hold of the field.", ref("test"), least=1),
        "all": listed("All of these must hold of the field.", ref("test"), least=1),
        "not": about("This must not hold of the field.", ref("test")),
    },
)

_TEST: Schema = {
    "anyOf": [
        {key: value for key, value in _OPERATORS.items() if key != "description"} | {"minProperties": 1},
        {"type": "array", "items": SCALAR, "minItems": 1},
        SCALAR,
    ],
    "examples": ["failure", ["sshd", "sshd-session"], {"in": ["10.0.0.0/8"]}, {"regex": "Failed .* from"}, {"le": 4}],
}

_PIECE_NAME: Schema = {"type": "string", "pattern": ecma(PIECE)}

_LIST = either(
    "Values or networks, or a file that holds them.",
    listed("Values or networks; $NAME is what another list holds.", SCALAR),
    mapping(
        "The list stands in a file, which is read again when it changes.",
        {"file": path("The file: one entry a line, # for comments.", "lists/blocked.txt")},
        required=["file"],
    ),
    mapping(
        "What the configuration calls so.",
        {"usual": about("What it is where the configuration has no such list.", ref("list"))},
        required=["usual"],
    ),
)

LISTS = table(
    "Lists of values or networks, by their names; conditions use them as $NAME: {source.ip: {in: $office}}.",
    ref("list"),
    _PIECE_NAME,
    examples=[{"office": ["10.0.0.0/8", "192.0.2.0/24"]}, {"blocked": {"file": "lists/blocked.txt"}}],
)

FIELDS = listed(
    "Names of fields that your senders and programs fill, so that they are not taken for misspelt ones.",
    FIELD_NAME,
    examples=[["shop.order.id"]],
)

MACROS = table(
    "Conditions, by their names; they are used as $NAME wherever a condition stands.",
    ref("condition"),
    _PIECE_NAME,
    examples=[{"failed-login": {"event.action": "ssh-login", "event.outcome": "failure"}}],
)

_CAPTURED_IN = about("The field that it is taken from.", ref("field"), default="message")
_GROUPS = "A regular expression with named groups, as Python writes them: (?P<user_name>...) fills user.name."

_CAPTURE = either(
    "What is taken out, as a regular expression or a grammar.",
    text(_GROUPS),
    mapping(
        "A regular expression on another field.", {"field": _CAPTURED_IN, "regex": text(_GROUPS)}, required=["regex"]
    ),
    mapping(
        "A grammar takes the text apart.",
        {
            "field": _CAPTURED_IN,
            "grammar": text("The name of a grammar that is loaded: sshd, postfix, one of yours.", r".+"),
        },
        required=["grammar"],
    ),
)

CAPTURE = one_or_more(
    "Takes fields out of the event's text. An event in which nothing is found is not the rule's.",
    _CAPTURE,
    examples=[r"order (?P<order_id>\d+) of (?P<user_name>\S+) failed", {"field": "message", "grammar": "sshd"}],
)

DEFINITIONS = {"list": _LIST, "field": _FIELD, "condition": _CONDITION, "test": _TEST}
