"""What steps come to for an event."""

from __future__ import annotations

from parsers.message import Trust
from rules.command import commands_of
from rules.explain import explain_rule
from rules.load import Defaults, load_rules
from tests.rules.test_explain import event


def test_steps_about_files() -> None:
    """A decrypted file is shown where nobody has one: what is shown is not done."""
    (rule,) = load_rules(
        """
- rule: r
  match: {event.action: ssh-login}
  do:
    - {decrypt: {key: keys/a.age, file: "/in/${user.name}.gpg"}}
    - {run: [import, "${file.decrypted.path}"]}
    - {delete: "/in/${user.name}.gpg"}
    - {move: "/in/${user.name}.gpg", to: processed}
""",
        "r.yaml",
        Defaults(),
    ).rules
    found = explain_rule(rule, event(), Trust.NETWORK)
    assert [(one.kind, one.argv, one.words, one.problem) for one in found.commands] == [
        ("decrypt", (), "/in/root.gpg with keys/a.age", None),
        ("run", ("import", "/private/root"), "", None),
        ("delete", (), "/in/root.gpg", None),
        ("move", (), "/in/root.gpg to processed", None),
    ]


def test_a_mails_subject_is_the_one_it_is_sent_with() -> None:
    """A list is joined, what cannot be seen is written out, and nothing is longer than a subject may be."""
    (rule,) = load_rules(
        "[{rule: r, match: {}, when: {distinct: user.name, count: 2, within: 1m, by: []}, "
        "do: {mail: [root, ops], subject: 'tries ${gateway.values}, ${nothing}'}}]",
        "r.yaml",
        Defaults(),
    ).rules
    (command,) = commands_of(rule.do, {"gateway.values": ["alice", "b\u202e"]})
    assert command.words == "root, ops: tries alice, b\\u202e, -"
