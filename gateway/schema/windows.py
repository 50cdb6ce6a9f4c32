"""When a rule acts: its condition over time, and how the calendar and other rules bound it."""

from __future__ import annotations

from gateway.schema.conditions import fields
from gateway.schema.shapes import (
    Keys,
    Schema,
    about,
    duration,
    either,
    listed,
    mapping,
    one_or_more,
    ref,
    text,
    truth,
    whole,
)
from rules.load_step import RULE_NAME
from rules.load_when import LARGEST_KEYS, MAX_STAGES, MAX_WINDOW, MOST_DIGEST, USUAL_DIGEST
from rules.when import MAX_KEYS

_SHARED: Keys = {
    "by": about(
        "The fields whose values are counted apart; [] counts all together. An event that lacks one counts nowhere.",
        fields,
        examples=[["source.ip"], ["user.name", "host.name"], []],
    ),
    "max_keys": whole(
        "So many keys are remembered; the one that was quiet longest is forgotten first.", 1, LARGEST_KEYS, MAX_KEYS
    ),
}

_STAGE: Schema = {
    "anyOf": [
        mapping(
            "A condition whose key stands in other fields.",
            {
                "match": about("What the event must be.", ref("condition")),
                "unless": about("What it must not be.", ref("condition")),
                "by": about("Its fields that hold the key, one for each of the rule's.", fields),
            },
            required=["match"],
        ),
        {"allOf": [ref("condition"), {"not": {"type": "object", "required": ["match"]}}]},
    ]
}

_WITHIN = duration("In which time.", example="10m")


def _kind(description: str, keys: Keys, required: list[str]) -> Schema:
    return mapping(description, keys | _SHARED, title=required[0], required=[*required, "by"])


def _conditions(description: str) -> Schema:
    example = [{"process.name": "httpd"}, {"process.name": "audit", "message": {"contains": "exec /tmp/"}}]
    return listed(description, ref("stage"), least=2, examples=[example]) | {"maxItems": MAX_STAGES}


_COUNT = mapping(
    "So many matching events.",
    {
        "count": whole("So many events; 1 needs no within.", 1, MAX_WINDOW),
        "within": _WITHIN,
        **_SHARED,
    },
    title="count",
    required=["count", "by"],
    examples=[{"count": 5, "within": "10m", "by": ["source.ip"]}],
) | {"anyOf": [{"required": ["within"]}, {"properties": {"count": {"const": 1}}}]}

_SECTION = mapping(
    "A part of the digest; an event is in the first whose condition holds.",
    {
        "title": text("Its title, a line.", r"[^\r\n]+", wanted="a title of one line"),
        "match": about("Which events are in it.", ref("condition")),
    },
    required=["title", "match"],
)

WHEN: Schema = {
    "description": "When enough has come: exactly one of count, distinct, all, sequence, absent, digest, settled. "
    "Without it a rule acts at every match.",
    "type": "object",
    "anyOf": [
        _COUNT,
        _kind(
            "So many different values of a field.",
            {
                "distinct": about("The field whose different values count.", ref("field"), examples=["user.name"]),
                "count": whole("So many different values.", 2, MAX_WINDOW),
                "within": _WITHIN,
            },
            ["distinct", "count", "within"],
        ),
        _kind(
            "One event for each of several conditions, in any order.",
            {"all": _conditions("The conditions, in any order."), "within": _WITHIN},
            ["all", "within"],
        ),
        _kind(
            "One event for each of several conditions, in this order; others may come between.",
            {
                "sequence": _conditions("The conditions, in their order."),
                "unless": about("An event that breaks off what has begun.", ref("stage")),
                "within": _WITHIN,
            },
            ["sequence", "within"],
        ),
        _kind(
            "A match, and then for so long nothing of another kind; `do` is for that, `else` for when it came.",
            {
                "absent": either(
                    "What must stay away: a condition, or `match`, which waits for silence: nothing more that matches.",
                    {"const": "match"},
                    ref("stage"),
                ),
                "within": duration("For how long.", example="1h"),
            },
            ["absent", "within"],
        ),
        _kind(
            "What comes within a time, or up to a number, is handed over as one: ${gateway.digest}.",
            {
                "digest": duration("For how long it is collected.", example="1h"),
                "max": whole("So many events are handed over at once.", 1, MOST_DIGEST, USUAL_DIGEST),
                "unique": truth("Equal messages are one line, with their number.", usual=False),
                "sections": listed(
                    "Parts with titles; what is in none comes last.",
                    _SECTION,
                    least=1,
                    examples=[[{"title": "Attacks", "match": {"event.action": "ssh-login"}}]],
                ),
            },
            ["digest"],
        ),
        _kind(
            "Nothing more has come for so long; with files, one for each of their patterns.",
            {
                "settled": duration("For how long it must be quiet.", example="2s"),
                "files": listed(
                    "Patterns of file names: it waits until a file has come for each of them.",
                    text("A pattern for the file's name.", r"[^/]+", wanted="a pattern of a name without slashes"),
                    least=1,
                    examples=[["*.csv", "*.sha256", "done"]],
                ),
                "within": duration(
                    "In which time all files must have come; else is for what is not whole.", example="1h"
                ),
            },
            ["settled"],
        )
        | {"dependentRequired": {"within": ["files"]}},
    ],
    "examples": [
        {"count": 5, "within": "10m", "by": ["source.ip"]},
        {"absent": "match", "within": "1h", "by": ["host.name"]},
        {"settled": "2s", "by": ["file.path"]},
    ],
}

_WINDOW: Schema = {"const": "window", "description": "Until the window that came true is over."}

SUPPRESS = either(
    "After the rule has acted, it does not act again for the same key for this time.",
    duration("For so long.", example="10m"),
    _WINDOW,
    mapping(
        "For which time and key.",
        {
            "for": either(
                "For so long; window: until the window that came true is over.", duration("A time."), _WINDOW
            ),
            "by": about("The fields of the key; absent: those of when.", fields),
        },
        required=["for"],
    ),
    examples=["10m", {"for": "1h", "by": ["host.name"]}, {"for": "window"}],
)

_HOURS_TEXT = text("Hours as OpenStreetMap writes opening hours.", r".+", examples=["Mo-Fr 08:00-18:00"])

_HOURS = either(
    "Hours of the calendar.",
    _HOURS_TEXT,
    mapping(
        "Hours, with their zone and the country whose holidays count.",
        {
            "hours": _HOURS_TEXT,
            "zone": text("The time zone; absent: this machine's.", r"\S+", examples=["Europe/Berlin"]),
            "country": text("The country whose holidays PH means.", r"[A-Z]{2}", wanted="an ISO code", examples=["DE"]),
        },
        required=["hours"],
    ),
)

DURING = one_or_more("Hours in which the rule sees events: any of these.", _HOURS, examples=["Mo-Fr 08:00-18:00"])
OUTSIDE = one_or_more("Hours in which the rule sees no events: none of these.", _HOURS, examples=["Su 03:00-05:00"])

_OPEN_OF = either(
    "Another rule's open state.",
    text("The rule's name.", RULE_NAME),
    mapping(
        "The rule, and where this rule's event has the key.",
        {
            "rule": text("The rule's name.", RULE_NAME),
            "by": about(
                "The fields of this rule's event that hold the key; absent: those that rule counts by.", fields
            ),
        },
        required=["rule"],
    ),
)

IF_OPEN = one_or_more("Only while this rule has a state open for the event's key.", _OPEN_OF, examples=["maintenance"])
UNLESS_OPEN = one_or_more(
    "Only while this rule has no state open for the event's key.", _OPEN_OF, examples=["maintenance"]
)

DEFINITIONS = {"stage": _STAGE}
