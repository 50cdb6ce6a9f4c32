"""The configuration of the drop box: what is read, what is usual, and what is said of mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.drop.account import Demand, Terms
from gateway.drop_config import CHECKER, CHECKER_LINES, DropSettings, as_drop, usual_drop
from gateway.runner.tasks import tasks_from_json, tasks_json
from rules.schema import Problems
from rules.step import Task
from rules.strict_yaml import parse


def read(text: str, folder: Path, run: Task | None = None) -> tuple[DropSettings | None, list[str]]:
    """Read `drop:`; return it with all errors and warnings in words."""
    problems = Problems()
    node = parse(text, "g.yaml")
    assert node is not None
    found = problems.attempt(node, as_drop(folder, folder / "state", run or Task("", ())))
    return found, [str(error) for error in (*problems.errors, *problems.warnings)]


def test_nothing_said(tmp_path: Path) -> None:
    """The files are kept in the state folder, and the accounts beside the configuration; neither must be there."""
    found, words = read("{}", tmp_path)
    assert not words
    assert found == usual_drop(tmp_path, tmp_path / "state")
    assert found == DropSettings(tmp_path / "state" / "drop", tmp_path / "accounts.yaml")
    assert usual_drop(tmp_path, tmp_path).place is None


def test_everything_said(tmp_path: Path) -> None:
    """Folders, logins, retention and terms; relative files are the configuration's neighbours."""
    found, words = read(
        """
folder: /srv/drop
accounts: people.yaml
login: {tries: 5, delay: 500ms}
retention: {alice/in: 30d, processed/: 1w, quarantine: 90d}
checksum: required
speed: 1MiB
""",
        tmp_path,
    )
    assert not words
    assert found == DropSettings(
        Path("/srv/drop"),
        tmp_path / "people.yaml",
        terms=Terms(checks=replace(Terms().checks, checksum=Demand.REQUIRED), speed=1024**2),
        tries=5,
        delay=0.5,
        retention={"alice/in": 30 * 86_400.0, "processed": 7 * 86_400.0, "quarantine": 90 * 86_400.0},
    )
    assert found.place is not None


def test_the_checker_is_a_task_that_reads_two_lines(tmp_path: Path) -> None:
    """It has what `defaults.run` says, ten seconds, and gets user and password on its input and nothing else."""
    found, words = read("checker: {run: [/usr/sbin/pwauth, -x], user: root}", tmp_path, Task("", (), nice=5))
    assert not words
    assert found is not None
    assert found.checker == Task(
        CHECKER, ("/usr/sbin/pwauth", "-x"), timeout=10.0, user="root", nice=5, lines=CHECKER_LINES
    )
    assert tasks_from_json(tasks_json({CHECKER: found.checker})) == {CHECKER: found.checker}


def test_the_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events name files in full, however the configuration was named."""
    monkeypatch.chdir(tmp_path)
    assert usual_drop(Path(), Path("state")).folder == tmp_path / "state" / "drop"
    assert usual_drop(Path(), Path("etc/../state")).folder == tmp_path / "state" / "drop"
    found, words = read("folder: files", Path())
    assert not words
    assert found is not None
    assert found.folder == tmp_path / "files"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("checker: /usr/sbin/pwauth", "a mapping (key: value) is wanted here"),
        ("checker: {}", 'the key "run" is missing in "checker"'),
        ("checker: {run: pwauth -x}", "there is no shell; write the command as a list: [pwauth, -x]"),
        ('checker: {run: [check, "${user.name}"]}', "for all users of this machine can see arguments"),
        ("checker: {run: [check], stdin: none}", "it reads the user and the password there"),
        ("checker: {run: [check], tiemout: 5s}", 'did you mean "timeout"?'),
        ("login: {delay: 5m}", "clients give up before: at most 60s"),
        ("login: {tries: 0}", "a whole number from 1 to 100"),
        ("retention: {../other: 1d}", "a folder below that of the drop box is wanted"),
        ("retention: {/var/log: 1d}", "a folder below that of the drop box is wanted"),
        ("retention: {alice/.gateway: 1d}", "a folder below that of the drop box is wanted"),
        ("retention: {alice/: 1d, alice: 2d}", "stands here twice"),
        ("retention: {alice: 30}", "write a unit: 30s"),
        ("accounts: .", "is a folder, not a file"),
        ("folder: file", "it is no folder"),
        ("acounts: x.yaml", 'unknown key "acounts" in "drop"; did you mean "accounts"?'),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    """Each mistake is one line with its place, and what to do."""
    (tmp_path / "file").touch()
    _, said = read(text, tmp_path)
    assert len(said) == 1, said
    assert said[0].startswith("g.yaml:1:")
    assert words in said[0]
