"""What a step says, done by whom it is for."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.jobs.perform import Performance, Performer
from rules.attempts import emitted_fields
from rules.job import Attempt
from rules.outcome import Ending, Outcome
from rules.step import DeadLetter, Decrypt, Delete, Emit, Forward, Mail, Move, Pause, Resume, Step, Task

ATTEMPT = Attempt(
    "j-1", "rule", "rule/do/1", ("k",), {"host.name": "web1", "source.port": 22, "rule.name": "import", "tags": ["a"]}
)

DECRYPT = Decrypt("rule/do/1", Task("rule/do/1", (), decrypts=True), "key")


class Runs:
    """A runner that remembers."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.cancelled: list[str] = []

    def run(self, attempt: Attempt) -> Deferred[Outcome]:
        """Take note."""
        self.ran.append(attempt.id)
        return succeed(Outcome(attempt.id, Ending.EXITED, 0))

    def cancel(self, attempt: str) -> None:
        """Take note."""
        self.cancelled.append(attempt)


class Sends:
    """Somebody who sends."""

    def __init__(self) -> None:
        self.sent: list[Step] = []

    def perform(self, step: Mail | Forward, attempt: Attempt) -> Deferred[Outcome]:
        """Take note."""
        self.sent.append(step)
        return succeed(Outcome(attempt.id, Ending.CONFIRMED))


def performed(step: Step, *, by_runner: bool = False) -> tuple[Performance, Runs, Sends]:
    """Perform one step."""
    runs, sends = Runs(), Sends()
    done: list[Performance] = []
    Performer(runs, sends, lambda: by_runner).perform(step, ATTEMPT).addCallback(done.append)
    return done[0], runs, sends


def test_files_are_deleted_and_moved_by_whom_that_is_for() -> None:
    """Where there is nobody, the step is refused."""
    sends: Any = Sends()
    done: list[Performance] = []
    steps = (Delete("rule/do/1", "${file.path}"), Move("rule/do/1", "${file.path}", "processed"))
    for step in steps:
        Performer(Runs(), Sends(), lambda: False, sends).perform(step, ATTEMPT).addCallback(done.append)
        assert performed(step)[0].outcome.ending is Ending.REFUSED
    assert sends.sent == list(steps)
    assert all(one.outcome.success for one in done)


def test_processes_are_the_runners() -> None:
    """Those that end and those that stay."""
    for step in (Task("rule/do/1", ("/bin/true",)), Task("rule/do/1", ("/bin/cat",), stream=True), DECRYPT):
        done, runs, _ = performed(step)
        assert (done.outcome.success, runs.ran) == (True, ["j-1"])


def test_mails_go_where_the_configuration_says() -> None:
    """Over SMTP, or through the runner, which composes them and hands them to sendmail."""
    mail = Mail("rule/do/1", ("root",), "subject")
    assert performed(mail)[2].sent == [mail]
    assert performed(mail, by_runner=True)[1].ran == ["j-1"]
    forward = Forward("rule/do/1", "central")
    assert performed(forward, by_runner=True)[2].sent == [forward]


def test_pause_and_resume_name_a_rule_which_the_event_may_name() -> None:
    """The event that tells of a failed job names its rule."""
    assert performed(Pause("rule/do/1", "${rule.name}"))[0].pause == "import"
    assert performed(Resume("rule/do/1", "other"))[0].resume == "other"


def test_what_is_emitted_is_filled_and_remembers_what_caused_it() -> None:
    """A value that is one field keeps its kind, an absent field is left out, and text shows it as a dash."""
    step = Emit("rule/do/1", {
        "event.action": "seen", "host.name": "${host.name}", "source.port": "${source.port}",
        "user.name": "${user.name}", "message": "${user.name} at ${host.name}: $$5", "gateway.level": 3,
    })  # fmt: skip
    assert emitted_fields(step, ATTEMPT) == {
        "event.action": "seen", "host.name": "web1", "source.port": 22, "message": "- at web1: $5", "gateway.level": 3,
        "rule.name": "rule", "gateway.ancestors": ["rule"],
    }  # fmt: skip
    assert performed(step)[0].emitted == emitted_fields(step, ATTEMPT)


def test_a_dead_letter_is_no_step_to_perform() -> None:
    """Whoever asks has a bug; it is said and nothing breaks."""
    assert performed(DeadLetter("rule/on_failure/1", "box"))[0].outcome.ending is Ending.REFUSED


def test_only_processes_can_be_cancelled() -> None:
    """By the attempt's id."""
    runs = Runs()
    Performer(runs, Sends(), lambda: False).cancel(ATTEMPT)
    assert runs.cancelled == ["j-1"]
