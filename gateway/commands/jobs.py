"""`gateway jobs`: lists jobs, shows one, has them done again, cancels them."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from gateway.commands.looking import Cell, add_json, add_where, job_for_json, look, positive, since_when, table, when
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD, Page, json_line, many
from parsers.errors import OperatorError

if TYPE_CHECKING:
    from gateway.control.client import Running
    from gateway.control.offline import Offline
    from gateway.control.values import Change, JobPage, JobQuery, ListedJob
    from gateway.jobs.records import JobRecord

HELP = "list, show, retry and cancel jobs; pause and resume rules"

LISTED = 50
"""Jobs that are listed as long as nobody asks for more."""

STATES = ("waiting", "retrying", "paused", "running", "succeeded", "failed", "dead", "cancelled", "dropped")
"""What `gateway.control.values.shown_state` returns; that is imported only when it is needed."""

UNSETTLED = ("waiting", "retrying", "paused", "running", "failed", "dead")
"""Listed as long as nobody asks for other states: what is still to be done, and what somebody should look at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `jobs [list]` and its verbs."""
    _add_list(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|retry|cancel|dead|pause|resume")
    _add_list(verbs.add_parser("list", help="list jobs, the newest first"), again=True)
    show = verbs.add_parser("show", help="show everything about one job")
    show.add_argument("id", metavar="ID", help="a job's id; its beginning is enough")
    retry = verbs.add_parser(
        "retry",
        help="have failed jobs done again from the step that failed, or before it from the first that decrypts, as "
        "what was decrypted is gone; or have their next try now",
    )
    retry.add_argument("ids", metavar="ID", nargs="*", help="ids of jobs, or their beginnings")
    retry.add_argument("--rule", metavar="NAME", help="all failed jobs and dead letters of a rule")
    retry.add_argument("--box", metavar="NAME", help="all dead letters of a box")
    retry.add_argument("--all-dead", action="store_true", help="all dead letters")
    cancel = verbs.add_parser("cancel", help="end jobs, take them from those that wait, or throw dead letters away")
    cancel.add_argument("ids", metavar="ID", nargs="*", help="ids of jobs, or their beginnings")
    cancel.add_argument("--rule", metavar="NAME", help="all dead letters of a rule")
    cancel.add_argument("--box", metavar="NAME", help="all dead letters of a box")
    dead = verbs.add_parser("dead", help="list the dead letters, by box")
    dead.add_argument("--box", metavar="NAME", help="only this box")
    pause = verbs.add_parser("pause", help="let the jobs of a rule wait: they are kept, and none is started")
    resume = verbs.add_parser("resume", help="let the jobs of a paused rule go on")
    for verb in (pause, resume):
        verb.add_argument("rule", metavar="RULE", help="the rule's name")
    for verb in (show, retry, cancel, dead, pause, resume):
        add_where(verb, again=True)
        add_json(verb, "one JSON object a line", again=True)
    parser.set_defaults(verb="list")


def _add_list(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    def usual(value: object) -> object:
        return argparse.SUPPRESS if again else value

    add_where(parser, again=again)
    add_json(parser, "one JSON object a line", again=again)
    parser.add_argument("--rule", metavar="NAME", default=usual(None), help="jobs of this rule")
    states = ", ".join(STATES)
    help_ = f"jobs in this state, can be repeated: {states} (default: {', '.join(UNSETTLED)}, no open states)"
    parser.add_argument("--state", metavar="STATE", choices=STATES, action="append", default=usual(None), help=help_)
    parser.add_argument("--all", action="store_true", default=usual(False), help="jobs in any state")
    parser.add_argument(
        "--since", metavar="TIME", type=since_when, default=usual(None), help="made or ended in the last 10m, 2h, 7d"
    )
    parser.add_argument(
        "--limit", metavar="N", type=positive, default=usual(LISTED), help=f"at most so many (default: {LISTED})"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; 1 when not all of what was asked for could be done."""
    inside = look(args)
    try:
        match args.verb:
            case "show":
                from gateway.commands.shown_job import show

                show(inside.job(args.id), as_json=args.json)
                return 0
            case "retry":
                return _retry(inside, args)
            case "cancel":
                return _cancel(inside, args)
            case "dead":
                return _dead(inside, args)
            case "pause" | "resume":
                return _tell([inside.hold(args.rule, paused=args.verb == "pause")], as_json=args.json)
        return _list(inside, args)
    finally:
        inside.end()


def _list(inside: Running | Offline, args: argparse.Namespace) -> int:
    from gateway import clock
    from gateway.control.values import PAUSED, RETRYING, JobQuery
    from gateway.jobs.records import State

    now = clock.now()
    names = args.state or (STATES if args.all else UNSETTLED)
    query = JobQuery(
        frozenset(State.WAITING if name in (PAUSED, RETRYING) else State(name) for name in names),
        args.rule,
        since=None if args.since is None else now - args.since,
        open_states=bool(args.state or args.all),
        limit=args.limit,
        shown=frozenset(names),
    )
    pages = _Pages(inside, query)
    jobs = list(pages)
    if args.json:
        for job in jobs:
            print(json_line({**job_for_json(job.record, pages.paused), "short": job.short}))
    else:
        page = Page()
        if jobs:
            heads = ("ID", "RULE", "KEY", "PART", "STATE", "TRIES", "NEXT OR ENDED", "PROBLEM")
            table(page, heads, [_row(job, now, pages.paused) for job in jobs])
        else:
            page.line(
                "there are no such jobs" if args.rule or args.state or args.since else "nothing waits, runs or failed"
            )
        if pages.more:
            page.line((f"there are more than these {len(jobs)}: --limit N", DIM))
        for rule, since in sorted(pages.paused.items()):
            if args.rule in (None, rule):
                words = f"the rule {rule} is paused since {when(since, now)}"
                page.line((words, DOUBTFUL), f"; `gateway jobs resume {rule}` lets its jobs go on")
    return say_damages(pages.damages)


class _Pages:
    """The jobs that are wanted, page by page.

    Attributes:
        more: there are more than were wanted.
        damages: what could not be read, in words.
        paused: rules that are paused, and since when.
    """

    def __init__(self, inside: Running | Offline, query: JobQuery) -> None:
        self._inside = inside
        self._query = query
        self.more = False
        self.damages: tuple[str, ...] = ()
        self.paused: Mapping[str, float] = {}

    def __iter__(self) -> Iterator[ListedJob]:
        from dataclasses import replace

        left, before = self._query.limit, None
        while True:
            page: JobPage = self._inside.jobs(replace(self._query, before=before, limit=left + 1))
            self.damages, self.paused = page.damages, page.paused
            yield from page.jobs[:left]
            self.more = len(page.jobs) > left
            left -= len(page.jobs)
            before = page.following
            if self.more or before is None:
                return


def _row(job: ListedJob, now: float, paused: Collection[str]) -> tuple[Cell, ...]:
    from gateway.control.queries import show_key

    record = job.record
    moment = record.ended if record.ended is not None else record.due
    state = state_cell(record, paused)
    now_or_soon = record.ended is None and (record.state.value == "running" or record.due <= now)
    return (
        job.short,
        record.job.rule,
        show_key(record.job.key),
        record.job.part.value,
        state,
        str(record.attempt or "-"),
        "-" if state[0] == "paused" else "now" if now_or_soon else when(moment, now),
        record.problem.partition("\n")[0] or "-",
    )


def state_cell(record: JobRecord, paused: Collection[str]) -> tuple[str, str | None]:
    """Return a job's state in its colour; `paused` are the rules that are."""
    from gateway.control.values import shown_state

    state = shown_state(record, paused)
    return state, _COLOURS.get(state)


_COLOURS = {
    "retrying": DOUBTFUL,
    "paused": DOUBTFUL,
    "running": GOOD,
    "succeeded": GOOD,
    "failed": BAD,
    "dead": BAD,
    "cancelled": DIM,
    "dropped": DIM,
}


def _retry(inside: Running | Offline, args: argparse.Namespace) -> int:
    from gateway.control.values import Choice

    ways = [bool(args.ids), args.rule is not None or args.box is not None, args.all_dead]
    if sum(ways) != 1:
        raise OperatorError("gateway jobs retry: say which: ids, or --rule NAME, --box NAME or both, or --all-dead")
    made = inside.retry(Choice(tuple(args.ids), args.rule, args.box, args.all_dead))
    if not made and not args.json:
        print("there is nothing to retry")
    return _tell(made, as_json=args.json)


def _cancel(inside: Running | Offline, args: argparse.Namespace) -> int:
    from gateway.control.values import Choice

    many_ = args.rule is not None or args.box is not None
    if bool(args.ids) == many_:
        raise OperatorError("gateway jobs cancel: say which: ids, or dead letters by --rule NAME, --box NAME or both")
    made = inside.cancel(Choice(tuple(args.ids), args.rule, args.box, all_dead=many_))
    if not made and not args.json:
        print("there are no such dead letters")
    return _tell(made, as_json=args.json)


def _tell(made: list[Change], *, as_json: bool) -> int:
    page = Page()
    for change in made:
        if as_json:
            print(json_line(change.to_dict()))
        else:
            job = f"{change.id[:12]}  " if change.id else ""
            page.line(job, f"{change.rule}  ", (change.words, None if change.done else BAD))
    return 0 if all(change.done for change in made) else 1


def _dead(inside: Running | Offline, args: argparse.Namespace) -> int:
    from gateway import clock
    from gateway.control.queries import show_key
    from gateway.control.values import JobQuery
    from gateway.jobs.records import State

    now, page = clock.now(), Page()
    pages = _Pages(inside, JobQuery(frozenset({State.DEAD}), box=args.box, limit=10**9))
    if args.json:
        for job in pages:
            print(json_line({**job_for_json(job.record), "short": job.short}))
        return say_damages(pages.damages)
    jobs = list(pages)
    boxes = Counter(job.record.box for job in jobs)
    if not boxes:
        page.line("there are no dead letters")
    for number, (box, count) in enumerate(sorted(boxes.items())):
        if number:
            page.line()
        page.line((box, BAD), f": {many(count, 'dead letter')}; `gateway jobs retry --box {box}` does them again")
        rows: list[tuple[Cell, ...]] = [
            (
                job.short,
                job.record.job.rule,
                show_key(job.record.job.key),
                when(job.record.ended or job.record.due, now),
                job.record.problem.partition("\n")[0],
            )
            for job in jobs
            if job.record.box == box
        ]
        table(page, ("ID", "RULE", "KEY", "DIED", "PROBLEM"), rows)
    return say_damages(pages.damages)


def say_damages(damages: tuple[str, ...]) -> int:
    """Say what could not be read; return the exit code that this comes to."""
    page = Page(sys.stderr)
    for damage in damages:
        page.line(("damaged: ", BAD), damage)
    if damages:
        page.line("`gateway journal verify` says all that is damaged")
    return 1 if damages else 0
