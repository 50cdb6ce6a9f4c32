"""Changes to the accounts file as text, so that its comments and the order of everything else stay as they are.

Each function takes the whole text and returns the new one. Where something stands is asked of the YAML parser; what
cannot be changed in this way (aliases, an account on no line of its own) is refused, for a person to do. Whoever calls
reads the result before it takes the file's place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import yaml

from parsers.errors import OperatorError

Value = str | bool | Sequence[str] | Mapping[str, str]

HEADER = """\
# Who may come into the drop box. `gateway account` writes here, and so may you: a running gateway reads this file again
# when it has changed. Passwords stand here as hashes: `gateway account password NAME`.

"""

_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/_.-]*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def add_account(text: str, name: str, values: Mapping[str, Value]) -> str:
    """Add an account behind all others."""
    root = _root(text)
    if root is not None and root.flow_style:
        raise OperatorError("the accounts stand within { }, where none can be added; write each on lines of its own")
    inset = " " * root.start_mark.column if root is not None else ""
    lines = [f"{inset}{name}:", *(f"{inset}  {line}" for key, value in values.items() for line in _entry(key, value))]
    if not text.strip():
        text = HEADER
    return text + ("" if text.endswith("\n") else "\n") + "\n".join(lines) + "\n"


def remove_account(text: str, name: str) -> str:
    """Take an account away, with the comments inside it."""
    root = _root(text)
    key, value = _account(root, name)
    if root is None or root.flow_style:
        raise OperatorError("the accounts stand within { }, where none can be taken away; do it by hand")
    start, end = _line_start(text, key.start_mark.index), _line_end(text, _last(value))
    deeper = re.compile(rf"(?:[ \t]*\n)*[ ]{{{key.start_mark.column + 1},}}#[^\n]*(?:\n|$)")
    while found := deeper.match(text, end):
        end = found.end()
    return text[:start] + text[end:]


def set_value(text: str, name: str, key: str, value: Value) -> str:
    """Give an account's key a value, in the place of the one that it has."""
    _, entry = _account(_root(text), name)
    found = _value(entry, key)
    if found is None:
        return _insert(text, entry, key, value)
    own = _own(found[0], found[1])
    if not isinstance(own, yaml.ScalarNode) or own.style in ("|", ">"):
        raise OperatorError(f'the value of "{key}" is written in a way that cannot be changed here; do it by hand')
    shown = _flow(value)
    if own.start_mark.index == found[0].end_mark.index + 1:
        shown = f" {shown}"  # a key without a value
    return text[: own.start_mark.index] + shown + text[own.end_mark.index :]


def remove_value(text: str, name: str, key: str) -> str:
    """Take a key with its lines out of an account's block; one that shares its line or stands alone becomes false."""
    _, entry = _account(_root(text), name)
    found = _value(entry, key)
    if found is None:
        return text
    if entry.flow_style or len(entry.value) == 1:
        return set_value(text, name, key, value=False)
    start, end = _line_start(text, found[0].start_mark.index), _line_end(text, _last(_own(*found)))
    return text[:start] + text[end:]


def add_to_list(text: str, name: str, key: str, value: str) -> str:
    """Add a text to an account's list; a value that is no list becomes one."""
    _, entry = _account(_root(text), name)
    found = _value(entry, key)
    if found is None:
        return _insert(text, entry, key, [value])
    own = _own(*found)
    if isinstance(own, yaml.ScalarNode):
        old = text[own.start_mark.index : own.end_mark.index]
        return text[: own.start_mark.index] + f"[{old}, {_flow(value)}]" + text[own.end_mark.index :]
    if not isinstance(own, yaml.SequenceNode):
        raise OperatorError(f'the value of "{key}" is no list')
    if not own.value:
        return text[: own.start_mark.index] + _flow([value]) + text[own.end_mark.index :]
    last = own.value[-1]
    if own.flow_style:
        return text[: last.end_mark.index] + f", {_flow(value)}" + text[last.end_mark.index :]
    end = _line_end(text, _last(last))
    gap = "" if text[:end].endswith("\n") else "\n"
    return text[:end] + f"{gap}{' ' * own.start_mark.column}- {_flow(value)}\n" + text[end:]


def remove_from_list(text: str, name: str, key: str, index: int) -> str:
    """Take the text at this place out of an account's list; an empty list stays."""
    _, entry = _account(_root(text), name)
    found = _value(entry, key)
    if found is None:
        raise OperatorError(f'there is no "{key}"')
    own = _own(*found)
    if isinstance(own, yaml.ScalarNode):
        return text[: own.start_mark.index] + "[]" + text[own.end_mark.index :]
    if not isinstance(own, yaml.SequenceNode):
        raise OperatorError(f'the value of "{key}" is no list')
    items = own.value
    if own.flow_style:
        left = [text[item.start_mark.index : item.end_mark.index] for place, item in enumerate(items) if place != index]
        return text[: own.start_mark.index] + f"[{', '.join(left)}]" + text[own.end_mark.index :]
    if len(items) == 1:
        return text[: found[0].end_mark.index] + ": []" + text[_last(own) :]
    start, end = _line_start(text, items[index].start_mark.index), _line_end(text, _last(items[index]))
    return text[:start] + text[end:]


def _entry(key: str, value: Value) -> list[str]:
    if isinstance(value, str | bool | Mapping):
        return [f"{key}: {_flow(value)}"]
    return [f"{key}:", *(f"  - {_flow(item)}" for item in value)]


def _flow(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT and not value.isdigit()
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]"


def _root(text: str) -> yaml.MappingNode | None:
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        raise OperatorError("the accounts file is no YAML; `gateway check` says where") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return None
    if not isinstance(root, yaml.MappingNode):
        raise OperatorError("the accounts file is no mapping of names")
    return root


def _account(root: yaml.MappingNode | None, name: str) -> tuple[yaml.Node, yaml.MappingNode]:
    found = None if root is None else _value(root, name)
    if found is None:
        raise OperatorError(f"there is no account {name}")
    own = _own(*found)
    if not isinstance(own, yaml.MappingNode):
        raise OperatorError(f"what stands below {name} is no mapping")
    return found[0], own


def _value(mapping: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next((pair for pair in mapping.value if pair[0].value == key), None)


def _own(key: yaml.Node, value: yaml.Node) -> yaml.Node:
    """Return a key's value, unless that stands elsewhere, and here only the alias."""
    if value.start_mark.index < key.end_mark.index:
        raise OperatorError(f'"{key.value}" repeats what stands elsewhere (*); change it by hand')
    return value


def _insert(text: str, entry: yaml.MappingNode, key: str, value: Value) -> str:
    """Put a new key before all others of an account."""
    if entry.flow_style:
        at = text.index("{", entry.start_mark.index) + 1
        return text[:at] + f"{key}: {_flow(value)}{', ' if entry.value else ''}" + text[at:]
    first = entry.value[0][0].start_mark
    at, inset = _line_start(text, first.index), " " * first.column
    return text[:at] + "".join(f"{inset}{line}\n" for line in _entry(key, value)) + text[at:]


def _last(node: yaml.Node) -> int:
    """Return where a node's last character ends; the parser says of a block that it ends where the next begins."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return node.end_mark.index
    if isinstance(node, yaml.SequenceNode):
        return _last(node.value[-1])
    key, value = node.value[-1]
    return key.end_mark.index + 1 if value.start_mark.index < key.end_mark.index else _last(value)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Return where the line ends that holds what ends here, its newline included."""
    if index and text[index - 1] == "\n":
        return index  # a block scalar has its last newline
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1
