"""Single values: what is read, and what an error says to write instead."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import OperatorError
from parsers.message import Trust
from rules.schema import Problems, Reader
from rules.strict_yaml import MappingNode, parse
from rules.values import (
    as_address,
    as_bool,
    as_choice,
    as_duration,
    as_int,
    as_mode,
    as_network,
    as_number,
    as_size,
    as_text,
    choices,
)


def read(reader: Reader[Any], text: str) -> Any:
    """Read the value of a key; raises what the reader raises."""
    root = parse(f"k: {text}\n", "f")
    assert isinstance(root, MappingNode)
    return reader(root.entries[0].value, Problems())


class Colour(enum.Enum):
    """Words for a choice."""

    RED = "red"
    GREEN = "green"


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        *((as_text(), text, text) for text in ("yes", "0777", "5", "1:30", "true", "2026-11-22", "1_000")),
        (as_text(), "'null'", "null"),
        (as_int(0, 10), "7", 7),
        (as_int(-20, 19), "-20", -20),
        (as_number(), "4", 4.0),
        (as_number(), "-0.5", -0.5),
        (as_bool(), "true", True),
        (as_bool(), "FALSE", False),
        *((as_duration(), text, seconds) for text, seconds in (("90s", 90), ("10m", 600), ("1h30m", 5400))),
        *((as_duration(), text, seconds) for text, seconds in (("5w", 3024000), ("250ms", 0.25), ("1.5h", 5400))),
        (as_duration(), "1w2d3h4m5s6ms", 788645.006),
        *((as_duration(zero=True), text, 0) for text in ("0", "0s")),
        *((as_size(0, 10**15), text, size) for text, size in (("512", 512), ("512B", 512), ("64KiB", 65536))),
        *((as_size(0, 10**15), text, size) for text, size in (("1MB", 10**6), ("2GiB", 2**31), ("1kB", 1000))),
        *((as_mode(), text, 0o77) for text in ("0077", '"0077"', "077", "0o077")),
        (as_mode(), "0660", 0o660),
        (as_address(), "192.0.2.1", "192.0.2.1"),
        (as_address(), "'2001:DB8::1'", "2001:db8::1"),
        (as_network(), "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (as_network(), "'::1'", ip_network("::1/128")),
        (as_choice(choices(Colour)), "green", Colour.GREEN),
        (as_choice(choices(Trust)), "certificate", Trust.CERTIFICATE),
    ],
)
def test_a_value_is_read(reader: Reader[object], text: str, value: object) -> None:
    """The forms that the documentation names are read as it says."""
    assert read(reader, text) == value


@pytest.mark.parametrize(
    ("reader", "text", "words"),
    [
        (as_text(), "~", "~ means nothing here; put it in quotes if it is text"),
        (as_text(), "null", "null means nothing here"),
        (as_text(), "", "a value is missing; text is wanted"),
        (as_text(), '"a\\0b"', "a NUL character cannot stand here"),
        (as_text(), "[a]", "text is wanted here, not a list"),
        (as_text(), "{a: b}", "text is wanted here, not a mapping"),
        (as_int(1, 5), "6", 'a whole number from 1 to 5 is wanted, not "6"'),
        (as_int(1, 5), "'5'", 'a whole number from 1 to 5 is wanted without quotes, not "5"'),
        (as_int(1, 5), "true", "a whole number from 1 to 5 is wanted"),
        (as_int(1, 5), "05", "a whole number from 1 to 5 is wanted"),
        (as_int(1, 5), "0x3", "a whole number from 1 to 5 is wanted"),
        (as_number(), "1e3", "a decimal number without quotes is wanted"),
        (as_number(), ".nan", "a decimal number without quotes is wanted"),
        *((as_bool(), word, f'write true or false, not "{word}"') for word in ("yes", "on", "n", "1")),
        (as_bool(), "'true'", 'write true or false without quotes, not "true"'),
        (as_duration(), "90", "write a unit: 90s"),
        (as_duration(), "1:30", "a duration such as 90s, 10m, 1h30m or 5w is wanted"),
        *((as_duration(), word, "a duration such as") for word in ("-5m", "5 m", "5mm", "30m1h", "5m5m", "5us", "m")),
        (as_duration(), "0s", "0s must be greater than 0"),
        (as_duration(), "999999999w", "999999999w is longer than ten years"),
        (as_size(1, 1024), "64K", 'a size such as 512, 64KiB or 1MB is wanted, not "64K"; write 64KiB'),
        (as_size(1, 1024), "2KiB", "a size from 1 to 1,024 octets is wanted, not 2KiB"),
        (as_size(1, 1024), "-1", "a size such as"),
        (as_mode(), "77", "an octal number with a leading zero, such as 0077, is wanted"),
        (as_mode(), "0888", "an octal number"),
        (as_address(), "host", 'an IP address is wanted, not "host"'),
        (as_network(), "10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        (as_network(), "300.1.1.1", "is neither an address nor a network"),
        (as_network(), "web1", "a network such as 10.0.0.0/8 or an address is wanted"),
        (as_choice(choices(Colour)), "gren", 'one of red, green is wanted, not "gren"; did you mean "green"?'),
    ],
)
def test_a_wrong_value_says_what_to_write(reader: Reader[object], text: str, words: str) -> None:
    """Each error stands at the value and says what is wanted."""
    with pytest.raises(OperatorError) as caught:
        read(reader, text)
    assert words in caught.value.problem
    assert str(caught.value).startswith("f:1:")


READERS: list[Callable[[], Reader[Any]]] = [as_text, as_number, as_bool, as_duration, as_mode, as_address, as_network]


@given(st.text(st.sampled_from("0123456789.:-+/hmswdKiBMeE_ ")), st.sampled_from(READERS))
def test_any_text_is_a_value_or_an_operators_error(text: str, make: Callable[[], Reader[Any]]) -> None:
    """No library underneath lets its own exception out."""
    with contextlib.suppress(OperatorError):
        read(make(), f"'{text}'")


@given(st.integers(0, 9), st.integers(1, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    """Units add up."""
    expected = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert read(as_duration(), f"{days}d{hours}h{minutes}m{seconds}s") == expected
