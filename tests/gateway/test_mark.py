"""The mark: the newest of its copies that is whole, and what is wrong with the others."""

from __future__ import annotations

from pathlib import Path

from gateway.jobs.mark import Mark, MarkFile, read_mark
from gateway.jobs.records import Damage


def written(path: Path, *marks: Mark) -> None:
    """Write marks, one after the other."""
    file = MarkFile(path)
    for mark in marks:
        file.write(mark)
    file.close()


def test_the_newest_mark_is_read(tmp_path: Path) -> None:
    """Whichever place the newest stands in, it is the one that is read; reopening keeps it."""
    path = tmp_path / "mark"
    for commits in range(5):
        written(path, Mark(commits, commits * 10, 2, 3))
        assert read_mark(path) == (Mark(commits, commits * 10, 2, 3), [])


def test_no_mark_is_said(tmp_path: Path) -> None:
    """A file that is missing is damage, one that nothing was written to yet is not."""
    path = tmp_path / "mark"
    assert read_mark(path) == (None, [Damage("mark", None, None, "the file is missing")])
    written(path)
    assert read_mark(path) == (None, [])


def test_a_damaged_copy_is_said_and_the_other_is_read(tmp_path: Path) -> None:
    """Whichever octet of a copy is damaged, it is said, and the older copy counts."""
    path = tmp_path / "mark"
    written(path, Mark(1, 10), Mark(2, 20))
    octets = path.read_bytes()
    for place in range(44):
        path.write_bytes(octets[:place] + bytes([octets[place] ^ 4]) + octets[place + 1 :])
        assert read_mark(path) == (Mark(1, 10), [Damage("mark", None, None, "copy 1 of 2 is damaged")])


def test_a_file_that_is_cut_off_is_said(tmp_path: Path) -> None:
    """A file of another length is damaged; what it holds still counts."""
    path = tmp_path / "mark"
    written(path, Mark(2, 20), Mark(3, 30))
    path.write_bytes(path.read_bytes()[:300])
    mark, (damage,) = read_mark(path)
    assert mark == Mark(2, 20)
    assert "300 octets" in damage.problem
