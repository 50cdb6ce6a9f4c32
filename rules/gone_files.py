"""Files that one step moves or deletes and a later one wants: it would find them gone, each time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rules.schema import Problems
from rules.step import Decrypt, Delete, Move, Step, Task, texts_of


def warn_of_gone(steps: Sequence[Step], problems: Problems) -> None:
    """Warn of each step that wants a file at a path from which a step before it has moved or deleted it.

    What only names the file, a mail or an event, is right to do so afterwards.
    """
    gone: dict[str, Delete | Move] = {}
    for step in steps:
        wanted = tuple(texts_of(step)) if isinstance(step, Task | Decrypt | Delete | Move) else ()
        for path, former in gone.items():
            if any(_names(text, path) for text in wanted):
                problems.warn(_words(path, former), problems.places[step.name])
                break
        if isinstance(step, Delete | Move):
            gone.setdefault(step.file, step)


def _names(text: str, path: str) -> bool:
    """Tell whether a text names the path itself, and no file beside it or below another folder."""
    return re.search(rf"(?<![/}}]){re.escape(path)}(?![\w./-])", text) is not None


def _words(path: str, former: Delete | Move) -> str:
    if isinstance(former, Delete):
        return f"{path} is not there any more: {former.name} has deleted it; delete it in the last step"
    return (
        f"{path} is not there any more: {former.name} has moved it to {former.to}; move it in the last step, or name "
        "the file in its new place"
    )
