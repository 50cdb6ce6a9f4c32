"""The lowered pattern and pyparsing give the same answer to everything."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import resource
import sys
from collections.abc import Callable

import pyparsing as pp
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import parsers.grammars
from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.tokens import end, integer, ip_address, lit, rest, rx, up_to_last, word
from parsers.lowering import (
    CannotLower,
    CompiledGrammar,
    EndlessRepeatError,
    lower,
    parse_with_pyparsing,
)

GRAMMARS = [
    module.GRAMMAR
    for info in pkgutil.iter_modules(parsers.grammars.__path__)
    if hasattr(module := importlib.import_module(f"parsers.grammars.{info.name}"), "GRAMMAR")
]
EXAMPLES = int(os.environ.get("LOWERING_EXAMPLES", "400"))
ALPHABET = "aAbS\u017fß \t\n1"
"""With what makes trouble: long s and sharp s, whose upper case is ASCII, and white space."""

# -- expressions --

E = pp.ParserElement
some_text = st.text(ALPHABET, min_size=1, max_size=3)
regexes = st.sampled_from(
    [
        "a+",
        "a|ab",
        "(a|ab)(b)?",
        "[^ ]+",
        "[]a]*",
        "(?i)s+a",
        "(?s:.*)",
        ".+(?=b)",
        r"(?<=a)b",
        r"\bab?",
        r"\Z",
        "a*?b",
        "(?:a|(b))+",
        "(?x) a # (\n b?",
        "a{1,2}",
        r"\w+|(?P<q>1)",
        r"[(]?\(?a",
        "^a",
        "(?m)^b",
        "b?$",
    ]
)
leaves: st.SearchStrategy[E] = st.one_of(
    some_text.map(pp.Literal),
    st.just("").map(pp.Literal),
    st.sampled_from(["a", "sa", "S", "b1", "s s"]).map(pp.CaselessLiteral),
    some_text.map(pp.Keyword),
    st.builds(pp.Keyword, some_text, st.text(ALPHABET, min_size=1, max_size=3)),
    st.builds(pp.CaselessKeyword, st.sampled_from(["a", "sa", "b"]), st.sampled_from([None, "as", "b1"])),
    st.builds(
        pp.Word,
        some_text,
        st.one_of(st.none(), some_text),
        min=st.integers(1, 2),
        max=st.sampled_from([0, 2, 3]),
        as_keyword=st.booleans(),
    ),
    st.builds(pp.Word, some_text, exact=st.integers(1, 3)),
    some_text.map(pp.Char),
    regexes.map(pp.Regex),
    st.builds(pp.CharsNotIn, some_text, min=st.integers(1, 2), max=st.sampled_from([0, 2])),
    st.builds(pp.White, st.sampled_from([" ", " \n", "\t"]), max=st.sampled_from([0, 1, 2])),
    st.builds(pp.QuotedString, st.sampled_from(["a", "1", "b "]), unquote_results=st.booleans()),
    st.sampled_from([pp.LineStart, pp.LineEnd, pp.StringStart, pp.StringEnd, pp.Empty]).map(lambda kind: kind()),
    st.text("ab", min_size=1, max_size=2).map(pp.PrecededBy),
)


def _compounds(inner: st.SearchStrategy[E]) -> st.SearchStrategy[E]:
    many = st.lists(inner, min_size=1, max_size=3)
    unary: list[Callable[[E], E]] = [
        pp.Opt,
        pp.ZeroOrMore,
        pp.OneOrMore,
        pp.SkipTo,
        pp.FollowedBy,
        pp.NotAny,
        pp.Suppress,
        pp.Group,
        pp.Combine,
        lambda e: pp.SkipTo(e, include=True),
        lambda e: pp.Combine(e, adjacent=False),
        lambda e: pp.Combine(e, join_string="-"),
        pp.Forward,
        lambda e: pp.Or([e]),
        lambda e: pp.OneOrMore(e, max=2),
        lambda e: pp.Opt(e, default="b"),
    ]
    return st.one_of(
        many.map(pp.And),
        many.map(pp.And),
        many.map(pp.MatchFirst),
        st.builds(lambda make, e: make(e), st.sampled_from(unary), inner),
        st.builds(lambda e, stop: pp.ZeroOrMore(e, stop_on=stop), inner, inner),
        st.builds(lambda e, stop: pp.OneOrMore(e, stop_on=stop), inner, inner),
    )


def _dressed(bare: st.SearchStrategy[E]) -> st.SearchStrategy[E]:
    def dress(e: E, name: str | None, blanks: str) -> E:
        if blanks == "leave":
            e = e.copy().leave_whitespace()
        elif blanks == "ignore":
            e = e.copy().ignore_whitespace()
        elif blanks == "other":
            e = e.copy().set_whitespace_chars("a ")
        return e(name) if name else e

    return st.builds(
        dress,
        bare,
        st.sampled_from([None, None, "x", "y", "z"]),
        st.sampled_from(["", "", "leave", "leave", "ignore", "other"]),
    )


expressions = st.recursive(_dressed(leaves), lambda inner: _dressed(_compounds(inner)), max_leaves=7)
texts = st.text(ALPHABET, max_size=9)


def _grammar(*forms: E | Form) -> Grammar:
    made = [form if isinstance(form, Form) else Form(str(index), form) for index, form in enumerate(forms)]
    return Grammar("test", (), tuple(made), ())


def _agree(grammar: Grammar, compiled: CompiledGrammar, text: str) -> None:
    fast, slow = compiled.parse(text), parse_with_pyparsing(grammar, text)
    assert (fast and (fast[0].name, fast[1])) == (slow and (slow[0].name, slow[1])), repr(text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(expressions, st.lists(texts, min_size=1, max_size=12))
def test_any_expression_and_its_pattern_agree(expression: E, samples: list[str]) -> None:
    """Whatever is built of pyparsing's elements either has no translation or one that matches exactly the same."""
    try:
        lower(expression)
    except (CannotLower, EndlessRepeatError):
        assume(False)
    grammar = _grammar(expression)
    compiled = CompiledGrammar(grammar)
    for text in samples:
        _agree(grammar, compiled, text)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(st.lists(_dressed(leaves), min_size=1, max_size=5), st.lists(texts, min_size=1, max_size=8), st.data())
def test_any_forms_agree_in_their_order(parts: list[E], samples: list[str], data: st.DataObject) -> None:
    """Forms that were lowered, that were not, and that decline take their turns as they stand in the grammar."""
    decline = data.draw(st.sets(st.integers(0, len(parts) - 1)))

    def refine(index: int) -> Callable[[dict[str, FieldValue]], bool | None]:
        return lambda fields: False if index in decline and len(fields) % 2 else None

    grammar = _grammar(*(Form(str(index), part, {}, refine(index)) for index, part in enumerate(parts)))
    compiled = CompiledGrammar(grammar)
    for text in samples:
        _agree(grammar, compiled, text)


# -- the built-in grammars --

compiled_grammars = {grammar.name: CompiledGrammar(grammar) for grammar in GRAMMARS}
odd_text = st.text(st.sampled_from("a0 :=;,.\"'()[]<>|\\/-_\t\r\n\0\x1b\udc80\udcffßİ\u2028\U0001f600٣"), max_size=6)


@st.composite
def _mutations(draw: st.DrawFn) -> tuple[Grammar, str]:
    """Take a message of one grammar and damage it as senders and attackers do."""
    grammar = draw(st.sampled_from(GRAMMARS))
    text = draw(st.sampled_from([example.text for example in grammar.examples]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 12)))
        kind = draw(st.sampled_from(["delete", "insert", "replace", "double", "swap", "splice", "cut"]))
        if kind == "delete":
            text = text[:start] + text[stop:]
        elif kind == "insert":
            text = text[:start] + draw(odd_text) + text[start:]
        elif kind == "replace":
            text = text[:start] + draw(odd_text) + text[stop:]
        elif kind == "double":
            text = text[:stop] + text[start:]
        elif kind == "swap":
            words = text.split(" ")
            one, other = draw(st.integers(0, len(words) - 1)), draw(st.integers(0, len(words) - 1))
            words[one], words[other] = words[other], words[one]
            text = " ".join(words)
        elif kind == "splice":
            text = text[:start] + draw(st.sampled_from(grammar.examples)).text + text[start:]
        else:
            text = text[:start]
    return grammar, text


@settings(max_examples=EXAMPLES * 2, deadline=None)
@given(_mutations())
def test_a_grammar_and_its_pattern_agree_on_damaged_messages(case: tuple[Grammar, str]) -> None:
    """Every built-in grammar gives pyparsing's answer to damaged and forged messages."""
    grammar, text = case
    _agree(grammar, compiled_grammars[grammar.name], text)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(st.one_of(odd_text, st.text(max_size=60)))
def test_a_grammar_and_its_pattern_agree_on_any_text(text: str) -> None:
    """Every built-in grammar gives pyparsing's answer to text that no program wrote."""
    for grammar in GRAMMARS:
        _agree(grammar, compiled_grammars[grammar.name], text)


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.name)
def test_a_grammar_and_its_pattern_agree_on_the_examples(grammar: Grammar) -> None:
    """Every built-in grammar gives pyparsing's answer to its own examples."""
    for example in grammar.examples:
        _agree(grammar, compiled_grammars[grammar.name], example.text)


HOSTILE_LENGTH = 64 * 1024
HOSTILE_SECONDS = 30
"""Processor time for all grammars on all hostile texts; they take a tenth of it, one quadratic form takes minutes."""


def test_long_hostile_text_takes_bounded_time() -> None:
    """No grammar is slow on 64 KiB made of any word of its messages, for a stranger can send that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for grammar in GRAMMARS:
        parse = compiled_grammars[grammar.name].parse
        for example in grammar.examples[::3]:
            for found in re.finditer(r"\S+\s?", example.text):
                many = found[0] * (HOSTILE_LENGTH // len(found[0]))
                parse(example.text[: found.start()] + many + example.text[found.end() :])
                spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
                assert spent < HOSTILE_SECONDS, (grammar.name, example.text, found[0])


# -- single facts --


def _parse(expression: E, text: str) -> dict[str, FieldValue] | None:
    answer = CompiledGrammar(_grammar(expression)).parse(text)
    return answer and answer[1]


def test_a_name_that_a_stranger_chose_reaches_to_the_last_place() -> None:
    """The shared words take what the program wrote at the end, whatever the name holds."""
    form = lit("for ") + up_to_last(" from ")("user.name") + lit(" from ") + ip_address()("source.ip") + end()
    assert _parse(form, "for root from 203.0.113.5 from 192.0.2.7") == {
        "user.name": "root from 203.0.113.5",
        "source.ip": "192.0.2.7",
    }


def test_numbers_become_integers_where_the_field_is_one() -> None:
    """ASCII digits of at most 18 places become a number; anything else stays text, and no text raises."""
    form = rx(".*")("source.port")
    assert _parse(form, "22") == {"source.port": 22}
    assert _parse(form, "٣") == {"source.port": "٣"}
    assert _parse(form, "") == {"source.port": ""}
    assert _parse(form, "9" * 5000) == {"source.port": "9" * 5000}
    assert _parse(rx(".*")("user.name"), "22") == {"user.name": "22"}


def test_absent_parts_leave_no_field_and_empty_ones_leave_empty_text() -> None:
    """An optional part that is not there fills nothing; a part that matches nothing fills an empty text."""
    form = pp.Opt(lit("a ") + word()("x")) + rest()("y")
    assert _parse(form, "a b") == {"x": "b", "y": ""}
    assert _parse(form, "b") == {"y": "b"}


def test_the_last_of_two_equal_names_wins() -> None:
    """A name that comes twice takes what matched last, as in pyparsing."""
    form = integer()("x") + lit(" ") + pp.Opt(integer()("x")) + rest()
    assert _parse(form, "1 2") == {"x": "2"}
    assert _parse(form, "1 b") == {"x": "1"}


def test_a_declined_match_gives_later_forms_their_chance() -> None:
    """`refine` may return False, and then the forms behind it are tried, lowered or not."""
    forms = (
        Form("declines", rest()("a"), {"set": 1}, lambda fields: False),
        Form("in-pyparsing", rx("[0-9]+")("b").add_condition(lambda tokens: tokens[0] == "22")),
        Form("accepts", rest()("c"), {"set": 2}, lambda fields: fields.update(d=3)),
    )
    grammar = _grammar(*forms)
    compiled = CompiledGrammar(grammar)
    for text in ("22", "23"):
        _agree(grammar, compiled, text)
    assert compiled.parse("22") == (forms[1], {"b": "22"})
    assert compiled.parse("23") == (forms[2], {"c": "23", "set": 2, "d": 3})
    assert compiled.reasons().keys() == {"in-pyparsing"}
    assert [pattern is None for _, pattern in compiled.patterns()] == [False, True, False]


def test_a_declining_last_form_is_no_match() -> None:
    """When the last form declines, no form matches."""
    grammar = _grammar(Form("declines", rest(), {}, lambda fields: False))
    assert CompiledGrammar(grammar).parse("x") is None
    assert parse_with_pyparsing(grammar, "x") is None


def test_a_grammar_without_forms_matches_nothing() -> None:
    """An empty grammar is no error."""
    assert CompiledGrammar(_grammar()).parse("x") is None


def test_tabs_stay_as_they_are() -> None:
    """Tabs are no blanks: pyparsing would turn them into some unless told not to; a log message keeps them."""
    grammar = _grammar(rest()("x"))
    assert parse_with_pyparsing(grammar, "a\tb") == (grammar.forms[0], {"x": "a\tb"})


def test_deep_recursion_is_no_match() -> None:
    """A recursive expression runs in pyparsing; a stranger's nesting beyond Python's depth matches no form."""
    nested = pp.Forward()
    nested <<= lit("(") + pp.Opt(nested) + lit(")")
    compiled = CompiledGrammar(_grammar(nested))
    assert list(compiled.reasons()) == ["0"]
    assert compiled.parse("((()))") is not None
    assert compiled.parse("(" * 50_000) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (pp.Literal("a").set_parse_action(lambda: "b"), "parse action"),
        (pp.Literal("a") ^ pp.Literal("ab"), "longest"),
        (pp.Literal("a") - pp.Literal("b"), "stops all alternatives"),
        (pp.StringEnd() + pp.Empty(), "past the end"),
        (pp.Regex("(?P<x>a)"), "names groups"),
        (pp.Regex(r"(a)\1"), "refers to a group"),
        (pp.CaselessLiteral("first"), "ligatures"),
        (pp.CaselessLiteral("a")("x"), "not the text"),
        (pp.Suppress(pp.Literal("a")) + pp.Literal("b")("x*"), "lists all"),
        (pp.Literal("a") & pp.Literal("b"), "no translation"),
        (pp.Opt(pp.Literal("a"), default="b"), "default"),
        (pp.SkipTo("a", fail_on="b"), "fail_on"),
        (pp.Located(pp.Literal("a")), "no translation"),
        (pp.Forward(), "never given"),
        (pp.OneOrMore(pp.Literal("a")("x") | pp.Literal("b")("x")), "twice within a repeat"),
    ],
)
def test_what_cannot_be_lowered_says_why(expression: E, reason: str) -> None:
    """The refusal names the element and the reason."""
    with pytest.raises(CannotLower, match=reason):
        lower(expression)


def test_an_endless_repeat_is_refused() -> None:
    """A repeat of nothing never ends in pyparsing, so such a grammar does not load."""
    with pytest.raises(EndlessRepeatError, match="repeats what may match nothing"):
        CompiledGrammar(_grammar(pp.ZeroOrMore(pp.Opt(lit("a"))))).patterns()


def test_upper_case_of_every_character_is_known() -> None:
    """Caseless elements compare upper(); the characters that become ASCII letters are those that lowering lists."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ligatures = {"SS", "FF", "FI", "FL", "ST", "FFI", "FFL"}
    for code in range(sys.maxunicode + 1):
        upper = chr(code).upper()
        if upper.isascii() and upper.isalpha():
            if len(upper) == 1:
                assert re.fullmatch(lower(pp.CaselessLiteral(upper)).pattern, chr(code)), hex(code)
                assert upper in letters
            else:
                assert upper in ligatures
