"""How the commands print for people: colours on a terminal only, and nothing raw that a stranger sent."""

from __future__ import annotations

import json
import os
import sys
from typing import TextIO

GOOD, BAD, DOUBTFUL, DIM, BOLD = "32", "31", "33", "2", "1"
"""SGR parameters (ECMA-48, section 8.3.117)."""

COLUMN = 12
"""Where the text of a row begins."""

_UNITS = ((604800, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def many(number: int, what: str) -> str:
    """Render a count: `1 rule`, `2 rules`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Render seconds as a rule file has them: `10m`, `1h30m`."""
    whole, words = int(seconds), ""
    for size, unit in _UNITS:
        if whole >= size:
            words += f"{whole // size}{unit}"
            whole %= size
    rest = round((seconds - int(seconds)) * 1000)
    return words + (f"{rest}ms" if rest else "") or "0s"


def json_line(value: object) -> str:
    """Render JSON on one line; what could move a cursor or turn the reading direction stands as an escape in it."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


class Page:
    """What one command prints."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        # https://no-color.org: any value but the empty one
        self.coloured = self.stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(self, text: str, colour: str | None) -> str:
        """Make a text harmless, and put it in a colour where there are colours."""
        from gateway.log import escaped

        harmless = escaped(text)
        return f"\x1b[{colour}m{harmless}\x1b[0m" if self.coloured and colour else harmless

    def line(self, *parts: str | tuple[str, str | None]) -> None:
        """Print one line of texts; a pair is a text and its colour."""
        painted = [self.paint(part, None) if isinstance(part, str) else self.paint(*part) for part in parts]
        print("".join(painted).rstrip(), file=self.stream)

    def row(self, label: str, *parts: str | tuple[str, str | None]) -> None:
        """Print a label and, in its column, what belongs to it."""
        self.line((f"{label:<{COLUMN - 1}} ", BOLD), *parts)
