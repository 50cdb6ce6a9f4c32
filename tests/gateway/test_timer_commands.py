"""What the commands say of timers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import loading
from gateway.commands import main
from parsers.grammars import json_cee

RULES = """
- rule: backup
  match: {event.dataset: nightly}
  do: {run: [/bin/true, "${event.start}"]}
- rule: late
  match: {event.dataset: nightly, gateway.timer.missed: {gt: 0}}
- rule: never
  match: {event.dataset: nightly, event.action: upload-complete}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with a configuration."""
    (tmp_path / "gateway.yaml").write_text(
        'rules: [rules.yaml]\nsources: {nightly: {timer: "0 2 * * *", zone: Europe/Berlin}, net: {tcp: 1514}}\n'
    )
    (tmp_path / "rules.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "builtin_grammars", lambda: (json_cee.GRAMMAR,))
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return what is told as JSON."""
    assert main(["explain", *words, "--json", "--now", "1772452800"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def wanted(answer: dict[str, Any]) -> list[str]:
    """Return the rules that want it."""
    return [rule["rule"] for rule in answer["rules"] if rule["wanted"]]


def test_its_event_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Through its source, or named by its dataset, JSON is its event; what is not given is as usual."""
    usual = explained(capsys, "{}", "--source", "nightly")
    assert wanted(usual) == ["backup"]
    assert usual["event"]["event.start"] == "2026-03-02T13:00:00+01:00"
    assert usual["rules"][0]["commands"][0]["argv"] == ["/bin/true", "2026-03-02T13:00:00+01:00"]
    assert wanted(explained(capsys, '{"event.dataset": "nightly", "gateway.timer.missed": 2}')) == ["backup", "late"]


def test_no_line_comes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Text that is no JSON is refused there, and JSON that names it is none of its events elsewhere."""
    assert main(["explain", "0 2 * * *", "--source", "nightly"]) == 1
    assert "nightly is a timer, through which no message comes" in capsys.readouterr().err
    assert wanted(explained(capsys, '{"event.dataset": "nightly", "a": 1}', "--source", "net")) == []


def test_it_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed; a rule that it never fulfils is named, and none is said to make every message a candidate."""
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    assert "nightly (timer 0 2 * * *, Europe/Berlin)" in said
    assert "no event of nightly has event.action: upload-complete; it can be timer" in said
    assert "every message" not in said
