"""The parts that the schemas are put together from: values of a kind, lists, mappings, each with its words.

What is said here is JSON Schema (draft 2020-12), and of it only what editors know as well that stopped at draft 7, but
for `dependentRequired`. The first argument of each function is the description, which is what an editor shows. The
schemas are as strict as the readers in what is structure, and never stricter: what only a reader can find out (whether
a file is there, whether a rule of that name is) they let pass.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

import durationpy

from rules.values import DURATION, MODE, PERCENT, SIZE, UNITS

Schema = dict[str, Any]
"""A JSON Schema, ready for `json.dumps`."""

Keys = dict[str, Schema]
"""The keys of a mapping, each with the schema of its value."""

SCALAR: Schema = {"type": ["string", "number", "boolean"]}
"""A value that is read as text or as what it is; only `null` is nothing."""

_NUMBER, _TRUTH = "17", "true"
"""What YAML takes for a number and for a truth value, and readers of text for text."""


def ecma(pattern: str | re.Pattern[str]) -> str:
    r"""Return a reader's pattern as JSON Schema has them: anchored, and in the language of ECMA-262.

    A `\w` takes letters of all alphabets in Python and those of English there, so that it is written out. A little more
    passes than the reader takes, never less.

    Raises:
        ValueError: it holds what the two languages do not share.
    """
    source, is_ascii = pattern, False
    if isinstance(pattern, re.Pattern):
        source, is_ascii = pattern.pattern, bool(pattern.flags & re.ASCII)
    text = str(source)
    if found := re.search(r"\(\?[^:=!]|\\[AZbBdD]|[*+?}]\+", text):
        raise ValueError(f"{found[0]} is not the same in ECMA-262: {text}")
    word = "A-Za-z0-9_" if is_ascii else r"A-Za-z0-9_\u00aa-\uffff"
    written, inside = "", False
    for part in re.findall(r"\\.|.", text, re.DOTALL):
        if part == r"\w":
            written += word if inside else f"[{word}]"
            continue
        inside = part == "[" or (inside and part != "]")
        written += part
    return f"^(?:{written})$"


def ref(name: str) -> Schema:
    """Return what is defined under a name."""
    return {"$ref": f"#/$defs/{name}"}


def about(description: str, schema: Schema, **more: object) -> Schema:
    """Return a schema with its description, and other keywords."""
    return {"description": description} | schema | {"description": description, **more}


def text(
    description: str, pattern: str | re.Pattern[str] | None = None, *, wanted: str = "", examples: Iterable[str] = ()
) -> Schema:
    """Text that matches the whole pattern; without one, any value that is not nothing.

    Args:
        description: what it is.
        pattern: the reader's own.
        wanted: what an editor says where the pattern does not match.
        examples: of what may be written.
    """
    schema: Schema = {**SCALAR}
    if pattern is not None:
        kinds = [kind for kind, word in (("number", _NUMBER), ("boolean", _TRUTH)) if re.fullmatch(pattern, word)]
        schema = {"type": ["string", *kinds] if kinds else "string", "pattern": ecma(pattern)}
    if wanted:
        schema["patternErrorMessage"] = f"{wanted} is wanted"
    return about(description, schema, **_examples(examples))


def path(description: str, *examples: str) -> Schema:
    """Return the schema of a file's or folder's path."""
    return text(description, r"[\s\S]+", examples=examples)


def choice(description: str, words: Iterable[str], usual: str | None = None) -> Schema:
    """One of some words."""
    return about(description, {"enum": list(words)}, **_default(usual))


def truth(description: str, *, usual: bool | None = None) -> Schema:
    """`true` or `false`."""
    return about(description, {"type": "boolean"}, **_default(usual))


def whole(description: str, low: int, high: int, usual: int | None = None) -> Schema:
    """Return the schema of a whole number within bounds."""
    return about(description, {"type": "integer", "minimum": low, "maximum": high}, **_default(usual))


def number(description: str, low: float | None = None, high: float | None = None, usual: float | None = None) -> Schema:
    """Return the schema of a number within bounds, where there are any."""
    bounds = {key: value for key, value in (("minimum", low), ("maximum", high)) if value is not None}
    return about(description, {"type": "number", **bounds}, **_default(usual))


def duration(description: str, usual: float | None = None, *, zero: bool = False, example: str = "10m") -> Schema:
    """Return the schema of a time with its units; with `zero`, none at all too."""
    wanted = "a duration such as 90s, 10m, 1h30m or 5w"
    pattern = f"^(?=[0-9]){'' if zero else '(?=.*[1-9])'}{ecma(DURATION).removeprefix('^')}"
    schema: Schema = {"type": "string", "pattern": pattern, "patternErrorMessage": f"{wanted} is wanted"}
    if zero:
        schema = {"anyOf": [schema, {"enum": [0, "0"]}]}
    written = None if usual is None else durationpy.to_str(timedelta(seconds=usual), extended=True)
    return about(description, schema, **_default(written), **_examples([example]))


def size(description: str, low: int, usual: int | None = None, *, example: str = "64KiB") -> Schema:
    """Return the schema of a number of octets, with or without a unit."""
    schema = {
        "type": ["integer", "string"],
        "minimum": low,
        "pattern": ecma(SIZE).replace("[A-Za-z]+", "|".join(filter(None, UNITS))),
        "patternErrorMessage": "a size such as 512, 64KiB or 1MB is wanted",
    }
    return about(description, schema, **_default(None if usual is None else _octets(usual)), **_examples([example]))


def _octets(count: int) -> int | str:
    units = sorted(((factor, unit) for unit, factor in UNITS.items() if unit.endswith("iB")), reverse=True)
    return next((f"{count // factor}{unit}" for factor, unit in units if count and count % factor == 0), count)


def percent(description: str, usual: float) -> Schema:
    """Return the schema of a percentage."""
    return text(description, PERCENT, wanted="a percentage such as 20%") | {"default": f"{usual * 100:g}%"}


def mode(description: str, usual: int) -> Schema:
    """Return the schema of permission bits as octal digits, in quotes or not."""
    schema = {"type": ["string", "integer"], "pattern": ecma(MODE)}
    return about(description, schema, default=f"{usual:04o}")


def listed(description: str, item: Schema, *, least: int = 0, examples: Iterable[object] = ()) -> Schema:
    """Return the schema of a list."""
    schema: Schema = {"type": "array", "items": item}
    return about(description, schema | ({"minItems": least} if least else {}), **_examples(examples))


def one_or_more(description: str, item: Schema, *, least: int = 1, examples: Iterable[object] = ()) -> Schema:
    """One value, or a list of them."""
    return either(description, item, listed("", item, least=least), examples=examples)


def either(description: str, *schemas: Schema, examples: Iterable[object] = ()) -> Schema:
    """Return what is as one of these is.

    They lose their own descriptions, which editors would show instead of this one, and mappings come first: of
    alternatives that are all wrong, editors tell of the first.
    """
    bare = [{key: value for key, value in schema.items() if key != "description"} for schema in schemas]
    bare.sort(key=lambda schema: schema.get("type") != "object")
    return about(description, {"anyOf": bare}, **_examples(examples))


def named(key: str, schema: Schema) -> Schema:
    """Return the schema of what stands under a key, with what editors show of it: its title, and what is usual."""
    if "default" in schema:
        schema = about(f"{schema['description']} Usually {_as_written(schema['default'])}.", schema)
    return {"title": key, **schema}


def _as_written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_as_written, value))}]" if isinstance(value, list) else str(value)


def mapping(
    description: str,
    keys: Keys,
    *,
    title: str | None = None,
    required: Iterable[str] = (),
    wants: Mapping[str, Collection[str]] | None = None,
    some_of: Iterable[Iterable[str]] = (),
    examples: Iterable[object] = (),
) -> Schema:
    """Return the schema of a mapping that has no other keys than these.

    Args:
        description: what it is.
        keys: what it may have.
        title: what kind of mapping it is, where there are several.
        required: what it must have.
        wants: for a key, those that must stand beside it.
        some_of: sets of keys, one of which must be there whole.
        examples: of what may be written.
    """
    properties = {key: named(key, value) for key, value in keys.items()}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if title:
        schema["title"] = title
    if required := list(required):
        schema["required"] = required
    if wants:
        schema["dependentRequired"] = {key: list(others) for key, others in wants.items()}
    if sets := [{"required": list(keys)} for keys in some_of]:
        schema["anyOf"] = sets
    return about(description, schema, **_examples(examples))


def table(
    description: str,
    value: Schema,
    name: Schema,
    *,
    known: Keys | None = None,
    least: int = 0,
    most: int | None = None,
    examples: Iterable[object] = (),
) -> Schema:
    """Return the schema of a mapping whose keys are the operator's own.

    Args:
        description: what it is.
        value: what stands under a key.
        name: what a key may be.
        known: keys that an editor offers; there may be others.
        least: so many keys must be there.
        most: so many may be.
        examples: of what may be written.
    """
    schema: Schema = {"type": "object", "properties": dict(known or {}), "additionalProperties": value}
    schema["propertyNames"] = name
    bounds = {key: count for key, count in (("minProperties", least), ("maxProperties", most)) if count}
    return about(description, schema | bounds, **_examples(examples))


def _default(value: object) -> Schema:
    return {} if value is None else {"default": value}


def _examples(values: Iterable[object]) -> Schema:
    found = list(values)
    return {"examples": found} if found else {}
