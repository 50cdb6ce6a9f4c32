"""Tests of checksum files: what is read, whom a line is about, and what hostile ones do."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checks.checksums import (
    ALGORITHMS,
    DIGITS,
    MAX_LINES,
    MAX_SIDECAR,
    Sidecar,
    is_list,
    is_sidecar,
    parse,
    sidecars_of,
    subject,
)
from tests.end_to_end.programs import require

HEX = "b1946ac92492d2347c6235b4d2611184" * 2
MD5 = HEX[:32]


def digests(sidecar: Sidecar) -> dict[str, list[str]]:
    """Return the digests by name."""
    return {name: [one.digest for one in sums] for name, sums in sidecar.sums.items()}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"{HEX}  x.csv", "x.csv"),
        (f"{HEX} *x.csv", "x.csv"),
        (f"{HEX} x.csv", "x.csv"),
        (f"{HEX}\tx.csv", "x.csv"),
        (f"{HEX.upper()}  x.csv", "x.csv"),
        (f"{HEX}  ./x.csv", "x.csv"),
        (f"{HEX}  with  blanks ", "with  blanks "),
        (f"{HEX}  ümläut.csv", "ümläut.csv"),
        (f"\\{HEX}  a\\nb\\\\c\\rd", "a\nb\\c\rd"),
        (f"{HEX}  a\\nb", "a\\nb"),
        (f"SHA256 (x.csv) = {HEX}", "x.csv"),
        (f"SHA256(x.csv)= {HEX}", "x.csv"),
        (f"SHA2-256(x.csv)= {HEX}", "x.csv"),
        (f"SHA256 (a) = b) = {HEX}", "a) = b"),
        (f"\\SHA256 (a\\nb) = {HEX}", "a\nb"),
    ],
)
def test_forms_of_lines(line: str, name: str) -> None:
    """Each form that programs write is read, with the name as it was."""
    sidecar = parse("SHA256SUMS", f"{line}\n".encode())
    assert digests(sidecar) == {name: [HEX]}
    assert not sidecar.problem


@pytest.mark.parametrize("content", [HEX, f"{HEX}\n", f"\n{HEX} \r\n\r\n", f"# made by hand\n{HEX}"])
def test_a_bare_digest_stands_beside_its_file(content: str) -> None:
    """A file beside one file may hold no more than the digest."""
    assert digests(parse("x.csv.sha256", content.encode())) == {"x.csv": [HEX]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    """UTF-8 with and without its mark, and what PowerShell writes, are one."""
    text = f"{HEX}  ä.csv\r\n# end\r\n{HEX}  b.csv\r\n"
    assert digests(parse("SHA256SUMS", text.encode(encoding))) == {"ä.csv": [HEX], "b.csv": [HEX]}


def test_a_name_need_not_be_utf_8() -> None:
    """A name's octets are kept as the file system's are."""
    assert list(parse("SHA256SUMS", HEX.encode() + b"  \xff.csv\n").sums) == ["\udcff.csv"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.csv", "sub/x.csv", "..", ".", "./", "././../x.csv", "//x.csv"])
def test_a_path_in_a_list_names_nothing(path: str) -> None:
    """A list is about its own folder: a way out of it, or into another, has no effect."""
    sidecar = parse("SHA256SUMS", f"{HEX}  {path}\n{HEX}  y.csv\n".encode())
    assert digests(sidecar) == {"y.csv": [HEX]}
    assert not sidecar.problem


@pytest.mark.parametrize("path", ["/build/out/x.csv", "../x.csv", "C:\\out\\x.csv", "x.csv"])
def test_a_path_beside_one_file_is_where_it_was_made(path: str) -> None:
    """`sha256sum /build/x.csv > x.csv.sha256` is about x.csv, for the file's own name says so."""
    assert digests(parse("x.csv.sha256", f"{HEX}  {path}\n".encode())) == {"x.csv": [HEX]}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.csv.sha256", f"{HEX}  y.csv", "line 1: names 'y.csv', and not 'x.csv'"),
        ("x.csv.sha256", f"\n{HEX[:-1]}  x.csv", "line 2: 63 hex digits, where SHA256 has 64"),
        ("x.csv.md5", HEX, "line 1: 64 hex digits, where MD5 has 32"),
        ("x.csv.sha256", "<html>not found</html>", "line 1: no checksum: '<html>not found</html>'"),
        ("x.csv.sha256", "", "no checksum in it"),
        ("x.csv.sha256", f"MD5 (x.csv) = {MD5}", "line 1: MD5 in a file of SHA256 checksums"),
        ("SHA256SUMS", HEX, "line 1: a checksum without a name"),
        ("SHA256SUMS", f"\\{HEX}  a\\tb", "line 1: a backslash that escapes nothing"),
        ("SHA256SUMS", f"\\{HEX}  a\\", "line 1: a backslash that escapes nothing"),
        ("SHA256SUMS", "\ufeffx".encode("utf-16-le") + b"x", "it begins as UTF-16 and is not"),
        ("SHA256SUMS", b"x" * (MAX_SIDECAR + 1), "it is larger than 1048576 octets, which no checksum file needs"),
        ("SHA256SUMS", b"\n" * (MAX_LINES + 1), "it has more than 32768 lines"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: str | bytes, problem: str) -> None:
    """The words say which line it is and what is wrong with it."""
    assert parse(name, content if isinstance(content, bytes) else content.encode()).problem == problem


def test_one_bad_line_does_not_hide_the_others() -> None:
    """What can be read of a list holds."""
    sidecar = parse("SHA256SUMS", f"{HEX}  a\nrubbish\n{HEX}  b\nmore\n".encode())
    assert list(sidecar.sums) == ["a", "b"]
    assert sidecar.problem == "line 2: no checksum: 'rubbish'"


def test_a_name_twice_has_both_digests() -> None:
    """All lines about a file count, so that no later one can undo an earlier one."""
    assert digests(parse("MD5SUMS", f"{MD5}  a\n{'0' * 32}  a\n".encode())) == {"a": [MD5, "0" * 32]}


def test_names() -> None:
    """What a checksum file is called, and where one is looked for, are the same."""
    assert subject("x.csv.sha256") == subject("x.csv.MD5") == "x.csv"
    assert [subject(name) for name in ("x.csv", ".sha256", "sha256", "x.Sha256", "SHA256SUMS")] == [None] * 5
    assert is_list("SHA256SUMS")
    assert is_list("md5sum.txt")
    assert not is_list("x.sha256")
    assert all(is_sidecar(name) for name in sidecars_of("x.csv"))
    assert "SHA512SUMS" in sidecars_of("x.csv")
    assert "x.csv.sha1" in sidecars_of("x.csv")
    assert not any(is_list(name) for name in sidecars_of("SHA256SUMS"))


@given(st.sampled_from(["x.sha256", "x.md5", "SHA256SUMS", "SHA1SUMS"]), st.binary(max_size=400))
def test_any_octets_are_read_or_said_to_be_wrong(name: str, content: bytes) -> None:
    """Whatever comes, there is an answer, and no name in it leaves the folder."""
    sidecar = parse(name, content)
    assert not any("/" in about or about in {"", ".", ".."} for about in sidecar.sums)


LINE = st.lists(
    st.sampled_from([HEX, MD5, "SHA256", " (", ") = ", ")=", " ", "  ", " *", "\\", "n", "/", "..", "a", "\r"])
)


@given(st.lists(LINE.map("".join), max_size=5).map("\n".join))
def test_what_looks_like_lines_is_read_or_said_to_be_wrong(text: str) -> None:
    """The pieces of lines in any order do no harm either."""
    sidecar = parse("SHA256SUMS", text.encode())
    assert all(len(one.digest) == 64 for sums in sidecar.sums.values() for one in sums)


@pytest.mark.parametrize("piece", [b") = a", b"SHA256 (", b"a", b" ", b"\\n", b"0 ", b"a\n", b"\xff"])
def test_hostile_lines_cost_no_more_than_their_length(piece: bytes) -> None:
    """No pattern goes over a line again and again: 1 MiB of anything is read in far less than a second."""
    for head in (b"", b"SHA256 (", b"\\" + HEX.encode() + b"  "):
        began = time.perf_counter()
        parse("SHA256SUMS", (head + piece * MAX_SIDECAR)[:MAX_SIDECAR])
        assert time.perf_counter() - began < 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]])
def test_what_coreutils_write(tmp_path: Path, algorithm: str, options: list[str]) -> None:
    """The real programs' lists are read, with all the names that a file can have."""
    program = require(f"{algorithm}sum")
    names = ["x.csv", "back\\slash", "new\nline", " begins blank", "*star", "a) = b", "ü"]
    for name in names:
        (tmp_path / name).write_bytes(b"hello\n")
    made = subprocess.run([program, *options, "--", *names], cwd=tmp_path, capture_output=True, check=True)
    sidecar = parse(f"{algorithm.upper()}SUMS", made.stdout)
    assert not sidecar.problem
    assert sorted(sidecar.sums) == sorted(names)
    assert {len(one.digest) for sums in sidecar.sums.values() for one in sums} == {DIGITS[algorithm]}
