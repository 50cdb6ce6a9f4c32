"""`gateway events`: shows the events that the journal keeps, and those that come."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gateway.commands.check import configuration
from gateway.commands.looking import add_json, add_where, in_one_line, look, positive, since_when, stamp
from gateway.commands.terminal import BAD, DIM, GOOD, Page, json_line

if TYPE_CHECKING:
    from gateway.control.client import Running
    from gateway.control.offline import Offline
    from gateway.control.values import EntryPage
    from gateway.jobs.records import Damage
    from parsers.event import Event, FieldValue
    from parsers.message import Message, Origin
    from parsers.parse import Parser

HELP = "show the events that counted, and follow those that come"

LISTED = 20
"""Events that are shown as long as nobody says how many or since when."""

STRIDE = 500
"""Records of one step backwards through the journal."""

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells have it."""

_FILTER = re.compile(r"(?P<field>[\w@][\w@.-]*)(?P<operator>!=|!~|=|~)(?P<value>.*)", re.DOTALL)

_EPILOG = """
FIELD=VALUE wants the field to be this, FIELD~REGEX that the regular expression is found in it; != and !~ want that it
is not so, or that there is no such field. All of them must hold. Of a list one value is enough.
"""

Wants = Callable[[Mapping[str, "FieldValue"]], bool]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("filters", metavar="FIELD=VALUE", nargs="*", type=as_filter, help="only such events; see below")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with those that come, until Ctrl-C")
    parser.add_argument("--since", metavar="TIME", type=since_when, help="received in the last 10m, 2h, 7d")
    parser.add_argument(
        "-n", "--limit", metavar="N", type=positive, help=f"the last N (default: {LISTED}, or all with --since)"
    )
    add_where(parser)
    add_json(parser, "one JSON event a line")


def as_filter(text: str) -> Wants:
    """Read one condition over an event's fields."""
    import regex

    from parsers.event import lookup
    from rules.match import one_passes, plain
    from rules.searching import searching
    from rules.spelled_out import UnspeakableError

    match = _FILTER.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is none of FIELD=VALUE, FIELD~REGEX, FIELD!=VALUE, FIELD!~REGEX")
    field, operator, value = match["field"], match["operator"], match["value"]
    if "~" in operator:
        try:
            found = searching(re.compile(value))  # of texts that strangers sent
        except re.error as error:
            raise argparse.ArgumentTypeError(f"{value!r} is no regular expression: {error}") from None
        except (OverflowError, RecursionError, UnspeakableError, regex.error) as error:
            raise argparse.ArgumentTypeError(f"{value!r} cannot be searched under a time limit: {error}") from None

        def test(one: FieldValue) -> bool:
            return found(plain(one)) is not None
    else:

        def test(one: FieldValue) -> bool:
            return plain(one) == value

    expected = not operator.startswith("!")

    def wants(fields: Mapping[str, FieldValue]) -> bool:
        asked = lookup(fields, field)
        return (asked is not None and one_passes(test, asked)) == expected

    return wants


def run(args: argparse.Namespace) -> int:
    """Print them."""
    inside = look(args)
    try:
        return _Events(inside, args).show()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        inside.end()


class Shown(NamedTuple):
    """An event and its number in the journal, or what is damaged in its place."""

    number: int
    event: Event | Damage


class _Events:
    """One run of the command."""

    def __init__(self, inside: Running | Offline, args: argparse.Namespace) -> None:
        from gateway import clock

        self._inside = inside
        self._args = args
        self._now = clock.now
        self._since = None if args.since is None else clock.now() - args.since
        self._page = Page()
        self._parser = _parser(args)
        self._origins: dict[str, Origin] = {}
        self._damaged = False

    def show(self) -> int:
        """Print the events; return the exit code."""
        from gateway.control.client import GoneError
        from gateway.control.values import EntryQuery

        upcoming = self._inside.entries(EntryQuery(stop=1)).upcoming
        limit = self._args.limit or (None if self._since is not None else LISTED)
        for shown in self._from(1, upcoming) if limit is None else self._last(limit, upcoming):
            self._print(shown)
        if not self._args.follow:
            return 1 if self._damaged else 0
        sys.stdout.flush()
        try:
            while True:
                following = self._inside.wait(upcoming)
                for shown in self._from(upcoming, following):
                    self._print(shown)
                sys.stdout.flush()
                upcoming = following
        except GoneError as error:
            print(f"gateway events: {error.problem}", file=sys.stderr)
            return 1

    def _from(self, first: int | None, stop: int) -> Iterator[Shown]:
        """Yield the events with numbers from one to before another, in their order."""
        from gateway.control.values import EntryQuery

        while first is not None and first < stop:
            page = self._inside.entries(EntryQuery(first, stop, self._since))
            yield from self._wanted(page)
            first = page.following

    def _last(self, limit: int, stop: int) -> Iterable[Shown]:
        """Return the last events that are wanted, in their order."""
        from gateway.control.values import EntryQuery

        found: deque[Shown] = deque()
        while stop > 1 and len(found) < limit:
            first = max(1, stop - STRIDE)
            # one page to know whether anything so old is kept at all, and of those only what is asked for
            page = self._inside.entries(EntryQuery(first, stop, self._since))
            if not page.entries and not page.damages and page.following is None:
                break
            some = [*self._wanted(page), *self._from(page.following, stop)]
            found.extendleft(reversed(some))
            stop = first
        return list(found)[-limit:]

    def _wanted(self, page: EntryPage) -> Iterator[Shown]:
        """Yield a page's events that are wanted, and its damages, in the order of their numbers."""
        from rules.searching import TooSlowError

        shown = [Shown(damage.first or 0, damage) for damage in page.damages]
        for entry in page.entries:
            event = self._event(self._message(entry, page.origins))
            fields = event.to_dict()
            try:
                if all(wants(fields) for wants in self._args.filters):
                    shown.append(Shown(entry["number"], event))
            except TooSlowError as error:
                Page(sys.stderr).line(("left out: ", BAD), f"event {entry['number']}: {error}")
        yield from sorted(shown, key=lambda one: one.number)

    def _message(self, entry: Mapping[str, object], origins: tuple[str, ...]) -> Message:
        from gateway.jobs.blocks import decode_origin
        from parsers.message import Message

        line = origins[int(str(entry["origin"]))]
        origin = self._origins.get(line)
        if origin is None:
            origin = self._origins[line] = decode_origin(line.encode("ascii"))
        return Message(
            str(entry["frame"]).encode("utf-8", "surrogateescape"),
            origin,
            float(str(entry["received"])),
            bool(entry["truncated"]),
            int(str(entry["offset"])),
        )

    def _event(self, message: Message) -> Event:
        from rules.own_events import event_of

        return event_of(message, self._parser.parse)

    def _print(self, shown: Shown) -> None:
        from gateway.jobs.records import Damage

        if isinstance(shown.event, Damage):
            self._damaged = True
            Page(sys.stderr).line(("damaged: ", BAD), str(shown.event))
        elif self._args.json:
            fields = {"gateway.journal.number": shown.number, **shown.event.to_dict()}
            print(json_line(fields))
        else:
            self._page.line(*_in_words(shown.event, self._now()))


def _parser(args: argparse.Namespace) -> Parser:
    """Return the configuration's parser; without a configuration, that of the built-in grammars."""
    from gateway.loading import load_all
    from parsers.parse import Parser, builtin_grammars

    if args.config is None and args.state_dir is not None:
        return Parser(builtin_grammars())
    with in_one_line():
        return load_all(configuration(args.config)).parser


def _in_words(event: Event, now: float) -> list[str | tuple[str, str | None]]:
    """Render an event as a log's line, one of our own as what it tells."""
    from rules.own_events import GATEWAY

    fields = event.fields
    time = (f"{stamp(event.message.received, now)} ", DIM)
    if fields.get("event.dataset") == GATEWAY:
        outcome = str(fields.get("event.outcome", "-"))
        step, job = fields.get("gateway.job.step"), str(fields.get("gateway.job.id", "-"))[:12]
        problem = fields.get("error.message")
        attempt = f" attempt {fields.get('gateway.job.attempt', '-')}: "
        why = f": {problem}" if problem else ""
        return [time, f"gateway {step} {job}{attempt}", (outcome, GOOD if outcome == "success" else BAD), why]
    text = fields.get("message")
    if text is None:
        names = (name for name in fields if name not in ("event.dataset", "gateway.trust", "gateway.ancestors"))
        text = " ".join(f"{name}={json.dumps(fields[name], ensure_ascii=False)}" for name in names)
    program = fields.get("process.name") or fields.get("log.syslog.appname")
    pid = fields.get("log.syslog.procid")
    tag = f" {program}[{pid}]:" if program and pid else f" {program}:" if program else ""
    host = fields.get("host.name") or fields.get("event.dataset")
    return [time, f"{host}{tag} {text}"]
