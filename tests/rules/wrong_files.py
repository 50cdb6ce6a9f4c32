"""Files with one mistake each, which say themselves what must be said of it: a comment below it, with an arrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gateway.commands.findings import Finding

_ARROW = re.compile(r"( *#.*?)\^ (.*)")
_FIRST_COLUMN = "#< "
"""The arrow to the first column, which the comment's own sign covers."""


@dataclass(frozen=True, slots=True)
class Told:
    """An error: where it is, and what it says; paths are those of files beside the configuration."""

    file: str
    line: int
    column: int
    problem: str


def expected(file: Path) -> Told:
    """Return what a file says that must be said of it."""
    (told,) = _arrows(file)
    return told


def _arrows(file: Path) -> list[Told]:
    found: list[Told] = []
    for number, line in enumerate(file.read_text().split("\n")):
        if line.startswith(_FIRST_COLUMN):
            found.append(Told(file.name, number, 1, line.removeprefix(_FIRST_COLUMN)))
        elif match := _ARROW.fullmatch(line):
            found.append(Told(file.name, number, len(match[1]) + 1, match[2]))
    return found


def told(finding: Finding, *folders: Path) -> Told:
    """Return an error as it was found with the files in these folders, the inner ones first."""
    assert finding.place is not None, finding
    place, problem = finding.place, finding.problem
    for folder in folders:
        problem = problem.replace(f"{folder}/", "")
    return Told(Path(place.file).name, place.line, place.column, problem)
