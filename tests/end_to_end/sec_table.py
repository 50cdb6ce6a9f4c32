"""SEC's rules and ours side by side: `python -m tests.end_to_end.sec_table > rules/SEC.md` writes the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.end_to_end.sec_rules import COUNTERPARTS, SCRIPT, Counterpart

_HEAD = """\
# SEC's rules, and ours

For people who know the [Simple Event Correlator](https://simple-evcorr.github.io/). Each pair below is run by the
tests: the real `sec` and our rules see the same generated logs, in virtual time, and must act at the same lines.
"""

_BOUNDARY = """\
SEC's clock knows whole seconds, and its windows include both ends: with `window=60` an event that is exactly 60 seconds
old still counts, and what does not come is missed in the 61st. Ours are half open: at 60 seconds it is over. So
`window=59` is exactly `within: 60s`, and nobody will notice the difference. SEC goes by the time at which it reads a
line; so do ours while running, and in a backtest by that of the line."""


def markdown() -> str:
    """Return the page: the table, and below it each pair of rules."""
    return "\n".join([_HEAD, *_table(), "", _BOUNDARY, "", *(line for one in _all() for line in _pair(one))])


def _all() -> list[Counterpart]:
    first, *others = COUNTERPARTS.values()
    return [first, SCRIPT, *others]


def _table() -> Iterator[str]:
    yield "| SEC | ours | what differs |"
    yield "|---|---|---|"
    for one in _all():
        yield f"| {one.kind} | {one.words} | {one.differs} |"


def _pair(one: Counterpart) -> Iterator[str]:
    yield f"## {one.kind}"
    yield ""
    for text in one.sec:
        yield from ("```ini", text.rstrip(), "```")
    yield from ("```yaml", one.ours.rstrip(), "```", "")


if __name__ == "__main__":
    sys.stdout.write(markdown())
