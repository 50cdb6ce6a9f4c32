"""What several kinds of sources have in their configuration: a name, certificates, networks that are believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from gateway.files import as_file
from parsers.errors import Place
from rules.condition import Network
from rules.schema import Fields, Problems, as_list, as_one_or_more
from rules.values import as_network


@dataclass(frozen=True, slots=True)
class SourceHead:
    """What every source has.

    Attributes:
        zone: of time stamps that carry none.
        folder: where the configuration stands; relative files are its neighbours.
    """

    name: str
    place: Place
    zone: tzinfo
    folder: Path


def take_certificates(
    head: SourceHead, fields: Fields, problems: Problems, *, required: bool = True
) -> tuple[tuple[Path, Path], ...]:
    """Read `certificate` and `key`: files of (chain, key), pair by pair; without `key` both are in one file."""
    files, before = as_one_or_more(as_file(head.folder)), problems.count
    advice = "`gateway init DIR` makes one"
    certificates = (
        fields.require("certificate", files, advice) if required else fields.take("certificate", files, None)
    ) or ()
    keys = fields.take("key", files, certificates)
    if problems.count == before and len(keys) != len(certificates):
        counts = f"{_many(len(certificates), 'certificate')}, but {_many(len(keys), 'key')}"
        problems.error(f"{counts}; list them in pairs", head.place)
    return tuple(zip(certificates, keys, strict=False))


def take_trusted(fields: Fields) -> tuple[Network, ...]:
    """Read `trusted`: the networks whose messages may start processes whatever they come over."""
    return fields.take("trusted", as_list(as_network()), ())


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
