"""Why a rule wants an event or does not: what each event that it looks for makes of it, and what it would do."""

from __future__ import annotations

from parsers.event import Event
from parsers.grammars import sshd, sudo
from parsers.message import Message, Origin, Trust
from parsers.parse import Parser
from rules.answer import Answer
from rules.explain import Explanation, Role, explain_rule, nearest
from rules.load import Defaults, load_rules

NO_TRUST = Trust.DATAGRAM
NOON = 1_772_452_800.0
"""Monday, 2 March 2026, 12:00:00 UTC."""


def event(text: str = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2") -> Event:
    """Parse a text."""
    return Parser([sshd.GRAMMAR, sudo.GRAMMAR]).parse(Message(text.encode(), Origin("test", Trust.NETWORK), NOON))


def test_the_nearest_rules_come_first() -> None:
    """Fewest failed conditions first; a rule of which nothing holds is not near."""
    rules = load_rules(
        """
- {rule: far, match: {event.action: x, event.outcome: y}}
- {rule: two, match: {event.action: ssh-login, user.name: u, source.ip: v}}
- {rule: one, match: {event.action: ssh-login, user.name: u}}
- {rule: excluded, match: {event.action: ssh-login, user.name: root}, unless: {source.ip: 192.0.2.7}}
- {rule: wants, match: {event.action: ssh-login}}
""",
        "r.yaml",
        Defaults(),
    ).rules
    all_of_them = [explain_rule(rule, event(), NO_TRUST) for rule in rules]
    assert [one.rule.name for one in nearest(all_of_them)] == ["excluded", "one", "two", "far"]
    assert [one.rule.name for one in nearest(all_of_them, 5)] == ["excluded", "one", "two"]
    assert [one.rule.name for one in nearest(all_of_them, 1)] == ["excluded"]
    assert [one.wanted for one in all_of_them] == [False, False, False, False, True]


def test_trust_and_commands() -> None:
    """Commands are filled in as they would be, also those that this sender may not start."""
    (rule,) = load_rules(
        "- {rule: r, match: {event.action: ssh-login}, do: [{run: [echo, '${user.name}']}, {run: [echo, '${nope}']}]}",
        "r.yaml",
        Defaults(),
    ).rules
    found = explain_rule(rule, event(), Trust.ACCOUNT)
    assert not found.trusted
    assert explain_rule(rule, event(), Trust.NETWORK).trusted
    good, bad = found.commands
    assert (good.task, good.argv, good.problem) == ("r/do/1", ("echo", "root"), None)
    assert (bad.argv, bad.problem) == ((), "the event has no field nope")
    assert found.match == Answer("event.action: ssh-login", True, "ssh-login")


def test_steps_of_every_kind_and_what_undoes_them() -> None:
    """Each in a few words; the event that closes a state is explained as well."""
    (rule,) = load_rules(
        """
- rule: r
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 2, within: 1m, by: [source.ip]}
  do:
    - {stream: [cat]}
    - {mail: [root, ops], subject: "${user.name} from ${nobody.has}"}
    - {forward: centre}
    - {emit: {event.action: alarm, labels.of: "${source.ip}"}}
    - {pause: other}
    - {emit: {labels.x: "${nobody.has}"}}
  undo: {match: {event.action: ssh-login, event.outcome: success}, run: [unban, "${source.ip}"]}
""",
        "r.yaml",
        Defaults(),
    ).rules
    found = explain_rule(rule, event(), Trust.NETWORK)
    assert [(one.kind, one.argv, one.words, one.problem) for one in found.commands] == [
        ("stream", ("cat",), "", None),
        ("mail", (), "root, ops: root from -", None),
        ("forward", (), "centre", None),
        ("emit", (), "event.action: alarm, labels.of: 192.0.2.7", None),
        ("pause", (), "other", None),
        ("emit", (), "", "the event has no field nobody.has"),
    ]
    assert [one.argv for one in found.undoing] == [("unban", "192.0.2.7")]
    assert found.closes is not None
    assert not found.closes.wanted
    login = explain_rule(rule, event("sshd[7]: Accepted password for root from 192.0.2.7 port 1 ssh2"), Trust.NETWORK)
    assert login.closes is not None
    assert (login.wanted, login.concerned, login.closes.wanted) == (False, True, True)
    assert login.closes.key == ("192.0.2.7",)
    assert nearest([login]) == []


def of_one(rule: str, text: str | None = None, others: str = "") -> Explanation:
    """Explain one rule, beside others."""
    loaded = load_rules(f"{rule}\n{others}", "r.yaml", Defaults())
    assert loaded.errors == ()
    named = {one.name: one for one in loaded.rules}
    came = event() if text is None else event(text)
    return explain_rule(loaded.rules[0], came, Trust.NETWORK, named)


ACCEPTED = "sshd[7]: Accepted password for root from 192.0.2.7 port 4000 ssh2"


def test_the_events_of_a_sequence_answer_each() -> None:
    """Its stages in order, then what breaks it off; the rule's own `match` must hold of its stages too."""
    rule = """
- rule: r
  match: {process.name: sshd}
  when:
    sequence:
      - {event.outcome: failure}
      - {match: {event.outcome: success}, by: [user.name]}
    unless: {message: {contains: root}}
    within: 5m
    by: [source.ip]
  do: {run: [x, "${user.name}", "${file.path}"]}
"""
    found = of_one(rule)
    assert [(one.name, one.role, one.wanted, one.key) for one in found.stages] == [
        ("sequence 1", Role.TAKES, True, ("192.0.2.7",)),
        ("sequence 2", Role.TAKES, False, None),
        ("unless", Role.BREAKS, True, ("192.0.2.7",)),
    ]
    assert (found.wanted, found.stage.name, found.missing) == (True, "sequence 1", 0)
    assert [one.name for one in found.fulfilled()] == ["sequence 1", "unless"]
    assert [(one.problem, one.lacking) for one in found.commands] == [("the event has no field file.path", True)]
    assert of_one(rule, ACCEPTED).key == ("root",)
    near = of_one(rule, "sudo: alice : TTY=pts/0 ; PWD=/ ; USER=mallory ; COMMAND=/bin/true")
    assert (near.wanted, near.stage.name, near.missing) == (False, "sequence 2", 1)


def test_every_event_of_all_answers() -> None:
    """An event may be several of them."""
    found = of_one("- {rule: r, when: {all: [{user.name: root}, {process.name: sshd}, {a: b}], within: 1m, by: []}}")
    assert [one.name for one in found.fulfilled()] == ["all 1", "all 2"]
    assert found.key == ()


def test_what_ends_a_wait() -> None:
    """`do` is what it would do if nothing came, `else` if that came."""
    rule = """
- rule: r
  match: {event.outcome: failure}
  when: {absent: {event.outcome: success}, within: 60s, by: [source.ip]}
  do: {run: [alarm, "${source.ip}"]}
  else: {run: [fine, "${source.ip}"]}
"""
    begins, ends = of_one(rule), of_one(rule, ACCEPTED)
    assert (begins.stage.name, begins.stage.role) == ("match", Role.TAKES)
    assert (ends.stage.name, ends.stage.role) == ("absent", Role.ENDS)
    assert [one.argv for one in begins.commands] == [("alarm", "192.0.2.7")]
    assert [one.argv for one in ends.otherwise] == [("fine", "192.0.2.7")]


def test_what_a_window_tells_apart() -> None:
    """The value that is counted, the section of a digest, the patterns that a file's name fits."""
    distinct = "- {rule: r, match: {process.name: sshd}, when: {distinct: user.name, count: 3, within: 1m, by: []}}"
    assert of_one(distinct).part == "root"
    sections = "[{title: Good, match: {event.outcome: success}}, {title: Bad, match: {event.outcome: failure}}]"
    digest = "- {{rule: r, match: {{process.name: sshd}}, when: {{digest: 1h, max: 9, by: [], sections: {}}}, do: {}}}"
    mail = '{mail: root, subject: "${gateway.digest}"}'
    found = of_one(digest.format(sections, mail))
    assert found.part == "Bad"
    assert "Failed password" in found.commands[0].words
    settled = "- {rule: r, match: {process.name: sshd}, when: {settled: 2s, files: ['*.csv', done], by: []}}"
    assert of_one(settled).part == ""


def test_a_value_that_is_not_there_counts_nowhere() -> None:
    """Of `distinct`, as of `by`."""
    rule = "- {rule: r, match: {process.name: sshd}, when: {distinct: file.path, count: 3, within: 1m, by: [url.path]}}"
    found = of_one(rule)
    assert (found.wanted, found.key, found.without) == (True, None, ("url.path", "file.path"))


def test_captures_are_told() -> None:
    """What the rule's regular expressions find, beside what the event has."""
    found = of_one(
        "- {rule: r, match: {process.name: sshd}, capture: 'port (?P<labels_port>\\d+)', "
        "do: {run: [x, '${labels.port}']}}"
    )
    assert found.stage.found == {"labels.port": "4000"}
    assert found.commands[0].argv == ("x", "4000")


def test_hours_and_other_rules_states() -> None:
    """Hours hold or do not, by the time of receipt; another rule's state is not known here, but its key is."""
    other = """
- rule: ban
  match: {process.name: sshd}
  when: {count: 2, within: 1m, by: [source.ip]}
  undo: {after: 1m, run: [x]}
- {rule: stateless, match: {process.name: sshd}}
"""
    rule = """
- rule: r
  match: {process.name: sshd}
  during: {hours: "Mo 11:00-13:00", zone: UTC}
  outside: {hours: "Mo", zone: UTC}
  if_open: [ban, {rule: ban, by: [file.path]}]
  unless_open: ban
"""
    found = [(one.words, one.holds, one.state, one.open) for one in of_one(rule, others=other).circumstances]
    assert found == [
        ("during: Mo 11:00-13:00 (UTC)", True, None, True),
        ("outside: Mo (UTC)", False, None, True),
        ("if_open: ban", None, ("ban", ("192.0.2.7",)), True),
        ("if_open: ban", False, None, True),
        ("unless_open: ban", None, ("ban", ("192.0.2.7",)), False),
    ]
