"""What a check has to tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parsers.errors import OperatorError, Place


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell: an error, a warning or a note."""

    kind: str
    problem: str
    place: Place | None = None
    rule: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        place = self.place or Place("")
        found = {"kind": self.kind, "problem": self.problem, "rule": self.rule}
        return {**found, "file": place.file or None, "line": place.line or None, "column": place.column or None}


def finding_of(kind: str, error: OperatorError, folder: Path) -> Finding:
    """Make a finding of an error."""
    # the words of the configuration's readers do not know which folder it is
    return Finding(kind, error.problem.replace("`gateway init DIR`", f"`gateway init {folder}`"), error.place)
