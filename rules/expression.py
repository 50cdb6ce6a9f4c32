"""Conditions as expressions: `message ~ "Failed .* from" and log.syslog.severity.code <= 4`.

What may stand in one, from the loosest joint to the tightest:

    A or B, A and B, not A, (A), $macro
    FIELD == VALUE    FIELD != VALUE            the same value, or not; a field that is absent is never the same
    FIELD < NUMBER    <= > >=
    FIELD ~ TEXT      FIELD !~ TEXT             the regular expression is found, or not
    FIELD contains TEXT    FIELD glob TEXT      or one of several: [TEXT, TEXT]
    FIELD in [VALUE, VALUE]    in (..)    in $list    in 10.0.0.0/8
    FIELD exists
    FIELD not in ..., not contains ..., not glob ..., not exists

Text stands in single or double quotes. A backslash in it is a backslash, as regular expressions want it; the quote
itself is written twice ('it''s'), or the other kind is put around. Numbers, true, false, addresses and networks
need no quotes; the name of a field needs them when it holds a blank or a sign, or is one of the words above.

The grammar decides by the next word alone, so that no part of an expression is read twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pyparsing as pp

from parsers.errors import OperatorError, Place
from rules.schema import did_you_mean
from rules.strict_yaml import ScalarNode, SequenceNode, shown

MAX_LENGTH = 10_000
"""Characters of one expression: a hundred comparisons; more belongs into lists and macros."""

MAX_DEPTH = 16
"""Levels of parentheses: each costs 24 of the thousand calls that Python nests, and nobody reads more."""

PIECE = r"[A-Za-z_][\w-]*"
"""The shape of the name of a list or a macro, which stands behind a `$`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field's test.

    Attributes:
        operator: as written, `!=` and `!~` as the negated `==` and `~`.
        operand: a value or a list of values; None for `exists`.
    """

    field: ScalarNode
    operator: str
    negated: bool
    operand: ScalarNode | SequenceNode | None


@dataclass(frozen=True, slots=True)
class Named:
    """A macro."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Negation:
    """What must not hold."""

    inner: Expression


@dataclass(frozen=True, slots=True)
class Joined:
    """Two or more, joined by `and` or `or`."""

    word: str
    parts: tuple[Expression, ...]


Expression = Comparison | Named | Negation | Joined

_KEYWORDS = ("and", "or", "not", "in", "contains", "glob", "exists", "true", "false")
_OPERATORS = ("==", "!=", "~", "!~", "<", "<=", ">", ">=", "in", "contains", "glob", "exists", "not in", "not exists")
_NAME_ENDS = r"(?![^\s${}()\[\],=!<>~\"'&|])"

_OPERAND = "a value: text in quotes, a number, true or false"
_TEXT = "text in quotes"
_START = 'a field, "not", "(" or a macro such as $name'
_END = '"and", "or" or the end'
_OPERATOR = "an operator such as ==, ~, <=, in or exists"
_NEGATABLE = '"in", "contains", "glob" or "exists"'
_LISTING = "a list such as [a, b] or $name, a value or a network"
_NUMBER = "a number"
_CLOSE = '")", "and" or "or"'
_NEAR: dict[str, tuple[str, ...]] = {
    _OPERATOR: _OPERATORS,
    _NEGATABLE: _KEYWORDS,
    _START: ("not",),
    _END: ("and", "or"),
    _CLOSE: ("and", "or"),
}
"""Where a word of the language is wanted, and which."""

_HABITS = {
    "===": "==",
    "=~": "~",
    "!==": "!=",
    "=": "==",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "&&": "and",
    "||": "or",
    "&": "and",
    "|": "or",
    "!": "not",
    ":": "==",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "gt": ">",
    "le": "<=",
    "ge": ">=",
    "regex": "~",
    "matches": "~",
    "match": "~",
    "like": "glob",
    "has": "contains",
    "absent": "not exists",
    "missing": "not exists",
}
"""What other languages write, and what is written here."""

_NEAR_WORD = re.compile(r"\$[\w-]+|[=!<>~&|]+|\w[\w.-]*|\S")
_STRUCTURE = re.compile(r"""'[^']*+(?:''[^']*+)*+'|"[^"]*+(?:""[^"]*+)*+"|[()\[\]]""")


@dataclass(frozen=True, slots=True)
class _Literal:
    """A word of the expression: where it begins and ends, and what it says."""

    start: int
    text: str
    quoted: bool
    exact: bool = True


class _Places:
    """Knows where in the file the characters of an expression stand."""

    def __init__(self, node: ScalarNode) -> None:
        self._node = node
        self.exact = node.inset is not None and "\n" not in node.text

    def __call__(self, start: int) -> Place:
        place = self._node.place
        moved = (self._node.inset or 0) + start if self.exact else 0
        return Place(place.file, place.line, place.column + moved)

    def fail(self, problem: str, start: int) -> NoReturn:
        """Raise an error about what stands at a character; where the file has it otherwise, count the characters."""
        if not self.exact:
            line = self._node.text.count("\n", 0, start)
            column = start - (self._node.text.rfind("\n", 0, start) + 1) + 1
            inside = (
                f"line {line + 1}, character {column}" if "\n" in self._node.text.strip() else f"character {column}"
            )
            problem = f"{problem} ({inside} of the expression)"
        raise OperatorError(problem, self(start))

    def node(self, literal: _Literal) -> ScalarNode:
        """Return a word as the node that YAML would have made of it."""
        inset = int(literal.quoted) if literal.exact and self.exact else None
        return ScalarNode(self(literal.start), literal.text, not literal.quoted, inset)


_Made = Callable[[_Places], Any]
"""A part of an expression that still wants to know where it stands in the file."""


def parse_expression(node: ScalarNode) -> Expression:
    """Take an expression apart.

    Raises:
        OperatorError: it is wrong, too long or too deep; the place is that of the character, and where the file has
            the text in another form (escapes, several lines) the problem says which character of the expression.
    """
    places = _Places(node)
    text = node.text
    if not text.strip() or (node.plain and node.value() is None):
        places.fail("a condition is missing; {} holds for every event", 0)
    if len(text) > MAX_LENGTH:
        places.fail(f"an expression of {len(text):,} characters, and {MAX_LENGTH:,} are read; use lists and macros", 0)
    _check_depth(text, places)
    try:
        made: _Made = _EXPRESSION.parse_string(text, parse_all=True)[0]
    except pp.ParseBaseException as error:
        _explain(error, text, places)
    expression: Expression = made(places)
    return expression


def _check_depth(text: str, places: _Places) -> None:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in "([":
            depth += 1
            if depth > MAX_DEPTH:
                places.fail(f"nested deeper than {MAX_DEPTH} levels; give parts names as macros", match.start())
        elif match[0] in ")]":
            depth -= 1


def _explain(error: pp.ParseBaseException, text: str, places: _Places) -> NoReturn:
    """Say what was wanted where the expression stopped making sense."""
    wanted = error.msg.removeprefix("Expected ").replace("end of text", _END)
    start = error.loc + len(text[error.loc :]) - len(text[error.loc :].lstrip())
    found = _NEAR_WORD.match(text, start)
    word = found[0] if found else ""
    if word in ("'", '"') and wanted in (_OPERAND, _TEXT, _START, _LISTING):
        places.fail("the closing quote is missing; in YAML a blank and # begin a comment, so put all in quotes", start)
    if text[:start].rstrip().endswith(('\\"', '""', "\\'", "''")) and wanted in (_END, _CLOSE):
        places.fail("a quote inside of quotes is written twice, and a backslash is only a backslash", start)
    if not word:
        places.fail(f"{wanted} is wanted behind this", start)
    what = "a quote" if word in ("'", '"') else shown(word)
    places.fail(f"{wanted} is wanted here, not {what}{_advice(word, wanted)}", start)


def _advice(word: str, wanted: str) -> str:
    if wanted in _NEAR:
        if word == "is":
            return '; write "==", "exists" or "not exists"'
        if wanted == _START and word in _KEYWORDS:
            return "; if a field is called so, put its name in quotes"
        meant = _HABITS.get(word.lower()) or next((one for one in _KEYWORDS if one == word.lower()), None)
        return f'; write "{meant}"' if meant and meant != word else did_you_mean(word, _NEAR[wanted])
    if wanted == _OPERAND and word == "[":
        return '; for one of several write "in"'
    if wanted == _OPERAND and word.startswith("$"):
        return f'; for a value of a list write "in {word}"'
    if wanted == _NUMBER and word in ("'", '"'):
        return "; leave the quotes away"
    if wanted in (_OPERAND, _TEXT, _LISTING) and re.fullmatch(r"\w[\w.@-]*", word):
        listed = f", or ${word} for a list" if wanted == _LISTING else ""
        return f"; put text in quotes{listed}"
    return ""


def _literal(*, quoted: bool) -> Callable[[str, int, pp.ParseResults], _Literal]:
    def make(_: str, start: int, tokens: pp.ParseResults) -> _Literal:
        text = str(tokens[0])
        if not quoted:
            return _Literal(start, text, quoted)
        mark, inner = text[0], text[1:-1]
        return _Literal(start, inner.replace(mark * 2, mark), quoted, mark not in inner)

    return make


def _listing(text: str, start: int, tokens: pp.ParseResults) -> _Made:
    while text[start].isspace():
        start += 1
    items: list[_Literal] = list(tokens)
    return lambda places: SequenceNode(places(start), tuple(map(places.node, items)))


def _comparison(tokens: pp.ParseResults) -> _Made:
    field, *words = tokens
    negated = words[0] == "not"
    operator = words[negated]
    operand = words[negated + 1] if len(words) > negated + 1 else None
    if operator.startswith("!"):
        negated, operator = True, operator[1:].replace("=", "==")

    def make(places: _Places) -> Comparison:
        found = places.node(operand) if isinstance(operand, _Literal) else operand and operand(places)
        return Comparison(places.node(field), operator, negated, found)

    return make


def _negation(tokens: pp.ParseResults) -> _Made:
    *negations, made = tokens

    def make(places: _Places) -> Expression:
        expression: Expression = made(places)
        for _ in negations:
            expression = Negation(expression)
        return expression

    return make


def _joined(word: str) -> Callable[[pp.ParseResults], _Made]:
    def join(tokens: pp.ParseResults) -> _Made:
        parts: Sequence[_Made] = list(tokens)
        return parts[0] if len(parts) == 1 else lambda places: Joined(word, tuple(part(places) for part in parts))

    return join


def _named(_: str, start: int, tokens: pp.ParseResults) -> _Made:
    name = str(tokens[0])[1:]
    return lambda places: Named(name, places(start))


def _word(words: Iterable[str]) -> pp.ParserElement:
    return pp.Regex(rf"(?:{'|'.join(words)}){_NAME_ENDS}")


def _grammar() -> pp.ParserElement:
    quoted = pp.Regex(r""""[^"]*+(?:""[^"]*+)*+"|'[^']*+(?:''[^']*+)*+'""").set_parse_action(_literal(quoted=True))
    number = pp.Regex(rf"-?[0-9]+(?:\.[0-9]+)?{_NAME_ENDS}").set_parse_action(_literal(quoted=False))
    # numbers first: 4.5 is one
    bare = (
        pp.Regex(
            r"(?:true|false|-?[0-9]+(?:\.[0-9]+)?"
            r"|[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?|(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:.]+(?:/[0-9]+)?)" + _NAME_ENDS
        )
    ).set_parse_action(_literal(quoted=False))
    piece = pp.Regex(rf"\${PIECE}").set_parse_action(_literal(quoted=False))
    value = (quoted | bare).set_name(_OPERAND)
    texts = (quoted | _bracketed(quoted.copy().set_name(_TEXT))).set_name(_TEXT)
    listing = (quoted | bare | piece | _bracketed((quoted | bare | piece).set_name(_OPERAND))).set_name(_LISTING)

    keywords = "|".join(_KEYWORDS)
    plain_field = pp.Regex(rf"(?!(?:{keywords}){_NAME_ENDS})@?[A-Za-z_][^\s${{}}()\[\],=!<>~\"'&|]*(?<!:)")
    field = plain_field.set_parse_action(_literal(quoted=False)) | quoted
    test = field - (
        pp.Regex(r"[=!]=(?!=)") - value
        | pp.Regex(r"!?~") - texts
        | pp.Regex(r"[<>]=?(?![<>=])") - number.set_name(_NUMBER)
        | (
            pp.Opt(_word(["not"]))
            + (_word(["in"]) - listing | _word(["contains", "glob"]) - texts | _word(["exists"])).set_name(_NEGATABLE)
        )
    ).set_name(_OPERATOR)
    test.set_parse_action(_comparison)

    whole = pp.Forward()
    macro = pp.Regex(rf"\${PIECE}").set_parse_action(_named)
    grouped = pp.Suppress("(") - whole - pp.Suppress(pp.Literal(")").set_name(_CLOSE))
    primary = (grouped | macro | test).set_name(_START)
    negated = (_word(["not"])[0, 2] + primary).set_parse_action(_negation)
    conjunction = negated + pp.ZeroOrMore(pp.Suppress(_word(["and"])) - negated)
    conjunction.set_parse_action(_joined("and"))
    disjunction = conjunction + pp.ZeroOrMore(pp.Suppress(_word(["or"])) - conjunction)
    disjunction.set_parse_action(_joined("or"))
    whole <<= disjunction
    return whole.parse_with_tabs()


def _bracketed(item: pp.ParserElement) -> pp.ParserElement:
    """Match items between brackets or parentheses, with commas between them."""
    items = pp.Opt(item - pp.ZeroOrMore(pp.Suppress(",") - item))
    square = pp.Suppress("[") - items - pp.Suppress(pp.Literal("]").set_name('"," or "]"'))
    round_ = pp.Suppress("(") - items - pp.Suppress(pp.Literal(")").set_name('"," or ")"'))
    return (square | round_).set_parse_action(_listing)


_EXPRESSION = _grammar()
