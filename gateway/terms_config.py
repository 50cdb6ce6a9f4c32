"""Readers of what the drop box, one of its accounts, and a watched folder have in common: rights, limits, checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.drop.account import After, Checks, Content, Demand, OnConflict, Quota, Right, Terms, Unpacking
from gateway.files import as_file
from parsers.errors import OperatorError
from rules.schema import Fields, Problems, Reader, as_list, as_one_or_more
from rules.strict_yaml import MappingNode, Node, ScalarNode
from rules.values import as_bool, as_choice, as_duration, as_int, as_size, as_text, choices

T = TypeVar("T")

MAX_OCTETS = 2**63 - 1
"""What a file's size can be (off_t)."""

MAX_FILES = 10**9

LEAST_SPEED = 1024
"""Octets a second; a slower transfer would never end."""

MAX_SESSIONS = 4096

MAX_RATIO = 1_000_000


def terms(fields: Fields, usual: Terms, folder: Path) -> Terms:
    """Take the terms out of a mapping that may have other keys too.

    Args:
        fields: the mapping.
        usual: what is so where nothing is said.
        folder: files that are named stand below it.
    """
    return Terms(
        rights=fields.take("rights", _rights, usual.rights),
        on_conflict=fields.take("on_conflict", as_choice(choices(OnConflict)), usual.on_conflict),
        max_file=fields.take("max_file", as_size(1, MAX_OCTETS), usual.max_file),
        unfinished=fields.take("unfinished", as_patterns, usual.unfinished),
        quota=fields.take("quota", _or_none(_as_quota(usual.quota), Quota), usual.quota),
        checks=checks(fields, usual.checks, folder),
        content=fields.take("content", as_choice(choices(Content)), usual.content),
        after=fields.take("after", as_choice(choices(After)), usual.after),
        unpacking=fields.take("unpack", as_unpacking(usual.unpacking), usual.unpacking),
        speed=_speed(fields, usual.speed),
        sessions=fields.take("sessions", as_int(1, MAX_SESSIONS), usual.sessions),
        plain=fields.take("plain", as_bool(), usual.plain),
    )


def checks(fields: Fields, usual: Checks, folder: Path) -> Checks:
    """Take `checksum`, `signature`, `signers` and `wait` out of a mapping that may have other keys too."""
    demand = as_choice(choices(Demand))  # `off` is this word here, whatever YAML 1.1 makes of it
    place = fields.place_of("signature" if "signature" in fields else "signers")
    count = fields.problems.count
    found = Checks(
        checksum=fields.take("checksum", demand, usual.checksum),
        signature=fields.take("signature", demand, usual.signature),
        signers=fields.take("signers", as_one_or_more(as_file(folder, advice="")), usual.signers),
        wait=fields.take("wait", as_duration(), usual.wait),
    )
    if found.signature is not Demand.OFF and not found.signers and fields.problems.count == count:
        fields.problems.error('name the files with the public keys of those who may sign: "signers: [FILE]"', place)
    return found


def as_patterns(node: Node, problems: Problems) -> tuple[str, ...]:
    """Read patterns of file names, one or a list; an empty list is none."""
    if isinstance(node, ScalarNode):
        return (_pattern(node, problems),)
    return as_list(_pattern)(node, problems)


def _pattern(node: Node, problems: Problems) -> str:
    pattern = as_text(r"(?s).+", "a pattern such as *.part")(node, problems)
    if "/" in pattern:
        raise OperatorError("a pattern is compared with the name of a file, which has no slash", node.place)
    return pattern


def as_unpacking(usual: Unpacking) -> Reader[Unpacking]:
    """Read `unpack`: how much an archive may become."""

    def read(node: Node, problems: Problems) -> Unpacking:
        with Fields(node, problems, "unpack") as fields:
            return Unpacking(
                octets=fields.take("octets", as_size(1, MAX_OCTETS), usual.octets),
                ratio=fields.take("ratio", as_int(1, MAX_RATIO), usual.ratio),
                members=fields.take("members", as_int(1, MAX_FILES), usual.members),
            )

    return read


def _rights(node: Node, problems: Problems) -> frozenset[Right]:
    return frozenset(as_one_or_more(as_choice(choices(Right)))(node, problems))


def _as_quota(usual: Quota) -> Reader[Quota]:
    def read(node: Node, problems: Problems) -> Quota:
        if not isinstance(node, MappingNode):
            raise OperatorError("a mapping is wanted here, such as {octets: 10GiB, files: 10000}", node.place)
        with Fields(node, problems, "quota") as fields:
            return Quota(
                octets=fields.take("octets", as_size(1, MAX_OCTETS), usual.octets),
                files=fields.take("files", as_int(1, MAX_FILES), usual.files),
            )

    return read


def _speed(fields: Fields, usual: int | None) -> int | None:
    """Take `speed`; the word `none` lifts a limit, and is not the same as nothing said."""
    entry = fields.pop("speed")
    if entry is None:
        return usual
    if _is_none(entry.value):
        return None
    return fields.problems.attempt(entry.value, as_size(LEAST_SPEED, MAX_OCTETS), "speed")


def _or_none(reader: Reader[T], none: Callable[[], T]) -> Reader[T]:
    def read(node: Node, problems: Problems) -> T:
        return none() if _is_none(node) else reader(node, problems)

    return read


def _is_none(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.text == "none"
