"""`gateway backtest LOG...`: runs old logs through the rules in their own time, and shows what would have happened."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.backtest_rules import rules_of
from gateway.commands.check import DEFAULT
from gateway.commands.parse import as_zone
from gateway.commands.terminal import json_line, many
from parsers.errors import OperatorError
from parsers.message import Origin, Trust

if TYPE_CHECKING:
    from gateway.backtest.comparison import Comparison
    from gateway.backtest.happened import Happened
    from gateway.backtest.logs import Found
    from gateway.backtest.reading import Read
    from gateway.backtest.replay import Sides
    from gateway.backtest.summary import Summary

HELP = "run old logs through the rules in their own time, show what would have happened"

YEARS = range(1970, 9000)

SETTLED_AFTER = 1000
"""What happened since, before the two sides are compared: that looks at all that waits for its counterpart."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "logs",
        metavar="LOG",
        nargs="+",
        help="a log, also in gz, bz2, xz, zst or tar; rotated ones in any order; a folder means its logs; - is "
        "standard input",
    )
    parser.add_argument(
        "--rules", metavar="FILE", nargs="+", type=Path, help="these rule files, or folders of them, and no others"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help=f"the rules of this configuration ({DEFAULT})")
    parser.add_argument(
        "--against", metavar="FILE", type=Path, help="compare with a rule file, a configuration, or a folder with one"
    )
    parser.add_argument("--from", dest="since", metavar="TIME", help="leave out what was written before: 2026-01-31T08")
    parser.add_argument("--to", dest="until", metavar="TIME", help="leave out what was written later, and end there")
    parser.add_argument(
        "--year", type=_year, metavar="YEAR", help="of the first line of each log (default: by its file)"
    )
    parser.add_argument("--zone", type=as_zone, metavar="NAME", help="zone of stamps that carry none (default: local)")
    parser.add_argument("--dataset", metavar="NAME", default="backtest", help="as if it came through this source")
    parser.add_argument(
        "--trust", choices=[trust.name.lower() for trust in Trust], default="local", help="how the sender is known"
    )
    parser.add_argument("--list", action="store_true", help="print all that happens, in the order of time")
    parser.add_argument(
        "--json", action="store_true", help="print it as JSON, one object a line, and the totals at last"
    )
    parser.add_argument("--svg", metavar="FILE", type=Path, help="draw it over time, as a picture for a browser")
    parser.add_argument("--top", type=_count, default=5, metavar="N", help="keys that are named for each rule (5)")


def _year(text: str) -> int:
    if not text.isdecimal() or int(text) not in YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is no year")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def as_time(text: str | None, option: str, zone: tzinfo) -> float | None:
    """Read a time: ISO 8601, to the day, the hour or closer, or seconds since 1970.

    Raises:
        OperatorError: it is none.
    """
    if text is None:
        return None
    try:
        if text.replace(".", "", 1).isdecimal() and len(text.partition(".")[0]) != len("20260131"):
            return datetime.fromtimestamp(float(text), UTC).timestamp()
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise OperatorError(
            f"gateway backtest: {option}: {text!r} is no time; write 2026-01-31, 2026-01-31T08:30 or seconds since 1970"
        ) from None


@dataclass(slots=True)
class Result:
    """What a backtest came to.

    Attributes:
        names: of the rule sets, the one under test first.
        summaries: of each rule set.
        comparison: None: there is but one.
        first, last: from when to when the logs are, as far as they were shown; None: nothing in them says so.
    """

    names: list[str]
    summaries: list[Summary]
    comparison: Comparison | None
    reads: list[Read]
    problems: list[str]
    notes: list[str]
    zone: tzinfo
    first: float | None = None
    last: float | None = None
    happened: int = 0

    @property
    def lines(self) -> int:
        """How many lines were read."""
        return sum(read.lines for read in self.reads)

    @property
    def candidates(self) -> int:
        """How many of them the sieve let through."""
        return sum(read.candidates for read in self.reads)


def run(args: argparse.Namespace) -> int:
    """Run it; 0 when all could be read, 1 else."""
    from gateway import clock
    from gateway.backtest.comparison import Comparison
    from gateway.backtest.logs import find_logs
    from gateway.backtest.reading import Read
    from gateway.backtest.replay import Rules, Sides
    from gateway.backtest.summary import Summary
    from gateway.commands.backtested import show
    from gateway.zone import local_zone

    zone = args.zone or local_zone()
    since = as_time(args.since, "--from", zone)
    until = as_time(args.until, "--to", zone)
    if since is not None and until is not None and since > until:
        raise OperatorError("gateway backtest: --from is later than --to, so that nothing is in between")
    if args.svg is not None and not args.svg.absolute().parent.is_dir():
        raise OperatorError(f"gateway backtest: --svg: there is no folder {args.svg.absolute().parent}")
    chosen = [rules_of(args.rules, args.config)]
    if args.against is not None:
        chosen.append(rules_of([args.against], None))
    sides = tuple(Rules(one.name, one.stages) for one in chosen)
    found = find_logs(args.logs, clock.now(), zone)
    if not found.logs:
        _complain(found.problems)
        return 1
    both = [side.rulebook.rules for side in sides]
    result = Result(
        [side.name for side in sides],
        [Summary(rules) for rules in both],
        Comparison((both[0], both[1])) if len(both) > 1 else None,
        [Read(log.name) for log in found.logs],
        found.problems,
        [*(note for one in chosen for note in one.notes), *found.notes],
        zone,
    )
    for note in result.notes:
        print(f"gateway backtest: {_harmless(note)}", file=sys.stderr)
    together = Sides(sides)
    for side, happened in _happenings(args, found, together, result, since, until):
        _tell(args, result, side, happened, together.settled)
    _sum_up(result, since, until)
    if args.svg is not None:
        _draw(args.svg, result)
    if args.json:
        print(json_line({"totals": totals(result, args.top)}))
    else:
        show(result, args.top)
    _complain(result.problems)
    return 1 if result.problems else 0


def _happenings(
    args: argparse.Namespace,
    found: Found,
    sides: Sides,
    result: Result,
    since: float | None,
    until: float | None,
) -> Iterator[tuple[int, Happened]]:
    """Yield what happens while the logs are read, with a bar that says how far that is."""
    from gateway.backtest.reading import Stages, read_log
    from gateway.commands.backtest_progress import progress

    parse = sides.sides[0].stages.parser.parse
    origin = Origin(args.dataset, Trust[args.trust.upper()], zone=result.zone)
    end = float("inf") if until is None else until
    stages = Stages(sides.sieve.candidates, parse, origin, sys.stdin.buffer, args.year, end)
    with progress(found.size, printing=args.list or args.json) as taken:
        logs = [read_log(log, stages, read, taken) for log, read in zip(found.logs, result.reads, strict=True)]
        yield from sides.run(logs, float("-inf") if since is None else since, end)


def _tell(args: argparse.Namespace, result: Result, side: int, happened: Happened, settled: float) -> None:
    result.summaries[side].add(happened)
    result.happened += 1
    if result.comparison is not None:
        result.comparison.add(side, happened)
        if result.happened % SETTLED_AFTER == 0:
            result.comparison.settle(settled)
    if args.json:
        named = {"side": result.names[side]} if result.comparison is not None else {}
        print(json_line({**happened.to_dict(result.zone), **named}))
    elif args.list:
        from gateway.commands.backtested import list_one

        list_one(happened, result.zone, side if result.comparison is not None else None)


def _sum_up(result: Result, since: float | None, until: float | None) -> None:
    """Find out from when to when the logs are, as far as they were shown."""
    firsts = [read.first for read in result.reads if read.first is not None]
    lasts = [read.last for read in result.reads if read.last is not None]
    if firsts and lasts:
        result.first = max(min(firsts), float("-inf") if since is None else since)
        result.last = max(result.first, min(max(lasts), float("inf") if until is None else until))
    if result.comparison is not None:
        result.comparison.end()
    for read in result.reads:
        result.problems += read.problems


def totals(result: Result, top: int) -> dict[str, object]:
    """Return all counts ready for JSON."""
    from gateway.backtest.happened import iso

    span = [None if time is None else iso(time, result.zone) for time in (result.first, result.last)]
    answer: dict[str, object] = {
        "lines": result.lines,
        "candidates": result.candidates,
        "from": span[0],
        "to": span[1],
        "ahead": sum(read.ahead for read in result.reads),
        "behind": sum(read.behind for read in result.reads),
        "cut": sum(read.cut for read in result.reads),
        "problems": result.problems,
        "rules": {name: one.to_dict(top) for name, one in result.summaries[0].rules.items()},
    }
    if result.comparison is not None:
        answer["against"] = {name: one.to_dict(top) for name, one in result.summaries[1].rules.items()}
        answer["differences"] = {
            name: {"only": one.only[0], "only_against": one.only[1], "other_commands": one.other_commands}
            for name, one in result.comparison.different()
        }
    return answer


def _draw(file: Path, result: Result) -> None:
    """Write the picture.

    Raises:
        OperatorError: it cannot be written.
    """
    from gateway.backtest.svg import Lane, draw

    compared = result.comparison is not None
    lanes = [
        Lane(name, one, ("this", "against")[number] if compared else "")
        for number, summary in enumerate(result.summaries)
        for name, one in summary.loud()
    ]
    if compared:
        order = {lane.name: number for number, lane in reversed(list(enumerate(lanes)))}
        lanes.sort(key=lambda lane: (order[lane.name], lane.side != "this"))
    silent = sum(len(summary.silent()) for summary in result.summaries)
    logs = ", ".join(read.name for read in result.reads)
    notes = [f"{many(result.lines, 'line')} read, {result.candidates:,} of them looked at closely"]
    notes += [f"{many(silent, 'rule')} did nothing"] if silent else []
    first, last = result.first or 0.0, result.last or 0.0
    try:
        file.write_bytes(draw(lanes, logs, first, last, result.zone, notes))
    except OSError as error:
        raise OperatorError(f"gateway backtest: --svg: {file} cannot be written: {error.strerror}") from None


def _complain(problems: list[str]) -> None:
    for problem in problems:
        print(f"gateway backtest: {_harmless(problem)}", file=sys.stderr)


def _harmless(text: str) -> str:
    from gateway.log import escaped

    return escaped(text)
