"""`gateway open`: the open states, how long they stay so, and closing them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import inlineCallbacks

from gateway import clock
from gateway.jobs.database import Database
from gateway.jobs.records import State
from tests.gateway.kept import BAN, UNBAN, fill
from tests.gateway.online import OnlineCase, Ran, run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder on which no gateway runs."""
    fill(tmp_path / "journal", clock.now())
    return tmp_path


def opened(state: Path, *words: str) -> Ran:
    """Run `gateway open`."""
    return run("open", *words, "--state-dir", str(state))


def test_what_is_open(state: Path) -> None:
    """The longest open first: rule, key, since when, when it closes, how often it was opened."""
    lines = opened(state).out.splitlines()
    assert lines[0].split() == ["RULE", "KEY", "SINCE", "DO", "CLOSES", "TIMES"]
    assert lines[1].startswith("link            web,eth0     ")
    assert "by an event" in lines[1]
    assert lines[2].startswith("ssh-bruteforce  203.0.113.9  ")
    assert "in 8m5" in lines[2]
    assert lines[2].endswith("  1")


def test_for_programs(state: Path) -> None:
    """One object a line; what closes by an event closes at no time."""
    told = [json.loads(line) for line in opened(state, "--json").out.splitlines()]
    assert [(one["rule"], one["key"], one["times"]) for one in told] == [
        ("link", ["web", "eth0"], 1),
        ("ssh-bruteforce", ["203.0.113.9"], 1),
    ]
    assert told[0]["closes"] is None
    assert told[1]["job"] == UNBAN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"state": State.WAITING, "attempt": 2, "problem": "exit code 2", "due": 9.5},
            "failed, next try in 9s  in 8m5",
        ),
        ({"state": State.RUNNING, "attempt": 3, "problem": "exit code 2"}, "runs again  in 8m5"),
        ({"state": State.RUNNING, "attempt": 1}, "runs  in 8m5"),
        ({"state": State.WAITING}, "waits for its turn  in 8m5"),
        ({"state": State.CANCELLED, "problem": "by the operator", "ended": 1.0}, " in 8m5"),
    ],
)
def test_whether_what_the_rule_does_is_done(state: Path, changes: dict[str, Any], words: str) -> None:
    """A ban that is open while its task fails bans nobody."""
    now = clock.now()
    changes = {name: now + value if isinstance(value, float) else value for name, value in changes.items()}
    database = Database.open(state / "journal")
    database.begin()
    ban = database.job(BAN)
    assert ban is not None
    kept = replace(ban, **{"ended": None, "step": 0, "due": now, **changes})
    database.update(kept)
    database.commit()
    database.close()
    assert words in opened(state).out.splitlines()[2]
    told = json.loads(opened(state, "--json", "--rule", "ssh-bruteforce").out)["do"]
    if kept.state is State.CANCELLED:
        assert told is None
    else:
        assert (told["id"], told["problem"]) == (BAN, kept.problem)


def test_one_rule(state: Path) -> None:
    """Its states alone."""
    assert len(opened(state, "--rule", "link").out.splitlines()) == 2
    assert opened(state, "list", "--rule", "no").out == "no state is open of the rule no\n"


@pytest.mark.parametrize(
    "words", [["203.0.113.9"], ["ssh-bruteforce", "203.0.113.9"], ["203.0.113.9", "--rule", "ssh-bruteforce"]]
)
def test_close_without_a_gateway(state: Path, words: list[str]) -> None:
    """The key is enough where one rule has it open; the undo is done at the next start, once."""
    ran = opened(state, "close", *words)
    assert ran == Ran(0, "ssh-bruteforce  203.0.113.9  is undone at the gateway's next start\n", "")
    database = Database.open(state / "journal", readonly=True)
    record = database.job(UNBAN)
    database.close()
    assert record is not None
    assert record.due <= clock.now()
    assert opened(state).out.splitlines()[2].split()[-2:] == ["now", "1"]
    again = opened(state, "close", *words)
    assert (again.code, again.out.split(maxsplit=2)[2]) == (1, "is due to be undone already, and waits for its turn\n")


@pytest.mark.parametrize("words", [["web", "eth0"], ["web,eth0"], ["link", "web", "eth0"]])
def test_keys_of_several_values(state: Path, words: list[str]) -> None:
    """One word each, or as the list shows them."""
    assert opened(state, "close", *words).code == 0


def test_what_is_not_open(state: Path) -> None:
    """It is said, with the rule where one was named."""
    assert (
        opened(state, "close", "192.0.2.1").err
        == "no state is open for 192.0.2.1; `gateway open` lists those that are\n"
    )
    assert "no state of link is open for 203.0.113.9" in opened(state, "close", "link", "203.0.113.9").err


class Online(OnlineCase):
    """Beside a running gateway."""

    @inlineCallbacks
    def test_it_is_closed_now(self) -> Any:
        """By the worker."""
        ran = yield self.command("open", "close", "203.0.113.9", "--json")
        assert json.loads(ran.out)["words"] == "is undone now"
        assert self.worker.asked == [("close", "ssh-bruteforce", "203.0.113.9")]
        ran = yield self.command("open")
        assert len(ran.out.splitlines()) == 3
