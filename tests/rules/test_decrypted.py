"""What a `decrypt` step adds to the event for the steps after it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from rules.decrypted import plain_name, with_decrypted
from rules.step import Decrypt, Emit, Task


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/in/a.csv.age", "a.csv"),
        ("/in/a.csv.GPG", "a.csv"),
        ("/in/a.pgp", "a"),
        ("/in/a.tar.gz.asc", "a.tar.gz"),
        ("/in/a.csv", "a.csv"),
        ("/in/a.age.gpg", "a.age"),
        ("/in/.gpg", ".gpg"),
        ("/in/", None),
        ("/in/..", None),
        ("", None),
    ],
)
def test_names(path: str, name: str | None) -> None:
    """What says that a file is encrypted is taken away, once."""
    assert plain_name(path) == name


def test_fields_are_there_after_the_step() -> None:
    """Each step sees the file that the last `decrypt` step before it has written; a message cannot forge it."""
    run = Task("r/do/2", ("a",))
    steps = (
        Emit("r/do/1", {}),
        Decrypt("r/do/2", run, "k"),
        Emit("r/do/3", {}),
        Decrypt("r/do/4", run, "k", file="${file.decrypted.path}"),
        Emit("r/do/5", {}),
    )
    event = {"file.path": "/in/a.csv.age.gpg", "file.decrypted.path": "/etc/passwd"}

    def seen(number: int) -> tuple[object, object]:
        found = with_decrypted(event, steps, number, lambda step: PurePosixPath("/jobs", str(step + 1)))
        return found["file.decrypted.path"], found.get("file.decrypted.name")

    assert seen(1) == ("/etc/passwd", None)
    assert seen(2) == seen(3) == ("/jobs/2/a.csv.age", "a.csv.age")
    assert seen(4) == ("/jobs/4/a.csv", "a.csv")
    assert with_decrypted({"a": 1}, steps, 5, lambda _: PurePosixPath("/jobs")) == {"a": 1}
