"""The rule book: an event goes in, what is to be done comes out. Match, correlate and plan on one screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from parsers.errors import Place
from parsers.event import Event
from parsers.lowering import CompiledGrammar
from parsers.message import Trust
from rules.condition import AnyOf, Condition
from rules.correlate import Correlation, Incident, Match, key_of
from rules.job import Job, Part
from rules.match import Fields, wants
from rules.necessary import Necessary
from rules.needs import Need, Needs
from rules.open_states import OpenState
from rules.own_events import ANCESTORS, GATEWAY, MAX_ANCESTORS, OWN, ways_to_own
from rules.plan import NEVER, is_trusted, plan, trusts
from rules.rule import Rule
from rules.window import MAX_KEYS, Key

_NOWHERE = Place("")


@dataclass(frozen=True, slots=True)
class Decision:
    """What one event made of one rule.

    `held` says that the rule has something to do, and that the sender is not trusted far enough for it.
    """

    incident: Incident
    jobs: tuple[Job, ...]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """An open state that is to close now.

    Attributes:
        reason: `event`, the one that its rule waited for; `surplus`: too many are open; `time`: it is due.
        job: the id of the job that undoes it.
    """

    rule: str
    key: Key
    reason: str = "event"
    job: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What one event came to.

    Attributes:
        matched: a rule counted it, so it belongs into the journal; repeats that an open state swallows do not.
        cut: the rules that want it and do not get it, for it has too many ancestors.
        swallowed: an open state took it for a repeat, and no rule counted it.
    """

    matched: bool = False
    decisions: tuple[Decision, ...] = ()
    closings: tuple[Closing, ...] = ()
    cut: tuple[str, ...] = ()
    swallowed: bool = False


_NOTHING = Findings()
_SWALLOWED = Findings(swallowed=True)
_COUNTED = Findings(matched=True)

_Wants = Callable[[Fields], Fields | None]


@dataclass(frozen=True, slots=True)
class _Look:
    """How one rule looks at an event; `wants` and `closes` are None where no event of the kind is for it."""

    correlation: Correlation
    wants: _Wants | None
    closes: _Wants | None
    trusts: frozenset[object]

    def asks_for(self, fields: Fields) -> bool:
        """Tell whether the rule wants the event, or closes a state at it."""
        return any(test is not None and test(fields) is not None for test in (self.wants, self.closes))


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
        max_keys: int = MAX_KEYS,
    ) -> None:
        self.rules = tuple(rules)
        self._correlations = [Correlation(rule, max_keys) for rule in rules]
        self._by_name = {rule.name: index for index, rule in enumerate(self.rules)}
        self._all = range(len(self.rules))
        self._looks = {index: _look(correlation, least_trust) for index, correlation in enumerate(self._correlations)}
        own = (_look(correlation, least_trust, ways_to_own) for correlation in self._correlations)
        self._own_looks = {index: look for index, look in enumerate(own) if look.wants or look.closes}
        needs = Needs(grammars)
        self.needs: tuple[Sequence[Necessary] | None, ...] = tuple(_need(needs, rule) for rule in rules)

    def feed(self, event: Event, now: float, candidates: Iterable[int] | None = None) -> Findings:
        """Show an event to the rules (by index; None: to all); return what came of it.

        A rule never sees an event that it caused, through however many others, and sees the gateway's own only when
        it asks for them: `event.dataset: gateway`.

        `now` is the time by which windows slide, in seconds since 1970.
        """
        if event.message.origin.dataset in OWN:
            return self._feed_own(event, now, candidates)
        return _show(event, now, self._looks, self._all if candidates is None else candidates)

    def _feed_own(self, event: Event, now: float, candidates: Iterable[int] | None) -> Findings:
        looks = self._own_looks if event.message.origin.dataset == GATEWAY else self._looks
        former = event.fields.get(ANCESTORS)
        ancestors = former if isinstance(former, list) else []
        shown = [
            index
            for index in (looks if candidates is None else candidates)
            if index in looks and self.rules[index].name not in ancestors
        ]
        if len(ancestors) < MAX_ANCESTORS:
            return _show(event, now, looks, shown)
        wanting = (index for index in shown if looks[index].asks_for(event.fields))
        return Findings(cut=tuple(self.rules[index].name for index in wanting))

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

    def open(self, rule: str, key: Key, due: float, job: str = "") -> None:
        """Take note of a state that the store has open, unless one is; due at `plan.NEVER` it never ends by itself."""
        correlation = self.named(rule)
        states = correlation.states if correlation else None
        if states is not None and key not in states:
            states.restore(key, OpenState(None if due >= NEVER else due, job))

    def close(self, rule: str, key: Key, job: str | None = None) -> bool:
        """Close an open state, now that it is undone; tell whether it was open.

        With the id of the `job` that undid it, a state of the same key that was opened since stays open.
        """
        correlation = self.named(rule)
        states = correlation.states if correlation else None
        return states is not None and states.close(key, job) is not None

    def forget_states(self) -> None:
        """Close all states, and forget how often they were opened."""
        for correlation in self._correlations:
            if correlation.states is not None:
                correlation.states.clear()

    def shift(self, seconds: float) -> None:
        """Move all that was counted along with a wall clock that was set."""
        for correlation in self._correlations:
            correlation.shift(seconds)

    def fall_due(self, now: float) -> Iterator[Closing]:
        """Close the states whose time has come, and say which; for whoever has no store that keeps the times."""
        due = [
            (time, index, key)
            for index, correlation in enumerate(self._correlations)
            for time, key in (correlation.states.fall_due(now) if correlation.states else ())
        ]
        for _, index, key in sorted(due):
            states = self._correlations[index].states
            state = states.close(key) if states else None
            yield Closing(self.rules[index].name, key, "time", state.job if state else "")

    def evictions(self) -> dict[str, int]:
        """Return for each rule how many keys its window had to forget while they still counted."""
        counts = {one.rule.name: one.window.evicted for one in self._correlations if one.window}
        return {name: count for name, count in counts.items() if count}

    def longest_growth(self) -> float:
        """Return for how many seconds it matters at most that a state was open before."""
        growing = (rule.undo for rule in self.rules if rule.undo is not None and rule.undo.grow > 1)
        return max((undo.limit for undo in growing if undo.limit is not None), default=0.0)

    def longest_window(self) -> float:
        """Return for how many seconds the past matters to a rule at most."""
        return max((rule.when.within for rule in self.rules if rule.when), default=0.0)

    def inherit(self, former: RuleBook) -> None:
        """Take over windows of rules that count the same as before, and all open states; a reload forgets nothing."""
        for index, rule in enumerate(self.rules):
            old, new = former.named(rule.name), self._correlations[index]
            if old is None:
                continue
            if _counted(old.rule) == _counted(rule):
                new.window = old.window
            if old.states is not None and new.states is not None and old.by == new.by:
                new.states.inherit(old.states)


def _look(
    correlation: Correlation, least_trust: Trust, of: Callable[[Condition], Condition | None] | None = None
) -> _Look:
    """Make how a rule looks at events; `of` returns what of a condition concerns the kind of event in question."""
    rule = correlation.rule

    def test(match: Condition | None, unless: Condition | None) -> _Wants | None:
        asked = match if of is None or match is None else of(match)
        return wants(asked, unless) if asked is not None else None

    closes = test(rule.undo.match, rule.undo.unless) if rule.undo else None
    return _Look(correlation, test(rule.match, rule.unless), closes, trusts(rule, least_trust))


def _need(needs: Needs, rule: Rule) -> Need | None:
    closing = rule.undo.match if rule.undo else None
    return needs.of(rule.match if closing is None else AnyOf((rule.match, closing)))


def _show(event: Event, now: float, looks: Mapping[int, _Look], indexes: Iterable[int]) -> Findings:
    """Show an event to rules. Every event that any rule matches comes through here: nothing is made without need."""
    matched = swallowed = False
    decisions: list[Decision] = []
    closings: list[Closing] = []
    fields = event.fields
    for index in indexes:
        look = looks[index]
        if look.closes is not None and (found := look.closes(fields)) is not None:
            closings += _close(look.correlation, found, look.trusts)
        if look.wants is None or (found := look.wants(fields)) is None:
            continue
        correlation = look.correlation
        key = key_of(found, correlation.by)
        if key is None:
            continue
        trusted = is_trusted(found, look.trusts)
        if trusted and correlation.swallows(key):
            swallowed = True
            continue
        matched = True
        if correlation.completes(key, now, trusted=trusted):
            incident = correlation.incident(Match(correlation.rule, event, found, key, trusted), now)
            decisions.append(_decide(incident))
            closings += _open(correlation, decisions[-1])
    if decisions or closings:
        return Findings(True, tuple(decisions), tuple(closings))
    if matched:
        return _COUNTED
    return _SWALLOWED if swallowed else _NOTHING


def _decide(incident: Incident) -> Decision:
    rule = incident.match.rule
    held = not incident.match.trusted and bool(rule.do or rule.undo)
    return Decision(incident, () if held else plan(incident), held)


def _open(correlation: Correlation, decision: Decision) -> Iterator[Closing]:
    """Open the state of what was decided; of too many, the one that was opened first closes for it."""
    states = correlation.states
    for job in decision.jobs:
        if states is None or job.part is not Part.UNDO:
            continue
        states.open(job.key, decision.incident.due, job.id)
        surplus = states.surplus()
        closed = states.close(surplus) if surplus is not None else None
        if surplus is not None and closed is not None:
            yield Closing(correlation.rule.name, surplus, "surplus", closed.job)


def _close(correlation: Correlation, found: Fields, enough: frozenset[object]) -> Iterator[Closing]:
    """Close the state that an event of a trusted sender ends."""
    rule, states = correlation.rule, correlation.states
    key = key_of(found, (rule.undo.by if rule.undo else ()) or correlation.by)
    if key is not None and states is not None and is_trusted(found, enough) and (closed := states.close(key)):
        yield Closing(rule.name, key, "event", closed.job)


def _counted(rule: Rule) -> Rule:
    """Return what decides a rule's counting: its name, conditions and window."""
    return Rule(rule.name, _NOWHERE, rule.match, rule.unless, rule.when)
