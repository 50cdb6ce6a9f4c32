"""`gateway explain`: every stage's answer, readable and as JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway import loading
from gateway.commands import main
from gateway.commands.terminal import duration
from parsers.grammars import json_cee, sshd

FAILED = "<38>Mar  2 12:00:00 web1 sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
RULES = """
- rule: wanting
  match: {event.action: ssh-login, event.outcome: failure}
  unless: {source.ip: {in: [10.0.0.0/8]}}
  when: {count: 5, within: 90m, by: [source.ip]}
  do: {run: [echo, "${user.name} from ${source.ip}"]}
- rule: near
  match: {event.action: ssh-login, event.outcome: success}
- rule: excluded
  match: {event.action: ssh-login}
  unless: {source.ip: {in: [192.0.2.0/24]}}
- rule: uncounted
  match: {event.action: ssh-login}
  when: {count: 2, within: 1m, by: [file.path]}
- rule: far
  match: {event.action: sudo-command}
- rule: unfillable
  match: {message: {contains: Failed}}
  do: {run: [echo, "${file.path}"]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, which is the working directory, with a configuration and rules; a few grammars are enough."""
    (tmp_path / "gateway.yaml").write_text(
        "rules: [rules.yaml]\nsources: {net: {tcp: 1514, time_zone: UTC, trusted: [127.0.0.0/8]}}\n"
    )
    (tmp_path / "rules.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "builtin_grammars", lambda: (sshd.GRAMMAR, json_cee.GRAMMAR))
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return what is told as JSON about one message."""
    assert main(["explain", *words, "--json", "--now", "1772452800", "--zone", "UTC"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.usefixtures("folder")
def test_every_stage_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Frame, envelope, grammar, fields, sieve, and the rules: those that match first, then the nearest."""
    told = explained(capsys, FAILED)
    assert told["frame"] == {"octets": len(FAILED), "truncated": False}
    assert (told["envelope"], told["grammar"], told["form"]) == ("rfc3164", "sshd", "failed")
    assert told["event"]["source.ip"] == "192.0.2.7"
    assert {"wanting", "unfillable"} <= set(told["candidate_for"])
    rules = {rule["rule"]: rule for rule in told["rules"]}
    assert [name for name, rule in rules.items() if rule["wanted"]] == ["wanting", "uncounted", "unfillable"]
    assert rules["wanting"]["key"] == ["192.0.2.7"]
    assert rules["wanting"]["commands"][0]["argv"] == ["echo", "root from 192.0.2.7"]
    assert rules["uncounted"]["without"] == ["file.path"]
    assert "the event has no field file.path" in rules["unfillable"]["commands"][0]["problem"]
    assert rules["near"]["missing"] == 1
    assert "far" not in rules
    assert "far" in {rule["rule"] for rule in explained(capsys, FAILED, "--all")["rules"]}


@pytest.mark.usefixtures("folder")
def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """What matched and what it would do; what failed and what was found instead; no colours without a terminal."""
    assert main(["explain", FAILED]) == 0
    printed = capsys.readouterr().out
    for words in (
        "envelope    rfc3164",
        "priority 38 = auth.informational",
        "grammar     sshd, form failed",
        "counts it for source.ip = 192.0.2.7: 5 within 1h30m make it true",
        "runs echo 'root from 192.0.2.7'",
        "but counts nowhere: it counts by file.path, which the event has not",
        "runs nothing: the event has no field file.path",
        "yes event.action: ssh-login",
        "no  event.outcome: success   it is failure",
        "`unless` holds:",
    ):
        assert words in printed, words
    assert "\x1b" not in printed


@pytest.mark.usefixtures("folder")
def test_the_sender_decides_whether_a_process_starts(capsys: pytest.CaptureFixture[str]) -> None:
    """By trust, and by the source's trusted networks."""

    def trusted(*words: str) -> bool:
        told = explained(capsys, FAILED, "--rule", "wanting", *words)
        assert [rule["rule"] for rule in told["rules"]] == ["wanting"]
        return bool(told["rules"][0]["trusted"])

    assert trusted()
    assert not trusted("--trust", "datagram")
    assert not trusted("--source", "net", "--from", "192.0.2.1")
    assert trusted("--source", "net", "--from", "127.0.0.1")
    capsys.readouterr()
    assert main(["explain", FAILED, "--source", "net"]) == 0
    told = capsys.readouterr()
    assert "without --from the sender is taken for none" in told.err
    assert "starts nothing: the sender is known by network, and the rule wants account" in told.out


@pytest.mark.usefixtures("folder")
def test_the_nearest_form_of_a_known_program(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the text begins to differ is shown; a program without a grammar has none."""
    told = explained(capsys, "sshd[7]: Accepted password for root frm 192.0.2.7")
    assert (told["grammar"], told["form"], told["nearest_form"]["form"]) == (None, None, "accepted")
    assert told["nearest_form"]["agrees"] >= len("Accepted password for ")
    assert main(["explain", "sshd[7]: Accepted password for root frm 192.0.2.7"]) == 0
    assert "nearest is accepted" in capsys.readouterr().out
    assert main(["explain", "nosuch: hello"]) == 0
    assert "there is none for the program nosuch" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_nothing_raw_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A message may hold what moves a cursor or turns the reading direction."""
    assert main(["explain", "sshd: a\x1b[31m\r\u202eb"]) == 0
    printed = capsys.readouterr().out
    assert not {"\x1b", "\r", "\u202e"} & set(printed)
    assert "a\\x1b[31m\\r\\u202eb" in printed


@pytest.mark.usefixtures("folder")
def test_framing_and_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is divided as a listener would; one answer for each message, and what is wrong with the rest."""

    def read(octets: bytes, *words: str) -> tuple[list[str], str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        main(["explain", "-", "--json", *words])
        captured = capsys.readouterr()
        return [json.loads(line)["event"]["message"] for line in captured.out.splitlines()], captured.err

    assert read(b"a\nb\n")[0] == ["a", "b"]
    assert read(b"3 a b5 hello", "--framing", "octet")[0] == ["a b", "hello"]
    messages, said = read(b"3 a bx", "--framing", "octet")
    assert messages == ["a b"]
    assert "no octet count" in said
    assert "there is no message" in read(b"")[1]
    assert main(["explain", "12 monkeys"]) == 0
    assert "would read its first number as an octet count" in capsys.readouterr().out


def test_without_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's rules and the built-in grammars answer, and that is said."""
    monkeypatch.chdir(tmp_path)
    assert main(["explain", FAILED]) == 0
    captured = capsys.readouterr()
    assert "the rules are those of the library" in captured.err
    assert "sshd, form failed" in captured.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rule", "waning"], 'gateway explain: --rule: there is no rule waning; did you mean "wanting"?'),
        (["--source", "ned"], 'gateway explain: --source: there is no source ned; did you mean "net"?'),
        (["--config", "none.yaml"], "none.yaml: this configuration does not exist"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_names(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """Each with what was probably meant."""
    assert main(["explain", "x", *words]) == 1
    assert said in capsys.readouterr().err


def test_colours_only_on_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org."""
    from gateway.commands.terminal import BAD, Page

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Page(Terminal()).paint("a\x1b", BAD) == "\x1b[31ma\\x1b\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Page(Terminal()).paint("a", BAD) == "a"


def test_durations_read_as_in_a_rule_file() -> None:
    """Largest unit first."""
    assert [duration(s) for s in (0.25, 90, 600, 5400, 86400, 3024000)] == [
        "250ms",
        "1m30s",
        "10m",
        "1h30m",
        "1d",
        "5w",
    ]


def test_states_and_steps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a rule does by every kind of step, until when repeats are swallowed, and what closes a state."""
    (folder / "rules.yaml").write_text(
        """
- rule: bans
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 5, within: 1m, by: [source.ip]}
  do: [{run: [ban, "${source.ip}"]}, {mail: root, subject: "${source.ip} is banned"}]
  undo:
    after: 10m
    grow: 2
    max: 5w
    match: {event.action: ssh-login, event.outcome: success}
    run: [unban, "${source.ip}"]
- rule: throttle
  match: {event.action: ssh-login, event.outcome: failure}
  undo: {after: 1h, do: []}
- rule: other
  match: {event.action: sudo-command}
  when: {count: 1, within: 1m, by: [user.name]}
  undo: {match: {event.action: ssh-login}, by: [nobody.has], run: [x]}
"""
    )
    assert main(["explain", FAILED]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for said in (
        "runs ban 192.0.2.7",
        "mails root: 192.0.2.7 is banned",
        "then swallows repeats until 10m have passed, 2 times as long each time up to 5w, or an event is all:",
        "and then: runs unban 192.0.2.7",
        "then swallows repeats until 1h have passed, and then does nothing",
        "closes nothing: whose state is told by nobody.has, which the event has not",
    ):
        assert said in printed, said
    login = FAILED.replace("Failed", "Accepted")
    assert main(["explain", login]) == 0
    assert "closes its state of source.ip = 192.0.2.7, if that is open" in capsys.readouterr().out
    assert main(["explain", login, "--trust", "datagram"]) == 0
    assert "but not because of this sender" in capsys.readouterr().out
    rules = {rule["rule"]: rule for rule in explained(capsys, login)["rules"]}
    assert rules["bans"]["closes"]["key"] == ["192.0.2.7"]
    assert rules["bans"]["wanted"] is False


def test_an_event_of_our_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --source, JSON is the event that it says it is: rules see it but those that caused it, and no grammar."""
    (folder / "rules.yaml").write_text(
        """
- rule: invoices
  match: {event.dataset: drop, event.action: upload-complete, file.name: {glob: "*.csv"}}
  do: [{decrypt: {key: /k}}, {move: "${file.path}", to: done}, {delete: "${file.path}"}]
- rule: failures
  match: {event.dataset: gateway, event.outcome: failure}
- rule: any
  match: {event.outcome: failure}
"""
    )
    fields = {"event.dataset": "drop", "event.action": "upload-complete", "file.name": "a.csv", "file.path": "/d/a.csv"}
    told = explained(capsys, json.dumps(fields))
    assert (told["envelope"], told["event"]["gateway.trust"]) == (None, "account")
    assert [rule["rule"] for rule in told["rules"] if rule["wanted"]] == ["invoices"]
    assert explained(capsys, json.dumps(fields), "--trust", "network")["event"]["gateway.trust"] == "network"
    assert explained(capsys, json.dumps(fields), "--source", "net")["envelope"] == "plain"
    assert main(["explain", json.dumps({**fields, "file.name": "a.txt"})]) == 0
    assert "it is a.txt" in capsys.readouterr().out
    assert main(["explain", json.dumps(fields)]) == 0
    printed = capsys.readouterr().out
    assert "of the gateway's own; 3 of 3 rules see it" in printed
    for said in ("decrypts /d/a.csv with /k", "moves /d/a.csv to done", "deletes /d/a.csv"):
        assert said in printed
    ours = {"event.dataset": "gateway", "event.outcome": "failure", "gateway.ancestors": ["x"]}
    assert explained(capsys, json.dumps(ours))["candidate_for"] == ["failures"]
    assert explained(capsys, json.dumps({**ours, "gateway.ancestors": ["failures"]}))["candidate_for"] == []
