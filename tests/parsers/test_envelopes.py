"""Envelopes: who sent a message and when, from every form of header, and plain text where there is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pyparsing as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.envelopes import rfc3164, rfc5424
from parsers.envelopes.envelope import MALFORMED, Envelope, parse_envelope
from parsers.lowering import lower

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC).timestamp()
BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str, now: float = NOW, zone: tzinfo = UTC) -> Envelope:
    """Parse a frame written as text."""
    return parse_envelope(text.encode("utf-8", "surrogateescape"), now, zone)


def at(year: int, month: int, day: int, hour: int = 12) -> float:
    """Return a time of receipt."""
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


def test_rfc5424_in_full() -> None:
    """Every field of the header is read, the BOM is no content."""
    assert read(
        '<165>1 2023-05-06T07:08:09.25-03:30 h.example app 77 ID1 [a@1 x="1" y="2"][b] \ufeffhello'
    ) == Envelope(
        "rfc5424",
        165,
        1,
        datetime(2023, 5, 6, 7, 8, 9, 250000, timezone(-timedelta(hours=3, minutes=30))),
        "h.example",
        "app",
        "77",
        "ID1",
        {"a@1": {"x": "1", "y": "2"}, "b": {}},
        "hello",
    )


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (" -  m", "m"),
        (" -   m", " m"),
        (' [a b="c"]  m', "m"),
        (" -  \ufeffm", "m"),
        (" - \ufeff m", "m"),
        (" -  \ufeff m", " m"),
        (" - \tm", "\tm"),
        (" -  ", ""),
        (' [a b="c"]m', "m"),
    ],
)
def test_one_blank_before_the_text_is_no_text(rest: str, message: str) -> None:
    """The blank behind a tag, which rsyslog keeps in MSG, is dropped on either side of a BOM; a second one stays."""
    assert read(f"<38>1 2026-01-02T03:04:05Z h sshd 7 -{rest}").message == message


def test_nil_values_are_none() -> None:
    """A `-` is no value, and MSG may be absent."""
    assert read("<0>1 - - - - - -") == Envelope("rfc5424", 0, 1, None, None, None, None, None, None, "")


@pytest.mark.parametrize(
    ("fraction", "microsecond"),
    [("1", 100000), ("003", 3000), ("123456", 123456), ("000000999", 0), ("123456789", 123456)],
)
def test_a_fraction_is_cut_to_microseconds(fraction: str, microsecond: int) -> None:
    """One to nine digits are read at their place; what is finer than a microsecond is cut off."""
    stamp = read(f"<34>1 2023-05-06T07:08:09.{fraction}Z h a - - - m").timestamp
    assert stamp is not None
    assert stamp.microsecond == microsecond


def test_only_three_escapes_count() -> None:
    r"""`\"`, `\\` and `\]` are escapes; any other backslash stays."""
    data = read(r'<34>1 - h a - - [x v="q\" b\\ c\] n\n"] m').structured_data
    assert data == {"x": {"v": r"q" + '" b\\ c] ' + r"n\n"}}


def test_a_repeated_element_keeps_both_and_the_later_value_wins() -> None:
    """The parameters of a repeated SD-ID are put together."""
    assert read('<34>1 - h a - - [x a="1" b="2"][x b="3"] m').structured_data == {"x": {"a": "1", "b": "3"}}


def test_unquoted_parameters_are_read() -> None:
    """ESXi writes no quotes."""
    envelope = read("<34>1 - h a - - [Originator@6876 sub=Vimsvc opID=1-2] m")
    assert envelope.structured_data == {"Originator@6876": {"sub": "Vimsvc", "opID": "1-2"}}
    assert envelope.message == "m"


def test_malformed_data_is_kept_as_it_is() -> None:
    """Structured data that no reading fits is kept whole, and MSG is found behind it."""
    envelope = read('<34>1 - h a - - [action:"Drop"; rule:"[8]"] text [x] more')
    assert envelope.structured_data == {MALFORMED: {"raw": '[action:"Drop"; rule:"[8]"]'}}
    assert envelope.message == "text [x] more"


@pytest.mark.parametrize(
    "text",
    [
        "<34>1 ",
        "<34>1 2023-05-06 h a - - - m",
        "<34>1 2023-02-30T00:00:00Z h a - - - m",
        "<34>1 - h a - - [open m",
        "<34>1 - - - -",
    ],
)
def test_an_invalid_rfc5424_header_is_text(text: str) -> None:
    """The whole frame stays as text, its priority is kept."""
    assert read(text) == Envelope("plain", 34, None, None, None, None, None, None, None, text)


def stamp(*numbers: int, zone: tzinfo = UTC) -> datetime:
    """Return an aware time."""
    return datetime(*numbers, tzinfo=zone)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("header", "time"),
    [
        ("Mar  4 05:06:07", stamp(2024, 3, 4, 5, 6, 7)),
        ("Mar 4 05:06:07", stamp(2024, 3, 4, 5, 6, 7)),
        ("Mar 04 05:06:07", stamp(2024, 3, 4, 5, 6, 7)),
        ("MAR 14 05:06:07.25", stamp(2024, 3, 14, 5, 6, 7, 250000)),
        (" Mar  4 05:06:07:", stamp(2024, 3, 4, 5, 6, 7)),
        ("Mar  4 2019 05:06:07", stamp(2019, 3, 4, 5, 6, 7)),
        ("Mar  4 05:06:07 2019", stamp(2019, 3, 4, 5, 6, 7)),
        ("2019 Mar  4 05:06:07", stamp(2019, 3, 4, 5, 6, 7)),
        ("Mar  4 05:06:07 EST:", stamp(2024, 3, 4, 5, 6, 7, zone=timezone(-timedelta(hours=5)))),
        ("Mar  4 05:06:07 CET", stamp(2024, 3, 4, 5, 6, 7, zone=timezone(timedelta(hours=1)))),
        ("Mar  4 05:06:07 +0530", stamp(2024, 3, 4, 5, 6, 7, zone=timezone(timedelta(hours=5, minutes=30)))),
        ("*Mar  4 05:06:07.089 UTC:", stamp(2024, 3, 4, 5, 6, 7, 89000)),
        ("00042: .Mar  4 05:06:07:", stamp(2024, 3, 4, 5, 6, 7)),
        (":Mar  4 05:06:07 UTC :", stamp(2024, 3, 4, 5, 6, 7)),
        ("Jun 30 23:59:60", stamp(2024, 6, 30, 23, 59, 59)),
        ("2023-05-06T07:08:09+02:00", stamp(2023, 5, 6, 7, 8, 9, zone=timezone(timedelta(hours=2)))),
        ("2023-05-06 07:08:09,5", stamp(2023, 5, 6, 7, 8, 9, 500000)),
        ("2023-05-06T07:08:09.1234567891Z", stamp(2023, 5, 6, 7, 8, 9, 123456)),
    ],
)
def test_stamps_of_rfc3164_headers(header: str, time: datetime) -> None:
    """All forms of stamps are read, and what follows them is the same."""
    envelope = read(f"<34>{header} gate app[12]: text")
    assert envelope == Envelope("rfc3164", 34, None, time, "gate", "app", "12", None, None, "text")


@pytest.mark.parametrize(
    ("rest", "host", "tag", "pid", "message"),
    [
        ("gate app[12]: text", "gate", "app", "12", "text"),
        ("gate app:  text", "gate", "app", None, " text"),
        ("gate app text", "gate", "app", None, "text"),
        ("gate app/sub[x-1]: text", "gate", "app/sub", "x-1", "text"),
        ("gate app[]: text", "gate", "app", None, "text"),
        ("app[12]: text", None, "app", "12", "text"),
        ("app: text", None, "app", None, "text"),
        ("gate : text", "gate", None, None, "text"),
        (": text", None, None, None, "text"),
        ("gate", "gate", None, None, ""),
        ("2001:db8::7 app: text", "2001:db8::7", "app", None, "text"),
        ("192.0.2.7: app: text", "192.0.2.7", "app", None, "text"),
        ("gate last message repeated 3 times", "gate", None, None, "last message repeated 3 times"),
        ("Message forwarded from aix1: app[7]: text", "aix1", "app", "7", "text"),
        ('gate {"a": 1}', "gate", None, None, '{"a": 1}'),
        ("gate app\tone\ttwo", "gate", "app", None, "one\ttwo"),
        ("user=x ip=y", None, "user=x", None, "ip=y"),
    ],
)
def test_host_tag_and_content(rest: str, host: str | None, tag: str | None, pid: str | None, message: str) -> None:
    """Behind the stamp stand the host, the tag with or without a process id, and the content."""
    envelope = read(f"<34>Mar  4 05:06:07 {rest}")
    assert (envelope.hostname, envelope.appname, envelope.procid, envelope.message) == (host, tag, pid, message)
    assert read(f"Mar  4 05:06:07 {rest}") == envelope._replace(priority=None)


def test_cisco_origin() -> None:
    """A host between sequence number and stamp is the host."""
    envelope = read("<189>29: r1: *Apr 29 13:58:40.411: %SYS-5-CONFIG_I: Configured")
    assert (envelope.hostname, envelope.appname, envelope.message) == ("r1", "%SYS-5-CONFIG_I", "Configured")


@pytest.mark.parametrize(
    ("text", "priority", "tag", "message"),
    [
        ("<13>Use the BFG!", 13, None, "Use the BFG!"),
        ("<13>last message repeated 5 times", 13, None, "last message repeated 5 times"),
        ("<27>xapi: [error] x", 27, "xapi", "[error] x"),
        ("sshd[7]: Failed password", None, "sshd", "Failed password"),
        ("http://example.org/ is down", None, None, "http://example.org/ is down"),
        ("Mar 32 05:06:07 gate app: text", None, None, "Mar 32 05:06:07 gate app: text"),
        ("Foo  4 05:06:07 gate app: text", None, None, "Foo  4 05:06:07 gate app: text"),
    ],
)
def test_without_a_stamp_there_is_no_host(text: str, priority: int | None, tag: str | None, message: str) -> None:
    """Bare text has at most a tag with its colon; its first word is no host."""
    envelope = read(text)
    assert envelope.timestamp is None
    assert envelope.hostname is None
    assert (envelope.priority, envelope.appname, envelope.message) == (priority, tag, message)


@pytest.mark.parametrize("text", ["<192>x", "<013>x", "<>x", "<1a>x", "<13x", "<", "< 13>x", ""])
def test_a_bad_pri_leaves_the_text_alone(text: str) -> None:
    """PRI is 0 to 191 without leading zeros; anything else is text without a priority."""
    assert read(text) == Envelope("plain", None, None, None, None, None, None, None, None, text)


def test_the_end_of_the_frame_is_no_content() -> None:
    """One newline or NUL at the end is dropped, a second one is content."""
    assert read("<34>1 - h a - - - m\n").message == "m"
    assert read("<34>1 - h a - - - m\0").message == "m"
    assert read("<34>1 - h a - - - m\n\n").message == "m\n"


def test_octets_that_are_no_utf8_are_kept() -> None:
    """They become lone surrogates, from which the octets come back."""
    frame = b"<34>Mar  4 05:06:07 gate app: \xc0\xff \xe2\x82\xac"
    message = parse_envelope(frame, NOW, UTC).message
    assert message.encode("utf-8", "surrogateescape") == b"\xc0\xff \xe2\x82\xac"


@pytest.mark.parametrize(
    ("text", "now", "year"),
    [
        ("Dec 31 23:59:59", at(2026, 1, 1), 2025),
        ("Jan  1 00:00:05", at(2025, 12, 31), 2026),
        ("Nov 30 00:00:05", at(2026, 1, 1), 2026),
        ("Mar  1 00:00:05", at(2026, 2, 28), 2026),
    ],
)
def test_a_missing_year_follows_from_the_receipt(text: str, now: float, year: int) -> None:
    """December in January was last year, January in December is next year, anything else is this year."""
    time = read(f"<34>{text} h a: m", now).timestamp
    assert time is not None
    assert time.year == year


def test_the_year_turns_in_the_senders_zone() -> None:
    """At 23:30 UTC on New Year's Eve it is January in Berlin: December there was last year."""
    now = datetime(2025, 12, 31, 23, 30, tzinfo=UTC).timestamp()
    assert read("<34>Dec 31 23:59:00 h a: m", now, BERLIN).timestamp == datetime(2025, 12, 31, 23, 59, tzinfo=BERLIN)
    assert read("<34>Jan  1 00:29:00 h a: m", now, BERLIN).timestamp == datetime(2026, 1, 1, 0, 29, tzinfo=BERLIN)


def test_the_29th_of_february_of_no_leap_year_is_the_first_of_march() -> None:
    """The sender's clock knows a year that we had to guess."""
    assert read("<34>Feb 29 10:00:00 h a: m", at(2026, 3, 1)).timestamp == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert read("<34>Feb 29 10:00:00 h a: m", at(2028, 3, 1)).timestamp == datetime(2028, 2, 29, 10, tzinfo=UTC)


def test_the_hour_that_comes_twice_is_the_one_nearer_to_the_receipt() -> None:
    """When summer time ends, the stamps of one hour have two meanings; receipt decides."""
    first = datetime(2024, 10, 27, 0, 35, tzinfo=UTC)
    for received in (first, first + timedelta(hours=1)):
        time = read("<34>Oct 27 02:30:00 h a: m", received.timestamp(), BERLIN).timestamp
        assert time is not None
        assert time.astimezone(UTC) == received - timedelta(minutes=5)


def test_the_hour_that_is_missing_does_not_raise() -> None:
    """A clock that did not change to summer time shows an hour that never was."""
    assert read("<34>Mar 31 02:30:00 h a: m", at(2024, 3, 31), BERLIN).timestamp is not None


_words = st.sampled_from(
    [
        *("<34>", "<191>", "1 ", "- ", "2024-02-03T04:05:06.7Z ", '[a b="c"]', '[a b="', "\ufeff"),
        *("Mar  4 05:06:07", "2023-05-06 07:08:09", "2019 ", "*", "12: ", "UTC", "CST:", "::1 "),
        *(" ", ": ", ":", "host ", "tag", "[12]", "\n", "\0", "\t", "ü", "\udcff"),
        *("Message forwarded from ", "last message repeated 2 times"),
    ]
)
texts = st.one_of(st.lists(_words, max_size=14).map("".join), st.text(max_size=30))


@given(
    frame=st.one_of(st.binary(max_size=60), texts.map(lambda text: text.encode("utf-8", "surrogatepass"))),
    now=st.floats(0, 4e9),
)
@settings(max_examples=400, deadline=None)
def test_no_frame_raises_and_no_content_is_lost(frame: bytes, now: float) -> None:
    """Any octets give an envelope whose message is the end of the frame."""
    envelope = parse_envelope(frame, now, BERLIN)
    message = envelope.message.encode("utf-8", "surrogateescape")
    assert frame.endswith((message, message + b"\n", message + b"\0"))
    assert envelope.timestamp is None or envelope.timestamp.utcoffset() is not None
    if envelope.protocol == "plain" and envelope.priority is None:
        assert message in (frame, frame[:-1])


@pytest.mark.parametrize(
    ("grammar", "names"),
    [(rfc5424.HEADER, rfc5424.NAMES), (rfc3164.HEADER, rfc3164.NAMES), (rfc3164.BARE_TAG, ("tag", "pid"))],
)
@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_lowered_headers_match_as_written(grammar: pp.ParserElement, names: tuple[str, ...], text: str) -> None:
    """The regular expression that runs and the pyparsing grammar that is written give the same fields."""
    lowered = lower(grammar)
    assert lowered.names == names
    match = re.match(lowered.pattern, text)
    written = grammar.copy().parse_with_tabs()
    try:
        tokens = written.parse_string(text)
    except pp.ParseException:
        assert match is None
        return
    assert match is not None
    assert {name: value for name, value in zip(names, match.groups(), strict=True) if value is not None} == {
        name: tokens[name] for name in names if name in tokens
    }
