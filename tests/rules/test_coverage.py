"""What of a rule its tests reach is counted, and what they do not reach is named."""

from __future__ import annotations

from parsers.grammars import sshd
from parsers.parse import Parser
from rules.coverage import Coverage
from rules.examples import run_tests
from rules.load import Defaults, load_rules

PARSER = Parser((sshd.GRAMMAR,))
FAILS = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
SUCCEEDS = "sshd[7]: Accepted password for root from 192.0.2.7 port 4000 ssh2"


def reached(text: str, *, passing: bool = True) -> tuple[list[str], int]:
    """Run the tests of the one rule of a text; return what they do not reach, and how much there is."""
    loaded = load_rules(text, "r.yaml", Defaults())
    assert not loaded.errors
    (rule,) = loaded.rules
    coverage = Coverage(rule)
    assert (run_tests(rule, PARSER, coverage=coverage) == []) is passing
    items = coverage.items()
    return [str(item) for item in items if not item.reached], len(items)


def test_a_rule_without_tests_is_reached_nowhere() -> None:
    """Each condition both ways, the window both ways, each step."""
    text = """
- rule: r
  match: {event.action: ssh-login, message: {exists: true}, any: [{event.outcome: failure}, {user.name: x}]}
  unless: {source.ip: 192.0.2.7}
  when: {count: 2, within: 1m, by: []}
  do: {run: [a]}
  undo: {after: 1m, match: {event.action: logout}, run: [b]}
  on_failure: [{mail: root, subject: x}, {dead_letter: y}]
"""
    missing, number = reached(text)
    assert len(missing) == number
    assert missing == [
        "match: event.action: ssh-login: never true",
        "match: event.action: ssh-login: never false",
        "match: message: {exists: true}: never true",
        "match: event.outcome: failure: never true",
        "match: event.outcome: failure: never false",
        "match: user.name: x: never true",
        "match: user.name: x: never false",
        "unless: source.ip: 192.0.2.7: never true",
        "unless: source.ip: 192.0.2.7: never false",
        "undo: event.action: logout: never true",
        "undo: event.action: logout: never false",
        "when: never came true",
        "when: never stopped short of it",
        "do/1: never done",
        "undo/1: never done",
        "on_failure/1: never done",
        "on_failure/2: never done",
    ]


WHOLE = f"""
- rule: r
  match: {{event.action: ssh-login, event.outcome: failure}}
  unless: {{source.ip: 192.0.2.8}}
  when: {{count: 2, within: 1m, by: [source.ip]}}
  do: {{run: [a]}}
  undo: {{after: 1m, match: {{event.action: ssh-login, event.outcome: success}}, run: [b]}}
  on_failure: {{mail: root, subject: x}}
  test:
    - {{send: "x[1]: y", expect: {{do: 0}}}}
    - {{send: "{FAILS.replace("2.7", "2.8")}", times: 2, expect: {{do: 0}}}}
    - {{send: "{FAILS}", expect: {{do: 0}}}}
    - {{send: "{FAILS}", expect: {{do: 1}}}}
    - {{send: "{SUCCEEDS}", expect: {{undo: 1}}}}
    - {{outcome: failure, send: "{FAILS}", times: 2, expect: {{do: 1, on_failure: 1}}}}
"""


def test_a_rule_can_be_reached_wholly() -> None:
    """And what one step of the test reaches is missing without it."""
    assert reached(WHOLE) == ([], 15)
    lines = WHOLE.splitlines()
    for number, passing, lacks in (
        (10, True, ["unless: source.ip: 192.0.2.8: never true"]),
        (13, False, ["undo: event.outcome: success: never true", "undo/1: never done"]),
        (14, True, ["on_failure/1: never done"]),
    ):
        missing, _ = reached("\n".join(lines[:number] + lines[number + 1 :]), passing=passing)
        assert set(lacks) <= set(missing), (number, missing)
    at_once = "\n".join((*lines[:11], lines[12].replace('", expect', '", times: 2, expect'), *lines[13:]))
    assert reached(at_once) == (["when: never stopped short of it"], 15)


def test_an_exception_matters_only_for_what_is_wanted() -> None:
    """A message that the rule would not take anyway shows nothing of its `unless`; nor does the sieve hide any."""
    text = f"""
- rule: r
  match: {{event.action: ssh-login, event.outcome: success}}
  unless: {{source.ip: 192.0.2.7}}
  test:
    - {{send: ["{FAILS}", "x[1]: y"], expect: {{do: 0}}}}
"""
    missing, number = reached(text)
    assert missing == [
        "match: event.outcome: success: never true",
        "unless: source.ip: 192.0.2.7: never true",
        "unless: source.ip: 192.0.2.7: never false",
        "the rule: never came true",
    ]
    assert number == 7


def test_stages_and_sections_are_conditions_too() -> None:
    """Of a sequence, its `unless`, and a digest; `else` has steps."""
    text = """
- rule: r
  match: {event.module: sshd}
  when:
    sequence: [{event.outcome: failure}, {match: {event.outcome: success}, unless: {user.name: x}}]
    unless: {event.action: logout}
    within: 1m
    by: [source.ip]
"""
    missing, _ = reached(text)
    assert [what for what in missing if "true" in what] == [
        "match: event.module: sshd: never true",
        "when 1: event.outcome: failure: never true",
        "when 2: event.outcome: success: never true",
        "when 2 unless: user.name: x: never true",
        "when.unless: event.action: logout: never true",
        "when: never came true",
    ]
    text = f"""
- rule: r
  match: {{event.module: sshd}}
  when: {{digest: 1h, by: [], sections: [{{title: Logins, match: {{event.outcome: success}}}}]}}
  do: {{run: [a]}}
  test:
    - {{send: "{FAILS}"}}
    - {{advance: 1h, expect: {{do: 1}}}}
"""
    missing, _ = reached(text)
    assert missing == [
        "match: event.module: sshd: never false",
        "section Logins: event.outcome: success: never true",
        "when: never stopped short of it",
    ]


def test_events_that_other_rules_cause_reach_a_rule() -> None:
    """What is emitted and that a rule came true; what the rule itself caused it never sees."""
    text = f"""
- rule: first
  match: {{event.action: ssh-login}}
  do: {{emit: {{event.action: told}}}}
- rule: second
  match: {{event.dataset: emit, event.action: told}}
  do: {{emit: {{event.action: again}}}}
  test:
    - {{send: "{FAILS}", expect: {{do: 1}}}}
- rule: third
  match: {{event.dataset: gateway, event.action: rule-fired, rule.name: first}}
  do: {{mail: root, subject: x}}
  test:
    - {{send: "{FAILS}", expect: {{do: 1}}}}
"""
    loaded = load_rules(text, "r.yaml", Defaults())
    assert not loaded.errors
    missing = {}
    for rule in loaded.rules[1:]:
        coverage = Coverage(rule)
        assert run_tests(rule, PARSER, others=loaded.rules, coverage=coverage) == []
        missing[rule.name] = [str(item) for item in coverage.items() if not item.reached]
    assert missing == {"second": [], "third": []}
