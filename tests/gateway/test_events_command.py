"""`gateway events`: what the journal keeps, by field and by time, and following what comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, inlineCallbacks

from gateway import clock, loading
from gateway.commands import events
from gateway.jobs.database import Database
from parsers.grammars import json_cee, sshd
from parsers.message import Message
from tests.gateway.kept import SSHD, fill
from tests.gateway.online import OnlineCase, Ran, reactor, run


@pytest.fixture(autouse=True)
def _few_grammars(monkeypatch: pytest.MonkeyPatch) -> None:
    few = lambda: (sshd.GRAMMAR, json_cee.GRAMMAR)  # noqa: E731 -- patched in two places
    monkeypatch.setattr("parsers.parse.builtin_grammars", few)
    monkeypatch.setattr(loading, "builtin_grammars", few)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder on which no gateway runs."""
    fill(tmp_path / "journal", clock.now())
    return tmp_path


def seen(state: Path, *words: str) -> Ran:
    """Run `gateway events`."""
    return run("events", *words, "--state-dir", str(state))


def numbers(state: Path, *words: str) -> list[int]:
    """Return the numbers of the events that are shown."""
    return [json.loads(line)["gateway.journal.number"] for line in seen(state, *words, "--json").out.splitlines()]


def add(state: Path, *frames: bytes, age: float = 0.0) -> None:
    """Commit messages to the journal."""
    database = Database.open(state / "journal")
    database.begin()
    database.append([Message(frame, SSHD, clock.now() - age) for frame in frames])
    database.commit()
    database.close()


def test_for_people(state: Path) -> None:
    """One line an event, the newest last; nothing raw reaches the terminal."""
    ran = seen(state)
    assert ran.code == 0
    lines = [line.split(" ", 1)[1] for line in ran.out.splitlines()]
    assert lines == [
        "web sshd[7]: Failed password for root from 203.0.113.9 port 4000 ssh2",
        "web app: \\x1b[2Jcaf\\xe9",
        "gateway import/do/1 cccccccccccc attempt 1: failure: exit code 2",
        "gateway import/do/1 cccccccccccc attempt 2: failure: exit code 2",
    ]


def test_for_programs(state: Path) -> None:
    """The whole event, as the rules saw it, and its number in the journal."""
    first = json.loads(seen(state, "--json").out.splitlines()[0])
    assert first["gateway.journal.number"] == 1
    assert first["event.action"] == "ssh-login"
    assert first["source.ip"] == "203.0.113.9"
    assert first["log.source.address"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["event.action=ssh-login"], [1]),
        (["event.dataset=gateway"], [3, 4]),
        (["event.dataset!=gateway"], [1, 2]),
        (["gateway.job.attempt=2"], [4]),
        (["message~^Failed .* root"], [1]),
        (["source.ip!~^203[.]"], [2, 3, 4]),
        (["event.dataset=gateway", "gateway.job.attempt=1"], [3]),
        (["no.such=x"], []),
    ],
)
def test_filters(state: Path, filters: list[str], expected: list[int]) -> None:
    """All must hold; numbers and their text are the same; a field that is absent is unlike anything."""
    assert numbers(state, *filters) == expected


def test_a_search_that_a_sender_makes_slow(state: Path) -> None:
    """It is stopped as that of a rule is; the event is left out, which is told, and the others are shown."""
    add(state, b"<13>app: " + b"x" * 3000 + b" y", b"<13>app: xxxy")
    ran = seen(state, "message~^(user=)?(x+x+)+y$", "--json")
    assert [json.loads(line)["gateway.journal.number"] for line in ran.out.splitlines()] == [6]
    assert ran.err.startswith("left out: event 5: the search for ^(user=)?(x+x+)+y$ took longer than ")


@pytest.mark.parametrize("word", ["message", "message~(", "=x", f"message~{'(' * 3000}{')' * 3000}"])
def test_what_is_no_filter(state: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the usage."""
    with pytest.raises(SystemExit) as ended:
        seen(state, word)
    assert ended.value.code == 2


def test_the_last_ones(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as asked for, looked for from the end, however far away they are."""
    monkeypatch.setattr(events, "STRIDE", 3)
    add(state, *[b"<13>app: %d" % number for number in range(40)])
    assert numbers(state) == [*range(25, 45)]
    assert numbers(state, "-n", "2") == [43, 44]
    assert numbers(state, "--limit", "2", "event.dataset=gateway") == [3, 4]
    assert numbers(state, "event.action=ssh-login") == [1]


def test_since(state: Path) -> None:
    """All that was received since then, or the last of them."""
    add(state, b"<13>app: now")
    assert numbers(state, "--since", "30s") == [5]
    assert numbers(state, "--since", "1h") == [1, 2, 3, 4, 5]
    assert numbers(state, "--since", "1h", "-n", "2") == [4, 5]


def test_many_pages(state: Path) -> None:
    """Nothing is missing between the pages."""
    add(state, *[b"<13>app: %s" % (b"x" * 2000) for _ in range(1200)])
    assert numbers(state, "--since", "1h") == [*range(1, 1205)]
    assert numbers(state, "-n", "1100") == [*range(105, 1205)]


def test_following_what_does_not_run(state: Path) -> None:
    """What is there is shown, and that nothing will come."""
    ran = seen(state, "--follow")
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 4
    assert ran.err == "gateway events: the gateway does not run, so that nothing new will come\n"


class Online(OnlineCase):
    """Beside a running gateway."""

    @inlineCallbacks
    def test_following(self) -> Any:
        """What is committed is shown, once and in order, until the gateway ends."""
        following: Deferred[Ran] = self.command("events", "--follow", "--json", "-n", "1")
        for number in range(3):
            yield self.when_waiting()
            add(self.state, b"<13>app: %d" % number, b"<13>app: and more")
            self.inside.committed()
        yield self.when_waiting()
        yield self.control.stopService()
        ran = yield following
        told = [json.loads(line) for line in ran.out.splitlines()]
        assert [one["gateway.journal.number"] for one in told] == [4, 5, 6, 7, 8, 9, 10]
        assert told[1]["message"] == "0"
        assert (ran.code, ran.err) == (1, "gateway events: the gateway has ended\n")

    def when_waiting(self) -> Deferred[None]:
        """Fire when the command waits for the next commit."""
        ready: Deferred[None] = Deferred()

        def look() -> None:
            if self.inside._waiting:
                ready.callback(None)
            else:
                reactor.callLater(0.01, look)

        look()
        return ready
