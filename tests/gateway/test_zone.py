"""Time zones as operators write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.zone import local_zone, parse_zone


@pytest.mark.parametrize(
    ("text", "offset"), [("UTC", 0), ("+02:00", 120), ("-03:30", -210), ("+00:00", 0), ("Asia/Kolkata", 330)]
)
def test_a_zone_is_a_name_or_an_offset(text: str, offset: int) -> None:
    """Names are the system's, offsets have a sign, hours and minutes."""
    assert parse_zone(text).utcoffset(datetime(2026, 7, 1)) == timedelta(minutes=offset)  # noqa: DTZ001 -- the zone is asked


def test_a_name_has_its_summer_time() -> None:
    """A stamp in July and one in January are an hour apart."""
    zone = parse_zone("Europe/Zurich")
    assert datetime(2026, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=2)
    assert datetime(2026, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Europe/Zürich", "no time zone"),
        ("Europe/Zurick", 'did you mean "Europe/Zurich"?'),
        ("../etc/passwd", "no time zone"),
        ("Europe", "no time zone"),
        ("02:00", "no time zone"),
        ("+24:00", "no time zone"),
        ("", "no time zone"),
        ("a\0b", "no time zone"),
    ],
)
def test_a_wrong_zone_gets_a_suggestion(text: str, words: str) -> None:
    """Folders, paths and typing errors are all the operator's."""
    with pytest.raises(ValueError, match="no time zone") as caught:
        parse_zone(text)
    assert words in str(caught.value)


def test_local_is_what_tz_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """$TZ may name a zone or a file; a name that nobody knows is UTC, as for the C library."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert parse_zone("local") == ZoneInfo("Asia/Tokyo")
    monkeypatch.setenv("TZ", ":/usr/share/zoneinfo/Asia/Tokyo")
    if Path("/usr/share/zoneinfo/Asia/Tokyo").exists():
        assert local_zone().utcoffset(datetime(2026, 1, 1)) == timedelta(hours=9)  # noqa: DTZ001 -- the zone is asked
    monkeypatch.setenv("TZ", "Nowhere/Land")
    assert local_zone() is UTC


def test_local_without_tz_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever /etc/localtime says, there is an answer."""
    monkeypatch.delenv("TZ", raising=False)
    assert datetime(2026, 1, 1, tzinfo=local_zone()).utcoffset() is not None
