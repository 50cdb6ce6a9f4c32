"""The settings of watched folders: what is read, what is usual, and what is said of mistakes."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from gateway.drop.account import After, Checks, Content, Demand, Unpacking
from gateway.file_source_config import FilesSource, as_files
from gateway.source_fields import SourceHead
from parsers.errors import Place
from rules.schema import Fields, Problems
from rules.strict_yaml import parse

PLACE = Place("g.yaml", 1, 1)


def read(folder: Path, text: str) -> tuple[FilesSource | None, list[str], list[str]]:
    """Read `{files: ...}`; return it, the errors and the warnings."""
    problems = Problems()
    node = parse(text, "g.yaml")
    assert node is not None
    with Fields(node, problems, "inbox") as fields:
        source = as_files(SourceHead("inbox", PLACE, UTC, folder), fields, problems)
    return source, [error.problem for error in problems.errors], [error.problem for error in problems.warnings]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two in it, and a file."""
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "file").write_text("x")
    return tmp_path


def test_nothing_said(folder: Path) -> None:
    """A folder is enough: all files, two seconds of quiet, checksums where there are any."""
    source, errors, warnings = read(folder, "files: in")
    assert source == FilesSource("inbox", PLACE, (folder / "in",), UTC)
    assert (errors, warnings) == ([], [])
    assert source is not None
    assert source.unfinished == ("*.part", "*.filepart", "*.partial", "*.tmp", ".*")


def test_everything_said(folder: Path) -> None:
    """Every key has its place."""
    text = (
        "{files: [in, ./x/../other/], patterns: ['*.log', '*.gz'], unfinished: '~*', recursive: false, quiet: 500ms, "
        "existing: ignore, checksum: required, wait: 1h, content: syslog, after: move, processed: other-place, "
        "unpack: {ratio: 10}}"
    )
    source, errors, warnings = read(folder, text)
    assert errors == []
    assert source == FilesSource(
        "inbox",
        PLACE,
        (folder / "in", folder / "other"),
        UTC,
        patterns=("*.log", "*.gz"),
        unfinished=("~*",),
        recursive=False,
        quiet=0.5,
        existing=False,
        checks=Checks(Demand.REQUIRED, wait=3600.0),
        content=Content.SYSLOG,
        after=After.MOVE,
        processed=folder / "other-place",
        unpacking=Unpacking(ratio=10),
    )
    assert warnings == []  # what is not there is made when it is needed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("files: file", '"files": {folder}/file is a file; a folder is wanted'),
        ("files: /", '"files": this is the whole machine; name the folders in which files appear'),
        ("files: []", '"files": the list is empty'),
        ("{files: in, patterns: []}", '"patterns": no file would be wanted; leave "patterns" out to take all'),
        (
            "{files: in, patterns: 'a/*'}",
            '"patterns": a pattern is compared with the name of a file, which has no slash',
        ),
        ("{files: in, quiet: 2d}", "inbox: quiet is at most a day"),
        ("{files: in, quiet: 0s}", '"quiet": 0s must be greater than 0'),
        ("files: [in, in]", "{folder}/in is in {folder}/in, which is watched whole; name it once"),
        ("files: [in/deep, in]", "{folder}/in/deep is in {folder}/in, which is watched whole; name it once"),
        ("{files: in, after: delete}", '"after" is for logs (content: syslog); a rule can delete or move other files'),
        ("{files: in, content: syslog, after: move}", '"after: move" and "processed: FOLDER" go together'),
        ("{files: in, content: syslog, processed: other}", '"after: move" and "processed: FOLDER" go together'),
        (
            "{files: in, content: syslog, after: move, processed: in/deep}",
            "what is moved to {folder}/in/deep would be taken again; choose another",
        ),
        ("{files: in, existing: no}", '"existing": one of report, ignore is wanted, not "no"'),
        ("{files: in, pattern: '*'}", 'unknown key "pattern" in "inbox"; did you mean "patterns"?'),
    ],
)
def test_mistakes(folder: Path, text: str, problem: str) -> None:
    """Each mistake is one line that says what to do."""
    _, errors, _ = read(folder, text)
    assert errors == [problem.replace("{folder}", str(folder))]


def test_may_be_nested_when_not_recursive(folder: Path) -> None:
    """Folders in each other are fine where those below are not watched."""
    source, errors, _ = read(folder, "{files: [in, in/deep], recursive: false}")
    assert source is not None
    assert errors == []


def test_missing(folder: Path) -> None:
    """A folder that is not there may come later."""
    source, errors, warnings = read(folder, "files: late")
    assert source is not None
    assert source.folders == (folder / "late",)
    assert errors == []
    assert warnings == [f"{folder}/late does not exist; it is looked for until it does"]
