"""Private folders of jobs: made for the step's user by a real runner, cleaned when a job has ended, never elsewhere."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyrage  # type: ignore[import-untyped]
import pytest

from gateway.jobs.records import State
from gateway.runner.children import Identity, StartError
from gateway.runner.folders import JobFolders
from gateway.runner.protocol import Clean, Reload, Reloaded
from parsers.errors import Place
from rules.condition import Equals
from rules.outcome import Ending
from rules.rule import Retry, Rule
from rules.step import DeadLetter, Decrypt, Task
from tests.gateway.job_stand_ins import House, Open, task
from tests.gateway.runner_harness import Harness, until

JOB = "0123456789abcdef" * 2
OTHER = "f" * 32
NOBODY = pwd.getpwnam("nobody")
PROGRAM = Path(__file__).parents[2] / "gateway" / "decrypt.py"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
SELF = Identity("we", "/")


@pytest.fixture
def folders(tmp_path: Path) -> JobFolders:
    """Folders below `jobs`."""
    return JobFolders(tmp_path / "jobs")


def remove(folders: JobFolders, job: str) -> int:
    """Remove the folders of a job; return in how many parts that was done."""
    folders.remove(job)
    parts = 0
    while folders.next_time() == 0.0:
        folders.go_on()
        parts += 1
    return parts


def mode(path: Path) -> str:
    """Return what a folder allows whom."""
    return f"{path.stat().st_mode & 0o7777:o}"


@needs_root
def test_a_folder_is_the_users_and_leads_to_itself(folders: JobFolders, tmp_path: Path) -> None:
    """Only its user may look into it, others may pass those above; a repeat takes what is there."""
    nobody = Identity("nobody", "/", NOBODY.pw_uid, NOBODY.pw_gid, ())
    for _ in range(2):
        with folders.of(f"{JOB}-2", nobody) as (here, usual):
            assert usual == tmp_path / "jobs" / JOB / "2"
            assert Path(here).samefile(usual)
            assert (usual.stat().st_uid, usual.stat().st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
            assert [mode(path) for path in (usual, usual.parent, usual.parent.parent)] == ["700", "711", "711"]
            (usual / "file").touch()
    assert folders.names() == (JOB,)
    remove(folders, JOB)
    assert folders.names() == ()


@needs_root
def test_a_folder_is_never_handed_to_another_user(folders: JobFolders) -> None:
    """What was decrypted for one is gone before the other has the folder."""
    nobody = Identity("nobody", "/", NOBODY.pw_uid, NOBODY.pw_gid, ())
    for who, uid in ((SELF, os.geteuid()), (nobody, NOBODY.pw_uid), (SELF, os.geteuid())):
        with folders.of(f"{JOB}-1", who) as (_, usual):
            assert (usual.stat().st_uid, list(usual.iterdir())) == (uid, [])
            (usual / "file").touch()


@pytest.mark.parametrize("attempt", ["../x", "job", JOB, f"{JOB}-0", f"{JOB}-1/..", f"{JOB.upper()}-1", f"{JOB}-1\n"])
def test_only_a_jobs_step_has_a_folder(attempt: str, folders: JobFolders, tmp_path: Path) -> None:
    """An id with anything else in it makes nothing."""
    with pytest.raises(StartError, match="is no step of a job"), folders.of(attempt, SELF):
        pass
    assert not list(tmp_path.iterdir())


def test_nothing_is_removed_but_folders_of_jobs(folders: JobFolders, tmp_path: Path) -> None:
    """Neither by another name, nor through a link in the place of one, nor what is not there."""
    with folders.of(f"{JOB}-1", SELF):
        pass
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "jobs" / OTHER).symlink_to(kept)
    for job in ("../kept", ".", "", OTHER, "0" * 32, str(kept)):
        remove(folders, job)
    assert (kept / "file").exists()
    assert folders.names() == tuple(name for name in os.listdir(tmp_path / "jobs"))  # noqa: PTH208 -- as it does
    none = JobFolders(tmp_path / "never")
    assert remove(none, JOB) == 0
    assert none.names() == JobFolders(None).names() == ()
    assert not (tmp_path / "never").exists()
    with pytest.raises(StartError, match="without a place"), JobFolders(None).of(f"{JOB}-1", SELF):
        pass


def test_whatever_was_unpacked_there_is_removed(folders: JobFolders, tmp_path: Path) -> None:
    """Folders in each other beyond all limits, closed ones, links, and many files; these in parts."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "file").touch()
    with folders.of(f"{JOB}-1", SELF) as (here, usual):
        place = os.open(here, os.O_RDONLY)
        for _ in range(1100):
            os.mkdir("d", dir_fd=place)
            above, place = place, os.open("d", os.O_RDONLY, dir_fd=place)
            os.close(above)
        os.close(place)
        for number in range(1000):
            (usual / f"{number}").touch()
        (usual / "link").symlink_to(away)
        (usual / "closed" / "inner").mkdir(parents=True)
        (usual / "closed" / "inner" / "file").touch()
        for closed in (usual / "closed" / "inner", usual / "closed"):
            closed.chmod(0)
    assert remove(folders, JOB) > 10
    assert (folders.names(), [path.name for path in away.iterdir()]) == ((), ["file"])


def test_a_job_that_begins_again_has_a_new_folder(folders: JobFolders) -> None:
    """Also while what it had before is being removed."""
    with folders.of(f"{JOB}-1", SELF) as (_, usual):
        (usual / "file").touch()
    folders.remove(JOB)
    with folders.of(f"{JOB}-1", SELF):
        assert list(usual.iterdir()) == []
    assert folders.next_time() == float("inf")


def test_what_is_in_the_way_is_not_followed(folders: JobFolders, tmp_path: Path) -> None:
    """A link where a folder is to be is no folder; whoever put it there gets nothing."""
    away = tmp_path / "away"
    away.mkdir()
    with folders.of(f"{JOB}-1", SELF):
        pass
    (tmp_path / "jobs" / JOB / "2").symlink_to(away)
    (tmp_path / "jobs" / OTHER).symlink_to(away)
    for attempt in (f"{JOB}-2", f"{OTHER}-1"):
        with pytest.raises(StartError, match="cannot be made"), folders.of(attempt, SELF):
            pass
    (tmp_path / "linked").symlink_to(away)
    with pytest.raises(StartError, match="cannot be made"), JobFolders(tmp_path / "linked").of(f"{JOB}-1", SELF):
        pass
    assert not list(away.iterdir())


@needs_root
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """The gateway, which may be less than the runner, cannot give it a folder of its own."""
    root = tmp_path / "jobs"
    root.mkdir()
    os.chown(root, NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(StartError, match="belongs to user"), JobFolders(root).of(f"{JOB}-1", SELF):
        pass


# -- the runner --


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may pass, as the state's is; those of pytest are nobody else's to pass."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o711)
        yield path


def _runs_for(user: int, argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, user=user, capture_output=True, check=False).returncode == 0
    except PermissionError:
        return False


@needs_root
def test_a_decrypting_task_runs_in_its_folder(place: Path) -> None:
    """The real program writes, as the step's user, where only that user reads; the next task is told where.

    A runner that comes later says which folders there are, and removes them when it is asked to.
    """
    key = pyrage.x25519.Identity.generate()
    (place / "key").write_text(str(key))
    (place / "key").chmod(0o644)
    (place / "a.txt.age").write_bytes(pyrage.encrypt(b"secret", [key.to_public()]))
    (place / "a.txt.age").chmod(0o644)
    # where this interpreter lies in root's own home, nobody else can run it
    usable = _runs_for(NOBODY.pw_uid, [sys.executable, "-I", "-c", "import pyrage"])
    user = {"user": "nobody"} if usable else {}
    argv = [sys.executable, "-I", str(PROGRAM), "--key", str(place / "key"), "--", "${file.path}"]
    tasks = {
        "decrypt": {"argv": argv, "stdin": False, "decrypts": True, **user},
        "cat": {"argv": ["cat", "${file.decrypted.path}"], "stdin": False, **user},
    }
    (place / "tasks").write_text(json.dumps(tasks))
    runner = Harness(place / "tasks", folders=place / "jobs")
    try:
        assert runner.ready.folders == ()
        runner.start("decrypt", f"{JOB}-1", **{"file.path": str(place / "a.txt.age")})
        outcome = runner.outcome(f"{JOB}-1")
        assert (outcome.exit_code, outcome.stderr, outcome.error) == (0, b"", None)
        plain = place / "jobs" / JOB / "1" / "a.txt"
        owner = NOBODY.pw_uid if usable else os.geteuid()
        assert (plain.stat().st_uid, mode(plain)) == (owner, "600")
        runner.start("cat", f"{JOB}-2", **{"file.decrypted.path": str(plain)})
        assert runner.outcome(f"{JOB}-2").stdout == b"secret"
        runner.start("decrypt", "job-1", **{"file.path": str(place / "a.txt.age")})
        assert runner.outcome("job-1").ending is Ending.NOT_STARTED
        runner.start("decrypt", f"{OTHER}-1", **{"file.path": f"{place}/.."})
        assert runner.outcome(f"{OTHER}-1").ending is Ending.REFUSED
        runner.connection.close()
        runner.connect()
        assert runner.ready.folders == (JOB,)
        runner.send(Clean(JOB))
        until(lambda: not plain.parent.parent.exists())
        runner.send(Reload())
        runner.await_reply(Reloaded)
        assert list((place / "jobs").iterdir()) == []
    finally:
        assert runner.stop() == (0, "")


# -- the worker --

RULE = Rule(
    "r",
    Place(""),
    Equals("event.dataset", "none"),
    do=(
        task("r/do/1"),
        Decrypt("r/do/2", Task("r/do/2", (), decrypts=True), "key", file="/in/${message}"),
        task("r/do/3"),
        task("r/do/4"),
    ),
    on_failure=(DeadLetter("r/on_failure/1", "box"),),
)


def decrypted(here: House, job: str) -> list[object]:
    """Return where each attempt at a job was told that the decrypted file is."""
    return [one.event.get("file.decrypted.path") for one in here.performs.attempts if one.id.startswith(job)]


def test_later_steps_know_the_file_and_the_end_cleans(open_house: Open) -> None:
    """The fields are there after the step that decrypts, and only then; folders go with the job."""
    here = open_house(RULE)
    job = here.happen("r", text=b"a.csv.age")
    for step in (1, 2, 3):
        here.performs.end(f"{job}-{step}")
        assert here.cleaned == []
    here.performs.end(f"{job}-4")
    there = f"/jobs/{job}/2/a.csv"
    assert decrypted(here, job) == [None, None, there, there]
    assert here.performs.attempts[2].event["file.decrypted.name"] == "a.csv"
    assert here.cleaned == [job]


def test_a_job_without_such_a_step_asks_for_nothing(open_house: Open) -> None:
    """Nor does one that has not come to it."""
    here = open_house(RULE, replace(RULE, name="s", do=(task("s/do/1"),)))
    for rule in "r", "s":
        here.performs.end(f"{here.happen(rule)}-1", 1)
    assert here.cleaned == []


def test_a_dead_letter_is_decrypted_again(open_house: Open) -> None:
    """Its file is gone with it, so the retry begins with the step that decrypts; one that failed before it does not."""
    here = open_house(RULE)
    job = here.happen("r")
    for step in (1, 2, 3):
        here.performs.end(f"{job}-{step}")
    here.performs.end(f"{job}-4", 1)
    assert (here.state(job), here.cleaned) == (State.DEAD, [job])
    here.worker.operators.retry(job)
    assert here.performs.names()[4:] == ["r/do/2"]
    for step in (2, 3, 4):
        here.performs.end(f"{job}-{step}")
    assert (here.state(job), here.cleaned) == (State.SUCCEEDED, [job, job])
    early = here.happen("r", text=b"early")
    here.performs.end(f"{early}-1", 1)
    here.worker.operators.retry(early)
    assert here.performs.names()[-1] == "r/do/1"


def test_a_try_that_fails_keeps_the_folder(open_house: Open) -> None:
    """What waits for its next try will want the file."""
    here = open_house(replace(RULE, retry=Retry(times=1, wait=10.0, jitter=0.0)))
    job = here.happen("r")
    for step in (1, 2):
        here.performs.end(f"{job}-{step}")
    here.performs.end(f"{job}-3", 1)
    assert (here.state(job), here.cleaned) == (State.WAITING, [])
    here.worker.operators.cancel(job)
    assert here.cleaned == [job]


def test_a_cancelled_one_is_cleaned_when_its_process_is_gone(open_house: Open) -> None:
    """Not while it still writes."""
    here = open_house(RULE)
    job = here.happen("r")
    here.performs.end(f"{job}-1")
    here.worker.operators.cancel(job)
    assert here.cleaned == []
    here.performs.end(f"{job}-2", 1)
    assert here.cleaned == [job]


def test_a_start_cleans_what_is_left(open_house: Open) -> None:
    """Of the folders that the runner finds, those go whose jobs are not live; the others go with their jobs."""
    here = open_house(RULE)
    job, done = here.happen("r"), here.happen("r", text=b"done")
    for one in (job, done):
        for step in (1, 2):
            here.performs.end(f"{one}-{step}")
    here.performs.end(f"{done}-3", 1)
    here.again()
    here.worker.found((job, done, OTHER))
    assert here.cleaned == [done, OTHER]
    here.worker.found(())
    here.performs.end(f"{job}-3")
    assert decrypted(here, job) == [f"/jobs/{job}/2/text"] * 2
    here.performs.end(f"{job}-4")
    assert here.cleaned == [done, OTHER, job]
