"""Unpacking: by content, in constant memory, within limits, and all that can be read before an error."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.drop.account import Unpacking
from gateway.log_files import compression, tar
from gateway.log_files.tar import MAX_HEADER, MAX_IN_A_ROW
from gateway.log_files.unpack import PIECE, BombError, DamagedError, Piece, UnpackError, UnreadableError, open_log
from tests.gateway.made_archives import COMPRESSIONS, PACKED, Pack, in_tar, with_entries, zstd

LIMITS = Unpacking()
LOG = b"".join(b"<13>Nov 10 09:00:%02d web1 app[%d]: line %d\n" % (n % 60, n, n) for n in range(9000))
SHORT = b"one\ntwo\nthree\n"
NO_TEXT = bytes(range(256)) * 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its file."""
    return tmp_path / "upload"


def read(
    file: Path, limits: Unpacking = LIMITS, member: int = 0, offset: int = 0
) -> tuple[list[Piece], UnpackError | None]:
    """Return the pieces that come, and the error at their end."""
    pieces: list[Piece] = []
    try:
        pieces.extend(open_log(file, limits, member, offset))  # what came before an error stays
    except UnpackError as error:
        return pieces, error
    return pieces, None


def text(pieces: list[Piece]) -> bytes:
    """Return what is in pieces, which must follow each other."""
    at = (-1, 0)
    for piece in pieces:
        assert len(piece.data) <= PIECE
        if piece.problem is None and not piece.skipped:
            assert piece.offset == (at[1] if piece.member == at[0] else 0)
            at = (piece.member, piece.offset + len(piece.data))
    return b"".join(piece.data for piece in pieces)


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_every_way_to_pack(file: Path, pack: Pack) -> None:
    """What was packed comes out, whatever the name of the file, and from any place on."""
    file.write_bytes(pack(LOG))
    pieces, error = read(file)
    assert error is None
    assert text(pieces) == LOG
    assert {piece.name for piece in pieces} <= {None, "a.log", "a.log.z", "a.log.gz"}
    for offset in (1, 300_000, len(LOG) - 1, len(LOG), len(LOG) + 5):
        rest, error = read(file, offset=offset)
        assert (b"".join(piece.data for piece in rest), error) == (LOG[offset:], None)
        assert not rest or rest[0].offset == offset


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_nothing_packed(file: Path, pack: Pack) -> None:
    """An empty log is a log."""
    file.write_bytes(pack(b""))
    assert read(file) == ([], None)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_streams_that_follow_each_other(file: Path, name: str) -> None:
    """Several streams are one log, as from `cat a.gz b.gz`; zeros behind them, as tapes leave, are nothing."""
    pack = COMPRESSIONS[name]
    padding = b"" if name == "zstd" else bytes(512)
    file.write_bytes(pack(SHORT) + pack(b"") + padding + pack(LOG) + padding)
    pieces, error = read(file)
    assert (text(pieces), error) == (SHORT + LOG, None)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_octets_behind_the_stream(file: Path, name: str) -> None:
    """What stands behind the last stream and is none is told, after all that was in it."""
    file.write_bytes(COMPRESSIONS[name](SHORT) + b"no stream at all")
    pieces, error = read(file)
    assert text(pieces) == SHORT
    assert isinstance(error, DamagedError)
    assert "behind" in str(error)
    assert "after 14 octets" in str(error)


@pytest.mark.parametrize(
    "pack", [pack for name, pack in PACKED.items() if name != "plain"], ids=[n for n in PACKED if n != "plain"]
)
def test_cut_at_every_octet(file: Path, pack: Pack) -> None:
    """A file that ends early is damaged and nothing else, and the whole lines that come are the log's first."""
    log = SHORT * 3
    whole = pack(log)
    for size in range(12, len(whole), 1 if len(whole) < 600 else 251):
        file.write_bytes(whole[:size])
        pieces, error = read(file)
        octets = text(pieces)
        assert log.startswith(octets[: octets.rfind(b"\n") + 1])
        assert error is not None or any(piece.problem for piece in pieces) or octets == log
    file.write_bytes(whole[: min(len(whole) // 2, 540)])
    assert read(file)[1] is not None


def test_cut_gzip_at_every_octet(file: Path) -> None:
    """All that was packed before the cut is there: as much as zlib itself makes of it."""
    packed = gzip.compress(LOG[:1500], mtime=0)
    for size in range(2, len(packed)):
        file.write_bytes(packed[:size])
        pieces, error = read(file)
        assert text(pieces) == zlib.decompressobj(31).decompress(packed[:size])
        assert isinstance(error, DamagedError)
        assert str(error) == f"the gzip stream ends in the middle, after {len(text(pieces)):,} octets unpacked"


@pytest.mark.parametrize("cut", [1, 4, 5, 700])
def test_cut_zstd_gives_its_blocks(file: Path, cut: int) -> None:
    """Of a frame that is cut off, every whole block comes out; of one without its checksum, all."""
    rows = random.Random(1).randbytes(200_000).hex().encode()
    packed = zstd(rows)
    file.write_bytes(packed[:-cut])
    pieces, error = read(file)
    assert text(pieces) == (rows if cut < 5 else rows[: 3 * 128 * 1024])
    assert isinstance(error, DamagedError)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_flipped_octets(file: Path, name: str) -> None:
    """Whatever octet is wrong, there is an error of ours or none, and no other exception."""
    whole, chance = COMPRESSIONS[name](LOG[:5000]), random.Random(name)
    damaged = 0
    for _ in range(60):
        octets = bytearray(whole)
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        file.write_bytes(octets)
        pieces, error = read(file)
        damaged += isinstance(error, DamagedError)
        assert error is not None or all(piece.data for piece in pieces)
    assert damaged > 10


@settings(max_examples=40, deadline=None)
@given(
    data=st.binary(max_size=2000),
    magic=st.sampled_from(
        [b"\x1f\x8b\x08\0", b"BZh91AY&SY", b"\xfd7zXZ\0", b"\x5d\0\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b""]
    ),
)
def test_any_octets(tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bytes) -> None:
    """No file makes another exception than ours."""
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(magic + data)
    read(file)


# Bombs.


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_bomb(file: Path, name: str) -> None:
    """Zeros without end are refused at the limit of the ratio, in little memory; 16 MiB any archive may become."""
    lines = b"a\n" * 1024 * 1024
    packers: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: gzip.compress(lines * 9, 9),
        "bzip2": lambda: bz2.compress(lines) * 9,
        "xz": lambda: lzma.compress(lines, preset=0) * 9,
        "lzma": lambda: lzma.compress(lines * 9, lzma.FORMAT_ALONE, preset=0),
        "zstd": lambda: zstandard.ZstdCompressor().compress(lines) * 9,
    }
    file.write_bytes(packers[name]())
    tracemalloc.start()
    total, error = 0, ""
    try:
        for piece in open_log(file, LIMITS):
            total += len(piece.data)
    except BombError as bomb:
        error = str(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error == "it unpacks to more than 250 times its size (unpack: ratio)"
    assert compression.FREE - PIECE <= total <= compression.FREE + PIECE
    assert peak < 16 * 1024**2  # the dictionary of xz is 8 MiB


def test_limit_of_octets(file: Path) -> None:
    """An archive becomes no more than `octets`; a plain file is what it is."""
    limits = Unpacking(octets=100_000)
    file.write_bytes(gzip.compress(LOG))
    _, error = read(file, limits)
    assert str(error) == "it unpacks to more than 100,000 octets (unpack: octets)"
    file.write_bytes(LOG)
    assert text(read(file, limits)[0]) == LOG


def test_bomb_behind_what_is_passed_over(file: Path) -> None:
    """What is unpacked only to be passed over counts too."""
    limits = Unpacking(octets=100_000)
    file.write_bytes(gzip.compress(in_tar(("picture.png", b"\0" * 200_000), ("a.log", SHORT))))
    assert isinstance(read(file, limits)[1], BombError)


def test_bombs_in_a_tar_add_up(file: Path) -> None:
    """The limit is for all that is compressed in an archive, not for each."""
    packed = gzip.compress(b"a\n" * 30_000)
    file.write_bytes(in_tar(*((f"{n}.gz", packed) for n in range(4))))
    pieces, error = read(file, Unpacking(octets=200_000))
    assert isinstance(error, BombError)
    assert {piece.member for piece in pieces} >= {0, 1, 2}


def test_too_many_members(file: Path) -> None:
    """A tar of countless entries is refused at the limit, whatever they are."""
    folders = [tarfile.TarInfo(f"{n}") for n in range(40)]
    for folder in folders:
        folder.type = tarfile.DIRTYPE
    file.write_bytes(gzip.compress(with_entries(folders)))
    assert str(read(file, Unpacking(members=39))[1]) == "it holds more than 39 files (unpack: members)"
    assert read(file, Unpacking(members=40)) == ([], None)


def test_zstd_window(file: Path) -> None:
    """A frame that asks for a window of 2 GiB is refused before any memory is taken."""
    file.write_bytes(b"\x28\xb5\x2f\xfd" + bytes([0, 21 << 3]) + b"\x01\0\0")
    _, error = read(file)
    assert isinstance(error, BombError)
    assert "zstd stream takes more than 128 MiB" in str(error)


def test_xz_memory(file: Path) -> None:
    """So is an lzma stream with a dictionary of 1 GiB; what `xz -9` makes is read."""
    file.write_bytes(struct.pack("<BIq", 0x5D, 1 << 30, -1) + lzma.compress(SHORT, lzma.FORMAT_ALONE)[13:])
    assert "lzma stream takes more than 128 MiB" in str(read(file)[1])
    file.write_bytes(lzma.compress(SHORT, preset=9))
    assert text(read(file)[0]) == SHORT


def test_zstd_with_a_dictionary(file: Path) -> None:
    """A dictionary that only the sender has cannot be used, and that is said."""
    content = zstandard.train_dictionary(2000, [LOG[n : n + 100] for n in range(0, 100_000, 100)])
    file.write_bytes(zstandard.ZstdCompressor(dict_data=content).compress(SHORT))
    assert "dictionary" in str(read(file)[1])


def test_skippable_frames(file: Path) -> None:
    """Frames that carry no data, as pzstd writes them, are passed over; one that is cut off is told."""
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 5) + b"12345"
    file.write_bytes(skippable + zstd(SHORT) + skippable + zstd(SHORT) + skippable)
    assert text(read(file)[0]) == SHORT * 2
    file.write_bytes(zstd(SHORT) + skippable[:-1])
    pieces, error = read(file)
    assert (text(pieces), str(error)) == (SHORT, "the zstd stream ends in the middle, after 14 octets unpacked")


@pytest.mark.parametrize(
    ("form", "kind"), [(tarfile.PAX_FORMAT, b"x"), (tarfile.GNU_FORMAT, b"L"), (tarfile.GNU_FORMAT, b"g")]
)
def test_header_bomb(file: Path, form: int, kind: bytes) -> None:
    """A header whose name would take a gigabyte is refused unread."""
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, MAX_HEADER + 1
    file.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(MAX_HEADER * 2))
    assert "a header in the tar archive has 1,048,577 octets" in str(read(file)[1])


def test_many_headers(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of nothing but headers, which take long to read, is given up; each file may have its own."""
    entry = tarfile.TarInfo("x")
    entry.type = b"x"
    header = entry.tobuf(tarfile.GNU_FORMAT)[:512]
    file.write_bytes(header * (MAX_IN_A_ROW + 1) + in_tar(("a", SHORT)))
    assert str(read(file)[1]) == "the tar archive has more headers than any needs, after 0 files"
    monkeypatch.setattr(tar, "MAX_HEADERS", 2 * MAX_HEADER)
    entry.type, entry.size = b"g", MAX_HEADER
    full = entry.tobuf(tarfile.GNU_FORMAT)[:512] + bytes(MAX_HEADER)
    file.write_bytes(gzip.compress(full * 3 + in_tar(("a", SHORT)), 1))
    assert "more headers than any needs" in str(read(file)[1])
    sparse = tarfile.TarInfo("x")
    sparse.type = b"S"
    block = bytearray(sparse.tobuf(tarfile.GNU_FORMAT)[:512])
    block[482] = 1
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
    file.write_bytes(gzip.compress(bytes(block) + (bytes(504) + b"\1" + bytes(7)) * (2 * 2048 + 1), 1))
    assert "a header of a sparse file" in str(read(file)[1])


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_twice(file: Path, name: str) -> None:
    """One compression is taken off, not two; in a tar archive one more."""
    file.write_bytes(COMPRESSIONS[name](gzip.compress(SHORT)))
    assert isinstance(read(file)[1], UnreadableError)
    file.write_bytes(in_tar(("a", COMPRESSIONS[name](gzip.compress(SHORT))), ("b", gzip.compress(SHORT))))
    pieces, error = read(file)
    assert (text(pieces), error) == (SHORT, None)
    assert pieces[0].problem == "a: it is an archive in an archive: unpack the outer one before sending it"


# Tar archives.


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.log", "d" * 80 + "/" + "n" * 90, "e/" * 40 + "ü" * 20])
def test_forms_of_tar(file: Path, form: int, name: str) -> None:
    """Every form, with short names and long ones."""
    file.write_bytes(in_tar((name, LOG), ("last", b""), ("b", SHORT), form=form))
    pieces, error = read(file)
    assert error is None
    assert text(pieces) == LOG + SHORT
    assert (pieces[0].name, pieces[-1].name) == (name, "b")
    rest, _ = read(file, member=2, offset=4)
    assert rest == [Piece(2, "b", 4, SHORT[4:])]


def test_tar_before_posix(file: Path) -> None:
    """An archive without a magic is known by its checksum."""
    old = bytearray(in_tar(("a.log", SHORT), form=tarfile.USTAR_FORMAT))
    old[257:265] = bytes(8)
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    file.write_bytes(old)
    assert text(read(file)[0]) == SHORT


def test_large_sizes(file: Path) -> None:
    """Sizes beyond octal, in GNU's form and in pax's, are understood; the archive is just cut off here."""
    entry = tarfile.TarInfo("large")
    entry.size = 3 * 8**11
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file.write_bytes(entry.tobuf(form) + SHORT)
        pieces, error = read(file)
        assert text(pieces) == SHORT
        assert str(error) == "the tar archive ends in the middle of its file large"


def test_what_is_no_file_is_passed_over(file: Path) -> None:
    """Links, folders, devices and FIFOs are not followed, made or read."""
    entries = []
    for number, kind in enumerate(b"123456"):
        entry = tarfile.TarInfo(f"{number}/../../etc/passwd")
        entry.type, entry.linkname, entry.size = bytes([kind]), "/etc/passwd", 700 * (kind == ord("1"))
        entries.append(entry)
    packed = b"".join(entry.tobuf(tarfile.USTAR_FORMAT) for entry in entries)
    file.write_bytes(packed + in_tar(("a.log", SHORT)))
    pieces, error = read(file)
    assert (pieces[-1], error) == (Piece(6, "a.log", 0, SHORT), None)
    assert [piece.member for piece in pieces[:-1] if piece.skipped and not piece.data] == [0, 1, 2, 3, 5]


def test_sparse_files_are_told(file: Path) -> None:
    """The data of a sparse file is not its content: it is passed over, with its further headers, and told."""
    gnu = tarfile.TarInfo("holes")
    gnu.type, gnu.size = b"S", 600
    header = bytearray(gnu.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more = bytearray(512)
    more[504] = 1
    pax = tarfile.TarInfo("GNUSparseFile.1/holes")
    pax.pax_headers, pax.size = {"GNU.sparse.major": "1", "GNU.sparse.name": "holes"}, 512
    file.write_bytes(
        header + more + bytes(512) + bytes(1024) + pax.tobuf(tarfile.PAX_FORMAT) + bytes(512) + in_tar(("a.log", SHORT))
    )
    pieces, error = read(file)
    problem = "holes: it is a sparse file, which is not read: pack it without --sparse"
    assert [piece.problem for piece in pieces] == [problem, problem, None]
    assert (text(pieces), error) == (SHORT, None)


def test_damage_inside_a_tar(file: Path) -> None:
    """A log that is damaged ends there, and those behind it are read."""
    packed = gzip.compress(LOG[:3000])
    file.write_bytes(
        zstd(
            in_tar(
                ("a.gz", packed[:-100]),
                ("b.zip", b"PK\x03\x04"),
                ("b.png", NO_TEXT),
                ("._a", b"\0\x05\x16\x07"),
                ("c", SHORT),
            )
        )
    )
    pieces, error = read(file)
    assert error is None
    assert text(pieces).endswith(SHORT)
    assert LOG.startswith(pieces[0].data)
    assert [piece.problem for piece in pieces if piece.problem] == [
        f"a.gz: the gzip stream ends in the middle, after {len(pieces[0].data):,} octets unpacked",
        "b.zip: it is a zip archive, which is not read; send logs as text, or in gz, zst, xz, bz2 or tar",
    ]
    assert [piece.name for piece in pieces if piece.skipped] == ["b.png"]


def test_tar_with_something_wrong(file: Path) -> None:
    """A header that is none, a missing end mark and a second archive behind the first are told, after what is whole."""
    one, two = in_tar(("a", SHORT)), in_tar(("b", LOG))
    for octets, words in (
        (one[:1024] + b"?" * 512, "at octet 1,024 stands no header, after 1 files"),
        (one[:1024], "ends without its end mark, so that something may be missing, after 1 files"),
        (one[:1024] + two[:300], "ends in the middle of a header, after 1 files"),
        (one + two, "behind the end mark of the tar archive, after 1 files, stand octets not read"),
    ):
        file.write_bytes(octets)
        pieces, error = read(file)
        assert text(pieces) == SHORT
        assert isinstance(error, DamagedError)
        assert words in str(error)


def test_wrong_checksum_behind_a_tar(file: Path) -> None:
    """The compressed stream is read to its end, where its checksum is, also behind the archive's end mark."""
    packed = bytearray(gzip.compress(in_tar(("a", SHORT))))
    packed[-8] ^= 1
    file.write_bytes(packed)
    assert "gzip stream is damaged" in str(read(file)[1])


# Text.


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16(file: Path, encoding: str) -> None:
    """A log in UTF-16, as PowerShell writes it, comes as UTF-8; places are in what comes."""
    words = "".join(f"Zeile {n} ü€𝄞\r\n" for n in range(30_000))
    mark = "\ufeff".encode(encoding)
    file.write_bytes(mark + words.encode(encoding))
    pieces, error = read(file)
    assert (text(pieces), error) == (words.encode(), None)
    rest, _ = read(file, offset=400_001)
    assert b"".join(piece.data for piece in rest) == words.encode()[400_001:]
    file.write_bytes(mark + "a\nb".encode(encoding) + b"\0")
    assert text(read(file)[0]) == b"a\nb\xef\xbf\xbd"


def test_utf_8_mark(file: Path) -> None:
    """A byte order mark is no part of the first line; places count it."""
    file.write_bytes(b"\xef\xbb\xbf" + SHORT)
    assert read(file)[0] == [Piece(0, None, 3, SHORT)]
    assert read(file, offset=7)[0] == [Piece(0, None, 7, SHORT[4:])]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"PK\x03\x04rest", "a zip archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"-----BEGIN PGP MESSAGE-----\n", "an OpenPGP message"),
        (b"\x89PNG\r\n\x1a\n" + NO_TEXT, "binary"),
        (b"a\0\n\0", "binary"),
        (b"\xff\xfe\0\0a\0\0\0", "binary"),
        (bytes(5000) + SHORT, "the tar archive, after 0 files"),
    ],
)
def test_what_is_no_log(file: Path, octets: bytes, words: str) -> None:
    """A file that is no log is refused, by what it is."""
    for pack in (lambda data: data, gzip.compress):
        file.write_bytes(pack(octets))
        pieces, error = read(file)
        assert not pieces
        assert words in str(error)


def test_zeros_later_in_a_log(file: Path) -> None:
    """What a crash leaves in the middle of a log does not make it binary, nor does text like a magic."""
    for octets in (SHORT * 400 + bytes(100) + SHORT, b"BZh9 is a name\n" + SHORT):
        file.write_bytes(octets)
        assert text(read(file)[0]) == octets


def test_what_is_no_file(tmp_path: Path) -> None:
    """A link is not followed, a FIFO not waited for, a folder not read."""
    (tmp_path / "log").write_bytes(SHORT)
    (tmp_path / "link").symlink_to("log")
    os.mkfifo(tmp_path / "fifo")
    for name, error in (("link", OSError), ("fifo", UnreadableError), (".", OSError), ("missing", FileNotFoundError)):
        with pytest.raises(error):
            list(open_log(tmp_path / name, LIMITS))


def test_the_file_is_closed(file: Path) -> None:
    """Whoever reads no further closes the file by closing the generator."""
    file.write_bytes(LOG)
    before = len(list(Path("/proc/self/fd").iterdir()))
    pieces = open_log(file, LIMITS)
    next(pieces)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    pieces.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
