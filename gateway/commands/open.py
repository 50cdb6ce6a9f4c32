"""`gateway open`: lists the states that rules have opened, and closes them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gateway.commands.looking import Cell, add_json, add_where, iso, job_for_json, look, roughly, stamp, table
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD, Page, json_line

if TYPE_CHECKING:
    from gateway.control.client import Running
    from gateway.control.offline import Offline
    from gateway.control.values import OpenState
    from gateway.jobs.records import JobRecord

HELP = "list what rules have opened and not yet undone (bans, outages), and undo it now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `open [list]` and `open close [RULE] KEY…`."""
    _add_list(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="list|close")
    _add_list(verbs.add_parser("list", help="list the open states"), again=True)
    close = verbs.add_parser("close", help="undo one now")
    close.add_argument("words", metavar="[RULE] KEY", nargs="+", help="its key; the rule when several have it open")
    _add_list(close, again=True)
    parser.set_defaults(verb="list")


def _add_list(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    add_where(parser, again=again)
    add_json(parser, "one JSON object a line", again=again)
    usual = argparse.SUPPRESS if again else None
    parser.add_argument("--rule", metavar="NAME", default=usual, help="states of this rule")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    inside = look(args)
    try:
        return _close(inside, args) if args.verb == "close" else _list(inside, args)
    finally:
        inside.end()


def _states(inside: Running | Offline, rule: str | None) -> tuple[list[OpenState], tuple[str, ...]]:
    """Return all open states, the longest open first, and what could not be read."""
    from gateway.control.values import OpenQuery

    found: list[OpenState] = []
    before = None
    while True:
        page = inside.open_states(OpenQuery(rule, before))
        found += page.states
        before = page.following
        if before is None:
            return sorted(found, key=lambda state: state.record.created), page.damages


def _list(inside: Running | Offline, args: argparse.Namespace) -> int:
    from gateway import clock
    from gateway.commands.jobs import say_damages

    now, page = clock.now(), Page()
    states, damages = _states(inside, args.rule)
    if args.json:
        for state in states:
            print(json_line(_for_json(state)))
    elif states:
        table(page, ("RULE", "KEY", "SINCE", "DO", "CLOSES", "TIMES"), [_row(state, now) for state in states])
    else:
        page.line(f"no state is open{f' of the rule {args.rule}' if args.rule else ''}")
    return say_damages(damages)


def _for_json(state: OpenState) -> dict[str, object]:
    record = state.record
    return {
        "rule": record.job.rule,
        "key": list(record.job.key),
        "since": iso(record.created),
        "closes": iso(record.due),
        "times": state.times,
        "do": None if state.do is None else job_for_json(state.do),
        "closing": record.state.value == "running" or bool(record.attempt),
        "problem": record.problem,
        "job": record.job.id,
    }


def _row(state: OpenState, now: float) -> tuple[Cell, ...]:
    from gateway.control.queries import show_key

    record = state.record
    since = f"{stamp(record.created, now)} ({roughly(now - record.created)})"
    key, times = show_key(record.job.key), str(state.times)
    return record.job.rule, key, since, _do(state.do, now), _closes(state, now), times


def _do(do: JobRecord | None, now: float) -> Cell:
    """Say why what the rule does is not done yet; nothing where that is over."""
    if do is None:
        return ""
    if do.state.value == "running":
        return "runs again" if do.problem else "runs", DOUBTFUL
    if do.problem:
        return f"failed, next try in {roughly(max(0.0, do.due - now))}", BAD
    return "waits for its turn", DOUBTFUL


def _closes(state: OpenState, now: float) -> Cell:
    from rules.plan import NEVER

    record = state.record
    if record.state.value == "running":
        return "is being undone", GOOD
    if record.problem:
        return f"undo failed, next try in {roughly(max(0.0, record.due - now))}", BAD
    if record.due >= NEVER:
        return "by an event", DIM
    if record.due <= now:
        return "now", DOUBTFUL
    return f"in {roughly(record.due - now)} ({stamp(record.due, now)})"


def _close(inside: Running | Offline, args: argparse.Namespace) -> int:
    words = tuple(args.words)
    rules = {state.record.job.rule for state in _states(inside, None)[0]} if args.rule is None else set()
    rule, key = (words[0], words[1:]) if len(words) > 1 and words[0] in rules else (args.rule, words)
    change = inside.close_state(rule, key)
    if args.json:
        print(json_line(change.to_dict()))
    else:
        from gateway.control.queries import show_key

        Page().line(f"{change.rule}  {show_key(key)}  ", (change.words, None if change.done else BAD))
    return 0 if change.done else 1
