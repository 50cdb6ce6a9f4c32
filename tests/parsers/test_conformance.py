"""Conformance: the answers of rsyslog, syslog-ng and others to the same messages, streams and years.

The data is not part of the project. Where we answer otherwise, a table here says why; a deviation that is gone fails
too.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from parsers.envelopes.envelope import MALFORMED, Envelope, parse_envelope
from parsers.event import printable
from parsers.framing.framer import MAX_FRAME, OverLimit
from parsers.framing.syslog_stream import Framing, framer

FOLDER = (
    Path(os.environ.get("GATEWAY_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")) / "syslog"
)
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no conformance data in {FOLDER}; GATEWAY_CONFORMANCE names its folder"
)

Case = dict[str, Any]
DEFAULT_PRIORITY = 13
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)

CISCO = "Cisco's header is read: its peers keep the stamp in the text, or take the sequence number or zone for the tag"
MESSAGES_OTHERWISE = {
    "msg-1264": "the year stands before the month and is read",
    "msg-2fbe": "the year stands before the month and is read",
    "msg-15f5": CISCO,
    "msg-6758": CISCO,
    "msg-7058": CISCO,
    "msg-99a6": f"{CISCO}; host and time are those of syslog-ng's cisco-parser",
    "msg-e9e1": f"{CISCO}; host and time are those of syslog-ng's cisco-parser",
    "msg-f6d2": f"{CISCO}; host and time are those of syslog-ng's cisco-parser",
    "msg-59f9": "a parameter without quotes is read, as syslog-ng reads it in the same message msg-cb10",
    "msg-63fa": "`[=]` has no SD-ID, so it is kept as it is instead of as an element named `=`",
    "msg-d1fe": "`[node:event:severity]:` of ONTAP is no tag: it stays in the text, which every peer cuts differently",
}
"""Beginnings of case ids."""

FRAMES_OTHERWISE = {
    "sng-text-no-encoding": "a line over the limit is cut once and its rest dropped, never made into more messages",
    "rs-maxframesize": "a count over the limit is not taken back and read as text: auto decides once per connection",
    "rs-cisco-asa-space": "a blank before PRI is left to the sender; rsyslog skips it with an option",
    "rs-framing-regex": "frames that a regular expression begins are not offered",
    "d-octet-then-lf": "a newline between counted frames is skipped, for many senders write one",
    "d-line-then-octet": "auto decides once per connection: a later line that begins with a number is a line",
}
"""Names of cases whose frames differ."""

MODES = {
    "octet": (Framing.OCTET, OverLimit.CLOSE),
    "octet-trim": (Framing.OCTET, OverLimit.TRUNCATE),
    "lf": (Framing.LINES, OverLimit.TRUNCATE),
    "lf-asa": (Framing.LINES, OverLimit.TRUNCATE),
    "regex": (Framing.LINES, OverLimit.TRUNCATE),
    "nul": (Framing.NUL, OverLimit.TRUNCATE),
    "lf-or-nul": (Framing.LINES_OR_NUL, OverLimit.TRUNCATE),
    "auto-frame": (Framing.AUTO, OverLimit.DROP),
    "auto-connection": (Framing.AUTO, OverLimit.TRUNCATE),
    "garbage": (Framing.AUTO, OverLimit.TRUNCATE),
}
"""Which of our settings is what the case's mode means."""


def cases(name: str) -> Iterator[Case]:
    """Yield a file's cases; a first line without an id is its heading."""
    file = FOLDER / name
    if file.is_file():
        with file.open(encoding="utf-8") as lines:
            yield from (case for case in map(json.loads, lines) if "id" in case)


def answer(envelope: Envelope) -> Case:
    """Render an envelope with the names and conventions of the cases."""
    priority = DEFAULT_PRIORITY if envelope.priority is None else envelope.priority
    data = envelope.structured_data or {}
    return {
        "protocol": "raw" if envelope.protocol == "plain" else envelope.protocol,
        "facility": priority >> 3,
        "severity": priority & 7,
        "timestamp": envelope.timestamp,
        "hostname": nullable(envelope.hostname),
        "app_name": nullable(envelope.appname),
        "procid": nullable(envelope.procid),
        "msgid": nullable(envelope.msgid),
        "structured_data": data.get(MALFORMED, data),
        "message": printable(envelope.message),
    }


def nullable(text: str | None) -> str | None:
    """Read `-` and empty as null."""
    return printable(text) if text and text != "-" else None


def same_time(ours: datetime | None, theirs: Any, rule: Case | None) -> bool:
    """Compare a time; without year or zone in the message `rule` or the peer's notation says what is known."""
    if rule is not None and rule["kind"] == "local-time-zone":
        return ours == datetime.fromisoformat(rule["local"]).replace(tzinfo=UTC)
    if rule is not None:
        date = (3, 1) if (rule["month"], rule["day"]) == (2, 29) else (rule["month"], rule["day"])  # 2026 has no 29th
        clock = datetime.fromisoformat(f"{NOW.year}-{date[0]:02}-{date[1]:02}T{rule['time']}")
        return ours == clock.replace(tzinfo=UTC)
    if theirs is None or ours is None or theirs.startswith("odd:"):
        return theirs is ours
    known = theirs.partition(" (")[0]
    if known.startswith("--"):
        return ours == datetime.fromisoformat(f"{NOW.year}{known[1:]}").replace(tzinfo=UTC)
    time = datetime.fromisoformat(known)
    return ours == (time if time.tzinfo else time.replace(tzinfo=UTC))


def same(field: str, ours: Case, theirs: Any, rule: Case | None = None) -> bool:
    """Compare one field by the conventions of the cases."""
    mine = ours[field]
    if field == "timestamp":
        return same_time(mine, theirs, rule)
    if field == "structured_data":
        elements: dict[str, dict[str, str]] = {}
        for identifier, params in theirs if isinstance(theirs, list) else ():
            elements.setdefault(identifier, {}).update(params)
        return bool(mine == (theirs if isinstance(theirs, dict) else elements))
    if field == "message":
        theirs = theirs or ""
        return bool(mine == theirs or (ours["protocol"] != "rfc5424" and mine == theirs.removeprefix(" ")))
    if isinstance(mine, str) or mine is None:
        return bool(mine == (nullable(theirs) if theirs is not None else None))
    return bool(mine == theirs)


def wrong(case: Case, ours: Case, expect: Case) -> list[str]:
    """Name the fields that are neither what is expected nor, where peers differ, what any peer says."""
    return [
        field
        for field in ours
        if field in expect
        and not same(field, ours, expect[field], expect.get("timestamp_rule") if field == "timestamp" else None)
        and not any(same(field, ours, peer["value"]) for peer in case["disputed"].get(field, ()))
    ]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases("cases.open.jsonl")])
def test_messages(case: Case) -> None:
    """Each field is what is expected, or where peers differ what one says; invalid forms have two right readings."""
    frame = base64.b64decode(case["raw_b64"]) if case.get("raw_b64") else case["raw"].encode()
    ours = answer(parse_envelope(frame, NOW.timestamp(), UTC))
    expectations = [case["expect"]]
    if case["kind"] in {"invalid-5424", "pri-only", "no-pri"}:
        expectations.append(case["lenient_expect"])
    fields = min((wrong(case, ours, expect) for expect in expectations if expect), key=len)
    if case["id"][:8] in MESSAGES_OTHERWISE:
        assert fields, "this deviation is gone: take it out of the table"
    else:
        assert not fields, {field: (ours[field], case["expect"].get(field)) for field in fields}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases("framing.open.jsonl")])
def test_streams(case: Case) -> None:
    """Every chunking gives the expected frames, and a stream that must be closed is one that reports an error."""
    framing, over_limit = MODES[case["mode"]]
    stream = base64.b64decode(case["stream_b64"])
    for chunking in case["chunkings"]:
        ours = framer(framing, case["max_frame"] or MAX_FRAME, over_limit)
        got, error, position = [], False, 0
        for length in chunking["lengths"]:
            frames = ours.feed(stream[position : position + length])
            got += frames.texts()
            error = error or frames.error is not None
            position += length
        must_close = case["expect"]["close_connection"]
        got += ours.end().texts()
        if case["name"] in FRAMES_OTHERWISE:
            assert got != expected_frames(case), "this deviation is gone: take it out of the table"
        else:
            assert case["expect"]["frames_b64"] is None or got == expected_frames(case), chunking["name"]
            assert error or not must_close, chunking["name"]


def expected_frames(case: Case) -> list[bytes]:
    """Decode what the case expects."""
    return [base64.b64decode(frame) for frame in case["expect"]["frames_b64"]]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases("year_cases.open.jsonl")])
def test_years(case: Case) -> None:
    """A stamp without a year gets the year on which all peers agree; where they differ, one that a peer gives."""
    now = datetime.fromisoformat(case["now_utc"].partition(" (")[0]).replace(tzinfo=UTC)
    time = parse_envelope(case["raw"].encode(), now.timestamp(), UTC).timestamp
    assert time is not None
    assert f"{time:%Y-%m-%d %H:%M:%S}" in case["answers"].values()
