"""Find rules that can never fire, and why: what they ask for excludes itself, or no message has it.

A rule's `match` becomes a list of ways to fulfil it, each a list of conditions that must all hold. A way is closed
when two of its conditions exclude each other, or when neither the envelope nor any form of a grammar can give all the
fields it asks for. Where that is not plain to see, the way counts as open: what is said here is certain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from parsers.fields import is_reserved
from parsers.lowering import CompiledGrammar
from rules.condition import AllOf, Equals, Exists, Not, OneOf
from rules.found import Found
from rules.job import PLACEHOLDER
from rules.job import Part as RulePart
from rules.match import plain
from rules.needs import found_by_rule
from rules.own_events import Kind, asks_for_own
from rules.possible import ADDED_FOR_COMMANDS, LISTS, Possible, added_by, kind_may_hold, names_of
from rules.rule import Rule
from rules.schema import did_you_mean
from rules.step import Mail, Pause, texts_of
from rules.ways import Part, Way, exclude, field_of, follows, values_of, ways_to_fulfil
from rules.when import Absent, Count, Every, Stage, stages_of
from rules.when import Sequence as InOrder
from rules.words import value_words, words

NEVER_FIRES = "it can never fire: "

NEAR = 0.7
"""How like a right value a wrong one must be to pass for its misspelling."""

MAX_LISTED = 24
"""Right values that are listed when a wrong one is like none of them."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is probably not meant.

    Attributes:
        only_any_field: what is said holds for all messages but those whose sender names the fields itself (JSON,
            key=value).
        mild: that may well be what is meant.
        filled: the step that wants a field which nothing has, and the field.
    """

    rule: Rule
    problem: str
    only_any_field: bool = False
    mild: bool = False
    filled: tuple[str, str] | None = None

    @property
    def is_error(self) -> bool:
        """It is certain, and what the rule does fails each time."""
        return self.filled is not None and not self.only_any_field

    @property
    def words(self) -> str:
        """The problem, and for whom it is none."""
        return (
            f"{self.problem} (only a JSON or key=value message could have that)"
            if self.only_any_field
            else self.problem
        )


class Review:
    """Looks at rules, knowing the grammars that parse the messages, the names of the sources, and all rules.

    Of the sources, `timers` bring no messages.
    """

    def __init__(
        self,
        grammars: Iterable[CompiledGrammar],
        sources: Iterable[str] | None = None,
        rules: Sequence[Rule] = (),
        timers: Collection[str] = (),
    ) -> None:
        self._names = {rule.name for rule in rules}
        self._possible = Possible(grammars, sources, rules, timers)

    def of(self, rule: Rule) -> Iterator[Doubt]:
        """Yield what is wrong with a rule; one reason for never firing is enough."""
        ways = ways_to_fulfil(rule.match)
        if ways is None:
            return
        never = self._never(rule, ways)
        if never is not None:
            yield never
            return
        yield from self._unfillable(rule, ways)
        yield from self._waiting(rule)
        yield from self._closing(rule)
        yield from _odd(rule)

    def _never(self, rule: Rule, ways: Sequence[Way]) -> Doubt | None:
        """Return why a rule never fires; None when it may."""
        found = found_by_rule([rule.match, *([rule.unless] if rule.unless else [])])
        doubts: list[Doubt] = []
        for way in ways:
            doubt = self._excludes_itself(rule, way) or self._excluded(rule, way)
            if doubt is None and asks_for_own(AllOf(way)):
                doubt = self._no_own_event(rule, way)
            elif doubt is None and not self._possible.may_be_emitted(way):
                doubt = self._no_message(rule, way, found) or self._not_counted(rule, way, found)
            if doubt is None:
                return None
            doubts.append(doubt)
        if not doubts:
            return Doubt(rule, f"{NEVER_FIRES}{words(rule.match)} holds for no event")
        first = doubts[0]
        more = f" (and so for all {len(doubts)} ways to fulfil it)" if len(doubts) > 1 else ""
        return Doubt(
            rule,
            f"{NEVER_FIRES}{first.problem}{more}",
            any(doubt.only_any_field for doubt in doubts),
            any(doubt.mild for doubt in doubts),
        )

    def _excludes_itself(self, rule: Rule, way: Way) -> Doubt | None:
        for one, other in combinations(way, 2):
            if exclude(one, other):
                name = field_of(one)
                of_values = not isinstance(one, Not | Exists) and not isinstance(other, Not | Exists)
                if of_values and name in self._possible.lists:  # of a list, one value may fulfil this and another that
                    continue
                listed = of_values and self._possible.any_field and not is_reserved(name)
                but = f', unless a JSON message makes "{name}" a list' if listed else ""
                return Doubt(rule, f"{words(one)} and {words(other)} exclude each other{but}")
        return None

    def _excluded(self, rule: Rule, way: Way) -> Doubt | None:
        if rule.unless is None or not follows(rule.unless, way):
            return None
        return Doubt(rule, f"`unless` excludes all that `match` wants: {words(rule.unless)}")

    def _no_own_event(self, rule: Rule, way: Way) -> Doubt | None:
        """Return why what the gateway says of its own jobs does not fulfil a way."""
        for part in way:
            if not isinstance(part, Equals | OneOf) or part.field != "rule.name":
                continue
            wanted = [plain(value) for value in values_of(part)]
            if wanted == [rule.name]:
                return Doubt(rule, f"{words(part)} is this rule, and a rule never sees what it caused")
            if self._names and self._names.isdisjoint(wanted):
                advice = did_you_mean(wanted[0], self._names) if wanted else ""
                return Doubt(rule, f"there is no rule {' or '.join(wanted)}{advice}")
        return None

    def _waiting(self, rule: Rule) -> Iterator[Doubt]:
        """Yield why an event never comes that the rule waits for."""
        match rule.when:
            case Every(stages) | InOrder(stages):
                for number, stage in enumerate(stages, 1):
                    wanted = replace(rule, match=AllOf((rule.match, stage.match)))
                    yield from self._never_comes(rule, wanted, stage, f"{NEVER_FIRES}its condition {number}: ")
            case Absent(Stage() as stage):
                wanted = replace(rule, match=stage.match)
                yield from self._never_comes(rule, wanted, stage, "what it waits for never comes: ")

    def _never_comes(self, rule: Rule, wanted: Rule, stage: Stage, what: str) -> Iterator[Doubt]:
        by = stage.by or (rule.when.by if rule.when else ())
        wanted = replace(wanted, unless=stage.unless, when=Count(1, 1.0, by))
        ways = ways_to_fulfil(wanted.match)
        never = self._never(wanted, ways) if ways is not None else None
        if never is not None:
            yield replace(never, rule=rule, problem=f"{what}{never.problem.removeprefix(NEVER_FIRES)}")

    def _closing(self, rule: Rule) -> Iterator[Doubt]:
        """Yield why the event never comes that closes the rule's states."""
        if rule.undo is None or rule.undo.match is None:
            return
        by = rule.undo.by or (rule.when.by if rule.when else ())
        closing = replace(rule, match=rule.undo.match, unless=rule.undo.unless, when=Count(1, 1.0, by))
        ways = ways_to_fulfil(closing.match)
        never = self._never(closing, ways) if ways is not None else None
        if never is not None:
            reason = never.problem.removeprefix(NEVER_FIRES)
            what = "its states never close" if rule.undo.after is None else "no event ever closes its states"
            yield replace(never, rule=rule, problem=f"{what}: {reason}")

    def _no_message(self, rule: Rule, way: Way, found: Found) -> Doubt | None:
        """Return why no message fulfils a way."""
        asked = [part for part in way if field_of(part) not in found]
        if self._possible.may_hold(asked):
            return None
        if kinds := self._possible.kinds_asked_for(way):
            return _no_event_of(kinds, rule, asked)
        for part in asked:
            if not self._possible.may_hold([part]):
                return self._nobody_has(rule, part)
        for one, other in combinations(asked, 2):
            if not self._possible.may_hold([one, other]):
                return Doubt(rule, f"no message has both {words(one)} and {words(other)}", self._possible.any_field)
        return Doubt(rule, f"no message has all of {', '.join(map(words, asked))}", self._possible.any_field)

    def _nobody_has(self, rule: Rule, part: Part) -> Doubt:
        name = field_of(part)
        envelope = is_reserved(name) and name != "event.module"
        only_any_field = self._possible.any_field and not is_reserved(name)
        known = self._possible.values.get(name) or self._possible.constants(name)
        known = [*known, *self._possible.timers] if name == "event.dataset" else known
        if isinstance(part, Equals | OneOf) and known:
            wanted = part.values if isinstance(part, OneOf) else (part.value,)
            advice = did_you_mean(plain(wanted[0]), known, NEAR)
            if not advice and envelope and len(known) <= MAX_LISTED:
                advice = f"; it can be {', '.join(map(value_words, sorted(known)))}"
            what = " or ".join(value_words(value) for value in wanted[:5])
            who = "nothing" if envelope else "no grammar"
            mild = only_any_field and not advice
            return Doubt(rule, f"{who} gives {name} the value {what}{advice}", only_any_field, mild)
        if known:
            return Doubt(rule, f"no value that {name} can have fulfils {words(part)}", only_any_field)
        return Doubt(rule, f"no grammar fills the field {name}", only_any_field)

    def _not_counted(self, rule: Rule, way: Way, found: Found) -> Doubt | None:
        """Return which field it counts by that none of its messages has."""
        if isinstance(rule.when, Every | InOrder):
            return None  # each of its conditions is looked at by itself, with its own `by`
        asked = [part for part in way if field_of(part) not in found]
        for name in rule.when.by if rule.when else ():
            if name not in found and not self._possible.may_hold([*asked, Exists(name, expected=True)]):
                kinds = self._possible.kinds_asked_for(way)
                advice = did_you_mean(name, names_of(kinds), NEAR)
                problem = f"it counts by {name}, which no message that it matches has{advice}"
                return Doubt(rule, problem, self._possible.any_field and not kinds)
        return None

    def _unfillable(self, rule: Rule, ways: Sequence[Way]) -> Iterator[Doubt]:
        """Yield fields that a command wants and that none of the rule's messages has."""
        looked_for = [rule.match, *([rule.unless] if rule.unless else []), *(one.match for one in stages_of(rule.when))]
        found = found_by_rule(looked_for) | ADDED_FOR_COMMANDS | added_by(rule.when)
        for step in rule.do:
            # a mail goes out with a dash in the place of what is absent
            texts = [] if isinstance(step, Mail) else texts_of(step)
            names = [match[2] for text in texts for match in PLACEHOLDER.finditer(text) if match[2]]
            for name in dict.fromkeys(names):
                if name in LISTS and name in found.names:
                    problem = (
                        f"{step.name} wants ${{{name}}}, which is a list and not one value, so it cannot be run; the "
                        "event that a command has on standard input holds it"
                    )
                    yield Doubt(rule, problem, filled=(step.name, name))
                    continue
                if name in found or any(self._may_have(name, way, found) for way in ways):
                    continue
                kinds = [kind for way in ways for kind in self._possible.kinds_asked_for(way)]
                advice = "" if name in names_of(kinds) else did_you_mean(name, names_of(kinds), NEAR)
                problem = f"{step.name} wants ${{{name}}}, which no message that it matches has, so it cannot be run"
                only = self._possible.any_field and not kinds
                yield Doubt(rule, f"{problem}{advice}", only, filled=(step.name, name))

    def _may_have(self, name: str, way: Way, found: Found) -> bool:
        """Tell whether what fulfils a way may have a field."""
        if asks_for_own(AllOf(way)) or self._possible.may_be_emitted((*way, Exists(name, True))):
            return True
        return self._possible.may_hold([*(part for part in way if field_of(part) not in found), Exists(name, True)])


def _odd(rule: Rule) -> Iterator[Doubt]:
    """Yield what a rule does that is plain to see, and probably not meant."""
    for step in (step for part in RulePart for step in rule.steps(part)):
        if isinstance(step, Pause) and step.rule == rule.name:
            yield Doubt(
                rule, f"{step.name} pauses the rule itself: its jobs then wait until somebody resumes it", mild=True
            )
    if rule.retry is not None and not rule.idempotent:
        problem = (
            "with `idempotent: false` a task whose end nobody saw is not run again, but `retry` runs one again that "
            "failed; if that may do harm as well, leave it away"
        )
        yield Doubt(rule, problem, mild=True)


def _no_event_of(kinds: Sequence[Kind], rule: Rule, asked: Sequence[Part]) -> Doubt:
    """Return why none of these events fulfils what is asked of them."""
    whose = " or ".join(dict.fromkeys(kind.dataset for kind in kinds))
    for part in asked:
        if any(kind_may_hold(kind, [part]) for kind in kinds):
            continue
        name = field_of(part)
        if name not in names_of(kinds):
            return Doubt(rule, f"no event of {whose} has the field {name}{did_you_mean(name, names_of(kinds), NEAR)}")
        known = sorted({value for kind in kinds for value in kind.values_of(name) or ()})
        wanted = plain(values_of(part)[0]) if isinstance(part, Equals | OneOf) and values_of(part) else ""
        advice = did_you_mean(wanted, known, NEAR) or f"; it can be {', '.join(known)}"
        return Doubt(rule, f"no event of {whose} has {words(part)}{advice}")
    for one, other in combinations(asked, 2):
        if not any(kind_may_hold(kind, [one, other]) for kind in kinds):
            return Doubt(rule, f"no event of {whose} has both {words(one)} and {words(other)}")
    return Doubt(rule, f"no event of {whose} has all of {', '.join(map(words, asked))}")
