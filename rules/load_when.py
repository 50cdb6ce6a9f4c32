"""What stands under a rule's `when`, `suppress`, `during`, `outside`, `if_open` and `unless_open`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parsers.errors import OperatorError
from rules.habits import OF_WHEN
from rules.hours import Hours, HoursError, hours_of
from rules.load_condition import as_condition, as_field
from rules.load_step import RULE_NAME
from rules.schema import Fields, Problems, Reader, SpoiltError, as_list, as_one_or_more
from rules.strict_yaml import MappingNode, Node, ScalarNode, SequenceNode, shown
from rules.values import as_bool, as_duration, as_int, as_text
from rules.when import (
    MAX_KEYS,
    Absent,
    Count,
    Digest,
    Distinct,
    Every,
    OpenOf,
    Section,
    Sequence,
    Settled,
    Stage,
    Suppress,
    When,
)

Key = tuple[str, ...]
"""The fields that a rule counts by."""

KINDS = ("count", "distinct", "all", "sequence", "absent", "digest", "settled")

MAX_WINDOW = 1_000_000
"""Events that one window may have to count: each costs memory until it leaves the window."""

MAX_STAGES = 100
"""Stages of one rule: each is a condition that is tested for every event."""

MOST_DIGEST = 10_000
"""Events that one digest may hold: more is read by nobody."""

USUAL_DIGEST = 1000

USUAL_FILES = 86400.0
"""Seconds that a set of files may take to come, if the file does not say: it has to end, for it is kept in memory."""

LARGEST_KEYS = 10_000_000
"""Keys that one rule may be allowed: ten million of a handful of times are about 5 GB."""

_EXAMPLE = "{count: 5, within: 10m, by: [source.ip]}"
_BY = "list the fields to count by, [] counts all events together"


def as_when(node: Node, problems: Problems) -> When | None:
    """Read a condition over time: exactly one of `KINDS`, with what belongs to it."""
    if isinstance(node, ScalarNode):
        raise OperatorError(f"a mapping is wanted, not {shown(node.text)}: {_EXAMPLE}", node.place)
    with Fields(node, problems, "when", habits=OF_WHEN) as fields:
        given = [kind for kind in KINDS if kind in fields and not (kind == "count" and "distinct" in fields)]
        if len(given) > 1:
            both = " and ".join(f'"{kind}"' for kind in given)
            second = fields.place_of_second(given)
            fields.rest()
            raise OperatorError(f"a rule waits for one thing, and here are {both}; write two rules", second)
        if not given:
            _missing(fields)
            return None
        by = fields.require("by", _as_key, _BY)
        max_keys = fields.take("max_keys", as_int(1, LARGEST_KEYS), MAX_KEYS)
        when = _READERS[given[0]](fields, by, max_keys)
        for kind in KINDS:
            if kind not in fields:
                fields.pop(kind)
    return None if by is None else when


def _as_key(node: Node, problems: Problems) -> tuple[str, ...]:
    """Read the fields to count by, each once."""
    by = as_list(as_field())(node, problems)
    items = node.items if isinstance(node, SequenceNode) else ()
    for number, item in enumerate(items):
        if isinstance(item, ScalarNode) and any(
            isinstance(other, ScalarNode) and other.text == item.text for other in items[:number]
        ):
            raise OperatorError(f"{item.text} stands twice; leave it away", item.place)
    return by


def _missing(fields: Fields) -> None:
    fields.require("count", as_int(1, MAX_WINDOW), f"say what the rule waits for: one of {', '.join(KINDS)}")
    for key in (*KINDS[1:], "within", "by"):
        fields.pop(key)


def _within(fields: Fields) -> float | None:
    return fields.require("within", as_duration(), "in which time, e.g. 10m")


def _count(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    count = fields.require("count", as_int(1, MAX_WINDOW))
    within = fields.take("within", as_duration(), 1.0) if count == 1 else _within(fields)
    return None if count is None or within is None else Count(count, within, by or (), max_keys)


def _distinct(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    value = fields.value_of("distinct")
    place = value.place if value else fields.place
    name = fields.take("distinct", as_field(), None)
    count = fields.require("count", as_int(2, MAX_WINDOW), "how many different values")
    within = _within(fields)
    if name is not None and name in (by or ()):
        problem = f'"{name}" is what it counts by, and so is always one value; count by another field'
        fields.problems.error(problem, place)
    return (
        None if name is None or count is None or within is None else Distinct(name, count, within, by or (), max_keys)
    )


def _every(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    stages = fields.take("all", _stages(by, "all"), None)
    within = _within(fields)
    return None if stages is None or within is None else Every(stages, within, by or (), max_keys)


def _sequence(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    stages = fields.take("sequence", _stages(by, "sequence"), None)
    unless = fields.take("unless", _stage(by), None)
    within = _within(fields)
    return None if stages is None or within is None else Sequence(stages, within, by or (), unless, max_keys)


def _stages(by: Key | None, key: str) -> Reader[tuple[Stage, ...]]:
    read_all = as_list(_stage(by), least=1)

    def read(node: Node, problems: Problems) -> tuple[Stage, ...]:
        stages = read_all(node, problems)
        items = node.items if isinstance(node, SequenceNode) else ()
        if len(items) < 2:
            raise OperatorError(f'one condition is no "{key}"; write it as `match`, or list two or more', node.place)
        if len(items) > MAX_STAGES:
            raise OperatorError(f"these are more than {MAX_STAGES} conditions", node.place)
        return stages

    return read


def _stage(by: Key | None) -> Reader[Stage]:
    """Read a condition, or one with `unless` and its own `by`."""

    def read(node: Node, problems: Problems) -> Stage:
        if not (isinstance(node, MappingNode) and any(entry.key == "match" for entry in node.entries)):
            return Stage(as_condition(node, problems))
        with Fields(node, problems) as fields:
            match = fields.require("match", as_condition)
            unless = fields.take("unless", as_condition, None)
            place = fields.place_of("by")
            own = fields.take("by", as_list(as_field()), None)
        if own is not None and by is not None and len(own) != len(by):
            problems.error(f'"by": {counts_by(len(by))}, and this names {len(own)}; name as many', place)
        if match is None:
            raise SpoiltError("")
        return Stage(match, unless, own or ())

    return read


def counts_by(number: int) -> str:
    """Say by how many fields a rule counts."""
    return f"the rule counts by {number} field{'s' * (number != 1)}" if number else "the rule counts by no fields"


def _absent(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    value = fields.value_of("absent")
    silence = isinstance(value, ScalarNode) and value.text == "match"
    stage = None if silence else fields.take("absent", _stage(by), None)
    fields.pop("absent")
    within = _within(fields)
    return None if within is None or (stage is None and not silence) else Absent(stage, within, by or (), max_keys)


def _digest(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    within = fields.take("digest", as_duration(), None)
    most = fields.take("max", as_int(1, MOST_DIGEST), USUAL_DIGEST)
    unique = fields.take("unique", as_bool(), default=False)
    sections = fields.take("sections", as_list(_section, least=1), ())
    return None if within is None else Digest(within, by or (), most, sections, unique, max_keys)


def _section(node: Node, problems: Problems) -> Section:
    with Fields(node, problems, "sections") as fields:
        title = fields.require("title", as_text(r"[^\r\n]+", "a title of one line"))
        match = fields.require("match", as_condition)
    if title is None or match is None:
        raise SpoiltError("")
    return Section(title, match)


def _settled(fields: Fields, by: Key | None, max_keys: int) -> When | None:
    quiet = fields.take("settled", as_duration(), None)
    files = fields.take(
        "files", as_list(as_text(r"[^/\0]+", "a pattern for the file's name, such as *.csv"), least=1), ()
    )
    place, bounded = fields.place_of("within"), "within" in fields
    within = fields.take("within", as_duration(), USUAL_FILES if files else None)
    if bounded and not files:
        fields.problems.error('"within" bounds how long a set of files may take, and there are no "files"', place)
    if quiet is not None and within is not None and within < quiet:
        fields.problems.error('"within" is shorter than "settled", so that no set is ever whole; give it longer', place)
    return None if quiet is None else Settled(quiet, by or (), files, within, max_keys)


_READERS: dict[str, Callable[[Fields, Key | None, int], When | None]] = {
    "count": _count,
    "distinct": _distinct,
    "all": _every,
    "sequence": _sequence,
    "absent": _absent,
    "digest": _digest,
    "settled": _settled,
}


def as_suppress(when: When | None) -> Reader[Suppress]:
    """Read for how long a rule is still after it has acted: a time, or a mapping with the fields of its key."""

    def read(node: Node, problems: Problems) -> Suppress:
        if isinstance(node, ScalarNode):
            if when is None:
                advice = f"for: {node.text or '10m'}, by: [source.ip]"
                raise OperatorError(f"say for which key: {{{advice}}}; [] is one for all", node.place)
            return Suppress(_for(node, problems), when.by)
        with Fields(node, problems, "suppress") as fields:
            place = fields.place_of("for")
            seconds = fields.require("for", _for_or_none, "for how long, e.g. 10m")
            usual = when.by if when else None
            by = (
                fields.take("by", as_list(as_field()), usual)
                if usual is not None
                else fields.require("by", as_list(as_field()), "the fields of the key; [] is one for all")
            )
        if seconds == (None,) and when is None:
            problems.error('"window": the rule has no `when`; write a time', place)
        return Suppress(seconds[0] if seconds else 0.0, by or ())

    return read


def _for(node: Node, problems: Problems) -> float | None:
    if isinstance(node, ScalarNode) and node.text == "window":
        return None
    return as_duration()(node, problems)


def _for_or_none(node: Node, problems: Problems) -> tuple[float | None]:
    return (_for(node, problems),)


def as_hours(zone: tzinfo) -> Reader[tuple[Hours, ...]]:
    """Read hours of the calendar, or a list of which any may hold; `zone` is meant where none is named."""

    def one(node: Node, problems: Problems) -> Hours:
        if isinstance(node, MappingNode):
            with Fields(node, problems) as fields:
                where = fields.take("zone", _zone, zone)
                named = "country" in fields
                country = fields.take("country", _country, None)
                if named and country is None:
                    raise SpoiltError("")
                hours = fields.require("hours", _hours(where, country), 'e.g. "Mo-Fr 08:00-18:00"')
            if hours is None:
                raise SpoiltError("")
            return hours
        return _hours(zone, None)(node, problems)

    return as_one_or_more(one)


def _hours(zone: tzinfo, country: str | None) -> Reader[Hours]:
    def read(node: Node, problems: Problems) -> Hours:
        text = as_text(r".+", 'hours such as "Mo-Fr 08:00-18:00"')(node, problems)
        try:
            return hours_of(text, zone, country)
        except HoursError as error:
            place = node.place_of(error.offset) if isinstance(node, ScalarNode) else node.place
            raise OperatorError(f"{shown(text)}: {error}", place) from None

    return read


def _country(node: Node, problems: Problems) -> str:
    country = as_text(r"[A-Z]{2}", "a country's ISO code, such as DE,")(node, problems)
    try:
        hours_of("24/7", UTC, country)
    except HoursError as error:
        raise OperatorError(str(error), node.place) from None
    return country


def _zone(node: Node, problems: Problems) -> ZoneInfo:
    name = as_text(r"\S+", "a time zone such as Europe/Berlin")(node, problems)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise OperatorError(f"{shown(name)} is no time zone; write e.g. Europe/Berlin", node.place) from None


def as_open_of(node: Node, problems: Problems) -> tuple[OpenOf, ...]:
    """Read the names of rules, or mappings with the fields of this rule's event that hold the key."""
    return as_one_or_more(_open_of)(node, problems)


def _open_of(node: Node, problems: Problems) -> OpenOf:
    name = as_text(RULE_NAME, "a rule's name")
    if not isinstance(node, MappingNode):
        return OpenOf(name(node, problems), place=node.place)
    with Fields(node, problems) as fields:
        named, keyed = fields.value_of("rule"), fields.value_of("by")
        rule = fields.require("rule", name)
        by = fields.take("by", as_list(as_field()), None)
    return OpenOf(rule or "?", by, named.place if named else node.place, keyed.place if keyed else None)
