"""What a `decrypt` step adds to the event for the steps after it: where the file that it wrote is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from parsers.event import FieldValue
from rules.job import FillError, fill
from rules.step import Decrypt, Step

PATH = "file.decrypted.path"
NAME = "file.decrypted.name"
ADDED = frozenset({PATH, NAME})
"""The fields; nothing but a `decrypt` step before it gives them to a step."""

EXTENSIONS = (".age", ".gpg", ".pgp", ".asc")
"""Ends of names that say that a file is encrypted, or armored; one of them is taken away."""

EXAMPLE_FOLDER = PurePosixPath("/private")
"""Where decrypted files are in what is only shown: a rule's tests, `gateway explain`."""


def plain_name(path: str) -> str | None:
    """Return the name of what a file is decrypted to: its own, without what says that it is encrypted.

    None for a path that ends in no name of a file.
    """
    name = path.rpartition("/")[2]
    if name in ("", ".", ".."):
        return None
    stem, dot, extension = name.rpartition(".")
    return stem if stem and dot + extension.lower() in EXTENSIONS else name


def with_decrypted(
    event: Mapping[str, FieldValue],
    steps: Sequence[Step],
    number: int,
    folder_of: Callable[[int], PurePosixPath],
) -> Mapping[str, FieldValue]:
    """Return the event as a step sees it.

    Args:
        event: what caused the job.
        steps: those that its job goes through.
        number: which of them it is, from 0; those before it have succeeded.
        folder_of: returns the folder that such a step, by its number from 0, has written to.
    """
    for index, step in enumerate(steps[:number]):
        if not isinstance(step, Decrypt):
            continue
        try:
            name = plain_name(fill(step.file, event, options=True))
        except FillError:
            name = None
        if name is None:  # it was another event, or another rule, when the step was done
            continue
        event = {**event, PATH: str(folder_of(index) / name), NAME: name}
    return event


def example_event(event: Mapping[str, FieldValue], steps: Sequence[Step], number: int) -> Mapping[str, FieldValue]:
    """Return the event as a step would see it, where nothing is really done."""
    return with_decrypted(event, steps, number, lambda _: EXAMPLE_FOLDER)
