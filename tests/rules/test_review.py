"""Rules that can never fire: what is said is certain, and rules that can fire are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.event import FieldValue
from parsers.grammars import json_cee, sshd, sudo
from parsers.lowering import CompiledGrammar
from rules.condition import AllOf, AnyOf, Compare, Condition, Contains, Equals, Exists, Glob, Not, OneOf
from rules.load import Defaults, load_rules
from rules.match import compile_condition
from rules.review import Doubt, Review
from rules.ways import exclude, follows, ways_to_fulfil

WITHOUT_JSON = [CompiledGrammar(module.GRAMMAR) for module in (sshd, sudo)]
GRAMMARS = [*WITHOUT_JSON, CompiledGrammar(json_cee.GRAMMAR)]


def doubts(text: str, grammars: list[CompiledGrammar] = GRAMMARS) -> list[Doubt]:
    """Review the one rule of this text."""
    loaded = load_rules(f"- {{rule: r, {text}}}", "r.yaml", Defaults())
    assert not loaded.errors
    return list(Review(grammars, ["syslog-tcp", "local"]).of(loaded.rules[0]))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "match: {event.action: ssh-logn}",
            'no grammar gives event.action the value ssh-logn; did you mean "ssh-login"?',
        ),
        ("match: {event.action: [ssh-logn, x]}", 'the value ssh-logn or x; did you mean "ssh-login"?'),
        ("match: {event.action: {glob: 'xsh-*'}}", "no value that event.action can have fulfils event.action: {glob: "),
        ("match: {all: [{event.outcome: success}, {event.outcome: failure}]}", "exclude each other"),
        ("match: {source.port: {gt: 5, lt: 3}}", "source.port: {gt: 5} and source.port: {lt: 3} exclude each other"),
        ("match: {source.port: {gt: 4, lt: 5}}", "exclude each other"),
        ("match: {source.ip: {in: [10.0.0.0/8], not: {in: [10.0.0.0/8]}}}", "exclude each other"),
        ("match: {source.ip: {exists: false, in: [10.0.0.0/8]}}", "exclude each other"),
        ("match: {all: [{source.ip: {in: [10.0.0.0/8]}}, {source.ip: {in: [192.0.2.0/24]}}]}", "exclude each other"),
        ("match: {not: {}}", "holds for no event"),
        ("match: {event.action: ssh-login}, unless: {event.action: ssh-login}", "`unless` excludes all"),
        ("match: {event.action: ssh-login}, unless: {event.action: {glob: 'ssh*'}}", "`unless` excludes all"),
        ("match: {event.action: ssh-login}, unless: {event.action: {exists: true}}", "`unless` excludes all"),
        ("match: {event.action: ssh-login}, unless: {}", "`unless` excludes all that `match` wants: {}"),
        ("match: {event.action: ssh-login, event.module: sudo}", "no message has both event.action: ssh-login and"),
        ("match: {process.name: ssh, event.action: ssh-login}", "no message has both process.name: ssh and"),
        ("match: {log.syslog.severity.name: warn}", 'the value warn; did you mean "warning"?'),
        ("match: {log.syslog.severity.code: {gt: 7}}", "no value that log.syslog.severity.code can have"),
        ("match: {event.dataset: syslog-tpc}", 'the value syslog-tpc; did you mean "syslog-tcp"?'),
        ("match: {event.dataset: zzz}", "the value zzz; it can be local, syslog-tcp"),
        ("match: {gateway.trust: certified}", "gives gateway.trust the value certified; did you mean"),
        (
            "match: {event.action: ssh-login}, when: {count: 2, within: 1m, by: [user.effective.name]}",
            "it counts by user.effective.name, which no message that it matches has",
        ),
        (
            "match: {event.dataset: drop, event.action: upload-compleet}",
            'no event of drop has event.action: upload-compleet; did you mean "upload-complete"?',
        ),
        ("match: {event.dataset: files, event.action: x}", "it can be file-complete, file-rejected, log-failed"),
        (
            "match: {event.dataset: [drop, files], file.paht: {glob: '*.csv'}}",
            'no event of drop or files has the field file.paht; did you mean "file.path"?',
        ),
        (
            "match: {event.dataset: drop, event.action: drop-login, file.name: a.csv}",
            "no event of drop has both event.action: drop-login and file.name: a.csv",
        ),
        (
            "match: {event.dataset: drop}, when: {count: 2, within: 1m, by: [source.pi]}",
            'it counts by source.pi, which no message that it matches has; did you mean "source.ip"?',
        ),
        (
            "match: {any: [{event.action: ssh-logn}, {log.syslog.severity.name: warn}]}",
            "(and so for all 2 ways to fulfil it)",
        ),
    ],
)
def test_rules_that_never_fire(text: str, problem: str) -> None:
    """Each is told once, with its reason."""
    (doubt,) = doubts(text)
    assert doubt.problem.startswith("it can never fire: ")
    assert problem in doubt.problem


@pytest.mark.parametrize(
    "text",
    [
        "match: {}",
        "match: {event.action: ssh-login, event.outcome: failure, process.name: sshd}",
        "match: {event.action: ssh-login, process.name: /usr/sbin/sshd}",
        "match: {any: [{event.action: ssh-logn}, {event.action: ssh-login}]}",
        "match: {not: {event.action: ssh-logn}}",
        "match: {log.syslog.severity.name: [warn, warning]}",
        "match: {event.action: ssh-login}, unless: {source.ip: {in: [10.0.0.0/8]}}",
        "match: {event.action: [ssh-login, ssh-disconnect]}, unless: {event.action: ssh-disconnect}",
        "match: {event.action: ssh-login}, when: {count: 2, within: 1m, by: [source.ip, host.name, user.name]}",
        "match: {message: {regex: 'for (?P<user_name>x)'}}, when: {count: 2, within: 1m, by: [user.name]}",
        "match: {message: {regex: 'for (?P<mood>x)'}, mood: x, event.action: ssh-login}",
        "match: {myapp.level: 5, event.action: deploy}",
        "match: {event.module: json, event.action: deploy}",
        "match: {event.dataset: drop, event.action: upload-complete, file.name: {glob: '*.csv'}}",
        "match: {event.dataset: [files, drop], event.outcome: failure}",
        "match: {event.dataset: [drop, syslog-tcp], event.action: ssh-login}",
        "match: {event.action: upload-complete}",
        "match: {event.dataset: drop}, do: {run: [echo, '${user.name} ${file.path} ${file.size} ${tls.version}']}",
        "match: {event.dataset: files, event.action: file-complete}, do: {run: [echo, '${file.hash.sha256}']}",
        "match: {event.dataset: drop}, do: [{decrypt: {key: /k}}, {move: '${file.decrypted.path}', to: done}]",
        "match: {event.dataset: drop, event.action: drop-login}, when: {count: 2, within: 1m, by: [source.ip]}",
        "match: {source.port: {gt: 3, lt: 5}}",
        "match: {source.port: {ge: 4, le: 4}}",
        "match: {event.action: ssh-login}, do: {run: [echo, '${user.name} ${@timestamp} ${gateway.count}']}",
        ("match: {event.dataset: drop}, when: {digest: 1h, by: [user.name]}, do: {run: [report, '${gateway.digest}']}"),
        (
            "match: {event.dataset: drop, event.action: upload-complete}, "
            "when: {settled: 1s, files: [a, b], by: [user.name]}, do: {run: [echo, 'x${gateway.missing}']}"
        ),
        (
            "match: {event.dataset: drop}, when: {by: [order], within: 1m, sequence: "
            "[{file.name: {regex: '(?P<order>.)a'}}, {file.name: {regex: '(?P<order>.)b'}}]}, "
            "do: {run: [echo, '${order}']}"
        ),
        (
            "match: {event.dataset: drop}, when: {by: [user.name], within: 1m, all: "
            "[{match: {event.action: drop-login}, by: [source.ip]}, "
            "{match: {file.name: {regex: '(?P<x>.)b'}}, by: [x]}]}"
        ),
    ],
)
def test_rules_that_may_fire(text: str) -> None:
    """Nothing is said where it is not certain."""
    assert not doubts(text)


def test_commands_that_cannot_be_filled_in() -> None:
    """The rule fires, and its process can never start; that is an error where nobody's JSON may have the field."""
    (doubt,) = doubts("match: {event.action: ssh-login}, do: {run: [echo, '${user.effective.name}']}")
    assert (doubt.filled, doubt.is_error) == (("r/do/1", "user.effective.name"), False)
    (certain,) = doubts("match: {event.action: ssh-login}, do: {run: [echo, '${user.effective.name}']}", WITHOUT_JSON)
    assert certain.is_error
    assert "r/do/1 wants ${user.effective.name}, which no message that it matches has" in doubt.problem


@pytest.mark.parametrize(
    ("when", "name"),
    [
        ("distinct: user.name, count: 2, within: 1m", "gateway.values"),
        ("digest: 1h", "gateway.sections"),
        ("count: 2, within: 1m", "gateway.key"),
    ],
)
def test_lists_that_no_word_of_a_command_can_hold(when: str, name: str) -> None:
    """They are in the event on standard input, and a mail shows them; the command itself could never be run."""
    text = f"match: {{event.action: ssh-login}}, when: {{{when}, by: [source.ip]}}"
    (doubt,) = doubts(f"{text}, do: {{run: [echo, '${{{name}}}']}}")
    assert (doubt.filled, doubt.is_error) == (("r/do/1", name), True)
    assert "is a list and not one value" in doubt.problem
    assert not doubts(f"{text}, do: {{mail: [root], subject: '${{{name}}}'}}")


def test_commands_of_the_drop_box_that_cannot_be_filled_in() -> None:
    """Its events have known fields, and each action its own; no sender of JSON could make one."""
    (misspelt,) = doubts("match: {event.dataset: drop}, do: {run: [echo, '${file.paht}']}")
    assert misspelt.words.endswith('so it cannot be run; did you mean "file.path"?')
    (absent,) = doubts("match: {event.dataset: drop, event.action: drop-login}, do: {delete: '${file.path}'}")
    assert absent.words == "r/do/1 wants ${file.path}, which no message that it matches has, so it cannot be run"
    assert absent.is_error


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "when: {sequence: [{event.action: ssh-login}, {event.dataset: nobody}], within: 1m, by: []}",
            "it can never fire: its condition 2: nothing gives event.dataset the value nobody",
        ),
        (
            "when: {all: [{event.action: ssh-logn}, {event.action: ssh-login}], within: 1m, by: []}",
            "it can never fire: its condition 1: no grammar gives event.action the value ssh-logn",
        ),
        (
            (
                "match: {event.action: ssh-login}, "
                "when: {absent: {event.dataset: drop, event.action: x}, within: 1m, by: []}"
            ),
            "what it waits for never comes: no event of drop has event.action: x",
        ),
        (
            "match: {event.action: ssh-login}, when: {absent: {event.action: sudo}, within: 1m, by: [source.ip]}",
            "what it waits for never comes: no grammar gives event.action the value sudo",
        ),
    ],
)
def test_windows_for_events_that_never_come(text: str, problem: str) -> None:
    """Of several conditions each is looked at."""
    (doubt,) = doubts(text)
    assert problem in doubt.problem
    assert not doubt.is_error


def test_what_only_json_could_do() -> None:
    """A sender of JSON may name any field: that is said, and where it may well be meant, it is mild."""
    (misspelt,) = doubts("match: {event.action: ssh-logn}")
    assert (misspelt.only_any_field, misspelt.mild) == (True, False)
    assert misspelt.words.endswith("(only a JSON or key=value message could have that)")
    (meant,) = doubts("match: {event.action: qqq}")
    assert (meant.only_any_field, meant.mild) == (True, True)
    (certain,) = doubts("match: {event.action: qqq}", WITHOUT_JSON)
    assert not certain.only_any_field
    assert certain.words == certain.problem


def test_too_many_ways_are_not_looked_at() -> None:
    """What would take long counts as a rule that can fire."""
    either = AnyOf(tuple(Equals("a", number) for number in range(8)))
    assert ways_to_fulfil(AllOf((either, either, either))) is None
    assert ways_to_fulfil(AnyOf((AllOf((either, either, either)), either))) is None


values = st.sampled_from(["a", "b", "ab", "1", "2"])
leaves = st.one_of(
    st.builds(Equals, st.sampled_from("xy"), values),
    st.builds(OneOf, st.sampled_from("xy"), st.lists(values, max_size=2).map(tuple)),
    st.builds(Contains, st.sampled_from("xy"), values),
    st.builds(Glob, st.sampled_from("xy"), st.sampled_from(["a*", "*b", "?"])),
    st.builds(Exists, st.sampled_from("xy"), st.booleans()),
    st.builds(
        Compare, st.sampled_from("xy"), st.sampled_from(["gt", "lt", "ge", "le"]), st.sampled_from([1.0, 1.5, 2.0])
    ),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)
events = st.dictionaries(st.sampled_from("xy"), values, max_size=2)


@given(conditions, events, conditions)
@settings(max_examples=300, deadline=None)
def test_ways_are_the_condition(condition: Condition, event: dict[str, FieldValue], other: Condition) -> None:
    """A condition holds just when one of its ways does; what excludes or follows is so for every event."""
    ways = ways_to_fulfil(condition)
    assert ways is not None
    holding = [way for way in ways if all(compile_condition(part)(dict(event)) for part in way)]
    assert bool(holding) is compile_condition(condition)(dict(event))
    for way in holding:
        assert not any(exclude(one, two) for one in way for two in way)
        if follows(other, way):
            assert compile_condition(other)(dict(event))


def review(text: str) -> list[tuple[str, str]]:
    """Review the rules of a text together; return for each doubt the rule and the problem."""
    loaded = load_rules(text, "r.yaml", Defaults())
    assert not loaded.errors
    reviewing = Review(GRAMMARS, ["syslog-tcp"], loaded.rules)
    return [(rule.name, doubt.problem) for rule in loaded.rules for doubt in reviewing.of(rule)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "match: {event.action: ssh-login}, do: {run: [x]}, undo: {match: {event.action: ssh-logn}, run: [x]}",
            "its states never close: no grammar gives event.action the value ssh-logn; did you mean",
        ),
        (
            (
                "match: {event.action: ssh-login}, do: {run: [x]}, "
                "undo: {after: 1m, match: {event.action: ssh-logn}, run: [x]}"
            ),
            "no event ever closes its states: no grammar gives",
        ),
        (
            (
                "match: {event.action: ssh-login}, when: {count: 1, within: 1m, by: [source.ip]}, "
                "undo: {match: {event.action: sudo-command}, run: [x]}"
            ),
            "its states never close: it counts by source.ip, which no message that it matches has",
        ),
        ("match: {event.action: ssh-login}, do: {pause: r}", "r/do/1 pauses the rule itself"),
        (
            "match: {event.action: ssh-login}, do: {run: [x]}, retry: {times: 1}, idempotent: false",
            "with `idempotent: false` a task whose end nobody saw is not run again, but `retry`",
        ),
        (
            "match: {event.dataset: gateway, rule.name: r}",
            "it can never fire: rule.name: r is this rule, and a rule never sees what it caused",
        ),
        (
            "match: {event.dataset: gateway, rule.name: other}",
            "it can never fire: there is no rule other",
        ),
        ("match: {event.dataset: emit, event.action: x}", "nothing gives event.dataset the value emit"),
        (
            "match: {event.action: ssh-login}, do: {emit: {event.action: x, user.name: '${user.effective.name}'}}",
            "r/do/1 wants ${user.effective.name}, which no message that it matches has",
        ),
    ],
)
def test_steps_and_states_that_are_not_meant(text: str, problem: str) -> None:
    """Each is told once."""
    ((name, found),) = review(f"- {{rule: r, {text}}}\n")
    assert name == "r"
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "- {rule: r, match: {event.dataset: gateway, event.action: job-finished, process.exit_code: 3}}",
        "- {rule: r, match: {event.dataset: gateway}, do: {mail: root, subject: '${error.message}'}}",
        "- {rule: r, match: {event.dataset: gateway, event.outcome: failure}, do: {pause: '${rule.name}'}}",
        "- {rule: r, match: {event.dataset: gateway, rule.name: [r, s]}}\n- {rule: s, match: {process.name: x}}",
        "- {rule: r, match: {event.action: ssh-login}, do: {mail: root, subject: '${nobody.has}'}}",
        (
            "- {rule: r, match: {event.action: ssh-login}, do: {emit: {event.action: odd, labels.x: '${source.ip}'}}}\n"
            "- {rule: s, match: {event.action: odd}, do: {run: [x, '${labels.x}']}}\n"
            "- {rule: t, match: {event.dataset: emit, event.action: odd, gateway.trust: local}}"
        ),
        (
            "- {rule: r, match: {event.action: ssh-login, event.outcome: failure}, do: {run: [x]}, "
            "when: {count: 1, within: 1m, by: [source.ip]}, "
            "undo: {match: {event.action: ssh-login, event.outcome: success}, run: [x]}}"
        ),
        "- {rule: r, match: {event.action: ssh-login}, do: {run: [x]}, retry: {}}",
    ],
)
def test_steps_and_states_that_may_be_meant(text: str) -> None:
    """What the gateway and its rules say themselves is known."""
    assert review(text) == []
