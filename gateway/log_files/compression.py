"""Unpack gzip, bzip2, xz, lzma and Zstandard as streams, with limits on memory and on what comes out."""

from __future__ import annotations

import bz2
import enum
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

from gateway.drop.account import Unpacking
from gateway.log_files.octets import CHUNK, BombError, DamagedError, Octets, UnreadableError

FREE = 16 * 1024**2
"""Octets that an archive may become whatever its size: a short log of one line again and again is no bomb."""

MAX_WINDOW = 128 * 1024**2
"""Memory that unpacking one stream may take: what `zstd -d` allows, and twice what `xz -9` needs."""


class Compression(enum.Enum):
    """A way to compress, by the name people know."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZMA = "lzma"
    ZSTD = "zstd"


_MAGIC = {
    Compression.GZIP: b"\x1f\x8b",  # RFC 1952, section 2.3.1
    Compression.BZIP2: b"BZh",
    Compression.XZ: b"\xfd7zXZ\0",
    Compression.LZMA: b"\x5d\0\0",  # no magic, but the properties of every preset, and a dictionary of 64 KiB or more
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",  # RFC 8878, section 3.1.1
}
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # a stream begins with a block, or it is empty; letters alone may be text
_SKIPPABLE = b"\x2a\x4d\x18"  # RFC 8878, section 3.1.2, after an octet 0x50 to 0x5f
_MAX_BLOCK = 128 * 1024  # RFC 8878, section 3.1.1.2.4
_BLOCK_HEADER = 3
_RLE, _COMPRESSED = 1, 2
_MAX_FRAME_HEADER = 18


def compression_of(head: bytes) -> Compression | None:
    """Tell how a stream is compressed that begins with these octets, at least the first ten; None: not at all."""
    for compression, magic in _MAGIC.items():
        if head.startswith(magic) and (compression is not Compression.BZIP2 or head[4:10] in _BZIP2_BLOCKS):
            return compression
    return Compression.ZSTD if _is_skippable(head) else None


class Meter:
    """Counts what comes out of archives, against what was read of the file.

    Args:
        limits: how much that may be.
        taken: returns how many octets of the file were read so far.
    """

    def __init__(self, limits: Unpacking, taken: Callable[[], int]) -> None:
        self._limits = limits
        self._taken = taken
        self._made = 0

    def count(self, octets: int) -> None:
        """Count octets that came out.

        Raises:
            BombError: they are too many.
        """
        self._made += octets
        if self._made > self._limits.octets:
            raise BombError(f"it unpacks to more than {self._limits.octets:,} octets (unpack: octets)")
        if self._made > FREE and self._made > self._limits.ratio * self._taken():
            raise BombError(f"it unpacks to more than {self._limits.ratio:,} times its size (unpack: ratio)")


def unpacked(packed: Octets, compression: Compression, meter: Meter) -> Octets:
    """Return what is packed in a stream: of all the streams of this kind that follow each other in it."""
    if compression is Compression.ZSTD:
        return Octets(_Frames(packed, meter).read)
    return Octets(_Streams(packed, compression, meter).read)


class _Decoder(Protocol):
    """What the standard library's objects have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


def _decoder(compression: Compression) -> _Decoder:
    match compression:
        case Compression.GZIP:
            return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        case Compression.BZIP2:
            return bz2.BZ2Decompressor()
        case Compression.XZ:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW)
        case _:
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_WINDOW)


class _Streams:
    """Streams of one kind after each other, with octets of zero between and behind them."""

    def __init__(self, packed: Octets, compression: Compression, meter: Meter) -> None:
        self._packed = packed
        self._compression = compression
        self._meter = meter
        self._decoder: _Decoder | None = None
        self._input = b""  # read and not yet given to the decoder, or given back by it
        self._made = 0
        self._begun = False

    def read(self, size: int) -> bytes:
        """Return octets that are unpacked, none at the end."""
        while True:
            if self._decoder is None:
                if not self._next():
                    return b""
                self._decoder = _decoder(self._compression)
            decoder = self._decoder
            octets = self._decompress(decoder, size)
            if decoder.eof:
                self._decoder, self._input = None, decoder.unused_data
            else:
                # zlib gives back what it has no room for; the others keep it
                self._input = getattr(decoder, "unconsumed_tail", b"")
            if octets:
                self._made += len(octets)
                self._meter.count(len(octets))
                return octets
            if self._decoder is not None and not self._input:
                self._input = self._packed.read(CHUNK)
                if not self._input:
                    raise _ends_early(self._compression, self._made)

    def _decompress(self, decoder: _Decoder, size: int) -> bytes:
        try:
            return decoder.decompress(self._input, max_length=size)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            if str(error).startswith("Memory usage limit"):
                raise _window(self._compression) from None
            raise _damaged(self._compression, self._made, error) from None

    def _next(self) -> bool:
        """Find the next stream; tell whether there is one."""
        magic = _MAGIC[self._compression]
        self._input = self._input.lstrip(b"\0")
        while len(self._input) < len(magic) and (more := self._packed.read(CHUNK)):
            self._input = (self._input + more).lstrip(b"\0")
        if self._input and self._begun and not self._input.startswith(magic):
            kind = self._compression.value
            if magic.startswith(self._input):
                raise _ends_early(self._compression, self._made)
            raise DamagedError(f"behind the {kind} stream, after {self._made:,} octets unpacked, stand others")
        self._begun = True
        return bool(self._input)


class _Frames:
    """Zstandard frames after each other (RFC 8878, section 3).

    The library has no bound for what comes out of one call, nor tells at the end of its input whether that is the end
    of a frame. So it is given one block at a time, which becomes at most 128 KiB.
    """

    def __init__(self, packed: Octets, meter: Meter) -> None:
        self._packed = packed
        self._meter = meter
        self._library = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._has_checksum = False
        self._is_over = False  # the frame's last block was taken
        self._made = 0

    def read(self, size: int) -> bytes:  # noqa: ARG002 -- one block; whoever asked keeps what is too much
        """Return octets that are unpacked, none at the end."""
        while True:
            if self._is_over:
                self._end()
            if self._frame is None and not self._begin():
                return b""
            octets = self._block()
            if octets:
                self._made += len(octets)
                self._meter.count(len(octets))
                return octets

    def _begin(self) -> bool:
        """Find the next frame; tell whether there is one."""
        while _is_skippable(self._packed.head(4)):
            length = int.from_bytes(self._exactly(8)[4:], "little")
            if self._packed.skip(length) < length:
                raise _ends_early(Compression.ZSTD, self._made)
        head = self._packed.head(_MAX_FRAME_HEADER)
        if not head:
            self._packed.read(1)  # raises where this is not the end
            return False
        if not head.startswith(_MAGIC[Compression.ZSTD]):
            if _MAGIC[Compression.ZSTD].startswith(head):
                raise _ends_early(Compression.ZSTD, self._made)
            raise DamagedError(f"behind the zstd frame, after {self._made:,} octets unpacked, stand others")
        try:
            parameters = zstandard.get_frame_parameters(head)
            length = zstandard.frame_header_size(head)
        except zstandard.ZstdError as error:
            if len(head) < _MAX_FRAME_HEADER:
                raise _ends_early(Compression.ZSTD, self._made) from None
            raise _damaged(Compression.ZSTD, self._made, error) from None
        if parameters.window_size > MAX_WINDOW:
            raise _window(Compression.ZSTD)
        if parameters.dict_id:
            raise UnreadableError("it is compressed with a zstd dictionary, which is not here: compress it without one")
        self._has_checksum = parameters.has_checksum
        self._frame = self._library.decompressobj()
        self._decompress(self._exactly(length))
        return True

    def _block(self) -> bytes:
        """Unpack the next block."""
        header = self._exactly(_BLOCK_HEADER)
        number = int.from_bytes(header, "little")
        is_last, kind, length = number & 1, number >> 1 & 3, number >> 3
        if kind > _COMPRESSED or length > _MAX_BLOCK:
            raise _damaged(Compression.ZSTD, self._made, "a block that cannot be")
        self._is_over = bool(is_last)
        return self._decompress(header + self._exactly(1 if kind == _RLE else length))

    def _end(self) -> None:
        """Take what stands behind the last block, now that what was in it is out."""
        if self._has_checksum:
            self._decompress(self._exactly(4))
        if self._frame is None or not self._frame.eof:
            raise _damaged(Compression.ZSTD, self._made, "a frame that does not end with its last block")
        self._frame, self._is_over = None, False

    def _decompress(self, octets: bytes) -> bytes:
        assert self._frame is not None  # noqa: S101 -- `read` has begun one
        try:
            return self._frame.decompress(octets)
        except zstandard.ZstdError as error:
            raise _damaged(Compression.ZSTD, self._made, error) from None

    def _exactly(self, size: int) -> bytes:
        octets = self._packed.gather(size) if size else b""
        if len(octets) < size:
            raise _ends_early(Compression.ZSTD, self._made)
        return octets


def _is_skippable(head: bytes) -> bool:
    return head[1:4] == _SKIPPABLE and head[0] >> 4 == 5


def _ends_early(compression: Compression, made: int) -> DamagedError:
    return DamagedError(f"the {compression.value} stream ends in the middle, after {made:,} octets unpacked")


def _damaged(compression: Compression, made: int, why: object) -> DamagedError:
    return DamagedError(f"the {compression.value} stream is damaged, after {made:,} octets unpacked ({why})")


def _window(compression: Compression) -> BombError:
    limit = MAX_WINDOW // 1024**2
    return BombError(
        f"unpacking its {compression.value} stream takes more than {limit} MiB of memory; compress it less"
    )
