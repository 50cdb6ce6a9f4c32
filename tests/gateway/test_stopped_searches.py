"""A search that was stopped is told at once, and a flood of them is counted."""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.notices.rules import SearchesStopped, SearchStopped
from gateway.pipeline import Pipeline, Stages
from parsers.parse import Parser
from rules.condition import Matches
from rules.rulebook import RuleBook
from rules.sieve import Sieve
from tests.gateway.test_pipeline import Jobs, batch
from tests.gateway.told import Told
from tests.rules.sample_rules import AT_ONCE


def test_the_first_is_told_and_the_others_are_counted() -> None:
    """With rule, sender, pattern and text; what the log gets does not grow with the flood."""
    slow = replace(AT_ONCE, name="slow", match=Matches("message", re.compile("^(a|a)*$")))
    rulebook, told = RuleBook([slow]), Told()
    pipeline = Pipeline(Stages(Sieve(rulebook.needs), Parser(()), rulebook), Jobs(), told)
    for _ in range(3):
        pipeline.accept(batch("a" * 60 + "!"))
    (first,) = told.of(SearchStopped)
    assert (first.rule, first.pattern, first.milliseconds, first.length) == ("slow", "'^(a|a)*$'", 50, 61)
    pipeline.tell_stopped_searches()
    assert told.of(SearchesStopped) == [SearchesStopped("slow", 2)]
    pipeline.tell_stopped_searches()
    assert len(told.of(SearchesStopped)) == 1
    pipeline.accept(batch("a" * 60 + "!"))
    assert len(told.of(SearchStopped)) == 2
