"""Defaults of rules: what a key of theirs is when they leave it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields as fields_of

from parsers.errors import OperatorError, Place
from rules.schema import Fields
from rules.step import Task
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode

RULE_KEYS = ("retry", "on_failure", "suppress", "busy", "rate", "idempotent")
"""The keys of a rule that may have a default."""

_OF_PROCESSES = frozenset(field.name for field in fields_of(Task))


def take_rule_keys(fields: Fields, keys: Iterable[str]) -> dict[str, Entry]:
    """Take the defaults of these keys, unread: a step's name holds its rule's, so each rule reads them for itself."""
    taken = {key: entry for key in keys if (entry := fields.pop(key)) is not None}
    for key in _OF_PROCESSES.intersection(fields.left()):
        place = fields.place_of(key)
        entry = fields.pop(key)
        if entry is not None:
            fields.problems.error(f'"{key}" is of processes; write {{run: {{{key}: ...}}}}', place)
    return taken


def trial_rule(defaults: Mapping[str, Entry], place: Place) -> MappingNode:
    """Return a rule that says as little as a rule can: it is right when the defaults are."""

    def entry(key: str, value: Node) -> Entry:
        return Entry(key, place, value)

    def scalar(text: str) -> ScalarNode:
        return ScalarNode(place, text, plain=True)

    nothing = SequenceNode(place, ())
    command = MappingNode(place, (entry("run", SequenceNode(place, (scalar("true"),))),))
    window = (entry("count", scalar("1")), entry("within", scalar("1s")), entry("by", nothing))
    own = (
        entry("rule", scalar("defaults")),
        entry("match", MappingNode(place, ())),
        entry("when", MappingNode(place, window)),
        entry("do", command),
    )
    return MappingNode(place, (*own, *defaults.values()))


def without_own(defaults: Mapping[str, Entry], node: Node) -> Mapping[str, Entry]:
    """Return the defaults that mean something for a rule.

    A rule that only tells the log retries nothing; while an `undo` is open, repeats are swallowed and `busy` means
    nothing; and a `suppress` without fields of its own goes by those of `when`.
    """
    keys = {entry.key for entry in node.entries} if isinstance(node, MappingNode) else set()
    fitting = dict(defaults)
    if keys.isdisjoint(("do", "undo", "else")):
        fitting = {key: entry for key, entry in defaults.items() if key in ("suppress", "trust")}
    if "undo" in keys:
        fitting.pop("busy", None)
    if "suppress" in fitting and "when" not in keys and isinstance(fitting["suppress"].value, ScalarNode):
        fitting.pop("suppress")
    return fitting


def refuse_file(node: Node) -> None:
    """Raise why what is no list is no rule file either, unless it is one.

    Raises:
        OperatorError: it is one rule, or something else.
    """
    keys = {entry.key for entry in node.entries} if isinstance(node, MappingNode) else set()
    if "rule" in keys:
        raise OperatorError('a rule file is a list: begin each rule with "- rule: NAME"', node.place)
    if keys.isdisjoint(("rules", "fields", "lists", "macros", "defaults")):
        raise OperatorError('a rule file is a list of rules, each begins with "- rule: NAME"', node.place)
