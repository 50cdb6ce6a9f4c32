"""Paths as SFTP clients write them, to ways below the account's own root; no disk is asked."""

from __future__ import annotations

from gateway.drop.visit import Refusal, Refused, Way

MAX_PATH = 4096
"""Octets, Linux's PATH_MAX."""


def way_of(path: bytes) -> Way:
    """Turn a path into a way; `..` is taken by the letter, and nothing is above the root.

    Raises:
        Refused: the path is not UTF-8, holds a NUL, or is too long.
    """
    if len(path) > MAX_PATH:
        raise Refused(Refusal.NAME, f"a path may have {MAX_PATH} octets, not {len(path)}")
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Refused(Refusal.NAME, "names are UTF-8 here, and this one is not") from None
    if "\0" in text:
        raise Refused(Refusal.NAME, "a name cannot hold a NUL")
    names: list[str] = []
    for name in text.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in {"", "."}:
            names.append(name)
    return tuple(names)


def path_of(way: Way) -> bytes:
    """Turn a way into an absolute path."""
    return ("/" + "/".join(way)).encode()
