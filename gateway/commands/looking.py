"""What the commands that look inside the gateway share: where to look, times and tables."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.check import DEFAULT, configuration
from gateway.commands.terminal import BOLD, Page, duration
from parsers.errors import OperatorError, Place

if TYPE_CHECKING:
    from gateway.control.client import Running
    from gateway.control.offline import Offline
    from gateway.jobs.records import JobRecord
    from rules.rule import Rule

JOURNAL = "journal"
"""The store's folder in the state folder."""

WIDEST = 40
"""Columns of one cell; only the last of a row may be wider."""

_STEPS = ((86400 * 7, 86400), (86400, 3600), (3600, 60), (0, 1))

Cell = str | tuple[str, str | None]
"""A text, or a text and its colour."""


def add_where(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Declare which gateway to look into.

    Args:
        parser: of a command, or of one of its verbs.
        again: the command has declared it too, so that it can stand before the verb and after it.
    """
    usual = argparse.SUPPRESS if again else None
    parser.add_argument("--config", metavar="FILE", type=Path, default=usual, help=DEFAULT)
    help_ = "its state folder, where there is no configuration"
    parser.add_argument("--state-dir", metavar="DIR", type=Path, default=usual, help=help_)


def add_json(parser: argparse.ArgumentParser, what: str, *, again: bool = False) -> None:
    """Declare `--json`."""
    usual = argparse.SUPPRESS if again else False
    parser.add_argument("--json", action="store_true", default=usual, help=f"print {what}")


def state_folder(args: argparse.Namespace) -> Path:
    """Return the state folder that is meant.

    Raises:
        OperatorError: there is no such folder or configuration, or the configuration does not load.
    """
    if args.state_dir is not None:
        folder: Path = args.state_dir
        try:
            there = folder.is_dir()
        except OSError as error:
            raise OperatorError(f"the folder cannot be reached: {error.strerror}", Place(str(folder))) from None
        if not there:
            raise OperatorError("there is no such folder; give the gateway's state folder", Place(str(folder)))
        return folder
    from gateway.config import load

    with in_one_line():
        config = load(configuration(args.config))
    for lost in config.pieces.lost().values():
        print(f"warning: {lost}; the rules that use the list are off", file=sys.stderr)
    return config.state


@contextmanager
def in_one_line() -> Iterator[None]:
    """Say of a configuration that does not load only what comes first, for who looks inside came for something else.

    Raises:
        OperatorError: the first of its errors.
    """
    from gateway.config import ConfigErrors

    try:
        yield
    except ConfigErrors as errors:
        first, more = errors.errors[0], len(errors.errors) - 1
        words = first.problem.partition("\n")[0]
        others = f" ({more} more: `gateway check`)" if more else ""
        advice = "`--state-dir DIR` looks into the state folder without the configuration"
        raise OperatorError(f"{words}{others}; {advice}", first.place) from None


def look(args: argparse.Namespace) -> Running | Offline:
    """Look into the gateway that runs, or into its files when none does.

    Raises:
        OperatorError: as `state_folder`; or whoever asks may not, nothing was ever kept there, or the files cannot be
            used.
    """
    from gateway import clock
    from gateway.control.client import NotRunningError, Running
    from gateway.control.offline import Offline

    state = state_folder(args)
    try:
        return Running(state)
    except NotRunningError:
        return Offline(journal_folder(state), clock.now, lambda: _rules(args))


def _rules(args: argparse.Namespace) -> dict[str, Rule] | None:
    """Return the rules as the configuration has them now; None without one."""
    if args.state_dir is not None:
        return None
    from gateway.config import load, read_rules
    from gateway.loading import parser_of
    from rules.merge import merge

    with in_one_line():
        config = load(configuration(args.config))
        rules = merge(read_rules(config, parser_of(config).grammars)).rules
    return {rule.name: rule for rule in rules}


def journal_folder(state: Path) -> Path:
    """Return the store's folder.

    Raises:
        OperatorError: it is not there, or out of reach.
    """
    from gateway.control.client import not_allowed

    folder = state / JOURNAL
    try:
        there = any(folder.iterdir())
    except PermissionError:
        raise OperatorError(not_allowed(folder)) from None
    except FileNotFoundError:
        there = False
    except OSError as error:
        raise OperatorError(f"the folder cannot be read: {error.strerror}", Place(str(folder))) from None
    if not there:
        raise OperatorError("no gateway has kept anything here yet", Place(str(folder)))
    return folder


def since_when(text: str) -> float:
    """Read how long ago something was, `90s`, `10m`, `1h30m` or `7d`, in seconds."""
    from rules.schema import Problems
    from rules.strict_yaml import ScalarNode
    from rules.values import as_duration

    try:
        return as_duration()(ScalarNode(Place("--since"), text, plain=True), Problems())
    except OperatorError as error:
        raise argparse.ArgumentTypeError(error.problem) from None


def positive(text: str) -> int:
    """Read a number from 1 on."""
    if not (text.isdecimal() and text.isascii()) or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def roughly(seconds: float) -> str:
    """Render a time span by its two greatest units: `3d4h`, `5m12s`, `8s`."""
    seconds = abs(seconds)
    step = next(step for least, step in _STEPS if seconds >= least)
    return duration(seconds // step * step)


def stamp(seconds: float, now: float) -> str:
    """Render a time as this machine's clocks show it, today's without the date."""
    from gateway.zone import local_zone

    zone = local_zone()
    moment, today = datetime.fromtimestamp(seconds, zone), datetime.fromtimestamp(now, zone)
    return f"{moment:%H:%M:%S}" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def when(seconds: float, now: float) -> str:
    """Render a time, and how far away it is: `02:11:05 (in 9s)`."""
    from rules.plan import NEVER

    if seconds >= NEVER:
        return "not by itself"
    away = f"in {roughly(seconds - now)}" if seconds > now else f"{roughly(now - seconds)} ago"
    return f"{stamp(seconds, now)} ({away})"


def iso(seconds: float | None) -> str | None:
    """Render a time for programs; None stays None, and so does a time that never comes."""
    from datetime import UTC

    from rules.plan import NEVER

    if seconds is None or seconds >= NEVER:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def job_for_json(record: JobRecord, paused: Collection[str] = ()) -> dict[str, object]:
    """Return a job as the commands print it for programs, without its event; `paused` are the rules that are."""
    from gateway.control.values import job_to_dict, shown_state

    times = {"created": iso(record.created), "due": iso(record.due), "ended": iso(record.ended)}
    return {**job_to_dict(record), "state": shown_state(record, paused), **times}


def table(page: Page, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table; on a terminal each row stays on its line."""
    from gateway.log import escaped

    def plain(cell: Cell) -> str:
        return escaped(cell if isinstance(cell, str) else cell[0])

    widths = [min(WIDEST, max(len(plain(row[column])) for row in (heads, *rows))) for column in range(len(heads) - 1)]
    room = None
    if page.stream.isatty():
        room = max(10, shutil.get_terminal_size().columns - sum(widths) - 2 * len(widths))

    def line(row: Sequence[Cell], colour: str | None = None) -> None:
        parts: list[tuple[str, str | None]] = []
        for cell, width in zip(row, (*widths, room), strict=True):
            painted = colour if isinstance(cell, str) else cell[1]
            parts.append((_fit(plain(cell), width), painted))
            parts.append(("  ", None))
        page.line(*parts)

    line(heads, BOLD)
    for row in rows:
        line(row)


def _fit(text: str, width: int | None) -> str:
    if width is None:
        return text
    return f"{text:<{width}}" if len(text) <= width else f"{text[: width - 1]}…"
