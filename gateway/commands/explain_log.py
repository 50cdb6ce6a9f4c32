"""`gateway explain --file LOG --at LINE`: one line of a log, with the rules as they stood when it came."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import NamedTuple

from gateway import clock
from gateway.backtest.happened import Happened
from gateway.backtest.logs import STANDARD_INPUT, FilePlan, LogPlan, find_logs, pieces_of
from gateway.backtest.reading import Read, Sift, Sighting, Stages, read_log
from gateway.backtest.replay import Rules
from gateway.commands.backtest_progress import progress
from gateway.commands.terminal import many
from gateway.commands.told import Explainer, Known, Told, with_state
from gateway.log_files.log_lines import Progress, whole_lines
from parsers.errors import OperatorError
from parsers.message import NEWLINE, Batch, Message, Origin
from rules.job import Part
from rules.sieve import Candidate, Wanted
from rules.situation import ACTS, Effect, Situation
from rules.standing import Ask, Asked, standings
from rules.windows.window import Key

MOST_NAMED = 5
"""Lines that are named when a text is in several."""

MAX_REMEMBERED = 100_000
"""Rules and keys of which it is remembered when they fired last."""


class Place(NamedTuple):
    """A line of a file.

    Attributes:
        number: from 1; empty lines count.
        note: what is to be said about it.
    """

    number: int
    note: str | None = None


def explain_log(names: Sequence[str], at: str, explainer: Explainer, origin: Origin) -> tuple[Told, list[str]]:
    """Read a log up to one line, in its own time, and explain that line; return that and what is to be said.

    Args:
        names: the files of one log.
        at: a number, or a text in the line, of the newest file.
        explainer: its rules must be without a past, and are used up.
        origin: who is taken for the sender of all lines.

    Raises:
        OperatorError: there is no such log, or no such line in it.
    """
    if STANDARD_INPUT in names:
        raise OperatorError("gateway explain: --file: standard input cannot be read twice; give a file")
    found = find_logs(names, clock.now(), origin.zone)
    if found.problems:
        raise OperatorError("\n".join(f"gateway explain: {problem}" for problem in found.problems))
    if len(found.logs) != 1:
        logs = ", ".join(log.name for log in found.logs[:MOST_NAMED]) or "none"
        raise OperatorError(f"gateway explain: --file takes one log and the files it was rotated into, not {logs}")
    plan = found.logs[0]
    place = find_line(plan.files[-1], at)
    told = _read(plan, place.number, explainer, origin)
    return told, [*found.notes, *([place.note] if place.note else [])]


def find_line(plan: FilePlan, at: str) -> Place:
    """Find the line that is meant.

    Args:
        plan: the file.
        at: a number, or a text: of several lines that have it the last is meant.

    Raises:
        OperatorError: no line has the text.
    """
    if at.isascii() and at.isdecimal():
        if int(at) == 0:
            raise OperatorError("gateway explain: --at: lines are counted from 1")
        return Place(int(at))
    text = os.fsencode(at)
    found: list[int] = []
    count = before = 0
    if text and NEWLINE not in text:
        for frames, _ in whole_lines(pieces_of(plan.file, BytesIO()), Progress()):
            data, start = frames.data, 0
            number, counted = before + 1, 0
            while (position := data.find(text, start)) >= 0:
                number += data.count(NEWLINE, counted, position)
                counted = position
                count += 1
                found = [*found[: MOST_NAMED - 1], number]
                start = data.find(NEWLINE, position)
            before += data.count(NEWLINE)
    if not found:
        raise OperatorError(f"gateway explain: --at: no line of {plan.file.name} has the text {at!r}")
    if count == 1:
        return Place(found[0])
    numbers = ", ".join(f"{number:,}" for number in found[:-1]) + (", …" if count > MOST_NAMED else "")
    note = f"{count:,} lines have this text ({numbers}, {found[-1]:,}): this is the last; --at NUMBER takes another"
    return Place(found[-1], note)


class _UpTo:
    """Sifts the lines of a log up to one, and lets that through whatever the sieve says."""

    def __init__(self, sift: Sift, file: str, number: int) -> None:
        self._sift = sift
        self._file = file
        self._number = number
        self.before = 0
        """Lines of the file that were read."""
        self.reached = False

    def sift(self, batch: Batch) -> Iterator[Candidate]:
        """Yield what a rule could want, and at last the line."""
        frames = batch.frames
        in_front = self.before
        if batch.origin.file == self._file:
            self.before += frames.count()
        if batch.origin.file != self._file or self.before < self._number:
            yield from self._sift(batch)
            return
        offset = -1
        for _ in range(self._number - in_front):
            offset = frames.data.index(NEWLINE, offset + 1)
        start, stop = frames.at(offset + 1)
        if start == stop:
            raise OperatorError(f"gateway explain: --at: line {self._number:,} of {self._file} is empty")
        wanted: Wanted = ()
        for message, rules in self._sift(batch):
            if message.offset >= start:
                wanted = rules if message.offset == start else ()
                break
            yield message, rules
        self.reached = True
        yield Message(frames.data[start:stop], batch.origin, batch.received, start in frames.truncated, start), wanted


def _read(plan: LogPlan, number: int, explainer: Explainer, origin: Origin) -> Told:
    stages = explainer.stages
    name = plan.files[-1].file.name
    up_to = _UpTo(stages.sieve.candidates, name, number)
    read = Read(plan.name)
    past = _Past(Rules(plan.name, stages))
    with progress(sum(file.file.size for file in plan.files), printing=False) as taken:
        through = Stages(up_to.sift, stages.parser.parse, origin, BytesIO())
        for sighting in read_log(plan, through, read, taken):
            if up_to.reached:
                break
            past.see(sighting)
        else:
            problems = "".join(f"; {problem}" for problem in read.problems)
            raise OperatorError(f"gateway explain: --at: {name} has only {many(up_to.before, 'line')}{problems}")
    return past.explain(sighting, explainer, f"{name}:{number}")


class _Past:
    """What rules did until a line came."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._fired: OrderedDict[tuple[str, Key], float] = OrderedDict()

    def see(self, sighting: Sighting) -> None:
        """Show the rules a line that a rule could want, or that a log ends."""
        if sighting.event is None:
            self._learn(self._rules.go_on_to(sighting.time))
        else:
            self._learn(self._rules.show(sighting.event, sighting.time, sighting.wanted))

    def _learn(self, happened: Iterable[Happened]) -> None:
        for one in happened:
            if one.part is Part.DO:
                key = one.rule.name, one.key
                self._fired[key] = one.time
                self._fired.move_to_end(key)
                if len(self._fired) > MAX_REMEMBERED:
                    self._fired.popitem(last=False)

    def explain(self, sighting: Sighting, explainer: Explainer, place: str) -> Told:
        """Explain a line with the rules as they stand; then show it to them, which says what they do."""
        event, now = sighting.event, sighting.time
        if event is None:
            raise ValueError("the end of a log is no line")
        self._learn(self._rules.go_on_to(now))
        ask = partial(standings, self._rules.rulebook, now=now)
        told = with_state(explainer.explain(event.message, event), ask, Known.LOG)
        fired = {
            at.explanation.rule.name: self._fired[at.explanation.rule.name, at.key]
            for at in told.situations
            if at.key is not None and (at.explanation.rule.name, at.key) in self._fired
        }
        did: dict[tuple[str, Part], Happened] = {}
        for one in self._rules.show(event, now, sighting.wanted):
            did.setdefault((one.rule.name, one.part), one)
        found = tuple(_with_outcome(at, did, ask) for at in told.situations)
        done = {which: one.commands() for which, one in did.items() if not one.held}
        return replace(told, situations=found, done=done, place=place, fired=fired)


def _with_outcome(at: Situation, did: Mapping[tuple[str, Part], Happened], ask: Ask) -> Situation:
    """Put what a rule really did in the place of what was to be expected, and how it stands now."""
    one = at.explanation
    for part, effect in ((Part.DO, Effect.FIRED), (Part.ELSE, Effect.ELSE)):
        if (happened := did.get((one.rule.name, part))) is not None:
            return replace(at, effect=Effect.HELD if happened.held else effect)
    if at.effect in ACTS:
        return replace(at, effect=Effect.UNCHANGED)  # a rule that is not shown here stood in the way
    if at.key is None or at.effect is not Effect.COUNTED:
        return at
    (after,) = ask([Asked(one.rule.name, at.key, one.trusted)])
    return replace(at, after=after.progress or at.after)
