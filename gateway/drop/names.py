"""What files of the drop box may be called.

Names are kept as the client gave them, capitals and all. What is refused could break a line, pass for an option, run in
somebody's shell script, or look like what it is not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from gateway.drop.account import OWN_FOLDER
from gateway.drop.visit import Way

MAX_NAME = 255
"""Octets of one name: what Linux's file systems hold."""

MAX_DEPTH = 32
"""Names in a path. Each costs a descriptor's opening, at every step; people who upload trees stay far below."""

MAX_PATH = 2048
"""Octets of a path below the account's folder. PATH_MAX is 4096, and the folder itself, the quarantine's longer names
and programs that add to the path need the rest."""

UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories of control characters, of what turns text around or is not seen, and of line ends."""

SHELL = ("$(", "${", "`")
"""What a shell runs or fills in even inside double quotes."""

DOUBLE_ENDINGS = (".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2")


def name_problem(name: str) -> str | None:
    """Return why a file cannot be called so, None when it can; the words do not repeat the name."""
    try:
        octets = len(name.encode())
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    if not name or name in {".", ".."}:
        return "a name is missing"
    if octets > MAX_NAME:
        return f"the name is longer than {MAX_NAME} octets"
    if "/" in name or "\0" in name:
        return "the name has a slash or a NUL in it"
    if name == OWN_FOLDER:
        return "the name is reserved"
    if name.startswith("-"):
        return "the name begins like an option, with '-'"
    if not (name.isascii() and name.isprintable()) and not {
        unicodedata.category(character) for character in name
    }.isdisjoint(UNSEEN):
        return "the name has control or invisible characters in it"
    if name != name.strip():
        return "the name begins or ends with a blank"
    if any(text in name for text in SHELL):
        return "the name has $(, ${ or ` in it, which a shell would run"
    return None


def way_problem(way: Way) -> str | None:
    """Return why there can be nothing at a path, None when there can; `()` is the root and fine."""
    if len(way) > MAX_DEPTH:
        return f"the path is deeper than {MAX_DEPTH} folders"
    for name in way:
        if problem := name_problem(name):
            return problem
    if len("/".join(way).encode()) > MAX_PATH:
        return f"the path is longer than {MAX_PATH} octets"
    return None


def is_unfinished(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name says that its file is not whole yet; capitals count."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def other_names(name: str) -> Iterator[str]:
    """Yield names for a file whose own is taken: `report.csv` becomes `report-1.csv`, then `report-2.csv` ...

    A stem that would make the name too long loses its end.
    """
    stem, ending = _split(name)
    number = 0
    while True:
        number += 1
        tail = f"-{number}{ending}"
        yield cut(stem, MAX_NAME - len(tail.encode())) + tail


def cut(text: str, octets: int) -> str:
    """Return as much of the beginning of a text as takes no more than so many octets of UTF-8."""
    return text.encode()[: max(octets, 0)].decode(errors="ignore")


def shown(way: Way) -> str:
    """Return a path as the client knows it, `/` for its root."""
    return "/" + "/".join(way)


def _split(name: str) -> tuple[str, str]:
    lowered = name.lower()
    for ending in DOUBLE_ENDINGS:
        if lowered.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)], name[-len(ending) :]
    dot = name.rfind(".")
    if dot <= 0 or len(name[dot:].encode()) > MAX_NAME // 2:
        return name, ""
    return name[:dot], name[dot:]
