"""Regular expressions out of a rule file: read, checked, and tried for texts that they cannot be searched in."""

from __future__ import annotations

import re
import warnings

import regex

from parsers.errors import OperatorError
from parsers.fields import field_of_group, is_reserved
from rules.backtracking import weakness
from rules.habits import foreign_in
from rules.schema import Problems
from rules.searching import LIMIT
from rules.spelled_out import UnspeakableError
from rules.strict_yaml import ScalarNode

_ADVICE = (
    ("unterminated subpattern", r"; the character itself is written \("),
    ("unbalanced parenthesis", r"; the character itself is written \)"),
    ("unterminated character set", r"; the character itself is written \["),
    ("nothing to repeat", r"; the character itself is written with a backslash: \*"),
    ("multiple repeat", r"; the character itself is written with a backslash: \+"),
    ("unknown extension ?<", "; a group is named (?P<user_name>...)"),
    ("redefinition of group name", "; a name can be given once: put what differs between (?:...|...) inside one group"),
)
"""What to do, by what `re` says is wrong."""

_WRONG_GROUP = re.compile(r"bad character in group name '([A-Za-z_][^']*)'")


def compiled(node: ScalarNode, problems: Problems) -> re.Pattern[str]:
    """Read and check a regular expression; an error points at the character that is wrong.

    One that a short text can keep busy without end is an error (`rules.backtracking`); one for which it takes a long
    text is a warning, for then the search is stopped in time and told.
    """
    pattern = _read(node, problems)
    if foreign := foreign_in(node.text):
        offset, problem = foreign
        raise OperatorError(problem, node.place_of(offset))
    try:
        weak = weakness(pattern)
    except UnspeakableError as error:
        raise OperatorError(f"{error} cannot be searched under a time limit; write it without", node.place) from None
    except (RecursionError, regex.error) as error:
        raise OperatorError(f"the regular expression is too large: {error}", node.place) from None
    if weak is not None and weak.endless:
        raise OperatorError(
            f"this search comes to no end in the text {weak}, for a repetition can take the same characters in many "
            "ways; let only one part match each of them, or write (?>...) round what need not be tried anew",
            node.place,
        )
    if weak is not None:
        problems.warn(
            f"this search is stopped after {LIMIT * 1000:.0f} ms, and then finds nothing, in a text such as {weak}; "
            "say more exactly what a repetition may take, or how often, or begin with ^",
            node.place,
        )
    return pattern


def _read(node: ScalarNode, problems: Problems) -> re.Pattern[str]:
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        re.purge()  # a pattern that was compiled before is not warned of again
        try:
            pattern = re.compile(node.text)
        except re.error as error:
            where = f" at character {error.pos + 1} of the pattern" if error.pos is not None else ""
            advice = next((advice for part, advice in _ADVICE if part in error.msg), "")
            if wrong := _WRONG_GROUP.fullmatch(error.msg):
                group = re.sub(r"\W+", "_", wrong[1])
                advice = f"; write (?P<{group}>...), which fills {field_of_group(group)}"
            problem = f"the regular expression is wrong: {error.msg}{where}{advice}"
            raise OperatorError(problem, node.place_of(error.pos or 0)) from None
        except (OverflowError, RecursionError) as error:
            raise OperatorError(f"the regular expression is too large: {error}", node.place) from None
    for doubt in doubts:
        problems.warn(f"the regular expression: {doubt.message}", node.place)
    for group in pattern.groupindex:
        if is_reserved(filled := field_of_group(group)):
            offset = max(0, node.text.find(f"(?P<{group}>"))
            problem = f'the group "{group}" would fill {filled}, which is the gateway\'s own'
            raise OperatorError(problem, node.place_of(offset))
    return pattern
