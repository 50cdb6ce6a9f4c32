"""TYPE A: line ends between the network's form, CR LF, and ours, LF (RFC 959 section 3.1.1.1)."""

from __future__ import annotations


class FromNetwork:
    """Makes LF of CR LF, also where two chunks meet; a CR by itself stays."""

    def __init__(self) -> None:
        self._has_cr = False  # the last chunk ended with one, which is held back

    def feed(self, octets: bytes) -> bytes:
        """Take a chunk, return what is sure of it."""
        if self._has_cr:
            octets = b"\r" + octets
        self._has_cr = octets.endswith(b"\r")
        if self._has_cr:
            octets = octets[:-1]
        return octets.replace(b"\r\n", b"\n")

    def end(self) -> bytes:
        """Return what was held back."""
        return b"\r" if self._has_cr else b""


def to_network(octets: bytes) -> bytes:
    """Make CR LF of each LF; needs no memory, for each octet stands by itself."""
    return octets.replace(b"\n", b"\r\n")
