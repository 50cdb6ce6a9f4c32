"""The tests that stand inside rules run in virtual time and say what differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parsers.errors import Place
from parsers.message import Trust
from rules.example import Expect, Send, TestStep
from rules.examples import START, Failure, run_tests
from rules.load import Defaults, load_rules
from rules.rule import Rule
from rules.sent import batches, frame_of
from rules.step import Task
from tests.rules.sample_rules import FAILED, PARSER

LOGIN = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
UNMET = "rule ssh: expected `do` {} time(s), it was done 0 time(s)"
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
            step(1, Send((LOGIN,), times=2), expect=Expect(0)),
            step(2, Send((LOGIN,)), expect=Expect(1, ("ban", "192.0.2.7"))),
            step(3, Send((LOGIN,), times=2), expect=Expect(0)),
            step(4, advance=61.0),
            step(5, Send((LOGIN,)), expect=Expect(0)),
            step(6, Send((LOGIN,), times=2, every=29.0)),
            step(7, expect=Expect(1)),
        )
        == []
    )


def test_time_passes_between_messages() -> None:
    """Messages that are too far apart do not count together."""
    assert run(step(1, Send((LOGIN,), times=5, every=30.0), expect=Expect(0))) == []
    assert run(step(1, Send((LOGIN,), times=5, every=29.9), expect=Expect(1))) == []


@pytest.mark.parametrize(
    ("steps", "failures"),
    [
        (
            [step(4, Send((LOGIN,), times=3), expect=Expect(2))],
            ["ssh.yaml:4:7: rule ssh: expected `do` 2 time(s), it was done 1 time(s)"],
        ),
        (
            [step(4, Send((LOGIN,), times=3, trust=Trust.NETWORK), expect=Expect(1))],
            ["ssh.yaml:4:7: rule ssh: expected `do` 1 time(s), it was done 0 time(s)" + HELD],
        ),
        (
            [step(4, Send((LOGIN,), times=3)), step(5, expect=Expect(1, ("ban", "198.51.100.1")))],
            ["ssh.yaml:5:7: rule ssh: expected the command ['ban', '198.51.100.1'], it is ['ban', '192.0.2.7']"],
        ),
        (
            [step(4, expect=Expect(1)), step(5, Send((LOGIN,)), expect=Expect(3))],
            [
                f"ssh.yaml:4:7: {UNMET.format(1)}; nothing was sent",
                f"ssh.yaml:5:7: {UNMET.format(3)}; the window for 192.0.2.7 has 1 of 3",
            ],
        ),
    ],
)
def test_a_failure_names_its_place_and_the_numbers(steps: list[TestStep], failures: list[str]) -> None:
    """An operator reads where, what was expected, and what was."""
    assert run(*steps) == failures


def test_a_part_of_a_text_is_no_value() -> None:
    """Who comes from programs that search wherever they can is told how that is written here."""
    rule = "- {rule: r, match: {message: '%s'}, test: [{send: 'app: disk full on /var', expect: {do: 1}}]}"
    (problem,) = run_text(rule % "disk full")
    assert problem.endswith("it is disk full on /var; a value is compared as a whole, {contains: …} finds a part")
    (problem,) = run_text(rule % "disk empty")
    assert problem.endswith("it is disk full on /var")


def test_a_wait_outside_of_its_hours_is_told_as_such() -> None:
    """What ends at night for a rule of the day ends unheard, which a test that only lets time pass does not show."""
    (problem,) = run_text("""
- rule: r
  match: {process.name: backup}
  when: {absent: match, within: 9h, by: []}
  during: "Mo-Fr 08:00-18:00"
  test:
    - {send: "backup: done"}
    - {expect: {do: 0}}
    - {advance: 9h, expect: {do: 1}}
""")
    assert problem.endswith(
        "nothing was sent, and it is Mon 2026-03-02 21:00:00 UTC, which is not `during` Mo-Fr 08:00-18:00 (UTC)"
    )


def test_commands_that_cannot_be_are_failures() -> None:
    """A field that the event lacks, or no command at all."""
    absent = replace(FAILED, do=(Task("ssh/do/1", ("ban", "${labels.none}")),))
    wanted = step(4, Send((LOGIN,), times=3), expect=Expect(1, ("ban", "x")))
    (failure,) = run(wanted, rule=absent)
    assert "ssh/do/1 cannot be run: the event has no field labels.none" in failure
    (failure,) = run(wanted, rule=replace(FAILED, do=()))
    assert "expected a command, and the rule has none" in failure


def test_trust_is_that_of_the_sender() -> None:
    """A rule may be tested with senders that may not start it, and with those that may."""
    sent = step(1, Send((LOGIN,), times=3, trust=Trust.NETWORK), expect=Expect(1))
    assert run(sent, least_trust=Trust.NETWORK) == []
    assert len(run(sent)) == 1


def test_texts_get_a_header_where_they_have_none() -> None:
    """A text that begins with a priority is a whole frame."""
    assert frame_of("app: x", START) == b"<13>Mar  2 12:00:00 host.example app: x"
    assert frame_of("<34>1 - - - - - - x", START) == b"<34>1 - - - - - - x"
    line = "Nov 23 10:00:01 web1 sshd[7]: x"
    assert frame_of(line, START) == f"<13>{line}".encode()
    assert [batch.received for batch in batches(Send(("x",), 3, 2.0), 10.0)] == [10.0, 12.0, 14.0]


@pytest.mark.parametrize(
    "header",
    [
        "Nov 23 10:00:01 web1 ",
        "2026-11-23T10:00:01.123456+01:00 web1 ",
        "2026-11-23 10:00:01 web1 ",
        "<38>Nov  3 10:00:01 web1 ",
    ],
)
def test_a_line_of_a_log_file_is_read_as_its_source_reads_it(header: str) -> None:
    """Whoever pastes one tests what will happen."""
    text = """
- rule: r
  match: {event.action: ssh-login, host.name: web1}
  test: [{send: "%s", expect: {do: 1, event: {process.pid: 7, source.ip: 192.0.2.7}}}]
"""
    assert run_text(text % (header + LOGIN)) == []


def test_a_failure_is_one_line() -> None:
    """Place, rule, problem."""
    assert str(Failure("r", Place("f", 1, 2), "p")) == "f:1:2: rule r: p"


DESIGN_RULE = """
- rule: ssh-bruteforce
  match:  {event.action: ssh-login, event.outcome: failure}
  unless: {source.ip: {in: [127.0.0.0/8, "::1", 10.0.0.0/8]}}
  when:   {count: 5, within: 10m, by: [source.ip]}
  do:     {run: [nft, add, element, inet, gw, banned, "{ ${source.ip} }"]}
  undo:   {after: 10m, grow: 2, max: 5w, run: [nft, delete, element, inet, gw, banned, "{ ${source.ip} }"]}
  test:
    - {send: "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2", times: 5, expect: {do: 1}}
    - {advance: 10m, expect: {undo: 1}}
"""


def run_text(text: str) -> list[str]:
    """Load the one rule of a text and run its tests."""
    loaded = load_rules(text, "r.yaml", Defaults())
    assert not loaded.errors
    assert not loaded.warnings
    return [failure.problem for failure in run_tests(loaded.rules[0], PARSER)]


def test_the_rule_of_the_design_passes_as_it_is_written() -> None:
    """A ban, and its end."""
    assert run_text(DESIGN_RULE) == []
    assert run_text(DESIGN_RULE.replace("advance: 10m", "advance: 9m59s")) == [
        "expected `undo` 1 time(s), it was done 0 time(s)"
    ]


def test_a_command_with_a_decrypted_file() -> None:
    """It has its name, in a folder that stands for the private one; the steps before it count."""
    text = """
- rule: d
  match: {event.action: ssh-login, event.outcome: failure}
  do:
    - {decrypt: {key: k, file: "/in/${user.name}.csv.age"}}
    - {run: [import, "${file.decrypted.path}", "${file.decrypted.name}"]}
  test:
    - send: "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
      expect: {do: 1, argv: [import, /private/root.csv, root.csv]}
"""
    assert run_text(text) == []


FAILS = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
SUCCEEDS = "sshd[7]: Accepted password for root from 192.0.2.7 port 4000 ssh2"


def test_states_open_and_close_in_virtual_time() -> None:
    """By time, which grows, while messages come too; by an event; repeats do nothing meanwhile."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login, event.outcome: failure}}
  when: {{count: 1, within: 1m, by: [source.ip]}}
  do: {{run: [ban, "${{source.ip}}"]}}
  undo: {{after: 10s, grow: 2, match: {{event.action: ssh-login, event.outcome: success}}, run: [unban]}}
  test:
    - {{send: "{FAILS}", times: 3, expect: {{do: 1, argv: [ban, 192.0.2.7], undo: 0, open: 1}}}}
    - {{advance: 10s, expect: {{do: 0, undo: 1, open: 0}}}}
    - {{send: "{FAILS}", times: 22, every: 1s, expect: {{do: 2, undo: 1, open: 1}}}}
    - {{send: "{SUCCEEDS}", times: 2, expect: {{undo: 1, open: 0}}}}
    - {{advance: 1h, expect: {{undo: 0}}}}
"""
    assert run_text(text) == []
    (problem,) = run_text(text.replace("undo: 0, open: 1", "undo: 0, open: 2"))
    assert problem == "expected 2 open state(s), there are 1"


def test_events_of_our_own_are_sent_as_fields() -> None:
    """The gateway's to rules that ask for them, emitted ones to all."""
    text = """
- rule: r
  match: {event.action: job-finished, rule.name: backup}
  test:
    - {send: {event.action: job-finished, rule.name: backup}, expect: {do: 0}}
    - {send: {event.dataset: emit, event.action: job-finished, rule.name: backup}, times: 2, expect: {do: 2}}
    - {send: {event.dataset: emit, event.action: job-finished, gateway.ancestors: [r]}, expect: {do: 0}}
"""
    assert run_text(text) == []
    assert run_text(text.replace("match: {", "match: {event.dataset: gateway, ")) == [
        "expected `do` 0 time(s), it was done 1 time(s)",
        "expected `do` 2 time(s), it was done 0 time(s); event.dataset: gateway does not hold: it is emit",
    ]


def test_a_command_that_is_not_the_first_step() -> None:
    """The first process counts; when nothing was done, there is none."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  do: [{{mail: root, subject: x}}, {{run: [a]}}]
  test:
    - {{send: "{FAILS}", expect: {{argv: [a]}}}}
    - {{expect: {{argv: [a]}}}}
"""
    assert run_text(text) == ["expected a command, and nothing was done; nothing was sent"]


def test_uploads_are_sent_as_fields_with_the_trust_of_an_account() -> None:
    """Unless the test says that the login was in the clear."""
    text = """
- rule: r
  match: {event.dataset: drop, event.action: upload-complete}
  do: {run: [import, "${file.path}"]}
  test:
    - {send: &upload {event.dataset: drop, event.action: upload-complete, file.path: /d}, expect: {argv: [import, /d]}}
    - {send: *upload, trust: network, expect: {do: 0}}
    - {send: {event.dataset: files, event.action: upload-complete, file.path: /d/a}, expect: {do: 0}}
"""
    assert run_text(text) == []
