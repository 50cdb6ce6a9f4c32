"""Archives that tests make: every way to pack a log, and ways that nobody should."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable

import zstandard

Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    """Pack a frame with a checksum, in several blocks where the data is long."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def in_tar(*files: tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack files into a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def with_entries(entries: Iterable[tarfile.TarInfo], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Pack entries of any kind, without data."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for entry in entries:
            archive.addfile(entry)
    return packed.getvalue()


COMPRESSIONS: dict[str, Pack] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    "zstd": zstd,
}


def _outside(pack: Pack) -> Pack:
    return lambda data: pack(in_tar(("a.log", data)))


def _inside(pack: Pack) -> Pack:
    return lambda data: in_tar(("a.log.z", pack(data)))


PACKED: dict[str, Pack] = {
    "plain": bytes,
    **COMPRESSIONS,
    "tar": lambda data: in_tar(("a.log", data)),
    **{f"tar in {name}": _outside(pack) for name, pack in COMPRESSIONS.items()},
    **{f"{name} in tar": _inside(pack) for name, pack in COMPRESSIONS.items()},
    "gzip in tar in zstd": lambda data: zstd(in_tar(("a.log.gz", gzip.compress(data)))),
}
"""Every way to pack one log."""
