"""FTP's pure parts: lines, the table of commands, paths, replies, listings, line ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.addresses import is_loopback, plain_address
from gateway.drop.account import WRITE_ONLY, Right
from gateway.drop.visit import Entry, Refusal
from gateway.sources.ftp.commands import COMMANDS, parse
from gateway.sources.ftp.control import ControlConnection
from gateway.sources.ftp.lines import CommandLines, without_telnet
from gateway.sources.ftp.listing import FACTS, as_time, facts_line, list_line, time_value
from gateway.sources.ftp.newlines import FromNetwork, to_network
from gateway.sources.ftp.paths import as_way, without_options
from gateway.sources.ftp.replies import CODES, Declined, Reply, printable, quoted

NOW = 1_767_225_600.0  # 2026-01-01 00:00 UTC


def taken(lines: CommandLines) -> list[bytes | str]:
    """Take all lines there are; an error is its words."""
    found: list[bytes | str] = []
    while True:
        try:
            line = lines.take()
        except ValueError as error:
            found.append(str(error))
            continue
        if line is None:
            return found
        found.append(line)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 9))
def test_lines_do_not_depend_on_how_they_arrive(parts: list[bytes], size: int) -> None:
    """Fed whole or a few octets at a time, the same lines and the same errors come out."""
    data = b"\n".join(parts)
    whole, pieces = CommandLines(16), CommandLines(16)
    whole.feed(data)
    expected = taken(whole)
    found: list[bytes | str] = []
    for start in range(0, len(data), size):
        pieces.feed(data[start : start + size])
        found += taken(pieces)
    assert found == expected
    assert len(pieces) <= 18


def test_a_line_that_is_too_long_is_skipped() -> None:
    """It is one error however long it is, keeps no memory, and the next line is a line."""
    lines = CommandLines(8)
    lines.feed(b"x" * 100)
    assert taken(lines) == ["a line has 8 octets at the most"]
    assert len(lines) == 0
    lines.feed(b"y" * 100 + b"\r\nNOOP\r\n")
    assert taken(lines) == [b"NOOP"]


def test_what_has_not_been_taken_can_be_forgotten() -> None:
    """The octets behind AUTH TLS are counted and gone."""
    lines = CommandLines()
    lines.feed(b"AUTH TLS\r\nUSER x\r\n")
    assert lines.take() == b"AUTH TLS"
    assert lines.clear() == 8
    assert lines.take() is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\xff\xf4\xff\xf2ABOR", b"ABOR"),
        (b"\xff\xf4\xffABOR", b"ABOR"),  # the urgent octet came by another way
        (b"\xf2ABOR", b"ABOR"),
        (b"STOR \xc3\xa9", b"STOR \xc3\xa9"),
        (b"PASS a\xff\xffb", b"PASS a\xffb"),
        (b"NOOP\xff\xfb\x01", b"NOOP"),
    ],
)
def test_telnet_sequences_are_taken_out(line: bytes, expected: bytes) -> None:
    """ABOR comes with IAC IP IAC DM before it; UTF-8 is left alone."""
    assert without_telnet(line) == expected


def test_every_command_has_its_method() -> None:
    """The table is complete, and each of its names leads to a method of ours or of Twisted's."""
    assert {"AUTH", "PBSZ", "PROT", "MLSD", "EPSV", "STOU", "XPWD", "ABOR"} <= COMMANDS.keys()
    for command in COMMANDS.values():
        assert callable(getattr(ControlConnection, f"ftp_{command.name}"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"FOO", 502),
        (b"__class__ x", 500),
        (b"\xff\xfe", 500),
        (b"STOR", 501),
        (b"STOR  ", 501),
        (b"PASV now", 501),
        (b"LPRT x", 502),
        (b"REINIT", 502),
        (b" NOOP", 500),
    ],
)
def test_what_is_no_command_is_declined(line: bytes, code: int) -> None:
    """Unknown: 502; without its argument, or with one too many: 501; no command at all: 500."""
    with pytest.raises(Declined) as caught:
        parse(line)
    assert caught.value.code == code


def test_a_command_is_taken_apart() -> None:
    """Case does not matter, an older name is the new command, and an argument keeps its spaces."""
    command, argument = parse(b"xCwd  a b ")
    assert command.name == "CWD"
    assert argument == b" a b "


@pytest.mark.parametrize(
    ("path", "way"),
    [
        (b"x", ("in", "x")),
        (b"/x//y/./z/", ("x", "y", "z")),
        (b"..", ()),
        (b"../../../etc/passwd", ("etc", "passwd")),
        ("é".encode(), ("in", "é")),
        (b"...", ("in", "...")),
    ],
)
def test_a_path_is_resolved_within_the_clients_root(path: bytes, way: tuple[str, ...]) -> None:
    """Nothing is above the root."""
    assert as_way(("in",), path) == way


@pytest.mark.parametrize("path", [b"\xff", b"a\0b"])
def test_a_path_that_is_no_text_is_no_name(path: bytes) -> None:
    """553: it is not UTF-8, or has a NUL."""
    with pytest.raises(Declined) as caught:
        as_way((), path)
    assert caught.value.code == 553


@given(st.binary(max_size=60))
def test_a_way_never_has_a_dot_or_slash(path: bytes) -> None:
    """Whatever is sent, each name is one name."""
    try:
        way = as_way(("a",), path)
    except Declined:
        return
    assert all(name and name not in {".", ".."} and "/" not in name and "\0" not in name for name in way)


def test_options_of_ls_are_ignored() -> None:
    """`LIST -la x` lists x, `LIST -a` the folder one is in."""
    assert without_options(b"-la x y") == b"x y"
    assert without_options(b"-a -l") == b""
    assert without_options(b"./-a") == b"./-a"


def test_each_refusal_has_a_code() -> None:
    """No refusal of a session is without its code, and only what may pass is 4xx."""
    assert CODES.keys() == set(Refusal)
    assert {refusal for refusal, code in CODES.items() if code < 500} == {
        Refusal.FULL,
        Refusal.CUT,
        Refusal.BUSY,
        Refusal.BROKEN,
    }


def test_a_reply_of_several_lines_ends_with_its_code() -> None:
    """Lines of a body are indented, so that none looks like the end."""
    assert list(Reply(211, "Features", ("226 no",)).lines()) == ["211-Features", " 226 no", "211 End"]


def test_a_path_in_a_reply_is_quoted() -> None:
    """A quote is doubled; control and direction characters are not sent."""
    assert quoted(("a", 'b"c')) == '"/a/b""c"'
    assert printable("a\r\n226 ok\x1b\u202e\udc80") == "a??226 ok???"


def test_facts_are_those_that_were_asked_for() -> None:
    """Type, size, time, and what the account may do."""
    file, folder = Entry("a b", False, 7, NOW), Entry("in", True, 0, NOW)
    assert facts_line(file, "a b", FACTS, WRITE_ONLY) == "type=file;size=7;modify=20260101000000;perm=; a b"
    assert facts_line(file, "a b", ("size",), frozenset(Right)) == "size=7; a b"
    assert facts_line(folder, "in", ("type", "perm"), WRITE_ONLY) == "type=dir;perm=ecmpd; in"
    assert facts_line(file, "x", ("perm",), {Right.READ, Right.DELETE, Right.RENAME}) == "perm=rdf; x"


def test_a_list_is_as_of_ls() -> None:
    """A young entry has its time of day, an old one its year."""
    assert list_line(Entry("f", False, 7, NOW), "web", NOW + 60) == (
        "-rw------- 1 web      web                 7 Jan  1 00:00 f"
    )
    assert list_line(Entry("d", True, 0, 0.0), "web", NOW).endswith("0 Jan  1  1970 d")


def test_times_are_read_and_written() -> None:
    """UTC, to the second; what is none is declined."""
    assert as_time(time_value(NOW)) == NOW
    assert as_time("20260101000000.5") == NOW + 0.5
    for wrong in ("20261301000000", "2026", "99999999999999", "2026010100000\u0660"):
        with pytest.raises(Declined):
            as_time(wrong)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a"])), st.integers(1, 4))
def test_line_ends_do_not_depend_on_chunks(parts: list[bytes], size: int) -> None:
    """CR LF becomes LF also where two chunks meet; nothing else changes."""
    data = b"".join(parts)
    newlines = FromNetwork()
    found = b"".join(newlines.feed(data[start : start + size]) for start in range(0, len(data), size))
    assert found + newlines.end() == data.replace(b"\r\n", b"\n")


def test_text_goes_out_with_network_line_ends() -> None:
    """Each LF is CR LF."""
    assert to_network(b"a\nb\n") == b"a\r\nb\r\n"


def test_addresses_are_compared_in_one_form() -> None:
    """An IPv4 client on an IPv6 socket is an IPv4 client."""
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("2001:DB8::1") == "2001:db8::1"
    assert is_loopback("127.9.9.9")
    assert is_loopback("::1")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.1")
    assert not is_loopback("")


def test_a_time_that_no_calendar_has_is_written_all_the_same() -> None:
    """Disks hold such times; one file must not break the list of a folder."""
    entry = Entry("a", False, 1, 1e15)
    assert time_value(1e15) == "19700101000000"
    assert time_value(-62135596800) == "00010101000000"
    assert list_line(entry, "web", NOW).endswith(" 1970 a")
