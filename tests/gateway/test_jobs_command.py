"""`gateway jobs`: what it lists and shows, and what it has changed, beside a running gateway and without one."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import inlineCallbacks

from gateway import clock
from gateway.commands import jobs as commands
from gateway.jobs.database import Database
from gateway.jobs.records import State
from tests.gateway.kept import BAN, DONE, IMPORT, LINK, REPORT, RETRYING, UNBAN, fill
from tests.gateway.online import OnlineCase, Ran, run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder on which no gateway runs."""
    fill(tmp_path / "journal", clock.now())
    return tmp_path


def jobs(state: Path, *words: str) -> Ran:
    """Run `gateway jobs`."""
    return run("jobs", *words, "--state-dir", str(state))


def listed(state: Path, *words: str) -> list[str]:
    """Return the ids of the jobs that are listed."""
    ran = jobs(state, "list", *words, "--json")
    assert ran.code == 0
    return [json.loads(line)["id"] for line in ran.out.splitlines()]


@pytest.fixture
def database(state: Path) -> Iterator[Database]:
    """Return the store, for looking at what came of a command."""
    database = Database.open(state / "journal", readonly=True)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ([], [DONE, RETRYING, REPORT, IMPORT]),
        (["--state", "waiting"], [LINK, REPORT, UNBAN]),
        (["--state", "retrying"], [RETRYING]),
        (["--state", "paused"], []),
        (["--state", "dead", "--state", "failed"], [DONE, IMPORT]),
        (["--all"], [LINK, DONE, RETRYING, REPORT, IMPORT, UNBAN, BAN]),
        (["--all", "--limit", "2"], [LINK, DONE]),
        (["--rule", "import"], [REPORT, IMPORT]),
        (["--since", "35s"], [DONE, RETRYING]),
    ],
)
def test_what_is_listed(state: Path, words: list[str], ids: list[str]) -> None:
    """The newest first; of itself what waits, runs or failed, and no open states."""
    assert listed(state, *words) == ids


def test_the_options_may_stand_before_the_verb(state: Path) -> None:
    """And the verb may be left out."""
    first = run("jobs", "--state-dir", str(state), "--rule", "import", "--json")
    assert [json.loads(line)["id"] for line in first.out.splitlines()] == [REPORT, IMPORT]
    assert run("jobs", "--state-dir", str(state), "list", "--rule", "import", "--json") == first


def test_a_list_for_people(state: Path) -> None:
    """Short ids, words for times, one line a job."""
    lines = jobs(state).out.splitlines()
    assert lines[0].split() == ["ID", "RULE", "KEY", "PART", "STATE", "TRIES", "NEXT", "OR", "ENDED", "PROBLEM"]
    assert lines[2].startswith("eeeeeeee  backup  -          do          retrying  1")
    assert "(in " in lines[2]
    assert "dead" in lines[4]
    assert lines[4].endswith("exit code 2")
    assert jobs(state, "--limit", "1").out.splitlines()[-1] == "there are more than these 1: --limit N"
    assert jobs(state, "--rule", "nothing").out == "there are no such jobs\n"


def test_times_for_programs(state: Path) -> None:
    """ISO 8601 in UTC; an open state that only an event closes is due at no time."""
    (line,) = [line for line in jobs(state, "--all", "--json").out.splitlines() if LINK in line]
    told = json.loads(line)
    assert told["due"] is None
    assert told["created"].endswith("+00:00")
    assert told["short"] == LINK[:8]


def test_everything_about_one(state: Path) -> None:
    """Its attempts with their output, what it caused, its event; nothing raw reaches the terminal."""
    ran = jobs(state, "show", "ccc")
    assert ran.code == 0
    assert f"job         {IMPORT}\n" in ran.out
    assert "dead in the box invoices" in ran.out
    assert "attempt 2   failure: exit code 2 after 1.5 s" in ran.out
    assert "| no such \\x1b[1mcolumn\n            | at line 3\n" in ran.out
    assert "caused      dddddddddddd  import  on_failure  waiting\n" in ran.out
    assert "\x1b" not in ran.out
    told = json.loads(jobs(state, "show", IMPORT, "--json").out)
    assert told["attempts"][0]["event"]["gateway.job.output"] == "no such \x1b[1mcolumn\nat line 3"
    assert told["caused"][0]["id"] == REPORT
    assert f"caused by   job {IMPORT}" in jobs(state, "show", REPORT).out


def test_an_id_that_leads_nowhere(state: Path) -> None:
    """One line on standard error, exit code 1."""
    ran = jobs(state, "show", "bbb")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"the ids of 2 jobs begin with bbb: {BAN} (ssh-bruteforce), {UNBAN} (ssh-bruteforce)\n"


def test_retry_without_a_gateway(state: Path, database: Database) -> None:
    """The job is done at the next start, and that is said; what cannot be retried is said too."""
    ran = jobs(state, "retry", "cccc", "eeee", "dddd")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "cccccccccccc  import  is done again at the gateway's next start",
        "eeeeeeeeeeee  backup  is done again at the gateway's next start",
        "dddddddddddd  import  waits for its turn already",
    ]
    retrying = database.job(RETRYING)
    assert retrying is not None
    assert retrying.attempt == 1, "its next try comes earlier, and is none that starts anew"
    record = database.job(IMPORT)
    assert record is not None
    assert (record.state, record.attempt, record.box) == (State.WAITING, 0, "")


@pytest.mark.parametrize("words", [["--all-dead"], ["--box", "invoices"], ["--rule", "import"]])
def test_retry_of_many(state: Path, words: list[str]) -> None:
    """All dead letters, those of a box, what failed of a rule; a second time there is nothing left."""
    assert jobs(state, "retry", *words).code == 0
    assert listed(state, "--state", "dead") == []
    assert jobs(state, "retry", *words).out == "there is nothing to retry\n"


def test_pause_and_resume_without_a_gateway(state: Path, database: Database) -> None:
    """The rule waits from the next start on; twice is once."""
    assert jobs(state, "pause", "import").out == "import  is paused: its jobs wait until `gateway jobs resume`\n"
    assert jobs(state, "pause", "import").code == 1
    assert jobs(state, "resume", "import").out == "import  goes on\n"
    assert jobs(state, "resume", "import").out == "import  is not paused\n"


def test_a_paused_rule_is_seen(state: Path) -> None:
    """The list ends with it, its `do` jobs say so, `show` does; what a program reads agrees."""
    jobs(state, "pause", "backup")
    jobs(state, "pause", "import")
    lines = jobs(state).out.splitlines()
    assert lines[-2].startswith("the rule backup is paused since ")
    assert lines[-2].endswith(" ago); `gateway jobs resume backup` lets its jobs go on")
    assert [line.split()[:5] for line in lines[2:4]] == [
        ["eeeeeeee", "backup", "-", "do", "paused"],
        ["dddddddd", "import", "a.csv,eve", "on_failure", "waiting"],
    ]
    assert listed(state, "--state", "paused") == [RETRYING]
    assert listed(state, "--state", "retrying") == []
    assert "resume backup" not in jobs(state, "--rule", "import").out
    assert json.loads(jobs(state, "--state", "paused", "--json").out)["state"] == "paused"
    assert "state       paused\n            the rule is paused since " in jobs(state, "show", "eeee").out
    told = json.loads(jobs(state, "show", "eeee", "--json").out)
    assert told["state"] == "paused"
    assert told["paused"]
    jobs(state, "resume", "backup")
    assert json.loads(jobs(state, "show", "eeee", "--json").out)["paused"] is None
    assert "backup is paused" not in jobs(state).out


def test_the_states_are_those_that_are_shown() -> None:
    """What can be asked for is what jobs show."""
    assert set(commands.STATES) == {state.value for state in State} | {"retrying", "paused"}


RULES = """
sources: {a: {tcp: 1514}}
state: s
rules: [rules.yaml]
library: []
"""
RULE = "- {rule: backup, match: {message: {contains: x}}, do: {run: [/bin/true]}}\n"


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """Return a configuration with the rule `backup` alone, on whose state folder no gateway runs."""
    fill(tmp_path / "s" / "journal", clock.now())
    (tmp_path / "gateway.yaml").write_text(RULES)
    (tmp_path / "rules.yaml").write_text(RULE)
    return tmp_path / "gateway.yaml"


def test_pausing_what_is_no_rule(configured: Path) -> None:
    """It is said, with the nearest name; a rule that is paused can be resumed also when it is no more."""
    for verb in ("pause", "resume"):
        ran = run("jobs", verb, "bakcup", "--config", str(configured))
        assert (ran.code, ran.err) == (1, 'there is no rule "bakcup"; did you mean "backup"?\n')
    assert run("jobs", "pause", "backup", "--config", str(configured)).code == 0
    jobs(configured.parent / "s", "pause", "gone")
    assert run("jobs", "resume", "gone", "--config", str(configured)).out == "gone  goes on\n"


def test_retry_for_a_rule_that_is_not_loaded(configured: Path) -> None:
    """The job waits until it is; one of a paused rule until that is resumed."""
    run("jobs", "pause", "backup", "--config", str(configured))
    assert run("jobs", "retry", "cccc", "eeee", "--config", str(configured)).out.splitlines() == [
        "cccccccccccc  import  waits until the rule import is loaded again",
        "eeeeeeeeeeee  backup  waits until `gateway jobs resume backup`: its rule is paused",
    ]
    ran = run("open", "close", "203.0.113.9", "--config", str(configured))
    assert ran.out.endswith("  waits until the rule ssh-bruteforce is loaded again\n")


def test_a_configuration_that_does_not_load(configured: Path) -> None:
    """Its first error in one line, and how to look without it."""
    configured.write_text("sources: {a: {tcp: 1}, b: {tcp: x}, c: {tpc: 1}}\nmial: 1\n")
    for command in (["jobs"], ["open"], ["events"], ["journal", "status"]):
        ran = run(*command, "--config", str(configured))
        assert ran.code == 1
        assert len(ran.err.splitlines()) == 1
        assert ran.err.startswith(f"{configured}:1:")
        assert " more: `gateway check`); `--state-dir DIR` looks" in ran.err


def test_the_name_that_a_task_has_for_its_job(state: Path) -> None:
    """GATEWAY_JOB is the id and the step."""
    assert f"job         {IMPORT}\n" in jobs(state, "show", f"{IMPORT}-1").out
    assert jobs(state, "retry", f"{IMPORT}-12").code == 0
    assert jobs(state, "cancel", f"{REPORT}-2").code == 0
    assert "is no job's id" in jobs(state, "show", "cccc-1").err


@pytest.mark.parametrize(
    "words", [["--box", "invoices"], ["--rule", "import"], ["--rule", "import", "--box", "invoices"]]
)
def test_cancel_of_many(state: Path, words: list[str]) -> None:
    """The dead letters of a box or a rule are thrown away; what waits and what failed stays."""
    ran = jobs(state, "cancel", *words)
    assert (ran.code, ran.out) == (0, "cccccccccccc  import  is thrown away, out of the box invoices\n")
    assert listed(state) == [DONE, RETRYING, REPORT]
    assert jobs(state, "cancel", *words).out == "there are no such dead letters\n"
    assert "say which" in jobs(state, "cancel", "dd", *words).err
    assert "say which" in jobs(state, "cancel").err


def test_folders_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not said that nothing was kept there."""
    (tmp_path / "journal").write_text("")
    assert "the folder cannot be read: Not a directory" in jobs(tmp_path).err

    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert "the folder cannot be reached: Permission denied" in jobs(tmp_path).err


def test_a_database_that_is_missing_or_overwritten(state: Path) -> None:
    """Both are said, and what helps."""
    file = state / "journal" / "journal.db"
    for log in state.glob("journal/journal.db-*"):
        log.unlink()
    file.write_bytes(b"x" * 8192)
    assert "`gateway journal repair`" in jobs(state).err
    file.unlink()
    for ran in (jobs(state), run("journal", "repair", "--state-dir", str(state))):
        assert ran.code == 1
        assert ran.err.startswith(f"the database file {file} is missing, though a gateway has written here")


def test_retry_of_nothing_in_particular(state: Path) -> None:
    """It has to be said which."""
    assert "say which" in jobs(state, "retry").err
    assert "say which" in jobs(state, "retry", "cc", "--all-dead").err


def test_cancel_without_a_gateway(state: Path, database: Database) -> None:
    """What waits will not be done, a dead letter is thrown away."""
    ran = jobs(state, "cancel", "dddd", "cccc", "--json")
    assert [json.loads(line)["words"] for line in ran.out.splitlines()] == [
        "is cancelled",
        "is thrown away, out of the box invoices",
    ]
    record = database.job(REPORT)
    assert record is not None
    assert record.state is State.CANCELLED


def test_dead_letters_stand_in_their_boxes(state: Path) -> None:
    """With what to do about them."""
    lines = jobs(state, "dead").out.splitlines()
    assert lines[0] == "invoices: 1 dead letter; `gateway jobs retry --box invoices` does them again"
    assert lines[2].startswith("cccccccc  import  a.csv,eve  ")
    assert jobs(state, "dead", "--box", "others").out == "there are no dead letters\n"


def test_where_nothing_was_kept(tmp_path: Path) -> None:
    """A folder without a store, no folder, no configuration: each is said."""
    assert "no gateway has kept anything here yet" in jobs(tmp_path).err
    assert "there is no such folder" in jobs(tmp_path / "no").err
    ran = run("jobs", "--config", str(tmp_path / "gateway.yaml"))
    assert "this configuration does not exist" in ran.err
    (tmp_path / "gateway.yaml").write_text("sources: {a: {tcp: 1514}}\nstate: s\n")
    fill(tmp_path / "s" / "journal", clock.now())
    assert run("jobs", "--config", str(tmp_path)).out.splitlines()[0].startswith("ID ")


def test_a_change_while_another_gateway_has_the_store(state: Path) -> None:
    """A gateway without a control socket keeps its store to itself; reading goes on."""
    held = Database.open(state / "journal")
    ran = jobs(state, "retry", "cccc")
    assert ran.code == 1
    assert ran.err
    assert listed(state) == [DONE, RETRYING, REPORT, IMPORT]
    held.close()


class Online(OnlineCase):
    """Beside a running gateway."""

    @inlineCallbacks
    def test_lists_and_shows(self) -> Any:
        """The same answers come through the socket."""
        alone = self.state / "alone"
        alone.mkdir()
        (alone / "journal").symlink_to(self.state / "journal")
        offline = run("jobs", "show", "cccc", "--json", "--state-dir", str(alone))
        ran = yield self.command("jobs", "--json")
        assert [json.loads(line)["id"] for line in ran.out.splitlines()] == [DONE, RETRYING, REPORT, IMPORT]
        ran = yield self.command("jobs", "show", "cccc", "--json")
        assert ran == offline
        ran = yield self.command("jobs", "show", "9999")
        assert (ran.code, ran.err) == (1, "there is no job 9999; `gateway jobs list --all` lists those that are kept\n")

    @inlineCallbacks
    def test_changes(self) -> Any:
        """The running gateway makes them at once, and its log says who asked."""
        ran = yield self.command("jobs", "retry", "--all-dead")
        assert ran.out == "cccccccccccc  import  is done again now\n"
        ran = yield self.command("jobs", "cancel", "eeee")
        assert ran.out == "eeeeeeeeeeee  backup  is cancelled: what it has done so far stays as it is\n"
        assert self.worker.asked == [("retry", IMPORT), ("cancel", RETRYING)]
        assert len(self.told) == 2

    @inlineCallbacks
    def test_paused_rules(self) -> Any:
        """The running gateway knows which are, and which rules there are."""
        self.paused["backup"] = clock.now() - 60.0
        ran = yield self.command("jobs")
        assert ran.out.splitlines()[-1].startswith("the rule backup is paused since ")
        assert ran.out.splitlines()[2].split()[4] == "paused"
        ran = yield self.command("jobs", "show", "eeee")
        assert "the rule is paused since " in ran.out
        ran = yield self.command("jobs", "pause", "bakcup")
        assert (ran.code, ran.err) == (1, 'there is no rule "bakcup"; did you mean "backup"?\n')
        self.paused["gone"] = clock.now()
        ran = yield self.command("jobs", "resume", "gone")
        assert ran.out == "gone  goes on\n"
        assert self.worker.asked == [("resume", "gone")]
