"""Hours of the calendar: which holidays are known, and what is said of the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rules.hours import HoursError, hours_of

NEW_YEAR, SECOND = (datetime(2026, 1, day, 12, tzinfo=UTC).timestamp() for day in (1, 2))


def test_public_holidays_are_those_of_a_country() -> None:
    """The first of January is one; the second is a Friday like others."""
    hours = hours_of("Mo-Fr 08:00-18:00; PH off", UTC, "DE")
    assert (hours.hold(NEW_YEAR), hours.hold(SECOND)) == (False, True)


@pytest.mark.parametrize(
    ("text", "country", "problem", "offset"),
    [
        ("Mo-Fr 08:00-18:00; PH off", None, "public holidays (PH) are those of a country; write {hours:", 19),
        ("PH,Sa 10:00-12:00", None, "public holidays (PH) are those of a country; write {hours:", 0),
        ("SH Mo 10:00-12:00", "FR", "school holidays (SH) are not known here; write their dates:", 0),
    ],
)
def test_holidays_that_nobody_knows_are_an_error(text: str, country: str | None, problem: str, offset: int) -> None:
    """They would never come, and the rule would run on holidays, or never."""
    with pytest.raises(HoursError) as caught:
        hours_of(text, UTC, country)
    assert str(caught.value).startswith(problem)
    assert caught.value.offset == offset


def test_a_comment_names_no_holidays() -> None:
    """What stands in quotes is for people."""
    hours = hours_of('Mo-Fr 08:00-18:00 "PH and SH too"', UTC)
    assert hours.hold(NEW_YEAR)
