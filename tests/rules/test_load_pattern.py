"""Regular expressions out of a file: errors point at the character, and what would stall a search is refused."""

from __future__ import annotations

import re

import pytest

from parsers.errors import OperatorError
from rules.load_pattern import compiled
from rules.schema import Problems, scalar_of
from rules.strict_yaml import ScalarNode, parse


def node_of(text: str) -> ScalarNode:
    """Return the only value of a document."""
    node = parse(text, "f")
    assert node is not None
    return scalar_of(node)


def test_a_right_pattern() -> None:
    """A right one raises and notes nothing."""
    problems = Problems()
    pattern = compiled(node_of("'(?P<source_ip>[0-9.]+) (?P<mood>x)'"), problems)
    assert pattern.pattern == "(?P<source_ip>[0-9.]+) (?P<mood>x)"
    assert (problems.errors, problems.warnings) == ((), ())


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("'ab(c'", 4, r"wrong: missing \), unterminated subpattern at character 3 of the pattern"),
        ("'a{2}{3}'", 6, "wrong: multiple repeat"),
        (r"'\p{L}'", 2, r"wrong: bad escape \\p at character 1"),
        ("'x(?P<gateway_trust>y)'", 3, 'the group "gateway_trust" would fill gateway.trust'),
        ("'^(a|a)*$'", 1, r"comes to no end in the text 'a' \* 40 \+ .*let only one part match"),
        (r"'(?i)(.*)+\1'", 1, "a back reference that ignores case cannot be searched under a time limit"),
        (f"'{'(' * 9}a{')+' * 9}'", 1, "a repetition in 8 others cannot be searched under a time limit"),
    ],
)
def test_an_error_points_at_its_character(text: str, column: int, words: str) -> None:
    """With what to do about it."""
    with pytest.raises(OperatorError, match=words) as caught:
        compiled(node_of(text), Problems())
    assert caught.value.place is not None
    assert caught.value.place.column == column


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "'(?:[a-z]+)*$'",
            r"stopped after 50 ms, and then finds nothing, in a text such as 'a' \* 2048 .*or begin with",
        ),
        ("'[[a]'", "Possible nested set"),
    ],
)
def test_a_doubt_is_a_warning(text: str, words: str) -> None:
    """The rule runs."""
    problems = Problems()
    compiled(node_of(text), problems)
    (warning,) = problems.warnings
    assert re.search(words, str(warning))
