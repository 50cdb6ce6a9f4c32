"""Tests inside rules see what the gateway would do: tasks fail and are tried again, waits end, rules name others."""

from __future__ import annotations

import pytest

from parsers.grammars import sshd
from parsers.parse import Parser
from rules.examples import run_tests
from rules.load import Defaults, load_rules
from rules.merge import merge

PARSER = Parser((sshd.GRAMMAR,))
FAILS = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
SUCCEEDS = "sshd[7]: Accepted password for root from 192.0.2.7 port 4000 ssh2"


def problems(text: str, name: str = "r") -> list[str]:
    """Load rules and run the tests of one of them, with the others at hand."""
    loaded = load_rules(text, "r.yaml", Defaults())
    assert [str(flaw) for flaw in (*loaded.errors, *loaded.warnings)] == []
    rules, wrong, *_ = merge([loaded])
    assert not wrong
    (rule,) = (one for one in rules if one.name == name)
    return [failure.problem for failure in run_tests(rule, PARSER, others=rules)]


FAILING = """
- rule: r
  match: {event.action: ssh-login}
  do:
    - {run: [import, "${source.ip}"], timeout: 5m}
    - {run: [second]}
  retry: {times: 3, wait: 10s, grow: 2, max: 10m, jitter: 20%}
  on_failure:
    - {mail: [ops], subject: "import of ${user.name}: exit ${process.exit_code}, ${error.message}"}
    - {dead_letter: imports}
  test:
"""
SENT = f'{{send: "{FAILS}", expect: '


@pytest.mark.parametrize(
    "steps",
    [
        # without a word tasks succeed
        f"- {SENT}{{do: 1, tries: 2, on_failure: 0, argv: [import, 192.0.2.7]}}}}",
        # each try at its own time: 10 s, 30 s, 70 s after the first
        f"""- {{outcome: {{exit: 3}}}}
    - {SENT}{{do: 1, tries: 1, on_failure: 0}}}}
    - {{advance: 9s, expect: {{tries: 0}}}}
    - {{advance: 1s, expect: {{tries: 1}}}}
    - {{advance: 59s, expect: {{tries: 1, on_failure: 0}}}}
    - {{advance: 1s, expect: {{tries: 1, on_failure: 1, subject: "import of root: exit 3, exit code 3"}}}}
    - {{advance: 1h, expect: {{tries: 0, on_failure: 0}}}}""",
        # one outcome for each attempt, the last stays
        f"""- {{outcome: [failure, {{exit: 75}}, success]}}
    - {SENT}{{tries: 1}}}}
    - {{advance: 1h, expect: {{tries: 3, on_failure: 0}}}}""",
        # a list begins anew, and what waits for another try ends as is said by then
        f"""- {{outcome: failure}}
    - {SENT}{{tries: 1}}}}
    - {{outcome: success, advance: 10s, expect: {{tries: 2, on_failure: 0}}}}""",
        # by step
        f"""- {{outcome: {{do/2: {{signal: KILL}}}}}}
    - {SENT}{{tries: 2}}}}
    - {{advance: 1h, expect: {{tries: 3, on_failure: 1}}}}""",
        # a timeout takes its time
        f"""- {{outcome: timeout}}
    - {SENT}{{tries: 1}}}}
    - {{advance: 5m9s, expect: {{tries: 0}}}}
    - {{advance: 1s, expect: {{tries: 1}}}}""",
        # what says that something is wrong may fail too
        f"""- {{outcome: {{do/1: failure, on_failure/1: timeout}}}}
    - {SENT}{{do: 1}}}}
    - {{advance: 1h, expect: {{on_failure: 1}}}}""",
    ],
)
def test_tasks_end_as_the_test_says(steps: str) -> None:
    """They are tried again in virtual time, by the very policy of the worker, and `on_failure` comes once."""
    assert problems(f"{FAILING}    {steps}\n") == []


def test_a_task_that_asks_for_another_try_gets_it_without_a_word() -> None:
    """EX_TEMPFAIL has a policy of its own; another exit code has none."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  do: {{run: [a]}}
  test:
    - {{outcome: {{exit: 75}}, send: "{FAILS}", expect: {{tries: 1}}}}
    - {{advance: 1h, expect: {{tries: 5}}}}
    - {{outcome: {{exit: 1}}, send: "{FAILS}", expect: {{tries: 1, on_failure: 1}}}}
    - {{advance: 1h, expect: {{tries: 0}}}}
"""
    assert problems(text) == []


def test_a_command_that_cannot_be_filled_in_fails_for_good() -> None:
    """Another try would end the same."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  do: {{run: [a, "${{labels.none}}"]}}
  retry: {{times: 3}}
  on_failure: {{mail: root, subject: "${{error.message}}"}}
  test:
    - send: "{FAILS}"
      expect: {{do: 1, tries: 0, on_failure: 1, subject: the event has no field labels.none}}
    - {{advance: 1h, expect: {{on_failure: 0}}}}
"""
    assert problems(text) == []


def test_a_state_whose_do_failed_does_not_stay_open() -> None:
    """What perhaps was done is undone at once; what was not is forgotten; an undo that is due ends what is tried."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login, event.outcome: failure}}
  when: {{count: 1, within: 1m, by: [source.ip]}}
  do: {{run: [ban], timeout: 30s}}
  undo: {{after: 10m, run: [unban, "${{source.ip}}"]}}
  test:
    - {{outcome: failure, send: "{FAILS}", expect: {{do: 1, undo: 0, open: 0}}}}
    - {{outcome: timeout, send: "{FAILS}", expect: {{do: 1, undo: 0, open: 1}}}}
    - {{advance: 30s, expect: {{undo: 1, open: 0, argv: [unban, 192.0.2.7]}}}}
    - {{outcome: {{exit: 75}}, send: "{FAILS}", expect: {{tries: 1, open: 1}}}}
    - {{advance: 10m, expect: {{undo: 1}}}}
    - {{outcome: success, advance: 1h, expect: {{do: 0, undo: 0}}}}
"""
    assert problems(text) == []


def test_fields_are_an_event_of_any_kind() -> None:
    """A parsed event with the fields of an envelope besides; its sender counts as for text."""
    text = """
- rule: r
  match: {event.dataset: firewall, event.action: denied, host.name: {exists: true}}
  do: {run: [tell, "${source.ip}", "${message}"]}
  test:
    - send: &denied {event.dataset: firewall, event.action: denied, source.ip: 192.0.2.7, message: no}
      expect: {do: 1, argv: [tell, 192.0.2.7, "no"], event: {host.name: host.example, log.syslog.severity.code: 5}}
    - {send: *denied, trust: datagram, expect: {do: 0, held: 1}}
    - {send: {event.action: denied}, expect: {do: 0}}
"""
    assert problems(text) == []


def test_several_texts_are_sent_in_turn() -> None:
    """All of them so many times."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  test:
    - {{send: ["{FAILS}", "x[1]: y", "{SUCCEEDS}"], times: 2, every: 1s, expect: {{do: 4}}}}
"""
    assert problems(text) == []


WAITING = f"""
- rule: r
  match: {{event.action: ssh-login, event.outcome: failure}}
  when: {{absent: {{event.action: ssh-login, event.outcome: success}}, within: 60s, by: [user.name, source.ip]}}
  do: {{mail: [root], subject: "${{user.name}} cannot log in from ${{source.ip}}"}}
  else: {{emit: {{event.action: recovered, user.name: "${{user.name}}"}}}}
  test:
    - {{send: "{FAILS}", expect: {{do: 0}}}}
    - {{advance: 59s, expect: {{do: 0}}}}
    - {{advance: 1s, expect: {{do: 1, else: 0, subject: root cannot log in from 192.0.2.7}}}}
    - {{send: ["{FAILS}", "{SUCCEEDS}"], every: 59s, expect: {{do: 0, else: 1}}}}
"""


def test_what_does_not_come_in_time() -> None:
    """A wait ends at its own instant, between two steps of the test; `else` has steps of its own."""
    assert problems(WAITING) == []
    wrong = WAITING.replace("advance: 59s, expect: {do: 0}", "advance: 59s, expect: {do: 1}")
    assert problems(wrong)[0] == (
        "expected `do` 1 time(s), it was done 0 time(s); it waits until Mon 2026-03-02 12:01:00 UTC"
    )
    wrong = WAITING.replace("else: 1}", "else: 1, emit: {event.action: recovered, user.name: admin}}")
    assert problems(wrong) == ["expected user.name 'admin' in the emitted event, it is 'root'"]


def test_a_digest_is_looked_into() -> None:
    """A text that it must hold, and the count of its events."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  when: {{digest: 1h, by: []}}
  do: {{mail: [root], subject: "${{gateway.count}} logins", body: "${{gateway.digest}}"}}
  test:
    - {{send: "{FAILS}", times: 3, every: 1m, expect: {{do: 0}}}}
    - advance: 1h
      expect: {{do: 1, digest: Failed password for root, subject: 3 logins, event: {{gateway.count: 3}}}}
    - {{send: "{FAILS}"}}
    - {{advance: 1h, expect: {{digest: Accepted}}}}
"""
    (problem,) = problems(text)
    assert problem.startswith("expected 'Accepted' in the digest, which is ")


CHAIN = f"""
- rule: ban
  match: {{event.action: ssh-login, event.outcome: failure}}
  when: {{count: 1, within: 1m, by: [source.ip]}}
  do: {{emit: {{event.action: banned, source.ip: "${{source.ip}}"}}}}
  undo: {{after: 10m, do: []}}
- rule: after-ban
  match: {{event.action: ssh-login, event.outcome: success}}
  if_open: ban
  test:
    - {{send: "{SUCCEEDS}", expect: {{do: 0}}}}
    - {{send: ["{FAILS}", "{SUCCEEDS}"], expect: {{do: 1}}}}
    - {{expect: {{rule: ban, do: 1, open: 1, emit: {{event.action: banned, source.ip: 192.0.2.7}}}}}}
    - {{advance: 10m, send: "{SUCCEEDS}", expect: {{do: 0}}}}
- rule: tells
  match: {{event.action: banned}}
  do: {{run: [tell, "${{source.ip}}"]}}
  test:
    - {{send: "{FAILS}", expect: {{do: 1, argv: [tell, 192.0.2.7]}}}}
- rule: stops
  match: {{event.dataset: gateway, rule.name: tells, event.outcome: failure, gateway.job.final: true}}
  do: {{pause: tells}}
  test:
    - {{send: "{FAILS}", expect: {{do: 0}}}}
    - {{send: {{event.action: job-finished, rule.name: tells, event.outcome: failure, gateway.job.final: true}}}}
    - {{advance: 10m, send: "{FAILS}", expect: {{do: 1}}}}
    - {{expect: {{rule: tells, do: 2, tries: 1}}}}
"""


@pytest.mark.parametrize("name", ["after-ban", "tells", "stops"])
def test_rules_that_are_named_come_along(name: str) -> None:
    """Through open states, emitted events, events of jobs and pauses."""
    assert problems(CHAIN, name) == []


def test_why_another_rule_keeps_one_from_acting() -> None:
    """The circumstance that is not so is named."""
    wrong = CHAIN.replace(
        '10m, send: "' + SUCCEEDS + '", expect: {do: 0}', '10m, send: "' + SUCCEEDS + '", expect: {do: 1}'
    )
    (problem,) = problems(wrong, "after-ban")
    assert problem.endswith("; the rule ban has no state open for this key")


@pytest.mark.parametrize(
    ("rule", "step", "reason"),
    [
        ("", f'send: "{SUCCEEDS}"', "event.outcome: failure does not hold: it is success"),
        ("", 'send: "x[1]: y"', "event.action: ssh-login does not hold: the event has no event.action"),
        ("unless: {source.ip: 192.0.2.7}", f'send: "{FAILS}"', "`unless` holds: source.ip: 192.0.2.7"),
        (
            "when: {count: 5, within: 1m, by: [source.ip]}",
            f'send: "{FAILS}", times: 3',
            "the window for 192.0.2.7 has 3 of 5",
        ),
        (
            "when: {count: 1, within: 1m, by: [labels.none, source.ip]}",
            f'send: "{FAILS}"',
            "the event has no labels.none, by which the rule counts",
        ),
        (
            "",
            "send: {event.action: job-finished}",
            "what the gateway says of its own jobs is seen only by rules that ask for `event.dataset: gateway`",
        ),
        (
            "",
            "send: {event.dataset: emit, gateway.ancestors: [r]}",
            "a rule never sees what it caused itself",
        ),
        (
            "during: {hours: 'Sa-Su', zone: UTC}",
            f'send: "{FAILS}"',
            "it is Mon 2026-03-02 12:00:00 UTC, which is not `during` Sa-Su (UTC)",
        ),
    ],
)
def test_a_failure_says_why_nothing_was_done(rule: str, step: str, reason: str) -> None:
    """The nearest miss: the condition that failed, with what was found, or how far the window is."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login, event.outcome: failure}}
  {rule}
  test:
    - {{{step}, expect: {{do: 1}}}}
"""
    assert problems(text) == [f"expected `do` 1 time(s), it was done 0 time(s); {reason}"]


def test_an_open_state_and_a_suppression_are_reasons() -> None:
    """What a rule has just done keeps it from doing it again."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  when: {{count: 1, within: 1m, by: [source.ip]}}
  suppress: 5m
  test:
    - {{send: "{FAILS}", expect: {{do: 1}}}}
    - {{send: "{FAILS}", expect: {{do: 1}}}}
"""
    (problem,) = problems(text)
    assert problem.endswith("suppressed for 192.0.2.7 until Mon 2026-03-02 12:05:00 UTC")
    (problem,) = problems(text.replace("suppress: 5m", "undo: {after: 5m, do: []}"))
    assert problem.endswith("; the state for 192.0.2.7 is open, and swallows repeats")


def test_a_step_that_is_not_there() -> None:
    """An outcome for it is told, and the rest of the test runs."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  do: {{run: [a]}}
  test:
    - {{outcome: {{do/2: failure}}, send: "{FAILS}", expect: {{do: 1, tries: 1}}}}
"""
    assert problems(text) == ["the rule has no step do/2"]


INVOICES = """
- rule: invoice-drop
  match: {event.dataset: drop, event.action: upload-complete, file.path: {glob: "*/invoices/*.csv"}}
  when:  {settled: 2s, by: [file.path]}
  do:
    - {run: [import-invoices, --from, "${user.name}", "${file.path}"], timeout: 15m, lock: invoices}
  retry: {times: 5, wait: 10s, grow: 2, max: 10m, jitter: 20%}
  on_failure:
    - {mail: [ops], subject: "import of ${file.name}: exit ${process.exit_code}"}
    - {dead_letter: invoices}
  test:
    - send: &upload
        event.dataset: drop
        event.action: upload-complete
        file.path: /drop/acme/invoices/7.csv
        file.name: 7.csv
        user.name: acme
      expect: {do: 0}
    - {advance: 1s, send: *upload}
    - {advance: 1s, expect: {do: 0}}
    - {advance: 1s, expect: {do: 1, tries: 1, argv: [import-invoices, --from, acme, /drop/acme/invoices/7.csv]}}
    - {outcome: {exit: 4}, send: *upload}
    - {advance: 2s, expect: {do: 1, tries: 1, on_failure: 0}}
    - {advance: 309s, expect: {do: 0, tries: 4, on_failure: 0}}
    - {advance: 1s, expect: {tries: 1, on_failure: 1, subject: "import of 7.csv: exit 4"}}
"""


def test_the_drop_rule_of_the_design_with_all_that_can_happen_to_it() -> None:
    """It waits for the end of the uploads, tries again after 10, 20, 40, 80 and 160 s, and tells somebody."""
    assert problems(INVOICES, "invoice-drop") == []


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ("undo: 1", "expected `undo`, and the rule has none"),
        ("open: 1", "expected `undo`, and the rule has none"),
        ("else: 1", "expected `else`, and the rule has none"),
        ("tries: 1", "expected 1 start(s) of processes, there were 0; the rule starts none"),
        ("held: 1", "expected that it is held back 1 time(s), it was 0 time(s)"),
        ("subject: x", "expected a mail about 'x', it is about 'root'"),
        ("emit: {a: 1}", "expected an emitted event, and the rule emits none"),
        ("event: {labels.none: 1}", "expected labels.none 1 in the event, which has none"),
        ("event: {user.name: admin}", "expected user.name 'admin' in the event, it is 'root'"),
        ("digest: x", "expected a digest, and the rule makes none: it has no `when: {digest: …}`"),
        ("rule: other, do: 1", 'there is no rule "other" to look at'),
    ],
)
def test_what_differs_is_told(expect: str, problem: str) -> None:
    """What was expected, and what was."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login}}
  do: {{mail: ops, subject: "${{user.name}}"}}
  test:
    - {{send: "{FAILS}", expect: {{{expect}}}}}
"""
    assert problems(text) == [problem]


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (
            f'{{send: "{FAILS}", expect: {{tries: 2}}}}',
            "what has succeeded is not tried again: say with `outcome` how it ends",
        ),
        (f'{{outcome: failure, send: "{FAILS}", expect: {{tries: 2}}}}', "more is to come in 10s: `advance` the time"),
        (f'{{outcome: failure, send: "{FAILS}"}}, {{advance: 1h, expect: {{tries: 3}}}}', "the last try has failed"),
        (
            '{send: "sshd[7]: x", expect: {tries: 2}}',
            "event.action: ssh-login does not hold: the event has no event.action",
        ),
        ("{expect: {tries: 2}}", "nothing was sent"),
        (
            f'{{trust: network, send: "{FAILS}", expect: {{tries: 2}}}}',
            "1 more came true and were held back, for the sender is not trusted",
        ),
    ],
)
def test_why_no_more_processes_were_started(steps: str, reason: str) -> None:
    """As it is said of `do`, and what became of those that were."""
    (problem,) = problems(f"""
- rule: r
  match: {{event.action: ssh-login}}
  do: {{run: [x]}}
  retry: {{times: 1, wait: 10s, jitter: 0%}}
  test: [{steps}]
""")
    assert problem.startswith("expected ")
    assert problem.endswith(f"; {reason}")


@pytest.mark.parametrize(
    ("steps", "expect", "problem"),
    [
        ("do: {run: [x, '${labels.none}']}", "do: 1", "r/do/1 cannot be run: the event has no field labels.none"),
        ("do: {run: [x, '${labels.none}']}", "tries: 1", "r/do/1 cannot be run: the event has no field labels.none"),
        ("do: {run: [x, '${labels.none}']}", "do: 1, on_failure: 1", None),
        (
            "do: [{run: [x]}, {delete: '${file.path}'}]",
            "do: 1",
            "r/do/2 cannot be run: the event has no field file.path",
        ),
        (
            "do: {run: [x, '${gateway.key}']}",
            "do: 1",
            "r/do/1 cannot be run: the field gateway.key is a list, not one value",
        ),
        (
            "do: {run: [x, '${labels.none}']}\n  on_failure: {run: [y, '${labels.no}']}",
            "on_failure: 1",
            "r/on_failure/1 cannot be run: the event has no field labels.no",
        ),
        (
            "do: {run: [x]}\n  undo: {match: {event.outcome: success}, run: [y, '${labels.none}']}",
            "undo: 1",
            "r/undo/1 cannot be run: the event has no field labels.none",
        ),
    ],
)
def test_a_test_fails_where_a_step_cannot_be_filled_in(steps: str, expect: str, problem: str | None) -> None:
    """For its job would fail each time; unless that is what the test expects."""
    text = f"""
- rule: r
  match: {{event.outcome: failure}}
  when: {{count: 1, by: [source.ip]}}
  {steps}
  test: [{{send: ["{FAILS}", "{SUCCEEDS}"], expect: {{{expect}}}}}]
"""
    assert problems(text) == ([] if problem is None else [problem])
