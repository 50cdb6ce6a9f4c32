"""`gateway explain --live LINE`: what the rules of the gateway that runs have counted for what a line is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread

from gateway import clock, loading
from gateway.commands import main
from parsers.grammars import sshd
from parsers.parse import Parser
from rules.load import Defaults, load_rules
from rules.rulebook import RuleBook
from tests.gateway.online import OnlineCase, Ran, run
from tests.rules.test_explain import ACCEPTED, event
from tests.rules.test_situation import event as plain_event

FAILED = "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
PARSER = Parser((sshd.GRAMMAR,))
"""Its grammar is compiled once for all tests."""

RULES = """
- rule: ssh-bruteforce
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 3, within: 10m, by: [source.ip]}
  do: {run: [ban, "${source.ip}"]}
  undo: {after: 10m, match: {event.action: ssh-login, event.outcome: success}, run: [unban, "${source.ip}"]}
- {rule: while-banned, match: {event.action: ssh-login}, if_open: ssh-bruteforce, do: {run: [x]}}
- rule: changed
  match: {event.action: ssh-login}
  when: {count: 3, within: 1m, by: [source.ip]}
"""


class Live(OnlineCase):
    """A gateway that runs, and a configuration that is not quite its own."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.patch(loading, "Parser", lambda _: PARSER)  # type: ignore[no-untyped-call]
        self.config = self.state / "gateway.yaml"
        self.config.write_text(f"rules: [rules.yaml]\nstate: {self.state}\nsources: {{net: {{tcp: 1514}}}}\n")
        (self.state / "rules.yaml").write_text(RULES)
        runs = RULES.replace("within: 1m", "within: 5m")
        self.rulebook = RuleBook(load_rules(runs, "r.yaml", Defaults()).rules, parse=PARSER.parse)

    def explained(self, *words: str) -> Any:
        """Run `gateway explain --live` in a thread."""
        return deferToThread(run, "explain", "--live", "--config", str(self.config), *words)

    def came(self, times: int) -> None:
        """Let failed logins come, as of a trusted sender."""
        for _ in range(times):
            one = event(FAILED)
            one.fields["gateway.trust"] = "local"
            self.rulebook.feed(one, clock.now())

    @inlineCallbacks
    def test_what_was_counted(self):  # type: ignore[no-untyped-def]
        """It would be so many of so many; asking counts nothing."""
        self.came(1)
        for _ in range(2):
            ran: Ran = yield self.explained(FAILED)
            assert ran.code == 0, ran.err
            assert "would be counted, 2 of 3 within 10m for 192.0.2.7 (source.ip); 1 more before " in ran.out
        assert "and ssh-bruteforce has no state open for 192.0.2.7" in ran.out

    @inlineCallbacks
    def test_the_event_that_would_fire(self):  # type: ignore[no-untyped-def]
        """What it opens would hold for the rules behind it."""
        self.came(2)
        ran: Ran = yield self.explained(FAILED, "--json")
        rules = {rule["rule"]: rule for rule in json.loads(ran.out)["rules"]}
        assert rules["ssh-bruteforce"]["state"]["words"] == ["would fire: 3 of 3 within 10m for 192.0.2.7 (source.ip)"]
        assert rules["while-banned"]["state"]["effect"] == "fired"

    @inlineCallbacks
    def test_an_open_state(self):  # type: ignore[no-untyped-def]
        """Since when, until when; and what would close it."""
        self.came(3)
        ran: Ran = yield self.explained(FAILED)
        assert "its state is open since " in ran.out
        assert "or until an event closes it for 192.0.2.7 (source.ip): repeats are swallowed" in ran.out
        closing: Ran = yield self.explained(ACCEPTED)
        assert "would close its state for 192.0.2.7 (source.ip), open since " in closing.out
        assert " runs unban" not in closing.out

    @inlineCallbacks
    def test_rules_that_were_not_reloaded(self):  # type: ignore[no-untyped-def]
        """The file on the disk is not what runs: that is said."""
        ran: Ran = yield self.explained(FAILED)
        assert "the gateway that runs has others: changed; it has not reloaded them" in ran.out
        asked: Ran = yield self.explained(FAILED, "--json", "--rule", "ssh-bruteforce")
        assert json.loads(asked.out)["other_versions"] == []

    @inlineCallbacks
    def test_an_event_of_its_own(self):  # type: ignore[no-untyped-def]
        """As JSON, as without --live."""
        self.rulebook.feed(plain_event("ssh-login", clock.now()), clock.now())
        fields = {"event.dataset": "drop", "event.action": "ssh-login", "source.ip": "192.0.2.7"}
        ran: Ran = yield self.explained(json.dumps(fields), "--json", "--rule", "changed")
        (rule,) = json.loads(ran.out)["rules"]
        assert rule["state"]["after"]["have"] == 2


def test_no_gateway_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says so; without --live there is an answer, which says what it does not know."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "Parser", lambda _: PARSER)
    (tmp_path / "gateway.yaml").write_text("rules: [rules.yaml]\nstate: state\nsources: {net: {tcp: 1514}}\n")
    (tmp_path / "rules.yaml").write_text(RULES)
    assert main(["explain", "--live", FAILED]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no gateway runs on the state folder" in captured.err
    assert main(["explain", FAILED]) == 0
    assert "how much was counted before is not known here: `--live` asks the gateway" in capsys.readouterr().out
