"""Paths as clients write them, made into ways from their own root."""

from __future__ import annotations

from gateway.drop.visit import Way
from gateway.sources.ftp.replies import Declined


def as_way(folder: Way, path: bytes) -> Way:
    """Resolve a path against the client's folder; `..` of the root is the root, as everywhere on Unix.

    Raises:
        Declined: 553, it is no UTF-8 (RFC 2640) or has a NUL.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Declined(553, "names are UTF-8 here, and this one is not") from None
    if "\0" in text:
        raise Declined(553, "no name has a NUL octet")
    way = [] if text.startswith("/") else list(folder)
    for name in text.split("/"):
        if name == "..":
            del way[-1:]
        elif name not in {"", "."}:
            way.append(name)
    return tuple(way)


def without_options(argument: bytes) -> bytes:
    """Take options as of ls(1) off LIST's argument: many clients send `LIST -la`, and a server is free to ignore them.

    A file whose name begins with a hyphen is listed as `./-name`.
    """
    words = argument.lstrip(b" ")
    while words.startswith(b"-"):
        _, _, words = words.partition(b" ")
        words = words.lstrip(b" ")
    return words
