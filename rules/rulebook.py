"""The rule book: an event goes in, what is to be done comes out. Match, correlate and plan on one screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from heapq import merge
from itertools import islice

from parsers.event import Event
from parsers.lowering import CompiledGrammar
from parsers.message import Message, Trust
from parsers.parse import Parser
from rules.condition import AnyOf
from rules.correlate import Correlation, Match, key_of, window_key
from rules.dispatch import Dispatch
from rules.findings import Closing, Decision, Due, Findings, StoppedSearch
from rules.fired import asks_for_fired, fired
from rules.job import Part
from rules.look import Look, Seen, conditions_of, is_open, looks
from rules.match import Fields
from rules.necessary import Necessary
from rules.needs import Need, Needs
from rules.open_states import OpenState
from rules.own_events import (
    ANCESTORS,
    GATEWAY,
    MAX_ANCESTORS,
    RULES,
    event_of,
    is_own_message,
    ways_to_own,
)
from rules.plan import NEVER, is_trusted, plan
from rules.rule import Rule
from rules.searching import TooSlowError
from rules.wait_records import read_clock_set, read_over, read_resumed
from rules.when import length_of
from rules.windows.window import Completed, Key, Sighting

_NOTHING = Findings()
_SWALLOWED = Findings(swallowed=True)
_COUNTED = Findings(matched=True)


class RuleBook:
    """All rules with their state.

    Attributes:
        rules: in the order in which they see an event.
        needs: for each rule what the sieve looks for; None: every message.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        grammars: Iterable[CompiledGrammar] = (),
        least_trust: Trust = Trust.ACCOUNT,
        max_keys: int | None = None,
        parse: Callable[[Message], Event] | None = None,
        timers: Iterable[str] = (),
    ) -> None:
        """Make a book without a past.

        Args:
            rules: in the order in which they see an event.
            grammars: the parser's, from which follows what rules need.
            least_trust: of senders that may start processes, where a rule does not say.
            max_keys: for all rules, whatever they say.
            parse: makes an event of a message that a window has kept; None: the envelope alone says what it is.
            timers: sources that bring no messages, so that rules about them need none.
        """
        self.rules = tuple(rules)
        self._correlations = [Correlation(rule, max_keys) for rule in rules]
        self._by_name = {rule.name: index for index, rule in enumerate(self.rules)}
        self._stopped: list[StoppedSearch] = []
        self._looks = looks(self._correlations, least_trust, stopped=self._note_stopped)
        self._own_looks = looks(self._correlations, least_trust, ways_to_own, self._note_stopped)
        asking = (asks_for_fired(match for match, _ in conditions_of(rule)) for rule in self.rules)
        self._hear = [index for index, asks in enumerate(asking) if asks and index in self._own_looks]
        self._least_trust = least_trust
        self._dispatch, self._own_dispatch = (
            Dispatch({index: look.asked for index, look in made.items()}) for made in (self._looks, self._own_looks)
        )
        self._waiting = [one for one in self._correlations if one.waits]
        self._closing = [one for one in self._correlations if one.states is not None]
        self._parse = parse or Parser(()).parse
        needs = Needs(grammars, timers)
        self.needs: tuple[Sequence[Necessary] | None, ...] = tuple(_need(needs, rule) for rule in rules)

    def feed(self, event: Event, now: float, candidates: Iterable[int] | None = None) -> Findings:
        """Show an event to the rules (by index; None: to all); return what came of it.

        A rule never sees an event that it caused, through however many others, and sees the gateway's own only when
        it asks for them: `event.dataset: gateway`. What the journal keeps of ended waits (`own_events.RULES`) is no
        event for rules: it ends them again. That a rule came true is itself an event, for rules that ask for it
        (`rules.fired`), and what comes of that is among what is returned.

        `now` is the time by which windows slide, in seconds since 1970.
        """
        if is_own_message(event.message):
            findings = self._feed_own(event, now, candidates)
        else:
            shown = self._dispatch.of(event.fields) if candidates is None else candidates
            findings = self._show(event, now, self._looks, shown, sieved=candidates is not None)
        if findings.came and self._hear:
            findings = self._tell_fired(findings, now)
        if self._stopped:
            findings = replace(findings, stopped=tuple(self._stopped))
            self._stopped.clear()
        return findings

    def _note_stopped(self, rule: str, error: TooSlowError) -> None:
        self._stopped.append(StoppedSearch(rule, error.pattern, error.text, error.length, error.seconds))

    def _feed_own(self, event: Event, now: float, candidates: Iterable[int] | None) -> Findings:
        dataset = event.message.origin.dataset
        if dataset == RULES:
            return self._feed_record(event, now)
        own = dataset == GATEWAY
        looks, dispatch = (self._own_looks, self._own_dispatch) if own else (self._looks, self._dispatch)
        former = event.fields.get(ANCESTORS)
        ancestors = former if isinstance(former, list) else []
        shown = [
            index
            for index in (dispatch.of(event.fields) if candidates is None else candidates)
            if index in looks and self.rules[index].name not in ancestors
        ]
        if len(ancestors) < MAX_ANCESTORS:
            return self._show(event, now, looks, shown)
        wanting = (index for index in shown if looks[index].asks_for(event.fields))
        return Findings(cut=tuple(self.rules[index].name for index in wanting))

    def _feed_record(self, event: Event, now: float) -> Findings:
        if (seconds := read_resumed(event)) is not None:
            for correlation in self._correlations:
                correlation.postpone(seconds)
            return _COUNTED
        if (step := read_clock_set(event)) is not None:
            for correlation in self._correlations:
                correlation.shift_counts(step)
            return _COUNTED
        due = read_over(event)
        return _COUNTED if due is None else self._end(due, now)

    def _show(
        self, event: Event, now: float, looks: Mapping[int, Look], indexes: Iterable[int], *, sieved: bool = False
    ) -> Findings:
        """Show an event to rules. Each that any rule matches comes through here: nothing is made without need.

        Of rules that the sieve has found most do match: they are not asked first whether they may.
        """
        matched = swallowed = False
        came: list[Decision | Closing] = []
        fields = event.fields
        for index in indexes:
            look = looks[index]
            if not sieved and not look.may(fields):
                continue
            if look.closes is not None and (found := look.closes(fields)) is not None:
                matched |= _close(look, found, came)
            for seen in look.sees(fields):
                counted = self._take(look, event, seen, now, came)
                matched |= counted is True
                swallowed |= counted is None
        if came:
            return Findings(True, tuple(came))
        if matched:
            return _COUNTED
        return _SWALLOWED if swallowed else _NOTHING

    def _take(self, look: Look, event: Event, seen: Seen, now: float, came: list[Decision | Closing]) -> bool | None:
        """Let one rule take an event; tell whether that changed anything, None: no, for the event is a repeat."""
        correlation, stages = look.correlation, seen.stages
        if look.bound and not self._allows(correlation.rule, seen.fields, now):
            stages = tuple(stage for stage in stages if stage in look.free)
            if not stages:
                return False
        key, found = seen.key, seen.fields
        trusted = is_trusted(found, look.trusts)
        if correlation.swallows and (changed := correlation.repeats(key, found, now, trusted=trusted)) is not None:
            return changed or None
        taken = correlation.take(key if trusted else window_key(key, trusted), Sighting(event, found, stages), now)
        if isinstance(taken, bool):
            return taken
        match = Match(correlation.rule, event, found, key, trusted)
        if not correlation.waits or _acts(correlation, match, taken, now):
            self._complete(look, match, taken, now, came)
        return True

    def _allows(self, rule: Rule, fields: Fields, now: float) -> bool:
        asked = rule.circumstances
        if asked.during and not any(hours.hold(now) for hours in asked.during):
            return False
        if any(hours.hold(now) for hours in asked.outside):
            return False
        if not all(is_open(one, fields, self.named(one.rule)) for one in asked.if_open):
            return False
        return not any(is_open(one, fields, self.named(one.rule)) for one in asked.unless_open)

    def _complete(
        self,
        look: Look,
        match: Match,
        completed: Completed,
        now: float,
        came: list[Decision | Closing],
    ) -> None:
        """Decide what is to be done, now that a window came true or ended otherwise."""
        correlation, rule = look.correlation, match.rule
        if completed.otherwise and not rule.otherwise:
            return
        incident = correlation.acts(match, completed, now)
        if completed.earlier:
            earlier = [look.found_in(self._event(message).fields, stage) for message, stage in completed.earlier]
            incident = replace(incident, earlier=tuple(reversed(earlier)))
        held = not match.trusted and bool(rule.otherwise if incident.otherwise else rule.do or rule.undo)
        decision = Decision(incident, () if held else plan(incident), held)
        came.append(decision)
        came += _open(correlation, decision, now)

    def _event(self, message: Message) -> Event:
        return event_of(message, self._parse)

    def next_due(self) -> float | None:
        """Return when the first wait is over; None where none is under way."""
        dues = [one.window.next_due() for one in self._waiting if one.window is not None]
        dues += [one.states.watch.next_due() for one in self._closing if one.states is not None]
        return min((due for due in dues if due is not None), default=None)

    def dues(self, now: float, most: int | None = None) -> list[Due]:
        """Return the waits that are over, the earliest first, so many at most; `end` ends each."""
        waits = [
            map(partial(_due, one.rule.name), one.window.dues(now)) for one in self._waiting if one.window is not None
        ]
        lasting = partial(_due, state=True)
        waits += [
            map(partial(lasting, one.rule.name), one.states.watch.dues(now, most))
            for one in self._closing
            if one.states is not None
        ]
        return list(islice(merge(*waits, key=lambda due: due.time), most))

    def end(self, due: Due, now: float) -> Findings:
        """End a wait that is over; return what comes of it, which is nothing where there is none such."""
        return self._tell_fired(self._end(due, now), now)

    def _tell_fired(self, findings: Findings, now: float) -> Findings:
        """Tell the rules that ask for it which rules came true; those that then come true are told as well."""
        came, cut = list(findings.came), list(findings.cut)
        for one in came:  # it grows
            if isinstance(one, Decision) and not one.incident.otherwise:
                least = one.incident.match.rule.trust or self._least_trust
                more = self._feed_own(fired(one, least, now), now, self._hear)
                came += more.came
                cut += more.cut
        return replace(findings, came=tuple(came), cut=tuple(cut))

    def _end(self, due: Due, now: float) -> Findings:
        if due.state:
            return self._end_state(due)
        index = self._by_name.get(due.rule)
        correlation = None if index is None else self._correlations[index]
        completed = correlation.window.end(due.key, due.time) if correlation and correlation.window else None
        if correlation is None or index is None or completed is None or completed.last is None:
            return _COUNTED
        message, stage = completed.last
        event = self._event(message)
        look = (self._own_looks if message.origin.dataset == GATEWAY else self._looks)[index]
        key, trusted = due.key[: len(correlation.by)], len(due.key) == len(correlation.by)
        found = look.found_in(event.fields, stage)
        match = Match(correlation.rule, event, found, key, trusted)
        if not self._allows(correlation.rule, found, now) or not _acts(correlation, match, completed, now):
            return _COUNTED
        came: list[Decision | Closing] = []
        self._complete(look, match, completed, now, came)
        return Findings(True, tuple(came))

    def _end_state(self, due: Due) -> Findings:
        correlation = self.named(due.rule)
        states = correlation.states if correlation else None
        until = states.watch.until(due.key) if states else None
        if correlation is None or states is None or until is None or until > due.time:
            return _COUNTED
        closed = states.close(due.key)
        if closed is None:
            return _COUNTED
        reason = "quiet" if states.watch.renews else "lapsed"
        return Findings(True, (Closing(due.rule, due.key, reason, closed.job),))

    def rule(self, name: str) -> Rule | None:
        """Return a rule by its name."""
        index = self._by_name.get(name)
        return None if index is None else self.rules[index]

    def correlation(self, index: int) -> Correlation:
        """Return the state of one rule, to be looked at."""
        return self._correlations[index]

    def named(self, name: str) -> Correlation | None:
        """Return the state of the rule of this name."""
        index = self._by_name.get(name)
        return None if index is None else self._correlations[index]

    def open(self, rule: str, key: Key, due: float, job: str, opened: float) -> None:
        """Take note of a state that the store has open, unless one is; due at `plan.NEVER` it never ends by itself."""
        correlation = self.named(rule)
        states = correlation.states if correlation else None
        if states is not None and key not in states:
            states.restore(key, OpenState(None if due >= NEVER else due, job), opened)

    def close(self, rule: str, key: Key, job: str | None = None) -> bool:
        """Close an open state, now that it is undone; tell whether it was open.

        With the id of the `job` that undid it, a state of the same key that was opened since stays open.
        """
        correlation = self.named(rule)
        states = correlation.states if correlation else None
        return states is not None and states.close(key, job) is not None

    def forget_states(self) -> None:
        """Close all states, and forget how often they were opened."""
        for correlation in self._closing:
            if correlation.states is not None:
                correlation.states.clear()

    def settle_states(self) -> None:
        """Forget what came to states that are not open."""
        for correlation in self._closing:
            if correlation.states is not None:
                correlation.states.settle()

    def shift(self, seconds: float) -> None:
        """Move all that was counted along with a wall clock that was set."""
        for correlation in self._correlations:
            correlation.shift(seconds)

    def next_closing(self) -> float | None:
        """Return when the first state closes by itself; None where none does."""
        dues = [one.states.next_due() for one in self._closing if one.states is not None]
        return min((due for due in dues if due is not None), default=None)

    def fall_due(self, now: float) -> Iterator[Closing]:
        """Close the states whose time has come, and say which; for whoever has no store that keeps the times."""
        due = [
            (time, index, key)
            for index, correlation in enumerate(self._correlations)
            for time, key in (correlation.states.fall_due(now) if correlation.states else ())
        ]
        for _, index, key in sorted(due):
            states = self._correlations[index].states
            if states is not None and (state := states.close(key)) is not None:
                yield Closing(self.rules[index].name, key, "time", state.job)

    def evictions(self) -> dict[str, int]:
        """Return for each rule how many keys it had to forget while they still counted."""
        counts = {one.rule.name: one.evicted() for one in self._correlations}
        return {name: count for name, count in counts.items() if count}

    def longest_growth(self) -> float:
        """Return for how many seconds it matters at most that a state was open before."""
        growing = (rule.undo for rule in self.rules if rule.undo is not None and rule.undo.grow > 1)
        return max((undo.limit for undo in growing if undo.limit is not None), default=0.0)

    def longest_window(self) -> float:
        """Return for how many seconds the past matters to a rule at most."""
        windows = (length_of(rule.when) for rule in self.rules)
        suppressed = (rule.suppress.seconds or 0.0 for rule in self.rules if rule.suppress is not None)
        lasting = (rule.undo.quiet or rule.undo.within or 0.0 for rule in self.rules if rule.undo is not None)
        return max((*windows, *suppressed, *lasting), default=0.0)

    def inherit(self, former: RuleBook) -> None:
        """Take over windows of rules that count the same as before, and all open states; a reload forgets nothing."""
        for correlation in self._correlations:
            old = former.named(correlation.rule.name)
            if old is not None:
                correlation.inherit(old)


def _due(rule: str, wait: tuple[float, Key], *, state: bool = False) -> Due:
    return Due(wait[0], rule, wait[1], state)


def _need(needs: Needs, rule: Rule) -> Need | None:
    conditions = tuple(dict.fromkeys(match for match, _ in conditions_of(rule)))
    return needs.of(AnyOf(conditions) if len(conditions) > 1 else conditions[0])


def _open(correlation: Correlation, decision: Decision, now: float) -> Iterator[Closing]:
    """Open the state of what was decided; of too many, the one that was opened first closes for it."""
    states = correlation.states
    for job in decision.jobs:
        if states is None or job.part is not Part.UNDO:
            continue
        states.open(job.key, decision.incident.due, job.id, now)
        surplus = states.surplus()
        closed = states.close(surplus) if surplus is not None else None
        if surplus is not None and closed is not None:
            yield Closing(correlation.rule.name, surplus, "surplus", closed.job)


def _acts(correlation: Correlation, match: Match, completed: Completed, now: float) -> bool:
    """Tell whether a rule that waited acts now; where the wait ended otherwise it is none of its acts that repeats."""
    return completed.otherwise or correlation.repeats(match.key, match.fields, now, trusted=match.trusted) is None


def _close(look: Look, found: Fields, came: list[Decision | Closing]) -> bool:
    """Close the state that an event of a trusted sender ends; tell whether it is one of those that it takes."""
    rule, states = look.correlation.rule, look.correlation.states
    key = key_of(found, (rule.undo.by if rule.undo else ()) or look.correlation.by)
    if key is None or states is None or key not in states or not is_trusted(found, look.trusts):
        return False
    if states.ends(key) and (closed := states.close(key)):
        came.append(Closing(rule.name, key, "event", closed.job))
    return True
