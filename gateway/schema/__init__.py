"""The JSON Schemas of what operators write, so that their editors complete and check it.

They are made of the same constants as the readers; tests/gateway/test_schema.py holds the two to the same keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from gateway.schema.config import CONFIG, DEFINITIONS
from gateway.schema.rules import RULES
from gateway.schema.shapes import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"

FOLDER = "schema"
"""The folder beside a configuration in which the shipped files expect their schemas."""

_DOCUMENTS = {
    "config": ("The event gateway's configuration", CONFIG),
    "rules": ("Rules of the event gateway", RULES),
}

NAMES = tuple(_DOCUMENTS)


def file_name(name: str) -> str:
    """Return what the file of a schema is called."""
    return f"{'gateway' if name == 'config' else name}.schema.json"


def schema_of(name: str) -> Schema:
    """Return one of the schemas, with the definitions that it needs.

    Args:
        name: `config` for gateway.yaml, `rules` for rule files.
    """
    title, root = _DOCUMENTS[name]
    needed: dict[str, Schema] = {}
    to_see = list(_named(root))
    while to_see:
        word = to_see.pop()
        if word not in needed:
            needed[word] = DEFINITIONS[word]
            to_see.extend(_named(needed[word]))
    head = {"$schema": DIALECT, "$id": f"urn:event-gateway:schema:{name}", "title": title}
    return {**head, **root, "$defs": {word: needed[word] for word in sorted(needed)}}


def schema_text(name: str) -> str:
    """Return one of the schemas as the text of its file."""
    return json.dumps(schema_of(name), ensure_ascii=False, indent=1) + "\n"


def _named(value: object) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield str(inner).removeprefix("#/$defs/")
            else:
                yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
