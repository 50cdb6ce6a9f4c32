"""Tests in rule files: what is sent, how tasks end, what is expected; and what is wrong with them."""

from __future__ import annotations

import pytest

from rules.example import Expect, Outcomes, Send, TestStep
from rules.load import Defaults, load_rules
from rules.outcome import Ending, Outcome


def read(step: str) -> tuple[list[TestStep], list[str]]:
    """Load a rule with one step of a test; return its steps, and the errors without their places."""
    loaded = load_rules(f"- {{rule: a, match: {{}}, do: {{run: [x]}}, test: [{step}]}}\n", "f", Defaults())
    return [one for rule in loaded.rules for one in rule.tests], [error.problem for error in loaded.errors]


@pytest.mark.parametrize(
    ("outcome", "outcomes"),
    [
        ("failure", Outcomes((Outcome("", Ending.DECLINED),))),
        ("success", Outcomes((Outcome("", Ending.CONFIRMED),))),
        ("timeout", Outcomes((Outcome("", Ending.TIMED_OUT),))),
        ("{exit: 75}", Outcomes((Outcome("", Ending.EXITED, 75),))),
        ("{signal: KILL}", Outcomes((Outcome("", Ending.KILLED, signal=9),))),
        ("{signal: SIGTERM}", Outcomes((Outcome("", Ending.KILLED, signal=15),))),
        ("[{exit: 1}, success]", Outcomes((Outcome("", Ending.EXITED, 1), Outcome("", Ending.CONFIRMED)))),
        ("{do/1: {exit: 1}}", Outcomes(steps={"do/1": (Outcome("", Ending.EXITED, 1),)})),
        (
            "{else/2: [failure, success], on_failure/1: timeout}",
            Outcomes(
                steps={
                    "else/2": (Outcome("", Ending.DECLINED), Outcome("", Ending.CONFIRMED)),
                    "on_failure/1": (Outcome("", Ending.TIMED_OUT),),
                }
            ),
        ),
    ],
)
def test_how_tasks_end(outcome: str, outcomes: Outcomes) -> None:
    """A word, an exit code or a signal; several for several attempts; steps by part and number."""
    ((step,), errors) = read(f"{{outcome: {outcome}}}")
    assert errors == []
    assert step.outcome == outcomes


@pytest.mark.parametrize(
    ("fields", "dataset"),
    [
        ("{event.action: job-finished}", "gateway"),
        ("{gateway.job.part: do}", "gateway"),
        ("{rule.name: x}", "gateway"),
        ("{event.dataset: emit, event.action: x}", "emit"),
        ("{event.action: ssh-login}", "test"),
        ("{event.dataset: firewall, rule.name: x}", "firewall"),
    ],
)
def test_whose_event_fields_are(fields: str, dataset: str) -> None:
    """What only the gateway says of its jobs is its own; all else is a parsed event, of a source named `test`."""
    ((step,), errors) = read(f"{{send: {fields}}}")
    assert errors == []
    assert step.send is not None
    assert step.send.fields is not None
    assert step.send.fields["event.dataset"] == dataset


def test_several_texts() -> None:
    """A list is sent in turn."""
    ((step,), errors) = read("{send: [a, '<13>b'], times: 3}")
    assert errors == []
    assert step.send == Send(("a", "<13>b"), 3)


def test_all_that_can_be_expected() -> None:
    """Numbers, and what the first of something was like."""
    ((step,), errors) = read(
        "{expect: {do: 1, undo: 2, else: 3, on_failure: 4, tries: 5, open: 6, held: 7, argv: [x], subject: s,"
        " emit: {a: 1}, event: {b: [2]}, digest: d, rule: other}}"
    )
    assert errors == []
    assert step.expect == Expect(
        do=1,
        argv=("x",),
        undo=2,
        open=6,
        otherwise=3,
        on_failure=4,
        tries=5,
        held=7,
        subject="s",
        emit={"a": 1},
        event={"b": [2]},
        digest="d",
        rule="other",
    )


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("{outcome: fail}", 'one of success, failure, timeout is wanted, not "fail"'),
        ("{outcome: {exit: 256}}", "a whole number from 0 to 255 is wanted"),
        ("{outcome: {exit: 1, signal: KILL}}", 'unknown key "exit"'),
        ("{outcome: {signal: KIL}}", 'there is no signal KIL; did you mean "KILL"?'),
        (
            "{outcome: {do: failure}}",
            '"do" is no outcome: write exit: CODE, signal: NAME, or a step: do/1, on_failure/2',
        ),
        ("{outcome: []}", "the list is empty"),
        ("{send: {gateway.trusted: true}}", 'gateway.trusted is what "trust" beside "send" says'),
        ("{send: []}", "the list is empty"),
        ("{expect: {do: 0, digest: x}}", '"digest" is about what the first job gets, but no job is expected'),
        ("{expect: {dou: 0}}", 'unknown key "dou" in "expect"; did you mean "do"?'),
    ],
)
def test_what_is_wrong(step: str, error: str) -> None:
    """One error each, that says what to write."""
    (_, errors) = read(step)
    assert len(errors) == 1
    assert error in errors[0]
