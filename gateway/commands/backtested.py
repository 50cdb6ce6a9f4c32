"""How a backtest is shown on a terminal or a page: a table of the rules, and what differs between two sets of them."""

from __future__ import annotations

import json
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.backtest.summary import HELD, words_of
from gateway.commands.terminal import many
from gateway.log import escaped

if TYPE_CHECKING:
    from gateway.backtest.comparison import Comparison, RuleDifference
    from gateway.backtest.happened import Happened
    from gateway.backtest.summary import RuleSummary
    from gateway.commands.backtest import Result

PAGE = 160
"""Columns where the output is no terminal: what is cut off there is gone."""

DIFFERENCES = 20
"""Differences that are shown one by one."""

MAX_KEY = 60
"""Characters of a key in the table; the list and JSON have it whole."""

STYLES = {"do": "bold blue", "else": "green", "undo": "dim", HELD: "yellow"}


def console() -> Console:
    """Return what prints; nothing in a text means anything to it."""
    page = Console(markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not page.is_terminal:
        page.width = PAGE
    return page


def show(result: Result, top: int) -> None:
    """Print the table, and what there is to say about what was read."""
    page = console()
    if result.comparison is not None:
        _show_comparison(page, result.comparison, result)
    else:
        _show_alone(page, result, top)
    for text, style in _about(result):
        page.print(Text(text, style), soft_wrap=True)


def _show_alone(page: Console, result: Result, top: int) -> None:
    loud, silent = result.summaries[0].loud(), result.summaries[0].silent()
    if not loud:
        page.print(Text(f"none of {many(len(silent), 'rule')} did anything", "yellow"))
        return
    page.print(_table(loud, result, top))
    if silent:
        page.print(Text(f"nothing came of {many(len(silent), 'other rule')}: {_plain(', '.join(silent))}", "dim"))


def _table(loud: list[tuple[str, RuleSummary]], result: Result, top: int) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    optional = {
        "undone": any(one.undone for _, one in loud),
        "open": any(one.open for _, one in loud),
        "else": any(one.otherwise for _, one in loud),
        "held": any(one.held for _, one in loud),
    }
    table.add_column("rule", style="bold", overflow="fold")
    table.add_column("fired", justify="right", no_wrap=True)
    for name, is_there in optional.items():
        if is_there:
            table.add_column(name, justify="right", style=STYLES.get(name, "none"), no_wrap=True)
    table.add_column("keys", justify="right", no_wrap=True)
    table.add_column("first", no_wrap=True)
    table.add_column("last", no_wrap=True)
    if top:
        table.add_column("most often", overflow="fold", style="dim")
    for name, one in loud:
        counts = {"undone": one.undone, "open": len(one.open), "else": one.otherwise, "held": one.held}
        row = [
            _plain(name),
            f"{one.fired:,}",
            *(f"{counts[what]:,}" if counts[what] else "-" for what, is_there in optional.items() if is_there),
            one.count_of_keys(),
            _moment(one.first, result.zone),
            _moment(one.last, result.zone),
        ]
        if top:
            row.append(_top(one, top))
        table.add_row(*(Text(cell) for cell in row))
    return table


def _top(one: RuleSummary, top: int) -> str:
    named = [(key, count) for key, count in one.keys.most_common(top) if key]
    words = ", ".join(f"{_cut(words_of(key))}{f' ({count:,})' if count > 1 else ''}" for key, count in named)
    left = len(one.keys) - len(named)
    return f"{words} and {left:,} more" if named and left > 0 else words


def _show_comparison(page: Console, comparison: Comparison, result: Result) -> None:
    for mark, side, name in zip("-+", _SIDES, result.names, strict=True):
        page.print(Text.assemble((f"{mark} {side}", MARKS[mark]), f": {_plain(name)}"), soft_wrap=True)
    rows = _rows(comparison, result)
    if rows:
        page.print(_comparing_table(rows, comparison))
    if not comparison.different():
        page.print(Text(f"both did the same, {many(comparison.same, 'time')}", "green"))
        return
    total = sum(one.total for one in comparison.rules.values())
    shown = comparison.shown[:DIFFERENCES]
    head = f"the first {len(shown)} of them" if total > len(shown) else "these"
    page.print(Text(f"{many(total, 'difference')}, {comparison.same:,} times the same; {head}:"))
    for difference in shown:
        for mark, happened in zip("-+", difference.sides, strict=True):
            if happened is not None:
                page.print(_line(happened, result.zone, mark), soft_wrap=True)


def _rows(comparison: Comparison, result: Result) -> list[tuple[str, list[int], RuleDifference]]:
    """Return the rules that did something on either side, how often on each, and what differs; that first."""
    rows = []
    for name, one in comparison.rules.items():
        found = [summary.rules.get(name) for summary in result.summaries]
        times = [side.total if side is not None else 0 for side in found]
        if any(times):
            rows.append((name, times, one))
    return sorted(rows, key=lambda row: (-row[2].total, -max(row[1])))


def _comparing_table(rows: list[tuple[str, list[int], RuleDifference]], comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("rule", overflow="fold")
    for head in (*_SIDES, *(f"only {side}" for side in _SIDES), "other commands"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", style="dim", no_wrap=True)
    for name, times, one in rows:
        where = next((words for words, names in zip(_MISSING, comparison.missing, strict=True) if name in names), "")
        cells = [f"{cell:,}" if cell else "-" for cell in (*times, *one.only, one.other_commands)]
        style = "bold" if one.total else "dim"
        table.add_row(Text(_plain(name)), *map(Text, cells), Text(where), style=style)
    return table


_SIDES = ("this", "against")
MARKS = {"-": "bold red", "+": "bold green"}
_MISSING = ("only against has it", "only this has it")


def list_one(happened: Happened, zone: tzinfo, side: int | None) -> None:
    """Print one thing that happened; with a side, of which set of rules it is."""
    page = _list_page()
    page.print(_line(happened, zone, "" if side is None else "-+"[side]), soft_wrap=True)


def _list_page(kept: list[Console] = []) -> Console:  # noqa: B006 -- made once
    if not kept:
        kept.append(console())
    return kept[0]


def _line(happened: Happened, zone: tzinfo, mark: str) -> Text:
    kind = HELD if happened.held else happened.part.value
    line = Text.assemble((f"{mark} ", MARKS[mark])) if mark else Text()
    line.append(_moment(happened.time, zone), "none")
    line.append(f"  {kind:4} ", STYLES[kind])
    line.append(_plain(happened.rule.name), "bold")
    if happened.key:
        line.append(f"  {_plain(words_of(happened.key))}")
    if happened.reason and happened.reason != "time":
        line.append(f"  ({happened.reason})", "dim")
    for command in happened.commands():
        what = json.dumps(command.argv, ensure_ascii=False) if command.kind == "run" else command.words
        text = command.problem if command.problem is not None else what
        line.append(f"\n{'':24}{command.kind} {_plain(text)}", "red" if command.problem is not None else "dim")
    return line


def _about(result: Result) -> list[tuple[str, str]]:
    lines = f"{many(result.lines, 'line')} read, {result.candidates:,} of them looked at closely"
    span = ""
    if result.first is not None and result.last is not None:
        span = f", {_moment(result.first, result.zone)} to {_moment(result.last, result.zone)}"
    told = [(f"{lines}{span}", "none")]
    reads = result.reads
    if ahead := sum(read.ahead for read in reads):
        told.append((f"{many(ahead, 'line')} from the future, taken for as old as the line before", "yellow"))
    if behind := sum(read.behind for read in reads):
        told.append(
            (f"{many(behind, 'line')} over an hour older than a line before, taken for as old as that", "yellow")
        )
    if cut := sum(read.cut for read in reads):
        told.append((f"{many(cut, 'line')} longer than a message may be, and cut", "yellow"))
    return told


def _moment(time: float | None, zone: tzinfo) -> str:
    return "-" if time is None else f"{datetime.fromtimestamp(time, zone):%Y-%m-%d %H:%M:%S}"


def _cut(text: str) -> str:
    harmless = _plain(text)
    return harmless if len(harmless) <= MAX_KEY else f"{harmless[: MAX_KEY - 1]}…"


def _plain(text: Any) -> str:
    return escaped(str(text))
