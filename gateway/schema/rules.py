"""A rule file: its rules, and what they share."""

from __future__ import annotations

from gateway.schema import conditions, examples, steps, windows
from gateway.schema.shapes import Keys, Schema, about, either, listed, mapping, named, ref, text
from rules.load_step import RULE_NAME

_DEFAULTED: Keys = {
    "suppress": windows.SUPPRESS,
    "retry": steps.RETRY,
    "on_failure": steps.ON_FAILURE,
    "busy": steps.BUSY,
    "rate": steps.RATE,
    "idempotent": steps.IDEMPOTENT,
    "trust": examples.TRUST,
}
"""The keys of a rule that may stand in `defaults`."""


def _or_nothing(key: str) -> Schema:
    """Return the schema of a key that may have a default, which null or [] takes away."""
    return either(_DEFAULTED[key]["description"], ref(f"default-{key}"), {"type": ["null", "array"], "maxItems": 0})


_RULE: Schema = mapping(
    "A rule.",
    {
        "rule": text(
            "The rule's name, in all files its own.",
            RULE_NAME,
            wanted="a name of a-z, 0-9 and - (at most 100)",
            examples=["ssh-bruteforce"],
        ),
        "description": text("In a sentence or two, what it is for."),
        "match": about(
            "Which events: a mapping of fields or an expression; {} is every event. With `all` and `sequence` it may "
            "be left away, else it must hold of each of their events too.",
            ref("condition"),
        ),
        "unless": about("Which events not.", ref("condition")),
        "capture": conditions.CAPTURE,
        "when": windows.WHEN,
        "during": windows.DURING,
        "outside": windows.OUTSIDE,
        "if_open": windows.IF_OPEN,
        "unless_open": windows.UNLESS_OPEN,
        "do": steps.DO,
        "undo": ref("undo"),
        "else": steps.ELSE,
        "lock": about("The jobs of this rule run one after the other, and with others of that lock.", ref("lock")),
        **{key: _or_nothing(key) for key in _DEFAULTED},
        "test": listed(
            "What must happen, in virtual time; `gateway check` runs it. Time, windows and states go on from one step "
            "to the next.",
            ref("test-step"),
        ),
    },
    required=["rule"],
    wants={"else": ["when"]},
) | {
    "anyOf": [
        {"required": ["match"]},
        {
            "required": ["when"],
            "properties": {"when": {"anyOf": [{"required": ["all"]}, {"required": ["sequence"]}]}},
        },
    ]
}

DEFAULTS = mapping(
    "What a rule leaves out.",
    {"run": steps.RUN, **{key: ref(f"default-{key}") for key in _DEFAULTED}},
    examples=[{"trust": "account", "run": {"timeout": "5m"}}],
)

_RULES = listed("The rules.", ref("rule"))

RULES: Schema = {
    "anyOf": [
        _RULES,
        mapping(
            "Rules, and what they share.",
            {
                "lists": ref("lists"),
                "macros": ref("macros"),
                "fields": ref("fields"),
                "defaults": ref("defaults"),
                "rules": _RULES,
            },
            required=["rules"],
        ),
    ]
}

DEFINITIONS: Keys = {
    **conditions.DEFINITIONS,
    **windows.DEFINITIONS,
    **steps.DEFINITIONS,
    **examples.DEFINITIONS,
    "rule": _RULE,
    "test-step": examples.TEST,
    **{f"default-{key}": named(key, schema) for key, schema in _DEFAULTED.items()},
    "lists": conditions.LISTS,
    "macros": conditions.MACROS,
    "fields": conditions.FIELDS,
    "defaults": DEFAULTS,
}
