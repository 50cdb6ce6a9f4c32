"""Uploads that end as OpenSSH's `sftp` ends one after Ctrl-C: with the same CLOSE as for a whole file.

What gives them away is that it stops after a full piece, while a whole file ends with what is left of it. So the size
of a piece that we ask for, which OpenSSH 9 and later keep to, is a prime: of whole files, one in 261,101 has no rest.
Such a file is refused once, and taken when it comes again.
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.drop.visit import Way

PIECE = 261_101
"""Octets; the largest prime that fits into a packet of 256 KiB beside its other fields, as OpenSSH's own 255 KiB do."""

MAX_REFUSED = 1000
"""Uploads that are remembered; of others, the next try is refused too."""

INTERRUPTED_WORDS = "this is how an interrupted upload ends; if it was not interrupted, send the file once more"


class Interruptions:
    """Remembers which uploads were refused as interrupted."""

    def __init__(self) -> None:
        self._refused: OrderedDict[tuple[str, Way], int] = OrderedDict()

    def comes_again(self, account: str, way: Way, size: int) -> bool:
        """Tell whether an upload of this size was refused before; that it is now, is remembered if not."""
        if self._refused.pop((account, way), None) == size:
            return True
        self._refused[account, way] = size
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        return False
