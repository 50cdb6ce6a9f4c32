"""What an event does to a rule as it stands: whether it acts, and else what stands in the way or is missing."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rules.correlate import key_of
from rules.explain import Circumstance, Explanation, Role, nearest
from rules.standing import Ask, Asked, Standing
from rules.when import Absent, Count, Digest, Distinct, Every, Settled, When
from rules.when import Sequence as InOrder
from rules.windows.window import Key, Progress


class Effect(enum.Enum):
    """What an event does to a rule, or what keeps it from doing so."""

    UNWANTED = "unwanted"
    UNCOUNTED = "uncounted"  # the event lacks what the rule counts by
    UNCHANGED = "unchanged"  # nothing waits for it
    NOT_NOW = "not-now"  # `during`, `outside`, `if_open` or `unless_open`
    SWALLOWED = "swallowed"  # the rule's own state is open
    SUPPRESSED = "suppressed"
    COUNTED = "counted"  # and more must come, or time must pass
    ENDED = "ended"  # what has begun comes to nothing
    ELSE = "else"
    FIRED = "fired"
    HELD = "held"  # it would act, were the sender trusted


ACTS = frozenset({Effect.FIRED, Effect.HELD, Effect.ELSE})
_IN_THE_WAY = frozenset({Effect.NOT_NOW, Effect.SWALLOWED, Effect.SUPPRESSED})


@dataclass(frozen=True, slots=True)
class Situation:
    """An explanation, and how the rule stood when the event came.

    Attributes:
        key: what was looked up; None: the event lacks a field of it.
        own: how the rule stood for it; None: not known.
        closing: how it stood for the key of the state that the event closes.
        circumstances: what else had to be so.
        effect: what the event does.
        after: how far the window is then, where it still waits.
    """

    explanation: Explanation
    key: Key | None
    own: Standing | None = None
    closing: Standing | None = None
    circumstances: tuple[Circumstance, ...] = ()
    effect: Effect = Effect.UNWANTED
    after: Progress | None = None

    @property
    def remaining(self) -> int:
        """How many events are still missing; without anything counted, all."""
        return remaining(self.explanation.rule.when, self.after)

    @property
    def closes(self) -> bool:
        """Whether the event closes an open state of the rule."""
        return self.closing is not None and closes(self.explanation, self.closing)


def remaining(when: When | None, progress: Progress | None) -> int:
    """Return how many events a window still lacks."""
    if progress is not None:
        return max(0, progress.need - progress.have)
    match when:
        case Count(count) | Distinct(_, count):
            return count
        case Every(stages) | InOrder(stages):
            return len(stages)
    return 1


def situations(
    explanations: Sequence[Explanation], ask: Ask, event: Mapping[str, object], now: float
) -> list[Situation]:
    """Find out how rules stand when an event comes, and what it does.

    Where an event is about several keys of one rule, it is told of the one for which it does most.

    Args:
        explanations: of the rules.
        ask: looks them up, before the event has come.
        event: its fields.
        now: when it comes, in seconds since 1970.
    """
    questions: dict[Asked, int] = {}

    def number(asked: Asked | None) -> int | None:
        return None if asked is None else questions.setdefault(asked, len(questions))

    plans = []
    for one in (view for each in explanations for view in _views(each)):
        own, closing = _own(one, dict(event)), _closing(one)
        around = [number(Asked(*part.state)) if part.state else None for part in one.circumstances]
        plans.append((one, own, number(own), number(closing), around))
    answers = list(ask(list(questions)))

    def answer(index: int | None) -> Standing | None:
        return None if index is None else answers[index]

    found: dict[str, Situation] = {}
    changed: dict[tuple[str, Key], bool] = {}
    """States that rules in front open or close because of this event: those behind see that."""
    for one, own, own_index, closing_index, around in plans:
        circumstances = []
        for part, index in zip(one.circumstances, around, strict=True):
            if part.state is not None and index is not None:
                is_open = changed.get(part.state, answers[index].opened is not None)
                part = replace(part, holds=is_open is part.open)  # noqa: PLW2901 -- the same, with an answer
            circumstances.append(part)
        at = Situation(one, own and own.key, answer(own_index), answer(closing_index), tuple(circumstances))
        effect, after = _effect(at, now)
        at, name = replace(at, effect=effect, after=after), one.rule.name
        if name not in found or _rank(at) < _rank(found[name]):
            found[name] = at
        if at.closes and one.closes is not None and one.closes.key is not None:
            changed[name, one.closes.key] = False
        if effect is Effect.FIRED and one.trusted and one.rule.undo is not None and one.key is not None:
            changed[name, one.key] = True
    return list(found.values())


def _views(one: Explanation) -> Iterator[Explanation]:
    """Yield an explanation for each key, where an event fulfils several stages of a rule for different ones."""
    keys = dict.fromkeys(stage.key for stage in one.stages if stage.key is not None)
    if len(keys) < 2:
        yield one
        return
    for key in keys:
        yield replace(one, stages=tuple(stage for stage in one.stages if stage.key in (None, key)))


def _own(one: Explanation, event: dict[str, object]) -> Asked | None:
    """Return what to look up of a rule, also of one that does not want the event; None: there is no key."""
    stage = one.stage
    fields = stage.fields or event
    key = key_of(fields, stage.by) if stage.key is None else stage.key  # type: ignore[arg-type]
    if key is None:
        return None
    suppress = one.rule.suppress
    return Asked(one.rule.name, key, one.trusted, key_of(fields, suppress.by) if suppress else None)  # type: ignore[arg-type]


def _closing(one: Explanation) -> Asked | None:
    if one.closes is None or one.closes.key is None:
        return None
    return Asked(one.rule.name, one.closes.key)


def closes(one: Explanation, standing: Standing) -> bool:
    """Tell whether an event closes a state that stands so."""
    undo = one.rule.undo
    return one.trusted and undo is not None and standing.opened is not None and standing.endings + 1 >= undo.count


def _effect(at: Situation, now: float) -> tuple[Effect, Progress | None]:
    """Return what an event does, as `RuleBook.feed` does it, and how far the window is then."""
    one, own = at.explanation, at.own
    rule, before = one.rule, own.progress if own else None
    if not one.wanted:
        return Effect.UNWANTED, before
    if one.key is None or own is None:
        return Effect.UNCOUNTED, None
    stages = one.fulfilled()
    if not all(part.holds for part in at.circumstances):
        stages = tuple(stage for stage in stages if stage.role is not Role.TAKES)
        if not stages:
            return Effect.NOT_NOW, before
    if not isinstance(rule.when, Absent | Digest | Settled):
        closed = at.closes and one.closes is not None and one.closes.key == one.key
        if one.trusted and own.opened is not None and not closed:
            return Effect.SWALLOWED, before
        if own.suppressed is not None:
            return Effect.SUPPRESSED, before
    effect, after = _taken(one, {stage.number for stage in stages}, before, now)
    if effect is Effect.ELSE and not rule.otherwise:
        effect = Effect.ENDED
    if effect in ACTS and not one.trusted and (rule.otherwise if effect is Effect.ELSE else rule.do or rule.undo):
        effect = Effect.HELD
    return effect, after


def _taken(one: Explanation, stages: set[int], before: Progress | None, now: float) -> tuple[Effect, Progress | None]:
    """Return what a window makes of an event, as its `take` does."""
    when, have = one.rule.when, before.have if before else 0
    match when:
        case None:
            return Effect.FIRED, None
        case Count(count):
            return _counted(have + 1, count, before, now + when.within)
        case Distinct(_, count):
            has = tuple(dict.fromkeys((*(before.has if before else ()), one.part or "")))
            cut = before is not None and len(before.has) < have  # too many to tell: it is taken for another one
            return _counted(have + 1 if cut else len(has), count, before, now + when.within, has)
        case Every(places):
            filled = before.has if before else ()
            free = [stage for stage in sorted(stages) if str(stage + 1) not in filled]
            has = (*filled, str(free[0] + 1)) if free else filled
            return _counted(len(has), len(places), before, now + when.within, has)
        case InOrder():
            return _in_order(when, stages, before, now)
        case Absent(stage):
            if stage is None:
                return Effect.COUNTED, Progress(1, 0, now + when.within)
            begins, ends = 0 in stages, 1 in stages and before is not None
            after = Progress(1, 0, now + when.within) if begins and (ends or before is None) else None
            if ends:
                return Effect.ELSE, after
            return (Effect.COUNTED, after) if begins and before is None else (Effect.UNCHANGED, before)
        case Digest(most=most):
            due = before.due if before else now + when.within
            return (Effect.FIRED, None) if have + 1 >= most else (Effect.COUNTED, Progress(have + 1, most, due))
        case Settled(files=patterns):
            return (
                (Effect.UNCHANGED, before)
                if patterns and not one.part
                else (Effect.COUNTED, _settling(when, before, now))
            )


def _counted(
    have: int, need: int, before: Progress | None, until: float, has: tuple[str, ...] = ()
) -> tuple[Effect, Progress | None]:
    if have >= need:
        return Effect.FIRED, None
    return Effect.COUNTED, Progress(have, need, until=before.until if before else until, has=has)


def _in_order(when: InOrder, stages: set[int], before: Progress | None, now: float) -> tuple[Effect, Progress | None]:
    length, chains = len(when.stages), {0, *map(int, before.has if before else ())}
    if length in stages:
        return (Effect.UNCHANGED, None) if before is None else (Effect.ENDED, None)
    reached = [stage + 1 for stage in stages if stage in chains]
    if not reached:
        return Effect.UNCHANGED, before
    if max(reached) == length:
        return Effect.FIRED, None
    have = max(*reached, before.have if before else 0)
    until = before.until if before and max(reached) > 1 else now + when.within
    return Effect.COUNTED, Progress(have, length, until=until, has=tuple(map(str, sorted({*chains, *reached} - {0}))))


def _settling(when: Settled, before: Progress | None, now: float) -> Progress:
    if not when.files:
        return Progress((before.have if before else 0) + 1, 0, now + when.quiet)
    due = before.due if before else None if when.within is None else now + when.within
    return Progress(before.have if before else 1, len(when.files), due)


def _rank(at: Situation) -> tuple[int, int]:
    if at.effect in ACTS:
        return 0, 0
    if at.closes:
        return 1, 0
    if at.effect in _IN_THE_WAY:
        return 2, 0
    if at.effect is Effect.COUNTED:
        return (4, 0) if at.after is not None and at.after.due is not None else (3, at.remaining)
    return 5, 0


def in_order(found: Sequence[Situation]) -> tuple[list[Situation], list[Situation]]:
    """Return the rules that are concerned, and the others: those first that did something, then by how little lacked.

    What lacks are conditions first, then whatever stands in the way, then events that still have to come.
    """
    concerned = sorted((at for at in found if at.explanation.concerned), key=_rank)
    of = {at.explanation.rule.name: at for at in found}
    others = [of[one.rule.name] for one in nearest([at.explanation for at in found])]
    others.sort(key=lambda at: (not at.explanation.match.held, at.explanation.missing, at.remaining))
    return concerned, others
