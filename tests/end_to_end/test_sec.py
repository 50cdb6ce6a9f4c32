"""Our rules against the real SEC (Simple Event Correlator): the same log, the same actions in the same seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rules.examples import run_tests
from tests.end_to_end.sec import Action, actions_of_sec
from tests.end_to_end.sec_comparison import Comparison, compare, compare_as_written, merged_log
from tests.end_to_end.sec_logs import START, stamped
from tests.end_to_end.sec_ours import PARSER, actions_of_ours, load
from tests.end_to_end.sec_rounds import SPARSE
from tests.end_to_end.sec_rules import (
    COUNTERPARTS,
    EVENT_GROUP,
    EXAMPLES,
    PAIR_WITH_WINDOW,
    SCRIPT,
    SINGLE_WITH_THRESHOLD,
)
from tests.end_to_end.sec_table import markdown

LINES = 500
"""Of each kind of rule; `python -m tests.end_to_end.sec_rounds` runs logs of 10,000."""

_FAILED = "web1 sshd[7]: Failed password for eve from 192.0.2.7 port 4000 ssh2"
_DENIED = 'web1 apache2: 192.0.2.7 - - [01/Jan/2026:00:00:00 +0000] "GET /a HTTP/1.1" 404 286 "-" "-"'
_PACKET = "web1 kernel: iptables: IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 LEN=60 PROTO=TCP SPT=46351 DPT=21"
_ACCEPTED = "web1 sshd[7]: Accepted password for eve from 192.0.2.7 port 4000 ssh2"


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Comparison]:
    """What both made of one log for all rules, in which windows are hit exactly."""
    kinds = list(COUNTERPARTS.values())
    return compare(kinds, merged_log(kinds, LINES, seed=1), tmp_path_factory.mktemp("sec"))


@pytest.mark.end_to_end
@pytest.mark.parametrize("kind", COUNTERPARTS)
def test_our_rule_does_what_the_rule_of_sec_does(comparisons: Mapping[str, Comparison], kind: str) -> None:
    """Both act the same number of times, in the same seconds, for the same keys."""
    assert len(comparisons[kind].sec) >= 15, "the log is of no use"
    assert not comparisons[kind].differences()


@pytest.mark.end_to_end
def test_the_same_numbers_mean_the_same_unless_a_window_is_hit_exactly(tmp_path: Path) -> None:
    """`window=60` is `within: 60s` in a log in which no two lines are exactly 60 seconds apart."""
    kinds = list(COUNTERPARTS.values())
    log = merged_log(kinds, LINES // 4, seed=2, step=SPARSE)
    for kind, comparison in compare_as_written(kinds, log, tmp_path).items():
        assert comparison.sec, kind
        assert not comparison.differences(), kind


@pytest.mark.end_to_end
def test_windows_of_sec_include_both_ends_and_ours_do_not(tmp_path: Path) -> None:
    """An event exactly 60 s old still counts for SEC's window=60; for ours it is gone."""
    log = [stamped(START + second, _FAILED) for second in (0, 30, 60, 61)]
    assert actions_of_sec(SINGLE_WITH_THRESHOLD.sec, log, START + 100, tmp_path) == [
        Action(START + 60, "failures eve 192.0.2.7")
    ]
    assert actions_of_ours(load([SINGLE_WITH_THRESHOLD.ours]), log, START + 100) == [
        Action(START + 61, "failures eve 192.0.2.7")
    ]


@pytest.mark.end_to_end
def test_sec_ends_a_window_when_it_is_exceeded_and_we_when_it_is_over(tmp_path: Path) -> None:
    """What comes at the very end of 60 s is in time for SEC, and too late for us."""
    log = [stamped(START, _FAILED), stamped(START + 60, _ACCEPTED)]
    assert actions_of_sec(PAIR_WITH_WINDOW.sec, log, START + 100, tmp_path) == [
        Action(START + 60, "recovered eve 192.0.2.7")
    ]
    assert actions_of_ours(load([PAIR_WITH_WINDOW.ours]), log, START + 100) == [
        Action(START + 60, "locked-out eve 192.0.2.7")
    ]


@pytest.mark.end_to_end
def test_after_an_event_group_both_are_silent_for_as_long(tmp_path: Path) -> None:
    """The window began with the first failure of three, of which two were needed."""
    groups = [(second, text) for second in (50, 70, 111) for text in (_FAILED, _FAILED, _DENIED, _PACKET)]
    log = [stamped(START + second, text) for second, text in [(0, _FAILED), *groups]]
    probing = [Action(START + 50, "probing 192.0.2.7"), Action(START + 70, "probing 192.0.2.7")]
    assert actions_of_sec(EVENT_GROUP.sec, log, START + 300, tmp_path) == probing
    assert actions_of_ours(load([EVENT_GROUP.ours]), log, START + 300) == probing


@pytest.mark.end_to_end
def test_sec_runs_in_virtual_time(tmp_path: Path) -> None:
    """Its windows end in their own second, with no line there, and before the lines of that second."""
    log = [
        stamped(START, _FAILED),
        stamped(START + 61, _ACCEPTED),
        stamped(START + 500, _FAILED),
        stamped(START + 900, "mark"),
    ]
    assert actions_of_sec(PAIR_WITH_WINDOW.sec, log, START + 1000, tmp_path) == [
        Action(START + 61, "locked-out eve 192.0.2.7"),
        Action(START + 561, "locked-out eve 192.0.2.7"),
    ]


def test_the_rule_that_stands_for_a_script_does_as_its_test_says() -> None:
    """What SingleWithScript makes of an exit status, `do` and `on_failure` make of it."""
    (rule,) = load([SCRIPT.ours])
    assert rule.tests
    assert not run_tests(rule, PARSER)


def test_the_table_holds_every_example() -> None:
    """No file lies about that nobody compares or reads."""
    table = markdown()
    for file in EXAMPLES.iterdir():
        assert file.read_text().rstrip() in table, file.name


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.end_to_end.sec_table > rules/SEC.md` writes it."""
    assert (Path(__file__).parents[2] / "rules" / "SEC.md").read_text("utf-8") == markdown()
