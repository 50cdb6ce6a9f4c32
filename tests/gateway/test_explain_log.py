"""`gateway explain --file LOG --at LINE`: a line with the rules as they stood when it came."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import loading
from gateway.commands import main
from parsers.grammars import cron, sshd
from parsers.parse import Parser

PARSER = Parser((sshd.GRAMMAR, cron.GRAMMAR))
"""Its grammars are compiled once for all tests."""

WRITTEN = 1_772_456_400.0
"""Monday, 2 March 2026, 13:00:00 UTC."""

RULES = """
- rule: ssh-bruteforce
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 5, within: 10m, by: [source.ip]}
  do: {run: [ban, "${source.ip}"]}
  undo: {after: 10m, run: [unban, "${source.ip}"]}
- rule: many-users
  match: {event.action: ssh-login, event.outcome: failure}
  when: {distinct: user.name, count: 3, within: 10m, by: [source.ip]}
  suppress: 1h
- rule: break-in
  match: {event.action: ssh-login}
  when: {sequence: [{event.outcome: failure}, {event.outcome: success}], within: 5m, by: [source.ip]}
  do: {run: [alarm, "${user.name}"]}
- rule: recovers
  match: {event.action: ssh-login, event.outcome: failure}
  when: {absent: {event.action: ssh-login, event.outcome: success}, within: 2m, by: [source.ip]}
  do: {mail: [root], subject: gone}
  else: {mail: [root], subject: "${user.name} is back"}
- {rule: while-banned, match: {event.action: ssh-login}, if_open: ssh-bruteforce}
- {rule: by-night, match: {event.action: ssh-login}, during: {hours: "22:00-06:00", zone: UTC}}
- {rule: logins, match: {event.action: ssh-login, event.outcome: success}, when: {count: 3, within: 1h, by: []}}
"""


def line(second: int, what: str = "Failed", user: str = "root") -> str:
    """Make a line of a log, so many seconds past noon."""
    stamp = f"Mar  2 12:{second // 60:02}:{second % 60:02}"
    return f"{stamp} web1 sshd[7]: {what} password for {user} from 192.0.2.7 port 1 ssh2"


LINES = [
    *(line(number * 10, user=f"user{number}") for number in range(3)),  # 1 to 3
    "",
    "Mar  2 12:00:25 web1 CRON[8]: (root) CMD (true)",  # 5
    line(30, user="user0"),
    line(40, user="user0"),  # 7, the fifth
    line(50, user="user0"),
    line(60, "Accepted", "user0"),  # 9
    line(700, user="late"),
]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a log; the working directory has a configuration and rules; a few grammars are enough."""
    (tmp_path / "gateway.yaml").write_text(
        "rules: [rules.yaml]\nsources: {net: {tcp: 1514, time_zone: UTC, trusted: [127.0.0.0/8]}}\n"
    )
    (tmp_path / "rules.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "Parser", lambda _: PARSER)
    file = tmp_path / "auth.log"
    write(file, LINES)
    return file


def write(file: Path, lines: list[str], compress: Callable[[bytes], bytes] = bytes) -> None:
    """Write a log that was finished on 2 March 2026: stamps without a year are of the file's."""
    file.write_bytes(compress("\n".join(lines).encode() + b"\n"))
    os.utime(file, (WRITTEN, WRITTEN))


def told(capsys: pytest.CaptureFixture[str], log: Path, at: str, *words: str) -> dict[str, Any]:
    """Return what is told as JSON about a line: all, and the rules by their names."""
    assert main(["explain", "--file", str(log), "--at", at, "--zone", "UTC", "--json", *words]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {**answer, "by_name": {rule["rule"]: rule for rule in answer["rules"]}}


def state(capsys: pytest.CaptureFixture[str], log: Path, at: str, rule: str, *words: str) -> dict[str, Any]:
    """Return how one rule stood."""
    found: dict[str, Any] = told(capsys, log, at, *words)["by_name"][rule]["state"]
    return found


def test_what_is_counted(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With this line; how many more make the rule fire, and until when."""
    found = state(capsys, log, "3", "ssh-bruteforce")
    assert found["words"] == [
        "counted, 3 of 5 within 10m for 192.0.2.7 (source.ip); 2 more before 12:10:00 make it fire"
    ]
    assert (found["effect"], found["remaining"], found["before"]["have"], found["after"]["have"]) == (
        "counted",
        2,
        2,
        3,
    )
    assert found["after"]["until"] == "2026-03-02T12:10:00.000+00:00"


def test_what_it_did(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line at which a rule fired, with its commands; what it opened holds for the rules behind it."""
    answer = told(capsys, log, "7")
    fired = answer["by_name"]["ssh-bruteforce"]
    assert fired["state"]["words"] == ["fired: 5 of 5 within 10m for 192.0.2.7 (source.ip)"]
    assert fired["commands"][0]["argv"] == ["ban", "192.0.2.7"]
    assert answer["by_name"]["while-banned"]["state"]["effect"] == "fired"
    assert [rule["rule"] for rule in answer["rules"]][:2] == ["ssh-bruteforce", "while-banned"]
    users = state(capsys, log, "3", "many-users")
    assert users["words"] == ["fired: 3 different user.name within 10m for 192.0.2.7 (source.ip): user0, user1, user2"]


def test_why_it_did_not(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An open state swallows, an action is suppressed, hours and other rules' states are not so."""
    rules = told(capsys, log, "8")["by_name"]
    words = {name: rule["state"]["words"] for name, rule in rules.items()}
    assert words["ssh-bruteforce"] == [
        "its state is open since 12:00:40 until 12:10:40 for 192.0.2.7 (source.ip): repeats are swallowed"
    ]
    assert words["many-users"] == ["suppressed until 13:00:20: it has acted a short while ago"]
    assert words["by-night"][0].startswith("not now: `during: 22:00-06:00 (UTC)`, and it is Mon ")
    assert words["recovers"] == ["changes nothing: it already waits for 192.0.2.7 (source.ip), until 12:02:00"]
    assert rules["many-users"]["state"]["fired_last"] is not None
    early = state(capsys, log, "1", "while-banned")["words"]
    assert early == ["not now: `if_open: ssh-bruteforce`, and ssh-bruteforce has no state open for 192.0.2.7"]


def test_what_ends_a_wait_and_a_sequence(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the commands as they were, from all the events."""
    rules = told(capsys, log, "9")["by_name"]
    assert rules["break-in"]["state"]["words"] == [
        "fired: the sequence of 2 is whole within 5m for 192.0.2.7 (source.ip)"
    ]
    assert rules["break-in"]["commands"][0]["argv"] == ["alarm", "user0"]
    assert rules["recovers"]["state"]["effect"] == "else"
    assert rules["recovers"]["else"][0]["words"] == "root: user0 is back"
    assert rules["ssh-bruteforce"]["state"]["open"]["until"] is not None


def test_what_an_event_closes(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what undoes it, from the event that opened it; and an event of which it takes several."""
    rule = (log.parent / "rules.yaml").read_text().split("- rule: many-users")[0]
    closing = "match: {event.action: ssh-login, event.outcome: success}"
    (log.parent / "rules.yaml").write_text(rule.replace("after: 10m,", f"{closing},"))
    closed = told(capsys, log, "9")["by_name"]["ssh-bruteforce"]
    assert closed["state"]["words"] == ["closed its state for 192.0.2.7 (source.ip), open since 12:00:40"]
    assert closed["undo"][0]["argv"] == ["unban", "192.0.2.7"]
    assert state(capsys, log, "10", "ssh-bruteforce")["open"] is None
    (log.parent / "rules.yaml").write_text(rule.replace("after: 10m,", f"{closing}, count: 2,"))
    words = state(capsys, log, "9", "ssh-bruteforce")["words"]
    assert words[0] == "counts towards closing: 1 of 2 for 192.0.2.7 (source.ip)"


def test_time_goes_on_as_in_the_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What fell due before the line has happened: the ban is over, and counting begins anew."""
    found = state(capsys, log, "10", "ssh-bruteforce")
    assert found["words"][0].startswith("counted, 1 of 5 within 10m for 192.0.2.7 (source.ip)")
    assert found["open"] is None


def test_a_sender_that_is_not_trusted(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted, and held back; --from may change that."""
    words = state(capsys, log, "3", "ssh-bruteforce", "--source", "net")["words"]
    assert words[1].startswith("sender is not trusted (network), for the rule wants account: it would be held back")
    held = state(capsys, log, "7", "ssh-bruteforce", "--source", "net")
    assert held["effect"] == "held"
    assert held["words"][0] == "held back: sender is not trusted (network), for the rule wants account"
    assert state(capsys, log, "7", "ssh-bruteforce", "--source", "net", "--from", "127.0.0.1")["effect"] == "fired"


def test_text_for_people(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which line, of when; what each rule made of it; which rules do not want it and how they stand."""
    assert main(["explain", "--file", str(log), "--at", "9", "--zone", "UTC"]) == 0
    printed = capsys.readouterr().out
    for said in (
        f"line        {log}:9, of Mon ",
        "5 of 7 match",
        "fired: the sequence of 2 is whole",
        "the event is its sequence 2",
        "runs alarm user0",
        "came in time for 192.0.2.7 (source.ip): the wait ends, and `else` is done",
        "mails root: user0 is back",
        "counted, 1 of 3 within 1h for all together; 2 more before 13:01:00 make it fire",
        "its state is open since 12:00:40 until 12:10:40",
    ):
        assert said in printed, said
    assert "is not known here" not in printed


def test_the_line_by_a_text(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that has it; of several the last, which is said."""
    assert told(capsys, log, "CRON[8]")["line"] == f"{log}:5"
    assert main(["explain", "--file", str(log), "--at", "for user0 from", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["line"] == f"{log}:9"
    assert "5 lines have this text (1, 6, 7, 8, 9): this is the last; --at NUMBER takes another" in captured.err


def test_packed_and_rotated_files(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was rotated away counts too; the line is one of the newest file, and is let through by no rule's leave."""
    write(log.parent / "auth.log.1.gz", LINES[:5], gzip.compress)
    write(log, LINES[5:])
    answer = told(capsys, log, "2", "--file", f"{log}.1.gz", str(log))
    assert answer["by_name"]["ssh-bruteforce"]["state"]["effect"] == "fired"
    alone = told(capsys, log, "2")
    assert alone["by_name"]["ssh-bruteforce"]["state"]["after"]["have"] == 2
    packed = log.parent / "auth.log.1.gz"
    assert told(capsys, packed, "5")["grammar"] == "cron"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a LINE to explain, or --file LOG --at LINE"),
        (["x", "--at", "3"], "--at is a line of a log; name it with --file"),
        (["--file", "auth.log"], "which line of the log?"),
        (["x", "--file", "auth.log", "--at", "3"], "leave 'x' away"),
        (["--file", "auth.log", "--at", "3", "--live"], "--live does not go with --file"),
        (["x", "--live", "--now", "1"], "--live is about now"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """What is missing, or is too much."""
    with pytest.raises(SystemExit, match="2"):
        main(["explain", *words])
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["auth.log", "--at", "99"], "auth.log has only 10 lines"),
        (["auth.log", "--at", "0"], "lines are counted from 1"),
        (["auth.log", "--at", "4"], "line 4 of auth.log is empty"),
        (["auth.log", "--at", "nobody wrote this"], "no line of auth.log has the text 'nobody wrote this'"),
        (["none.log", "--at", "1"], "none.log: it cannot be read"),
        (["-", "--at", "1"], "standard input cannot be read twice"),
        (["auth.log", "rules.yaml", "--at", "1"], "--file takes one log and the files it was rotated into"),
    ],
)
@pytest.mark.usefixtures("log")
def test_what_cannot_be_explained(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """One clear line each."""
    assert main(["explain", "--file", *words]) == 1
    err = capsys.readouterr().err
    assert said in err.replace(str(Path.cwd()) + "/", ""), err
    assert len(err.splitlines()) == 1
