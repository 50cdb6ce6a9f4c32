"""What `gateway check --coverage` tells of what the rules' tests reach, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.commands.terminal import BAD, BOLD, DIM, DOUBTFUL, GOOD, Page

if TYPE_CHECKING:
    from rules.coverage import Coverage, Item

GOOD_FROM = 100
DOUBTFUL_FROM = 80
"""Per cent from which on a number is shown in these colours."""

MAX_WORDS = 160
"""Characters of one condition that are shown."""


def coverage_dict(coverages: Sequence[Coverage]) -> dict[str, object]:
    """Return it ready for JSON."""
    items = [item for coverage in coverages for item in coverage.items()]
    return {**_numbers(items), "rules": [_rule_dict(coverage) for coverage in coverages]}


def _rule_dict(coverage: Coverage) -> dict[str, object]:
    rule, items = coverage.rule, coverage.items()
    missing = [{"what": item.what, "lacks": item.lacks} for item in items if not item.reached]
    place = {"file": rule.place.file, "line": rule.place.line}
    return {"rule": rule.name, **place, "tested": bool(rule.tests), **_numbers(items), "missing": missing}


def _numbers(items: Sequence[Item]) -> dict[str, object]:
    reached = sum(item.reached for item in items)
    return {"reached": reached, "of": len(items), "percent": _percent(reached, len(items))}


def print_coverage(page: Page, coverages: Sequence[Coverage]) -> None:
    """Print a table of the rules, under each what none of its tests reaches, and the total."""
    width = max((len(coverage.rule.name) for coverage in coverages), default=0)
    page.line()
    page.line((f"{'what the tests reach':<{width}}  reached  per cent", BOLD))
    for coverage in coverages:
        items = coverage.items()
        tested = "" if coverage.rule.tests else "  no tests"
        _print_row(page, f"{coverage.rule.name:<{width}}", items, tested)
        if not coverage.rule.tests:
            continue
        for item in items:
            if not item.reached:
                page.line(f"    {item.lacks}: ", (_cut(item.what), DIM))
    _print_row(page, f"{'all rules':<{width}}", [item for one in coverages for item in one.items()])
    page.line()


def _print_row(page: Page, name: str, items: Sequence[Item], more: str = "") -> None:
    reached = sum(item.reached for item in items)
    percent = _percent(reached, len(items))
    colour = GOOD if percent >= GOOD_FROM else DOUBTFUL if percent >= DOUBTFUL_FROM else BAD
    page.line(f"{name}  {f'{reached}/{len(items)}':>7}  ", (f"{percent:>6.1f} %", colour), (more, DIM))


def _percent(reached: int, of: int) -> float:
    """Return a percentage with one digit behind the point, cut off: 100 says that nothing is missing."""
    return 100.0 if not of else int(reached * 1000 / of) / 10


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"
