"""The control socket: what is asked and answered, who may ask, and what a slow or rude peer costs."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet import reactor as _reactor  # noqa: TID251 -- a real socket needs the real one
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from gateway.control.inside import RunningInside
from gateway.control.server import MAX_ASKED, MAX_CONNECTIONS, STALLED, AskingFactory, Control
from gateway.control.values import Choice, EntryPage, EntryQuery, JobDetails, JobPage, JobQuery, OpenPage, OpenQuery
from gateway.control.wire import MAX_REQUEST, short_way
from gateway.jobs.blocks import decode_origin
from gateway.jobs.records import State
from gateway.notices.life import ControlFailed, ControlMissing, ControlRefused, OperatorChanged
from rules.rulebook import RuleBook
from rules.standing import standings
from tests.gateway.kept import BAN, DONE, FAILED_LOGIN, IMPORT, NOW, REPORT, RULES, SSHD, UNBAN, Changing, Reading, fill
from tests.gateway.told import Told

reactor: Any = _reactor


class Wire(StringTransport):
    """A transport in memory that can be aborted."""

    aborted = False

    def abortConnection(self) -> None:
        """Take note of it."""
        self.aborted = True


class Asked:
    """A connection in memory to an inside of a made-up store."""

    def __init__(self, folder: Path, uid: int | None = None) -> None:
        fill(folder)
        self.worker = Changing()
        self.told = Told()
        self.clock = Clock()
        self.rules = set(RULES)
        self.rulebook = RuleBook(())
        self.inside = RunningInside(
            Reading(folder),
            self.worker,
            lambda: NOW,
            lambda: {"running": 0},
            lambda: self.rules,
            lambda questions, now: standings(self.rulebook, questions, now),
        )
        who = os.geteuid() if uid is None else uid
        self.factory = AskingFactory(self.inside, self.told, self.clock, lambda _: who)
        self.protocol, self.wire = self.connect()

    def connect(self) -> tuple[Any, Any]:
        """Make one more connection."""
        protocol: Any = self.factory.buildProtocol(None)
        wire: Any = Wire()  # type: ignore[no-untyped-call]  # Twisted's are not annotated
        protocol.makeConnection(wire)
        return protocol, wire

    def say(self, *questions: dict[str, Any]) -> None:
        """Ask."""
        self.protocol.dataReceived(b"".join(json.dumps(one).encode() + b"\n" for one in questions))

    def answers(self) -> list[dict[str, Any]]:
        """Return what was answered since the last time."""
        text = self.wire.value()
        self.wire.clear()
        return [json.loads(line) for line in text.splitlines()]

    def ask(self, what: str, **values: Any) -> Any:
        """Ask, and return the answer."""
        self.say({"ask": what, **values})
        (answer,) = self.answers()
        return answer["answer"]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Return a connection in memory."""
    return Asked(tmp_path / "journal")


def test_jobs_come_in_pages(asked: Asked) -> None:
    """Newest first, without their events; `following` leads to the next page, the filters hold on each."""
    query = JobQuery(frozenset({State.WAITING, State.DEAD}), open_states=False, limit=2)
    first = JobPage.from_dict(asked.ask("jobs", query=query.to_dict()))
    assert [job.record.job.id[0] for job in first.jobs] == ["e", "d"]
    assert first.jobs[0].record.job.event == {}
    rest = JobPage.from_dict(asked.ask("jobs", query={**query.to_dict(), "before": first.following}))
    assert [job.record.job.id[0] for job in rest.jobs] == ["c"]
    assert rest.following is None
    assert rest.jobs[0].record.box == "invoices"


def test_ids_are_shortened_as_far_as_they_stay_unique(asked: Asked) -> None:
    """Eight digits, more where another job begins with them."""
    page = JobPage.from_dict(asked.ask("jobs", query=JobQuery().to_dict()))
    short = {job.record.job.id: job.short for job in page.jobs}
    assert short[IMPORT] == IMPORT[:8]
    assert short[BAN] == BAN


def test_everything_about_one_job(asked: Asked) -> None:
    """Its event, its attempts, the jobs of the same incident, and what it caused."""
    details = JobDetails.from_dict(asked.ask("job", id=IMPORT[:3].upper()))
    assert details.record.job.event["event.original"] == FAILED_LOGIN.decode()
    assert [attempt.fields["gateway.job.attempt"] for attempt in details.attempts] == [1, 2]
    assert [record.job.id for record in details.caused] == [REPORT]
    assert details.cause_problem is None
    assert details.complete
    ban = JobDetails.from_dict(asked.ask("job", id=BAN))
    assert [record.job.id for record in ban.siblings] == [UNBAN]


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("99", "there is no job 99"),
        ("bb", f"the ids of 2 jobs begin with bb: {BAN} (ssh-bruteforce), {UNBAN} (ssh-bruteforce)"),
        ("xyz", "'xyz' is no job's id"),
        ("", "'' is no job's id"),
    ],
)
def test_ids_that_lead_nowhere(asked: Asked, prefix: str, words: str) -> None:
    """None, several, or no id at all: it is said which."""
    asked.say({"ask": "job", "id": prefix})
    (answer,) = asked.answers()
    assert answer["error"].startswith(words)


def test_changes_are_the_workers_and_are_told(asked: Asked) -> None:
    """What can be changed is given to the worker, the rest is said in words; the log tells who asked for it."""
    made = asked.ask("retry", choice=Choice((IMPORT[:8], BAN)).to_dict())
    assert [(change["done"], change["words"]) for change in made] == [
        (True, "is done again now"),
        (False, "has succeeded: what was done is not done twice"),
    ]
    assert asked.worker.asked == [("retry", IMPORT)]
    assert asked.told == [OperatorChanged("import", f"job {IMPORT} is done again now", os.geteuid())]
    made = asked.ask("cancel", choice=Choice((UNBAN,)).to_dict())
    assert made[0]["words"] == "is cancelled: its state is closed, and what was to be undone stays as it is"


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        (Choice(all_dead=True), [IMPORT]),
        (Choice(box="invoices"), [IMPORT]),
        (Choice(box="others"), []),
        (Choice(rule="backup"), [DONE]),
    ],
)
def test_many_jobs_are_chosen_at_once(asked: Asked, choice: Choice, ids: list[str]) -> None:
    """All dead letters, those of a box, or what failed of a rule."""
    asked.ask("retry", choice=choice.to_dict())
    assert [identity for _, identity in asked.worker.asked] == ids


def test_what_waits_for_its_rule_says_so(asked: Asked) -> None:
    """A job or an open state of a rule that is not loaded is not said to be done now."""
    asked.rules -= {"import", "link"}
    (made,) = asked.ask("retry", choice=Choice((IMPORT,)).to_dict())
    assert (made["done"], made["words"]) == (True, "waits until the rule import is loaded again")
    made = asked.ask("close", rule=None, key=["web,eth0"])
    assert made["words"] == "waits until the rule link is loaded again"


def test_what_changed_meanwhile_is_said(asked: Asked) -> None:
    """The worker has the last word."""
    asked.worker.known = False
    (made,) = asked.ask("retry", choice=Choice((IMPORT,)).to_dict())
    assert (made["done"], made["words"]) == (False, "changed in the meantime; look again")
    assert asked.told == []


def test_open_states_are_listed_and_closed(asked: Asked) -> None:
    """With how often they were opened; a key of several values can be given as one word."""
    page = OpenPage.from_dict(asked.ask("open", query=OpenQuery().to_dict()))
    assert [(state.record.job.rule, state.times) for state in page.states] == [("link", 1), ("ssh-bruteforce", 1)]
    assert asked.ask("close", rule=None, key=["web,eth0"])["done"]
    assert asked.worker.asked == [("close", "link", "web", "eth0")]
    asked.say({"ask": "close", "rule": "link", "key": ["203.0.113.9"]})
    (answer,) = asked.answers()
    assert "no state of link is open for 203.0.113.9" in answer["error"]


def test_the_journal_comes_as_it_was(asked: Asked) -> None:
    """Frames octet for octet, with where they came from."""
    page = EntryPage.from_dict(asked.ask("entries", query=EntryQuery(first=1, stop=3).to_dict()))
    assert [entry["number"] for entry in page.entries] == [1, 2]
    frames = [entry["frame"].encode("utf-8", "surrogateescape") for entry in page.entries]
    assert frames == [FAILED_LOGIN, b"<13>Nov 14 22:12:30 web app: \x1b[2Jcaf\xe9"]
    assert decode_origin(page.origins[page.entries[0]["origin"]].encode()) == SSHD
    assert (page.following, page.upcoming) == (None, 5)


def test_waiting_ends_with_the_next_commit(asked: Asked, tmp_path: Path) -> None:
    """`wait` is answered when the journal has grown, at once when it had already."""
    from gateway.jobs.database import Database
    from parsers.message import Message

    assert asked.ask("wait", upcoming=4) == 5
    asked.say({"ask": "wait", "upcoming": 5})
    asked.inside.committed()
    assert asked.answers() == []
    database = Database.open(tmp_path / "journal")
    database.begin()
    database.append([Message(b"more", SSHD, NOW)])
    database.commit()
    database.close()
    asked.inside.committed()
    assert asked.answers() == [{"answer": 6}]


def test_a_wait_is_given_up_with_its_connection(asked: Asked) -> None:
    """Nothing is left of it."""
    asked.say({"ask": "wait", "upcoming": 5})
    asked.protocol.connectionLost()
    assert not asked.inside._waiting
    assert not asked.clock.getDelayedCalls()


def test_a_change_goes_on_without_its_connection(asked: Asked) -> None:
    """Who hung up is not told, and the worker's work is not cancelled."""
    pending: Deferred[bool] = Deferred()
    asked.worker.retry = lambda identity: pending  # type: ignore[method-assign]
    asked.say({"ask": "retry", "choice": Choice((IMPORT,)).to_dict()})
    asked.protocol.connectionLost()
    assert not pending.called
    pending.callback(True)
    assert asked.answers() == []
    assert [notice.what for notice in asked.told.of(OperatorChanged)] == [f"job {IMPORT} is done again now"]


def test_questions_are_answered_in_turn(asked: Asked) -> None:
    """One after the other, in their order; several may be asked at once, not too many."""
    asked.say({"ask": "status"}, {"ask": "wait", "upcoming": 0}, {"ask": "status"})
    assert asked.answers() == [{"answer": {"running": 0}}, {"answer": 5}, {"answer": {"running": 0}}]
    asked.say(*[{"ask": "wait", "upcoming": 5}] * (MAX_ASKED + 2))
    assert asked.answers() == [{"error": f"more than {MAX_ASKED} questions at a time"}]
    assert asked.wire.disconnecting


@pytest.mark.parametrize(
    "question",
    [
        b"{",
        b"[]",
        b'{"ask": "nothing"}',
        b'{"ask": "jobs"}',
        b'{"ask": "jobs", "query": {"states": ["new"]}}',
        b'{"ask": "entries", "query": 5}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_question(asked: Asked, question: bytes) -> None:
    """It is said, and the connection goes on."""
    asked.protocol.dataReceived(question + b"\n")
    (answer,) = asked.answers()
    assert answer["error"].startswith("the gateway does not understand this")
    assert asked.ask("status") == {"running": 0}
    assert asked.told == []


def test_a_bug_is_told_and_ends_nothing(asked: Asked) -> None:
    """The log has it, whoever asked has it, the next question is answered."""
    asked.inside.status = lambda: succeed(1 / 0)  # type: ignore[method-assign, arg-type]
    asked.say({"ask": "status"})
    (answer,) = asked.answers()
    assert "a bug of the gateway" in answer["error"]
    assert asked.told == [ControlFailed("ZeroDivisionError: division by zero")]


def test_a_line_without_end(asked: Asked) -> None:
    """It is refused at the limit."""
    asked.protocol.dataReceived(b"x" * (MAX_REQUEST + 1))
    (answer,) = asked.answers()
    assert "longer than" in answer["error"]
    assert asked.wire.disconnecting


def test_others_than_the_owner_and_root_are_refused(tmp_path: Path) -> None:
    """They are told who may, the log is told who came, and nothing is answered."""
    asked = Asked(tmp_path / "journal", uid=4711)
    asked.say({"ask": "status"})
    assert asked.answers() == [{"error": "only the user of the gateway and root may look inside"}]
    assert asked.wire.disconnecting
    assert asked.told == [ControlRefused(4711)]
    Asked(tmp_path / "second", uid=0).ask("status")


def test_so_many_connections_and_no_more(asked: Asked) -> None:
    """One more is told so; when another ends there is room."""
    connections = [asked.connect() for _ in range(MAX_CONNECTIONS)]
    _, refused = connections.pop()
    assert b"commands look inside already" in refused.value()
    connections[0][0].connectionLost()
    _, taken = asked.connect()
    assert taken.value() == b""


def test_who_takes_nothing_is_given_nothing_more(asked: Asked) -> None:
    """The answers wait until the one before was taken; after a while the connection is cut off."""
    asked.protocol.pauseProducing()
    asked.say({"ask": "status"}, {"ask": "status"})
    assert asked.answers() == []
    asked.protocol.resumeProducing()
    assert len(asked.answers()) == 2
    asked.protocol.pauseProducing()
    asked.clock.advance(STALLED)
    assert asked.wire.aborted


def test_who_asks_nothing_is_cut_off(asked: Asked) -> None:
    """After a while without a question; waiting for the journal is none."""
    asked.clock.advance(STALLED - 1)
    asked.say({"ask": "wait", "upcoming": 5})
    asked.clock.advance(10 * STALLED)
    assert not asked.wire.aborted
    protocol, wire = asked.connect()
    asked.clock.advance(STALLED)
    assert wire.aborted
    protocol.connectionLost()


def test_deep_folders(tmp_path: Path) -> None:
    """A socket can be used however long its path is."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, short_way(folder / "control.sock") as way:
        listening.bind(way)
    assert (folder / "control.sock").is_socket()


class Listening(TestCase):
    """The socket itself."""

    def setUp(self) -> None:
        """Make a control socket in a folder of its own."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / ("deep" * 30) / "control.sock"
        self.path.parent.mkdir(parents=True)
        self.told = Told()
        fill(self.path.parent / "journal")
        self.inside = RunningInside(
            Reading(self.path.parent / "journal"), Changing(), lambda: NOW, dict, lambda: RULES, lambda *_: []
        )

    def control(self) -> Control:
        """Start one."""
        control = Control(reactor, self.path, self.inside, self.told)
        control.startService()
        self.addCleanup(lambda: control.stopService() if control.running else None)
        return control

    def test_its_mode_and_its_end(self) -> Deferred[Any]:
        """Only its owner can use it; it is gone when the gateway has stopped."""
        control = self.control()
        assert self.path.stat().st_mode & 0o777 == 0o600

        def gone(_: object) -> None:
            assert not self.path.exists()
            assert not self.told

        return control.stopService().addCallback(gone)

    def test_a_socket_that_nobody_answers_is_replaced(self) -> None:
        """A gateway that was killed leaves one behind."""
        with socket.socket(socket.AF_UNIX) as left, short_way(self.path) as way:
            left.bind(way)
        self.control()
        assert self.told == []

    def test_a_socket_that_somebody_answers_stays(self) -> None:
        """It is said, and the other gateway keeps it."""
        self.control()
        second = Control(reactor, self.path, self.inside, self.told)
        second.startService()
        (notice,) = self.told.of(ControlMissing)
        assert notice.problem.startswith("another gateway answers there")
        self.successResultOf(second.stopService())
        assert self.path.exists()

    def test_what_is_no_socket_stays(self) -> None:
        """It is said."""
        self.path.write_text("mine")
        self.control()
        (notice,) = self.told.of(ControlMissing)
        assert notice.problem == "something is there that is no socket; move it away"
        self.path.unlink()
