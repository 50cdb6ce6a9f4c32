"""The rules and events of the benchmark are what its figures claim."""

from __future__ import annotations

from collections import Counter

from bench.rules import START, events, rules, show
from parsers.parse import Parser, builtin_grammars
from rules.rulebook import RuleBook
from rules.when import Absent, Count, Digest, Distinct, Every, Sequence, Settled


def test_fifty_rules_of_every_kind() -> None:
    """With suppression, exceptions, hours, states of others, and none of a kind."""
    fifty = rules()
    kinds = Counter(type(rule.when) for rule in fifty)
    assert len(fifty) == 50
    assert all(kinds[kind] >= 2 for kind in (Count, Distinct, Every, Sequence, Absent, Digest, Settled, type(None)))
    for asked in ("unless", "suppress", "undo", "circumstances"):
        assert any(getattr(rule, asked) for rule in fifty), asked


def test_a_few_events_of_a_hundred_concern_a_rule() -> None:
    """Two to five; and of those a part has something done."""
    reader = Parser(builtin_grammars())
    made, book, counts = events(reader, 2000), RuleBook(rules(), reader.grammars, parse=reader.parse), Counter[str]()
    for _ in range(3):
        show(book, made, START, counts)
    assert 0.02 < counts["matched"] / 6000 < 0.05
    assert counts["jobs"]
