"""Which names a source wants."""

from __future__ import annotations

import re
from fnmatch import translate

from gateway.checks.checks import is_sidecar
from gateway.drop.account import Demand
from gateway.file_source_config import FilesSource


class Names:
    """What a source says about names; patterns are those of the shell, and letters are taken as they are."""

    def __init__(self, source: FilesSource) -> None:
        self._wanted = _any_of(source.patterns)
        self._unfinished = _any_of(source.unfinished)
        self.recursive = source.recursive
        self._checked = source.checks.checksum is not Demand.OFF or source.checks.signature is not Demand.OFF

    def wants(self, name: str) -> bool:
        """Tell whether a file of this name is to be reported once it is whole."""
        return bool(self._wanted.match(name)) and not self._unfinished.match(name)

    def is_sidecar(self, name: str) -> bool:
        """Tell whether files may wait for one of this name: for their checksums, or a signature."""
        return self._checked and is_sidecar(name) and not self._unfinished.match(name)

    def enters(self, name: str) -> bool:
        """Tell whether a folder of this name, in one that is watched, is watched too.

        One with an unfinished name is not: what fills it renames it, and all in it arrives at once.
        """
        return self.recursive and not self._unfinished.match(name)


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) if patterns else r"(?!)")


def is_text(name: str) -> bool:
    """Tell whether a name is UTF-8; the octets that are not are lone surrogates in it (PEP 383)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
