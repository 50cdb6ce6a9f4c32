"""The rule book: an event goes in, what is to be done comes out. Match, correlate and plan on one screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from parsers.errors import Place
from parsers.event import Event
from parsers.lowering import CompiledGrammar
from parsers.message import Trust
from rules.correlate import Correlation, Incident, Match, key_of
from rules.job import Job
from rules.match import wants
from rules.necessary import Necessary
from rules.needs import Needs
from rules.plan import is_trusted, plan
from rules.rule import Rule
from rules.window import MAX_KEYS

_NOWHERE = Place("")


@dataclass(frozen=True, slots=True)
class Decision:
    """What one event made of one rule.

    `held` says that the rule has something to do, and that the sender is not trusted far enough for it.
    """

    incident: Incident
    jobs: tuple[Job, ...]
    held: bool = False


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
        self._least_trust = least_trust
        self._wants = tuple(wants(rule.match, rule.unless) for rule in rules)
        self._correlations = [Correlation(rule, max_keys) for rule in rules]
        needs = Needs(grammars)
        self.needs: tuple[Sequence[Necessary] | None, ...] = tuple(needs.of(rule.match) for rule in rules)

    def feed(self, event: Event, now: float, candidates: Iterable[int] | None = None) -> list[Decision]:
        """Show an event to the rules (by index; None: to all); return what came of it.

        `now` is the time by which windows slide, in seconds since 1970.
        """
        decisions: list[Decision] = []
        for index in range(len(self.rules)) if candidates is None else candidates:
            fields = self._wants[index](event.fields)
            if fields is None:
                continue
            correlation = self._correlations[index]
            key = key_of(fields, correlation.by)
            if key is None:
                continue
            match = Match(correlation.rule, event, fields, key, is_trusted(fields, correlation.rule, self._least_trust))
            incident = correlation.feed(match, now)
            if incident is not None:
                decisions.append(self._decide(incident))
        return decisions

    def _decide(self, incident: Incident) -> Decision:
        if incident.match.rule.do and not incident.match.trusted:
            return Decision(incident, (), held=True)
        return Decision(incident, plan(incident))

    def correlation(self, index: int) -> Correlation:
        """Return the state of one rule, to be looked at."""
        return self._correlations[index]

    def inherit(self, former: RuleBook) -> None:
        """Take over the windows of rules that count the same as before; a reload forgets nothing."""
        known = {correlation.rule.name: correlation for correlation in former._correlations}
        for index, rule in enumerate(self.rules):
            old = known.get(rule.name)
            if old is not None and _counted(old.rule) == _counted(rule):
                self._correlations[index].window = old.window


def _counted(rule: Rule) -> Rule:
    """Return what decides a rule's counting: its name, conditions and window."""
    return replace(rule, place=_NOWHERE, do=(), tests=(), trust=None)
