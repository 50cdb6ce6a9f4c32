"""The tests that stand inside rules run in virtual time and say what differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parsers.errors import Place
from parsers.message import Trust
from rules.examples import START, Failure, batches, frame_of, run_tests
from rules.job import Task
from rules.rule import Expect, Rule, Send, TestStep
from tests.rules.sample_rules import FAILED, PARSER

LOGIN = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
HELD = "; 1 more came true and were held back, for the sender is not trusted"


def step(line: int, send: Send | None = None, advance: float = 0.0, expect: Expect | None = None) -> TestStep:
    """Return a test's step at a line of the file."""
    return TestStep(Place("ssh.yaml", line, 7), send, advance, expect)


def run(*steps: TestStep, rule: Rule = FAILED, least_trust: Trust = Trust.ACCOUNT) -> list[str]:
    """Run steps; return the failures as lines."""
    return [str(failure) for failure in run_tests(replace(rule, tests=steps), PARSER, least_trust)]


def test_a_rule_without_tests_has_no_failures() -> None:
    """Nothing to run."""
    assert run() == []


def test_what_is_expected_passes() -> None:
    """Counts, commands and time go on from step to step; what was looked at is not looked at again."""
    assert (
        run(
            step(1, Send(LOGIN, times=2), expect=Expect(0)),
            step(2, Send(LOGIN), expect=Expect(1, ("ban", "192.0.2.7"))),
            step(3, Send(LOGIN, times=2), expect=Expect(0)),
            step(4, advance=61.0),
            step(5, Send(LOGIN), expect=Expect(0)),
            step(6, Send(LOGIN, times=2, every=29.0)),
            step(7, expect=Expect(1)),
        )
        == []
    )


def test_time_passes_between_messages() -> None:
    """Messages that are too far apart do not count together."""
    assert run(step(1, Send(LOGIN, times=5, every=30.0), expect=Expect(0))) == []
    assert run(step(1, Send(LOGIN, times=5, every=29.9), expect=Expect(1))) == []


@pytest.mark.parametrize(
    ("steps", "failures"),
    [
        (
            [step(4, Send(LOGIN, times=3), expect=Expect(2))],
            ["ssh.yaml:4:7: rule ssh: expected `do` 2 time(s), it was done 1 time(s)"],
        ),
        (
            [step(4, Send(LOGIN, times=3, trust=Trust.NETWORK), expect=Expect(1))],
            ["ssh.yaml:4:7: rule ssh: expected `do` 1 time(s), it was done 0 time(s)" + HELD],
        ),
        (
            [step(4, Send(LOGIN, times=3)), step(5, expect=Expect(1, ("ban", "198.51.100.1")))],
            ["ssh.yaml:5:7: rule ssh: expected the command ['ban', '198.51.100.1'], it is ['ban', '192.0.2.7']"],
        ),
        (
            [step(4, expect=Expect(1)), step(5, Send(LOGIN), expect=Expect(3))],
            [
                "ssh.yaml:4:7: rule ssh: expected `do` 1 time(s), it was done 0 time(s)",
                "ssh.yaml:5:7: rule ssh: expected `do` 3 time(s), it was done 0 time(s)",
            ],
        ),
    ],
)
def test_a_failure_names_its_place_and_the_numbers(steps: list[TestStep], failures: list[str]) -> None:
    """An operator reads where, what was expected, and what was."""
    assert run(*steps) == failures


def test_commands_that_cannot_be_are_failures() -> None:
    """A field that the event lacks, or no command at all."""
    absent = replace(FAILED, do=(Task("ssh/do/1", ("ban", "${labels.none}")),))
    wanted = step(4, Send(LOGIN, times=3), expect=Expect(1, ("ban", "x")))
    (failure,) = run(wanted, rule=absent)
    assert "the command cannot be filled in: the event has no field labels.none" in failure
    (failure,) = run(wanted, rule=replace(FAILED, do=()))
    assert "expected a command, and the rule has none" in failure


def test_trust_is_that_of_the_sender() -> None:
    """A rule may be tested with senders that may not start it, and with those that may."""
    sent = step(1, Send(LOGIN, times=3, trust=Trust.NETWORK), expect=Expect(1))
    assert run(sent, least_trust=Trust.NETWORK) == []
    assert len(run(sent)) == 1


def test_texts_get_a_header_where_they_have_none() -> None:
    """A text that begins with a priority is a whole frame."""
    assert frame_of("app: x", START) == b"<13>Mar  2 12:00:00 host.example app: x"
    assert frame_of("<34>1 - - - - - - x", START) == b"<34>1 - - - - - - x"
    assert [batch.received for batch in batches(Send("x", 3, 2.0), 10.0)] == [10.0, 12.0, 14.0]


def test_a_failure_is_one_line() -> None:
    """Place, rule, problem."""
    assert str(Failure("r", Place("f", 1, 2), "p")) == "f:1:2: rule r: p"
