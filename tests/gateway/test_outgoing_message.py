"""What `forward` sends: the message as it came, or one that carries it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outgoing.message import forwarded
from parsers.event import FieldValue, printable

STAMP = "2023-11-14T22:13:20.123456+00:00"
ORIGINALS = [
    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed",
    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
    "<0>x",
    "<191>ü\nsecond line\0",
]


@pytest.mark.parametrize("original", ORIGINALS)
def test_syslog_goes_as_it_came(original: str) -> None:
    """With its own PRI, time and name, octet for octet."""
    assert forwarded({"event.original": original, "event.dataset": "syslog"}, "gw") == original.encode()


@pytest.mark.parametrize("original", ["su: failed", "", "<192>x", "<034>x", "<>x", "<1", "Oct 11 22:14:15 h su: x"])
def test_other_text_is_carried(original: str) -> None:
    """As the MSG of a message with PRI 13, the event's time, and our name."""
    event: dict[str, FieldValue] = {"@timestamp": STAMP, "event.original": original, "event.dataset": "archive"}
    assert forwarded(event, "gw.example.com") == f"<13>1 {STAMP} gw.example.com gateway - - - {original}".encode()


def test_own_events_are_json() -> None:
    """With the cookie that says so; their frame is not sent beside their fields."""
    event: dict[str, FieldValue] = {
        "@timestamp": STAMP,
        "event.dataset": "gateway",
        "event.action": "job-finished",
        "event.original": "{}",
        "n": 1,
    }
    sent = forwarded(event, "gw")
    head, _, body = sent.partition(b"@cee: ")
    assert head == f"<13>1 {STAMP} gw gateway - - - ".encode()
    assert json.loads(body) == {name: value for name, value in event.items() if name != "event.original"}


@given(st.dictionaries(st.sampled_from(["@timestamp", "event.original", "event.dataset", "x"]), st.text()), st.text())
def test_every_event_makes_a_message(event: dict[str, FieldValue], hostname: str) -> None:
    """Whatever its fields hold, it begins with a PRI, and a header of ours cannot be broken out of."""
    plain: dict[str, FieldValue] = {name: printable(str(value)) for name, value in event.items()}
    sent = forwarded(plain, hostname)
    assert sent.startswith(b"<")
    original = str(plain.get("event.original", ""))
    if not original.startswith("<"):
        assert sent.split(b" ")[3:7] == [b"gateway", b"-", b"-", b"-"]
