"""The terms of accounts: what each key means, what is inherited, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.drop.account import (
    WRITE_ONLY,
    After,
    Checks,
    Content,
    Demand,
    OnConflict,
    Quota,
    Right,
    Terms,
    Unpacking,
)
from gateway.terms_config import terms
from rules.schema import Fields, Problems
from rules.strict_yaml import parse


def read(text: str, usual: Terms | None = None, folder: Path = Path("/etc/gateway")) -> tuple[Terms, list[str]]:
    """Read terms; return them with all errors and warnings in words."""
    problems = Problems()
    node = parse(text, "g.yaml")
    assert node is not None
    with Fields(node, problems, "drop") as fields:
        found = terms(fields, usual or Terms(), folder)
    return found, [str(error) for error in (*problems.errors, *problems.warnings)]


def test_nothing_said() -> None:
    """An account may upload and make folders, overwrites nothing, and logs in with encryption only."""
    found, words = read("{}")
    assert not words
    assert found == Terms()
    assert found.rights == WRITE_ONLY
    assert not found.plain


def test_everything_said(tmp_path: Path) -> None:
    """Each key is read as what it is, `off` as the word; files are neighbours of the one that names them."""
    (tmp_path / "partner.pub").write_text("made up")
    found, words = read(
        """
rights: [upload, list, read]
on_conflict: rename
max_file: 1GiB
unfinished: ["*.inprogress", tmp-*]
quota: {octets: 10GiB, files: 10000}
checksum: off
signature: required
signers: [partner.pub]
wait: 30m
content: syslog
after: move
unpack: {octets: 2GiB, ratio: 100, members: 50}
speed: 1MiB
sessions: 2
plain: true
""",
        folder=tmp_path,
    )
    assert not words
    assert found == Terms(
        rights=frozenset({Right.UPLOAD, Right.LIST, Right.READ}),
        on_conflict=OnConflict.RENAME,
        max_file=1024**3,
        unfinished=("*.inprogress", "tmp-*"),
        quota=Quota(10 * 1024**3, 10_000),
        checks=Checks(Demand.OFF, Demand.REQUIRED, (tmp_path / "partner.pub",), 1800.0),
        content=Content.SYSLOG,
        after=After.MOVE,
        unpacking=Unpacking(2 * 1024**3, 100, 50),
        speed=1024**2,
        sessions=2,
        plain=True,
    )


def test_what_is_not_said_is_inherited() -> None:
    """Inside quota, unpack and the checks too; `none` lifts a limit."""
    usual = Terms(quota=Quota(100, 5), unpacking=Unpacking(1, 2, 3), speed=4096, checks=Checks(wait=7.0))
    found, words = read("{quota: {files: 9}, unpack: {ratio: 8}, checksum: required}", usual)
    assert not words
    assert found.quota == Quota(100, 9)
    assert found.unpacking == Unpacking(1, 8, 3)
    assert found.checks == Checks(checksum=Demand.REQUIRED, wait=7.0)
    assert found.speed == 4096
    found, words = read("{quota: none, speed: none, unfinished: []}", usual)
    assert not words
    assert (found.quota, found.speed, found.unfinished) == (Quota(), None, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rights: [uplaod]", 'is wanted, not "uplaod"; did you mean "upload"?'),
        ("rights: []", '"rights": the list is empty'),
        ("on_conflict: overwrite", "one of refuse, rename, replace is wanted"),
        ("checksum: yes", "one of off, optional, required is wanted"),
        ("signature: required", 'name the files with the public keys of those who may sign: "signers: [FILE]"'),
        ("{signature: required, signers: [none.asc]}", "none.asc does not exist"),
        ("unfinished: [in/*.part]", "which has no slash"),
        ("quota: 10GiB", '"quota": a mapping is wanted here, such as {octets: 10GiB, files: 10000}'),
        ("quota: {octet: 5}", 'unknown key "octet" in "quota"; did you mean "octets"?'),
        ("speed: 10", "a size from 1,024 to"),
        ("speed: 1M", "write 1MiB"),
        ("wait: 60", "write a unit: 60s"),
        ("max_fiel: 1GiB", 'unknown key "max_fiel" in "drop"; did you mean "max_file"?'),
        ("sessions: 0", "a whole number from 1 to 4096"),
        ("plain: yes", "write true or false"),
        ("content: logs", "one of files, syslog"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    """Each mistake is one line with its place, the key, and what to write instead."""
    _, said = read(text)
    assert len(said) == 1
    assert said[0].startswith("g.yaml:1:")
    assert words in said[0]
