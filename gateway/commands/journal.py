"""`gateway journal`: says how much is kept, checks every record of it, and makes a damaged journal usable again."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.check import configuration
from gateway.commands.looking import add_json, add_where, in_one_line, iso, journal_folder, roughly, state_folder, when
from gateway.commands.terminal import BAD, DIM, GOOD, Page, many

if TYPE_CHECKING:
    from gateway.jobs.records import Damage
    from gateway.jobs.retention import Retention

HELP = "check what is kept on disk, say how much that is, repair it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `journal verify`, `journal status` and `journal repair`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify|status|repair")
    verify = verbs.add_parser("verify", help="read every record, and name each that is not as it was written")
    status = verbs.add_parser("status", help="how much is kept, since when, for how long")
    repair = verbs.add_parser("repair", help="copy all that can be read into a new file; only while no gateway runs")
    for verb in (verify, status, repair):
        add_where(verb)
        add_json(verb, "one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it; 1 when something is damaged or lost."""
    folder = journal_folder(state_folder(args))
    if args.verb == "verify":
        return _verify(folder, as_json=args.json)
    if args.verb == "repair":
        return _repair(folder, as_json=args.json)
    return _status(folder, args)


def _verify(folder: Path, *, as_json: bool) -> int:
    from gateway.jobs.verify import verify

    page, began = Page(), time.monotonic()
    reading = verify(folder)
    found: list[Damage] = []
    for damage in reading:
        found.append(damage)
        if not as_json:
            page.line(("damaged  ", BAD), str(damage))
    seconds = time.monotonic() - began
    if as_json:
        print(
            json.dumps(
                {
                    "records": reading.records,
                    "jobs": reading.jobs,
                    "attempts": reading.attempts,
                    "damages": list(map(_for_json, found)),
                    "known_losses": list(map(_for_json, reading.known)),
                    "seconds": round(seconds, 3),
                }
            )
        )
        return 1 if found else 0
    for damage in reading.known:
        page.line(("lost     ", DIM), str(damage))
    rate = f", {reading.records / seconds:,.0f} records/s" if seconds > 0 else ""
    read = f"{many(reading.records, 'record')}, {many(reading.jobs, 'job')} and {many(reading.attempts, 'attempt')}"
    page.line(f"read {read} in {seconds:.2g} s{rate}")
    if found:
        page.line((f"{folder}: {many(len(found), 'damage')}", BAD), "; stop the gateway, then `gateway journal repair`")
        return 1
    page.line(f"{folder}: ", ("every record is as it was written", GOOD))
    return 0


def _for_json(damage: Damage) -> dict[str, object]:
    return {"table": damage.table, "first": damage.first, "last": damage.last, "problem": damage.problem}


def _repair(folder: Path, *, as_json: bool) -> int:
    from gateway.control.offline import give_back
    from gateway.jobs.repair import repair

    try:
        made = repair(folder)
    finally:
        give_back(folder)
    if as_json:
        print(
            json.dumps(
                {
                    "records": made.records,
                    "jobs": made.jobs,
                    "attempts": made.attempts,
                    "losses": list(map(_for_json, made.losses)),
                    "kept": str(made.kept),
                }
            )
        )
        return 1 if made.losses else 0
    page = Page()
    for loss in made.losses:
        page.line(("lost     ", BAD), str(loss))
    read = f"{many(made.records, 'record')}, {many(made.jobs, 'job')} and {many(made.attempts, 'attempt')}"
    page.line(f"copied {read}; the file as it was is {made.kept}")
    if made.losses:
        page.line((f"{many(len(made.losses), 'part')} could not be read", BAD), ", noted in the new file")
        return 1
    page.line(("nothing is lost", GOOD))
    return 0


def _status(folder: Path, args: argparse.Namespace) -> int:
    from gateway import clock
    from gateway.jobs.blocks import Entry
    from gateway.jobs.database import Database

    database = Database.open(folder, readonly=True)
    try:
        first, upcoming = database.first_number, database.next_number
        kept = upcoming - first
        ends = [database.entry(number) for number in (first, upcoming - 1)] if kept else []
        times = [end.message.received if isinstance(end, Entry) else None for end in ends] or [None, None]
        damages = list(map(str, database.damages))
        told = {
            "folder": str(folder),
            "octets": database.size(),
            "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir()) if file.is_file()},
            "records": kept,
            "first": {"number": first, "received": iso(times[0])} if kept else None,
            "last": {"number": upcoming - 1, "received": iso(times[1])} if kept else None,
            "commits": database.commits,
            "paused": {rule: iso(since) for rule, since in database.paused.items()},
            "damages": damages,
        }
    finally:
        database.close()
    retention = _retention(args)
    told["retention"] = {"seconds": retention.age, "octets": retention.octets} if retention else None
    told["running"] = running = _is_running(folder)
    if args.json:
        print(json.dumps(told))
        return 1 if damages else 0
    page, now = Page(), clock.now()
    page.row("journal", str(folder))
    page.row("gateway", *(("runs", GOOD),) if running else (("does not run", DIM),))
    page.row("records", f"{kept:,}")
    for label, number, received in (("first", first, times[0]), ("last", upcoming - 1, times[1])) if kept else ():
        page.row(label, f"{number}", "" if received is None else f", received {when(received, now)}")
    limit = f" of {_size(retention.octets)}" if retention else ""
    page.row("size", f"{_size(int(str(told['octets'])))}{limit}")
    if retention:
        page.row("kept for", roughly(retention.age))
    page.row("commits", f"{told['commits']:,}")
    for rule, since in database.paused.items():
        page.row("paused", rule, f" since {when(since, now)}")
    for damage in damages:
        page.row("damaged", (damage, BAD))
    return 1 if damages else 0


def _is_running(folder: Path) -> bool:
    from gateway.control.client import NotRunningError, Running

    try:
        Running(folder.parent).end()
    except NotRunningError:
        return False
    return True


def _retention(args: argparse.Namespace) -> Retention | None:
    """Return how much the configuration wants to keep; None without a configuration."""
    from gateway.config import load

    if args.state_dir is not None:
        return None
    with in_one_line():
        return load(configuration(args.config)).journal


def _size(octets: int) -> str:
    if octets < 1024**2:
        return f"{octets / 1024:,.0f} KiB"
    return f"{octets / 1024**2:,.1f} MiB" if octets < 1024**3 else f"{octets / 1024**3:,.1f} GiB"
