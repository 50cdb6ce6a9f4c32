"""What is necessary for a pattern is found in the octets of every text that the pattern finds itself in."""

from __future__ import annotations

import re
import unicodedata
import warnings
from random import Random

import hyperscan
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.grammars.tokens import ip_address
from parsers.lowering import lower
from rules.necessary import NEWLINE, Necessary, of_literal, of_regex, required_literal
from tests.rules.random_patterns import CHARACTERS, KIN, Patterns, round_trip

EXPRESSIONS = {
    "Failed password": r"Failed\x20password",
    "^Failed (?:password|publickey) for .*$": r"Failed\x20p(?:assword|ublickey)\x20for\x20",
    "user (?:invalid )?[a-z]+ from [0-9]{1,3}": r"user\x20(?:invalid\x20|)[a-z]+\x20from\x20[0-9]",
    "[0-9a-f]{32} was": r"[0-9a-f]{16}\x20was",
    "(?i)failed": r"[Ff][Aa](?:[Ii]|\xc4\xb0|\xc4\xb1)[Ll][Ee][Dd]",
    "(?ai)failed": "[Ff][Aa][Ii][Ll][Ee][Dd]",
    "gr\u00fcn": r"gr\xc3\xbcn",
    "two\nlines": r"two\x0blines",
    r"x(?=(a+))\1bc": "xa+bc",
    r"(?P<q>ab)(?P=q)": "abab",
    "(?:ab){2}c": "ababc",
    "(?<!x)ab(?!y)": "ab",
}


@pytest.mark.parametrize(("pattern", "expression"), EXPRESSIONS.items())
def test_an_expression_is_as_narrow_as_it_can_be(pattern: str, expression: str) -> None:
    """Anchors, lookaround and ends that may be empty go; all else stays, in octets."""
    necessary = of_regex(pattern)
    assert necessary is not None
    if pattern.startswith("[0-9a-f]{32}"):
        assert necessary.expression.startswith("[0-9a-f]{16")
    else:
        assert necessary.expression == expression


@pytest.mark.parametrize("pattern", ["", "a", ".*", "[0-9]+", "ab|c", "(?:ab)?", "^$", r"\d{3}-\d{4}", "(?i:s)k?"])
def test_nothing_is_necessary_where_no_two_characters_in_a_row_are_fixed(pattern: str) -> None:
    """One character stands in every message; to look for it would find them all."""
    assert of_regex(pattern) is None


def test_the_literal_counts_characters_that_stand_together() -> None:
    """The longest run counts, of alternatives the shortest of theirs."""
    found = [of_regex(pattern) for pattern in ("abc.defgh", "x(?:abcd|efg)y", "(?i)kiosks")]
    assert [one and one.literal for one in found] == [5, 3, 6]
    assert of_regex("a", least=1) == Necessary("a", 1, "a")


def test_an_address_becomes_any_octets_of_its_alphabet() -> None:
    """A long element that fixes no text costs Hyperscan more than it tells."""
    necessary = of_regex(f"from {lower(ip_address()).pattern} port")
    assert necessary is not None
    assert necessary.expression == r"from\x20[\x25\x2d-\x2e0-\x3aA-Z\x5fa-z]{2,}\x20port"


def test_patterns_that_multiply_stay_small() -> None:
    """Back references and repeats of repeats double with every level; the expression does not."""
    doubling = "(ab)" + "".join(rf"(\{number}\{number})" for number in range(1, 30))
    repeated = "ab"
    for _ in range(8):
        repeated = f"(?:{repeated}x){{4}}"
    for pattern in (doubling, repeated, "|".join(f"word{number}" for number in range(5000))):
        necessary = of_regex(pattern)
        assert necessary is None or len(necessary.expression) < 100_000


def test_all_characters_that_fold_to_an_ascii_letter_are_known() -> None:
    """Only dotless and dotted i, the Kelvin sign and the long s match a letter of ASCII when case is ignored."""
    others = "".join(chr(number) for number in range(0x80, 0x110000) if not 0xD800 <= number < 0xE000)
    assert set(re.findall(r"(?i)[\x00-\x7f]", others)) == set("\u0130\u0131\u017f\u212a")
    for character in "\u0130\u0131\u017f\u212a":
        letters = [chr(number) for number in range(0x80) if re.match(f"(?i){character}", chr(number))]
        assert letters
        for letter in letters:
            assert _finds(f"(?i)x{letter}x", 0, f"x{character}x")
            assert _finds(f"(?i)x{character}xy", 0, f"x{letter}xy")


def test_letters_of_one_kind_find_each_other() -> None:
    """What `re` holds for the same letter, the expression does too, with ASCII and among the others."""
    letters = {letter for group in KIN for letter in group} | set("\u1e9e\xdf\u01c5\u01c4\u01c6\u0390\u1fd3")
    for one in letters:
        for other in letters:
            for pattern in (f"ab{one}cd", f"ab[{one}-{one}]cd", f"ab[^{one}]cd"):
                if re.search(pattern, f"AB{other}CD", re.IGNORECASE):
                    name = unicodedata.name(other)
                    assert _finds(pattern, re.IGNORECASE, f"AB{other}CD"), f"{pattern!r} misses {name}"


@given(st.integers(0, 2**64))
@settings(max_examples=250, deadline=None)
def test_what_re_finds_hyperscan_finds(seed: int) -> None:
    """Any pattern that `re` finds in a text leaves its necessary expression in the text's octets."""
    pattern, text, flags = Patterns(Random(seed), ("Failed", "disk ", "sik", "ab")).make()
    text = round_trip(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            found = re.search(pattern, text, flags)
        except SystemError:  # a bug of Python's own with groups in lookahead
            return
    if found:
        assert _finds(pattern, flags, text)


@given(st.text(CHARACTERS, max_size=20), st.text(CHARACTERS, max_size=5))
def test_a_literal_is_found_where_it_stands(text: str, around: str) -> None:
    """A text's own octets are what is necessary for it."""
    text = round_trip(text)
    necessary = of_literal(text)
    assert (necessary is None) == (len(text.encode("utf-8", "surrogateescape")) < 2)
    if necessary:
        assert _hits(necessary, around + text + around)


def _finds(pattern: str, flags: int, text: str) -> bool:
    """Tell whether a necessary expression and its core are found, with the ends of hits inside the text."""
    necessary = of_regex(pattern, flags)
    return necessary is None or (_hits(necessary, text) and _hits(required_literal(necessary), text))


def _hits(necessary: Necessary, text: str) -> bool:
    octets = text.encode("utf-8", "surrogateescape").replace(b"\n", NEWLINE)
    stops: list[int] = []

    def hit(_expression: int, _start: int, stop: int, _flags: int, _context: object) -> None:
        stops.append(stop)

    database = hyperscan.Database()
    database.compile(expressions=[necessary.expression.encode("ascii")], elements=1, ids=[0])
    database.scan(octets, match_event_handler=hit)
    assert all(0 < stop <= len(octets) for stop in stops)
    return bool(stops)
