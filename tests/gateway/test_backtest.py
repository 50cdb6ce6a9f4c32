"""`gateway backtest`: old logs run through the rules in their own time."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

import parsers.parse
from gateway import loading
from gateway.commands import main
from parsers.grammars import sshd

BEGIN = datetime(2026, 2, 1, 10, tzinfo=UTC)

RULES = """
- rule: ban
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 3, within: 10m, by: [source.ip]}
  do: {run: [ban, "${source.ip}"]}
  undo: {after: 1h, run: [unban, "${source.ip}"]}
- rule: not-recovered
  match: {event.action: ssh-login, event.outcome: failure}
  when: {absent: {event.action: ssh-login, event.outcome: success}, within: 60s, by: [source.ip]}
  do: {mail: [root], subject: "${source.ip} is stuck"}
  else: {mail: [root], subject: "${source.ip} is in"}
- rule: never
  match: {message: {contains: never}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with rules; a few grammars are enough."""
    (tmp_path / "rules.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    for module in (loading, parsers.parse):
        monkeypatch.setattr(module, "builtin_grammars", lambda: (sshd.GRAMMAR,))
    return tmp_path


def log(*entries: tuple[float, str]) -> bytes:
    """Make a log of texts and the seconds after which they were written."""
    stamped = ((BEGIN + timedelta(seconds=seconds), text) for seconds, text in entries)
    return b"".join(f"{at:%b} {at.day:2d} {at:%H:%M:%S} web1 {text}\n".encode() for at, text in stamped)


def failure(address: str = "192.0.2.7") -> str:
    """Return a failed login."""
    return f"sshd[7]: Failed password for root from {address} port 4000 ssh2"


def success(address: str) -> str:
    """Return a login."""
    return f"sshd[7]: Accepted password for root from {address} port 4000 ssh2"


ATTACK = [(0, failure()), (60, failure()), (120, failure()), (130, failure())]


def write(path: Path, *entries: tuple[float, str]) -> Path:
    """Write a log as it was when its last line was written."""
    data = log(*entries)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    at = BEGIN.timestamp() + max((seconds for seconds, _ in entries), default=0)
    os.utime(path, (at, at))
    return path


def backtest(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """Return what is told as JSON: what happened, and the totals."""
    assert main(["backtest", *words, "--json", "--zone", "UTC"]) == code
    *happened, last = map(json.loads, capsys.readouterr().out.splitlines())
    return happened, last["totals"]


def short(happened: list[Any]) -> list[tuple[str, str, str]]:
    """Return when, which rule, and which part."""
    return [(one["time"][11:19], one["rule"], one["part"]) for one in happened]


@pytest.mark.usefixtures("folder")
def test_own_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Windows slide, waits end and states close at the log's own instants, also after its last line of interest."""
    write(folder / "auth.log", *ATTACK, (400, success("192.0.2.8")), (9000, "app: nothing"))
    happened, totals = backtest(capsys, "auth.log", "--rules", "rules.yaml")
    assert short(happened) == [
        ("10:01:00", "not-recovered", "do"),
        ("10:02:00", "not-recovered", "do"),
        ("10:02:00", "ban", "do"),
        ("10:03:00", "not-recovered", "do"),
        ("11:02:00", "ban", "undo"),
    ]
    bans = [one for one in happened if one["rule"] == "ban"]
    assert [one["commands"][0]["argv"] for one in bans] == [["ban", "192.0.2.7"], ["unban", "192.0.2.7"]]
    assert (bans[0]["key"], bans[0]["count"], bans[1]["reason"]) == (["192.0.2.7"], 3, "time")
    assert (totals["lines"], totals["from"], totals["to"]) == (
        6,
        "2026-02-01T10:00:00+00:00",
        "2026-02-01T12:30:00+00:00",
    )
    assert totals["rules"]["ban"] == {
        "fired": 1,
        "undone": 1,
        "else": 0,
        "held": 0,
        "open": 0,
        "keys": 1,
        "top": [{"key": ["192.0.2.7"], "count": 1}],
    }


def test_absence_that_ended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What came in time makes the `else`, at the time at which it came."""
    write(folder / "auth.log", (0, failure()), (30, success("192.0.2.7")))
    happened, _ = backtest(capsys, "auth.log", "--rules", "rules.yaml")
    assert short(happened) == [("10:00:30", "not-recovered", "else")]
    assert happened[0]["commands"][0]["words"] == "root: 192.0.2.7 is in"


def test_logs_are_merged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules see several logs as one course of time, each read from its oldest file on."""
    write(folder / "a.log", (60, failure()), (5000, "app: nothing"))
    write(folder / "b.log", (120, failure()))
    write(folder / "b.log.1.gz", (0, failure()), (90, "app: nothing"))
    happened, totals = backtest(capsys, "b.log", "a.log", "b.log.1.gz", "--rules", "rules.yaml")
    assert [one for one in short(happened) if one[1] == "ban"] == [
        ("10:02:00", "ban", "do"),
        ("11:02:00", "ban", "undo"),
    ]
    assert totals["lines"] == 5


def test_between(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written before or later is not shown to the rules, and nothing falls due behind the end."""
    write(folder / "auth.log", *ATTACK, (9000, "app: nothing"))
    words = ("auth.log", "--rules", "rules.yaml")
    assert backtest(capsys, *words, "--from", "2026-02-01T10:01")[1]["rules"]["ban"]["fired"] == 1
    assert backtest(capsys, *words, "--from", "2026-02-01T10:01:30")[1]["rules"]["ban"]["fired"] == 0
    totals = backtest(capsys, *words, "--to", "2026-02-01T11")[1]
    assert (totals["rules"]["ban"]["open"], totals["to"]) == (1, "2026-02-01T11:00:00+00:00")


def test_trust(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a sender of whom nothing is known, the log's lines start nothing, and that is said."""
    write(folder / "auth.log", *ATTACK)
    happened, totals = backtest(capsys, "auth.log", "--rules", "rules.yaml", "--trust", "datagram")
    bans = [one for one in happened if one["rule"] == "ban"]
    assert all(one["held"] and not one["commands"] for one in bans)
    assert (totals["rules"]["ban"]["fired"], totals["rules"]["ban"]["held"]) == (0, len(bans))


def test_against(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second set of rules sees the same logs, which are read once; what only one of them does is told."""
    (folder / "other.yaml").write_text(RULES.replace("count: 3", "count: 2").replace("never", "other"))
    write(folder / "auth.log", *ATTACK)
    happened, totals = backtest(capsys, "auth.log", "--rules", "rules.yaml", "--against", "other.yaml")
    assert {one["side"] for one in happened} == {"rules.yaml", "other.yaml"}
    assert totals["lines"] == 4
    assert totals["differences"] == {"ban": {"only": 1, "only_against": 1, "other_commands": 0}}
    assert main(["backtest", "auth.log", "--rules", "rules.yaml", "--against", "other.yaml", "--zone", "UTC"]) == 0
    told = capsys.readouterr().out
    assert "2 differences" in told
    assert "+ 2026-02-01 10:01:00  do   ban" in told
    assert "- 2026-02-01 10:02:00  do   ban" in told


def test_against_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rules do the same; a folder of rule files stands for them."""
    (folder / "rules").mkdir()
    (folder / "rules" / "a.yaml").write_text(RULES)
    write(folder / "auth.log", *ATTACK)
    assert main(["backtest", "auth.log", "--rules", "rules.yaml", "--against", "rules"]) == 0
    assert "both did the same" in capsys.readouterr().out


def test_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without rule files the rules are the configuration's; it can also be what is compared with."""
    (folder / "gateway.yaml").write_text("rules: [rules.yaml]\nsources: {net: {tcp: 1514}}\n")
    write(folder / "auth.log", *ATTACK)
    assert backtest(capsys, "auth.log")[1]["rules"]["ban"]["fired"] == 1
    assert backtest(capsys, "auth.log", "--against", ".")[1]["differences"] == {}


def test_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has the rules that did something; the others are named. No colours where there is no terminal."""
    write(folder / "auth.log", *ATTACK, (9000, "app: nothing"))
    assert main(["backtest", "auth.log", "--rules", "rules.yaml", "--zone", "UTC", "--list"]) == 0
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    lines = told.out.splitlines()
    assert "2026-02-01 10:02:00  do   ban  192.0.2.7" in lines
    assert any(line.split()[:4] == ["ban", "1", "1", "1"] and line.rstrip().endswith("192.0.2.7") for line in lines)
    assert "nothing came of 1 other rule: never" in told.out
    assert "5 lines read" in told.out


def test_hostile_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a stranger wrote cannot steer a terminal, nor is it markup of a table."""
    (folder / "all.yaml").write_text(
        "- rule: all\n  match: {message: {contains: evil}}\n  when: {count: 1, within: 1m, by: [message]}\n"
    )
    write(folder / "evil.log", (0, "app: evil \x1b[2J\x07 [red]text[/red] \u202e :smile:"))
    assert main(["backtest", "evil.log", "--rules", "all.yaml", "--list", "--svg", "evil.svg"]) == 0
    told = capsys.readouterr().out
    assert r"evil \x1b[2J\x07 [red]text[/red] \u202e :smile:" in told
    assert "\x1b" not in told
    fromstring((folder / "evil.svg").read_bytes())


def test_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The picture is written beside the table; of two sets of rules it has both."""
    write(folder / "auth.log", *ATTACK)
    assert main(["backtest", "auth.log", "--rules", "rules.yaml", "--against", "rules.yaml", "--svg", "a.svg"]) == 0
    said = "".join(fromstring((folder / "a.svg").read_bytes()).itertext())
    assert all(words in said for words in ("ban", "this", "against", "auth.log"))
    capsys.readouterr()
    assert main(["backtest", "auth.log", "--rules", "rules.yaml", "--svg", "none/a.svg"]) == 1
    assert "there is no folder" in capsys.readouterr().err


def test_standard_input(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A log can come from another program."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(log(*ATTACK))))
    assert backtest(capsys, "-", "--rules", "rules.yaml", "--year", "2026")[1]["rules"]["ban"]["fired"] == 1


def test_progress(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar says how far it is, on standard error alone."""
    write(folder / "auth.log", *ATTACK)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["backtest", "auth.log", "--rules", "rules.yaml", "--json"]) == 0
    told = capsys.readouterr()
    assert "reading" in told.err
    assert [json.loads(line) for line in told.out.splitlines()][-1]["totals"]["lines"] == 4


def test_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be read of a damaged log counts; it is said, and the exit code tells."""
    path = write(folder / "auth.log.gz", *ATTACK)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    _, totals = backtest(capsys, "auth.log.gz", "--rules", "rules.yaml", "--year", "2026", code=1)
    assert totals["rules"]["ban"]["fired"] == 1
    assert "auth.log.gz: the gzip stream ends in the middle" in totals["problems"][0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.log", "--rules", "rules.yaml"], "none.log: it cannot be read: No such file or directory"),
        (["auth.log", "--rules", "none.yaml"], "none.yaml: it does not exist"),
        (["auth.log", "--rules", "empty"], "there is no rule file (*.yaml) in the folder empty"),
        (["auth.log", "--rules", "rules.yaml", "--config", "x"], "give --rules or --config, not both"),
        (["auth.log", "--rules", "wrong.yaml"], "there is no rule in wrong.yaml"),
        (["auth.log", "--rules", "rules.yaml", "--from", "noon"], "--from: 'noon' is no time"),
        (["auth.log", "--rules", "rules.yaml", "--from", "2026-02-02", "--to", "2026-02-01"], "later than --to"),
    ],
)
def test_trouble(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    """What cannot be done is told in one line that names the file or option."""
    write(folder / "auth.log", *ATTACK)
    (folder / "empty").mkdir()
    (folder / "wrong.yaml").write_text("- rule: x\n  mach: {}\n")
    assert main(["backtest", *words]) == 1
    assert told in capsys.readouterr().err


def test_faulty_rules(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that does not load is off and told; the others run."""
    (folder / "rules.yaml").write_text(f"{RULES}- rule: wrong\n  mach: {{}}\n")
    write(folder / "auth.log", *ATTACK)
    assert main(["backtest", "auth.log", "--rules", "rules.yaml"]) == 0
    told = capsys.readouterr()
    assert "rules.yaml:" in told.err
    assert "mach" in told.err
    assert "ban" in told.out
