"""Rule files: what is right loads, what is wrong is off and loud."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import Place
from parsers.message import Trust
from rules.condition import AllOf, Equals, InNetworks
from rules.example import Expect, Send, TestStep
from rules.load import BUILTIN, Defaults, LoadedFile, load_rules
from rules.rule import Busy, Rate, Retry, Rule, Undo
from rules.step import DeadLetter, Mail, Resume, Task
from rules.when import Count

BRUTE_FORCE = """
- rule: ssh-bruteforce
  description: Bans.
  match:  {event.action: ssh-login, event.outcome: failure}
  unless: {source.ip: {in: [10.0.0.0/8]}}
  when:   {count: 5, within: 10m, by: [source.ip]}
  do:     {run: [nft, add, element, inet, gw, banned, "{ ${source.ip} }"]}
  trust:  network
  test:
    - {send: "sshd[7]: Failed password", times: 5, every: 2s, from: 192.0.2.1, trust: datagram, expect: {do: 1}}
    - {advance: 10m, expect: {do: 0}}
    - {send: x, expect: {do: 1, argv: [nft, add]}}
"""


def load(text: str, defaults: Defaults | None = None) -> LoadedFile:
    """Read a file called `f`."""
    return load_rules(text, "f", defaults or Defaults())


def errors(text: str) -> list[str]:
    """Return the errors as the operator sees them."""
    return [str(error) for error in load(text).errors]


def test_a_rule_is_read_whole() -> None:
    """Every key becomes its value."""
    loaded = load(BRUTE_FORCE)
    assert not loaded.errors
    assert not loaded.warnings
    (rule,) = loaded.rules
    assert isinstance(rule.unless, InNetworks)
    assert rule == Rule(
        "ssh-bruteforce",
        Place("f", 2, 3),
        AllOf((Equals("event.action", "ssh-login"), Equals("event.outcome", "failure"))),
        rule.unless,
        Count(5, 600.0, ("source.ip",)),
        do=(Task("ssh-bruteforce/do/1", ("nft", "add", "element", "inet", "gw", "banned", "{ ${source.ip} }")),),
        trust=Trust.NETWORK,
        tests=(
            TestStep(
                Place("f", 10, 7),
                Send(("sshd[7]: Failed password",), 5, 2.0, "192.0.2.1", Trust.DATAGRAM),
                expect=Expect(1),
            ),
            TestStep(Place("f", 11, 7), advance=600.0, expect=Expect(0)),
            TestStep(Place("f", 12, 7), Send(("x",)), expect=Expect(1, ("nft", "add"))),
        ),
        description="Bans.",
    )


def test_what_a_rule_leaves_out() -> None:
    """A rule without `when` fires at every match, without `do` it only tells the log, and trust is the caller's."""
    (rule,) = load("- {rule: a, match: {}}").rules
    assert rule == Rule("a", Place("f", 1, 4), AllOf(()))


def test_processes_run_as_the_defaults_say() -> None:
    """What a step leaves out comes from the configuration."""
    defaults = Defaults(run=replace(BUILTIN, user="jobs", timeout=5.0))
    (rule,) = load("- {rule: a, match: {}, do: {run: [x], timeout: 1m}}", defaults).rules
    (step,) = rule.do
    assert isinstance(step, Task)
    assert (step.user, step.timeout) == ("jobs", 60.0)


def test_a_wrong_rule_is_off_and_the_others_load() -> None:
    """One error, three rules, two of which run."""
    loaded = load("- {rule: a, match: {}}\n- {rule: b, match: {}, wehn: {}}\n- {rule: c, match: {}}\n")
    assert [rule.name for rule in loaded.rules] == ["a", "c"]
    assert [str(error) for error in loaded.errors] == ['f:2:24: unknown key "wehn"; did you mean "when"?']


def test_a_duplicate_key_turns_its_rule_off() -> None:
    """Also where another rule uses the broken value through an alias."""
    text = "- {rule: a, match: &m {x: 1, x: 2}}\n- {rule: b, match: *m}\n- {rule: c, match: {}}\n"
    loaded = load(text)
    assert [rule.name for rule in loaded.rules] == ["c"]
    assert [str(error) for error in loaded.errors] == ['f:1:30: the key "x" stands twice; the first is in line 1']


def test_a_file_that_is_no_yaml_is_one_error() -> None:
    """Nothing of it loads."""
    loaded = load(BRUTE_FORCE + "- {rule: [\n")
    assert not loaded.rules
    assert len(loaded.errors) == 1


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_a_warning(text: str) -> None:
    """It may be meant."""
    loaded = load(text)
    assert not loaded.errors
    assert [str(warning) for warning in loaded.warnings] == ["f:1:1: this file holds no rules"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("rule: a\nmatch: {}\n", 'f:1:1: a rule file is a list: begin each rule with "- rule: NAME"'),
        ("other: []\n", "f:1:1: a rule file is a list of rules"),
        ("just text\n", "f:1:1: a rule file is a list of rules"),
        ("- a\n", 'f:1:3: a mapping (key: value) is wanted here, not the text "a"'),
        ("- {match: {}}\n", 'f:1:3: the key "rule" is missing; give it a name'),
        ("- {rule: a}\n", 'f:1:3: the key "match" is missing; write {} to match every event'),
        ("- {rule: A_b, match: {}}\n", 'f:1:10: "rule": a name of a-z, 0-9 and - (at most 100) is wanted, not "A_b"'),
        (
            "- {rule: a, match: {}, when: {count: 5, within: 10m}}\n",
            'f:1:30: the key "by" is missing in "when"; list the fields to count by, [] counts all events together',
        ),
        ("- {rule: a, match: {}, when: {count: 0, within: 10m, by: []}}\n", 'f:1:38: "count": a whole number from 1'),
        ("- {rule: a, match: {}, when: {count: 1, within: 10, by: []}}\n", 'f:1:49: "within": write a unit: 10s'),
        (
            "- {rule: a, match: {}, when: {count: 1, wihtin: 10m, by: []}}\n",
            'f:1:41: unknown key "wihtin" in "when"; did',
        ),
        (
            "- {rule: a, match: {}, when: {count: 1, within: 1m, by: [x, x]}}\n",
            'f:1:61: "by": x stands twice; leave it away',
        ),
        ("- {rule: a, match: {}, when: {count: 1, within: 1m, by: x}}\n", 'f:1:57: "by": a list is wanted here'),
        (
            "- {rule: a, match: {}, trust: high}\n",
            'f:1:31: "trust": one of datagram, network, account, certificate, local',
        ),
        ("- {rule: a, match: {}, test: [{}]}\n", "f:1:31: a test step needs send, advance, outcome or expect"),
        (
            "- {rule: a, match: {}, test: [{times: 2, advance: 1m}]}\n",
            'f:1:32: "times" says how to send, but there is no',
        ),
        ("- {rule: a, match: {}, test: [{expect: {}}]}\n", 'f:1:40: the key "do" is missing in "expect"'),
        ("- {rule: a, match: {}, test: [{expect: {do: 0, argv: [x]}}]}\n", 'f:1:48: "argv" says how the first job is'),
        (
            "- {rule: a, match: {}, do: {run: ls -l}}\n",
            'f:1:34: "run": there is no shell; write the command as a list: [ls, -l]',
        ),
    ],
)
def test_an_error_names_its_place_and_what_to_write(text: str, error: str) -> None:
    """Each of the usual slips gets one line."""
    found = errors(text)
    assert len(found) == 1
    assert found[0].startswith(error)


def test_of_two_rules_with_one_name_in_a_file_the_second_is_off() -> None:
    """The error names both places."""
    loaded = load("- {rule: a, match: {}}\n- {rule: a, match: {x: y}}\n")
    assert [rule.match for rule in loaded.rules] == [AllOf(())]
    assert [str(error) for error in loaded.errors] == [
        'f:2:4: the rule "a" is there already, at f:1:4; this one is off: choose another name'
    ]


_WORDS = """undo retry on_failure busy lock rate idempotent after max grow stream mail subject forward emit pause resume
    dead_letter times wait jitter 20% open
    rule match unless when do run test send expect any all not in regex glob count within by x 5 10m [] {}
    null 'a' source.ip user.name ${source.ip} ${ $ (a+)+ ( yes *a &a ~ 10.0.0.0/8"""
WORDS = st.sampled_from(_WORDS.split())
VALUES = st.recursive(
    WORDS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(WORDS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=20,
)
TEXTS = st.lists(st.tuples(WORDS, VALUES), max_size=5).map(
    lambda pairs: "- rule: a\n" + "".join(f"  {key}: {value}\n" for key, value in pairs)
)


@given(TEXTS | st.text())
def test_any_text_loads_or_says_where_it_is_wrong(text: str) -> None:
    """Whatever stands in a file, only errors with file, line and column come of it, one line each."""
    loaded = load(text)
    for error in (*loaded.errors, *loaded.warnings):
        assert error.place
        assert error.place.file == "f"
        assert error.place.line >= 1
        assert error.place.column >= 1
        assert "\n" not in str(error)


def test_what_becomes_of_a_job_is_read_whole() -> None:
    """Undo, retries, failure, what is busy, locks, rates: each with its defaults."""
    text = """
- rule: a
  match: {}
  when: {count: 2, within: 1m, by: [source.ip, user.name]}
  lock: mine
  do: [{run: [x]}, {run: [y], lock: theirs}]
  undo:
    after: 10m
    grow: 1.5
    max: 5w
    match: {event.action: up}
    unless: {event.outcome: failure}
    by: [client.ip, client.user.name]
    run: [z]
    timeout: 5s
  retry: {times: 3, wait: 1s, grow: 3, max: 20s, jitter: 12.5%}
  on_failure: [{mail: ops, subject: bad}, {dead_letter: box}]
  rate: {count: 10, within: 1m}
  idempotent: false
"""
    loaded = load(text)
    assert not loaded.errors
    (rule,) = loaded.rules
    assert rule.do == (Task("a/do/1", ("x",), lock="mine"), Task("a/do/2", ("y",), lock="theirs"))
    assert rule.undo == Undo(
        (Task("a/undo/1", ("z",), timeout=5.0, lock="mine"),),
        600.0,
        1.5,
        3_024_000.0,
        Equals("event.action", "up"),
        Equals("event.outcome", "failure"),
        ("client.ip", "client.user.name"),
    )
    assert rule.retry == Retry(3, 1.0, 3.0, 20.0, 0.125)
    assert rule.on_failure == (Mail("a/on_failure/1", ("ops",), "bad"), DeadLetter("a/on_failure/2", "box"))
    assert (rule.busy, rule.rate, rule.idempotent) == (Busy.QUEUE, Rate(10, 60.0), False)
    (rule,) = load("- {rule: a, match: {}, do: {run: [x]}, retry: {}}").rules
    assert (rule.retry, rule.busy, rule.rate, rule.idempotent) == (Retry(), Busy.QUEUE, None, True)
    (rule,) = load("- {rule: a, match: {}, do: {run: [x]}, busy: coalesce}").rules
    assert rule.busy is Busy.COALESCE


def test_busy_beside_undo_is_refused() -> None:
    """An open state swallows repeats: nothing would ever be busy."""
    loaded = load("- {rule: a, match: {}, do: {run: [x]}, undo: {after: 1m, run: [y]}, busy: drop}")
    assert [error.problem for error in loaded.errors] == [
        '"busy" means nothing beside "undo": while the state is open, repeats are swallowed; leave it away'
    ]


def test_several_steps_undo_or_none() -> None:
    """A list stands under `do`; an empty one only swallows repeats."""
    (rule,) = load("- {rule: a, match: {}, undo: {after: 1m, do: [{run: [x]}, {resume: a}]}}").rules
    assert rule.undo == Undo((Task("a/undo/1", ("x",)), Resume("a/undo/2", "a")), 60.0)
    (rule,) = load("- {rule: a, match: {}, undo: {after: 1m, do: []}}").rules
    assert rule.undo == Undo((), 60.0)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("undo: {run: [x]}", '"undo" never happens: say "after" what time'),
        ("undo: {after: 1m}", 'the key "run" is missing in "undo"; or, when nothing is to be done, "do: []"'),
        ("undo: {after: 1m, do: [], run: [x]}", '"run" stands beside "do"; write all steps in one list'),
        ("undo: {match: {a: b}, grow: 2, run: [x]}", '"grow" means nothing without "after"'),
        ("undo: {match: {a: b}, max: 2m, run: [x]}", '"max" means nothing without "after"'),
        ("undo: {after: 1m, unless: {a: b}, run: [x]}", '"unless" means nothing without "match"'),
        ("undo: {after: 1m, by: [], run: [x]}", '"by" means nothing without "match"'),
        ("undo: {after: 1m, grow: 2, max: 5s, run: [x]}", '"max" is shorter than "after"'),
        ("undo: {after: 1m, grow: 0.5, run: [x]}", '"grow": a number from 1 to 100 is wanted, not "0.5"'),
        ("undo: {match: {a: b}, by: [x], run: [x]}", '"by": the rule counts by no fields, and this names 1'),
        (
            "when: {count: 1, within: 1m, by: [x, y]}, undo: {match: {a: b}, by: [x], run: [x]}",
            '"by": the rule counts by 2 fields, and this names 1',
        ),
        ("undo: {aftr: 1m, match: {a: b}, run: [x]}", 'unknown key "aftr" in "undo"; did you mean "after"?'),
        ("undo: {after: 1m, dead_letter: x}", "dead letters are the jobs that failed for good"),
        ("do: {run: [x]}, retry: {times: 0}", '"times": a whole number from 1 to 1000'),
        ("do: {run: [x]}, retry: {wait: 5m, max: 1m}", '"max" is shorter than "wait"'),
        ("do: {run: [x]}, retry: {jitter: 0.2}", 'a percentage such as 20% is wanted, not "0.2"; write 20%'),
        ("do: {run: [x]}, retry: 3", "a mapping is wanted: {times: 3}"),
        ("do: {run: [x]}, busy: queued", 'one of queue, coalesce, drop, restart is wanted, not "queued"; did you mean'),
        ("do: {run: [x]}, rate: {count: 1}", 'the key "within" is missing in "rate"'),
        ("do: {run: [x]}, idempotent: no", 'write true or false, not "no"'),
        ("do: {run: [x]}, lock: a/b", "a lock's name"),
        ("do: {run: [x]}, on_failure: []", "there is no step"),
        ("test: [{send: {gateway.trust: local}}]", 'gateway.trust is what "trust" beside "send" says'),
        ("test: [{send: {event.dataset: drop}, from: 192.0.2.1}]", '"from" is source.ip here'),
        ("test: [{send: {event.dataset: files}, trust: local}]", '"trust" is about a sender'),
        (
            "test: [{send: {rule.name: b}, from: 192.0.2.1}]",
            '"from" is about a sender; an event of the gateway\'s own has none',
        ),
        ("test: [{expect: {undo: -1}}]", '"undo": a whole number from 0'),
    ],
)
def test_wrong_words_about_a_job(keys: str, error: str) -> None:
    """One error each, with what to write."""
    found = errors(f"- {{rule: a, match: {{}}, {keys}}}\n")
    assert len(found) == 1
    assert error in found[0]


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ("retry: {}", 'f:1:24: "retry" means nothing without "do": this rule only tells the log'),
        ("lock: x", 'f:1:24: "lock" means nothing without "do"'),
        ("undo: {after: 1m, max: 5m, run: [x]}", 'f:1:42: "max" bounds what grows, and there is no "grow"'),
    ],
)
def test_words_without_meaning_are_warnings(keys: str, warning: str) -> None:
    """The rule loads."""
    loaded = load(f"- {{rule: a, match: {{}}, {keys}}}\n")
    assert loaded.rules
    assert len(loaded.warnings) == 1
    assert str(loaded.warnings[0]).startswith(warning)


def test_a_test_may_send_events_of_our_own() -> None:
    """As fields instead of a text; expectations may be of doing, undoing, and of what is open."""
    text = "- {rule: a, match: {}, test: [{send: {rule.name: x, n: [1, true]}, times: 2, expect: {undo: 0, open: 1}}]}"
    (step,) = load(text).rules[0].tests
    assert step.send == Send((), 2, fields={"rule.name": "x", "n": [1, True], "event.dataset": "gateway"})
    assert step.expect == Expect(None, None, 0, 1)
