"""What every stage says about one message, and how the rules stood when it came."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.commands.looking import iso
from parsers.event import FieldValue, printable
from rules.explain import Explanation, explain_rule, nearest
from rules.job import Part
from rules.situation import ACTS, Effect, Situation, in_order, situations
from rules.standing import Ask

if TYPE_CHECKING:
    from gateway.loading import Loaded
    from parsers.envelopes.envelope import Envelope
    from parsers.event import Event
    from parsers.message import Message, Trust
    from parsers.nearest import Near
    from rules.command import Command
    from rules.rule import Rule
    from rules.windows.window import Progress


class Known(enum.Enum):
    """From where it is known how the rules stood."""

    NOT = "not"
    LOG = "log"  # it came, and the log says what came before
    LIVE = "live"  # it might come, and the gateway that runs says what came before


@dataclass(frozen=True, slots=True)
class Told:
    """What every stage said about one message.

    Attributes:
        envelope: None for an event of our own, which has no form to be parsed.
        serving: the grammars that are tried for its program, those for any program left out.
        near: the form that came nearest, when none of those matched.
        candidates: the names of the rules for which the sieve lets it through, or which see an event of our own.
        explanations: one for each rule; of an event of our own, for each that sees it.
        rules: how many rules there are.
        known: from where it is known how the rules stood.
        situations: one for each explanation; none where that is not known.
        done: what rules really did, by their names and parts; only of a log.
        fired: when rules fired last for the event's key, by their names, in seconds since 1970; only of a log.
        place: of the line in its log.
        others: rules that the running gateway has in another version, or not at all.
    """

    message: Message
    envelope: Envelope | None
    event: Event
    serving: tuple[str, ...]
    near: Near | None
    candidates: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    rules: int
    least_trust: Trust
    known: Known = Known.NOT
    situations: tuple[Situation, ...] = ()
    done: Mapping[tuple[str, Part], tuple[Command, ...]] | None = None
    fired: Mapping[str, float] | None = None
    place: str = ""
    others: tuple[str, ...] = ()

    def situation(self, one: Explanation) -> Situation | None:
        """Return how a rule stood; None: it is not known."""
        return next((at for at in self.situations if at.explanation.rule.name == one.rule.name), None)

    def commands(self, one: Explanation, part: Part) -> tuple[Command, ...]:
        """Return what a rule did; where it did nothing, or that is not known, what it would do."""
        would = {Part.DO: one.commands, Part.ELSE: one.otherwise, Part.UNDO: one.undoing}
        return (self.done or {}).get((one.rule.name, part), would[part])

    def concerned(self) -> list[Explanation]:
        """Return the rules that want the message, or close a state at it: first those that did most of it."""
        if self.situations:
            return [at.explanation for at in in_order(self.situations)[0]]
        return [one for one in self.explanations if one.concerned]

    def nearest(self, most: int | None) -> list[Explanation]:
        """Return at most so many of the others, those first of which the least was missing."""
        if not self.situations:
            return nearest(self.explanations, most)
        others = [at.explanation for at in in_order(self.situations)[1]]
        return others if most is None else [one for one in others[:most] if one.match.held]

    def to_dict(self, most: int | None) -> dict[str, object]:
        """Return it ready for JSON, with at most so many of the rules that do not want the message."""
        shown = (*self.concerned(), *self.nearest(most))
        return {
            "frame": {"octets": len(self.message.frame), "truncated": self.message.truncated},
            "line": self.place or None,
            "received": iso(self.message.received),
            "envelope": self.envelope.protocol if self.envelope else None,
            "grammar": self.event.fields.get("event.module"),
            "form": self.event.form,
            "nearest_form": self.near._asdict() if self.near else None,
            "event": self.event.to_dict(),
            "candidate_for": list(self.candidates),
            "state_from": None if self.known is Known.NOT else self.known.value,
            "other_versions": list(self.others),
            "rules": [self._rule(one) for one in shown],
        }

    def _rule(self, one: Explanation) -> dict[str, object]:
        at = self.situation(one)
        circumstances = at.circumstances if at else one.circumstances
        return {
            "rule": one.rule.name,
            "place": str(one.rule.place),
            "wanted": one.wanted,
            "missing": one.missing,
            "match": one.match.to_dict(),
            "unless": one.unless.to_dict() if one.unless else None,
            "key": list(one.key) if one.key is not None else None,
            "without": list(one.without),
            "stages": [stage.to_dict() for stage in one.stages],
            "part": one.part,
            "circumstances": [{"condition": part.words, "holds": part.holds} for part in circumstances],
            "trusted": one.trusted,
            "commands": [command.to_dict() for command in self.commands(one, Part.DO)],
            "else": [command.to_dict() for command in self.commands(one, Part.ELSE)],
            "undo": [command.to_dict() for command in self.commands(one, Part.UNDO)],
            "closes": one.closes.to_dict() if one.closes else None,
            "state": None if at is None else _state(at, self),
        }


def _state(at: Situation, told: Told) -> dict[str, object]:
    from gateway.commands.explained_state import sentences
    from gateway.commands.rule_words import Clock

    own, closing = at.own, at.closing
    opened = own.opened if own else None
    clock = Clock(told.message.received, told.message.origin.zone)
    said = sentences(at, told.event.fields, clock, told.known, told.least_trust)
    return {
        "effect": at.effect.value,
        "words": [printable(one.text) for one in said],
        "key": list(at.key) if at.key is not None else None,
        "before": _progress(own.progress if own else None),
        "after": _progress(at.after if at.effect not in ACTS else None),
        "remaining": at.remaining if at.effect in (Effect.COUNTED, Effect.UNWANTED) else None,
        "open": None
        if opened is None
        else {"since": iso(opened.since), "until": iso(opened.due), "lasts": iso(own.lasts if own else None)},
        "suppressed_until": iso(own.suppressed) if own else None,
        "fired_last": iso((told.fired or {}).get(at.explanation.rule.name)),
        "closes": None if closing is None else at.closes,
    }


def _progress(progress: Progress | None) -> dict[str, object] | None:
    if progress is None:
        return None
    return {
        "have": progress.have,
        "need": progress.need,
        "due": iso(progress.due),
        "until": iso(progress.until),
        "has": list(progress.has),
        "words": printable(progress.words),
    }


class Explainer:
    """Asks all stages about messages.

    Attributes:
        stages: those of the configuration, without a past.
    """

    def __init__(self, loaded: Loaded, only: str | None = None) -> None:
        from gateway.loading import make_stages

        self._least_trust = loaded.config.defaults.trust
        self._only = only
        self.stages = make_stages(loaded, owner=False)
        self._others = {rule.name: rule for rule in self.stages.rulebook.rules}

    def explain(self, message: Message, event: Event | None = None) -> Told:
        """Return what they say about one; `event`: what it means, where that is known."""
        from parsers.envelopes.envelope import parse_envelope
        from parsers.message import Batch, one_frame
        from parsers.nearest import nearest_form

        parser, rules = self.stages.parser, self.stages.rulebook.rules
        envelope = parse_envelope(message.frame, message.received, message.origin.zone)
        event = event or parser.parse(message)
        serving = [one.grammar for one in parser.serving(envelope.appname) if one.grammar.programs]
        near = nearest_form(serving, envelope.message) if event.form is None else None
        batch = Batch(one_frame(message.frame), message.origin, message.received)
        wanted = [index for _, rules_of in self.stages.sieve.candidates(batch) for index in rules_of]
        return self._told(
            message,
            envelope,
            event,
            tuple(grammar.name for grammar in serving),
            near,
            [rules[index] for index in wanted],
            rules,
        )

    def explain_own(self, message: Message) -> Told:
        """Return what the rules say about an event of our own, which no sieve and no grammar sees."""
        from rules.own_events import own_event

        event, rules = own_event(message), self.stages.rulebook.rules
        seeing = [rule for rule in rules if _sees(rule, event)]
        return self._told(message, None, event, (), None, seeing, seeing)

    def _told(
        self,
        message: Message,
        envelope: Envelope | None,
        event: Event,
        serving: tuple[str, ...],
        near: Near | None,
        wanted: Sequence[Rule],
        rules: Sequence[Rule],
    ) -> Told:
        asked = [rule for rule in rules if self._only in (None, rule.name)]
        explanations = tuple(explain_rule(rule, event, self._least_trust, self._others) for rule in asked)
        candidates = tuple(rule.name for rule in wanted if self._only in (None, rule.name))
        total = len(self.stages.rulebook.rules) if self._only is None else 1
        return Told(message, envelope, event, serving, near, candidates, explanations, total, self._least_trust)


def with_state(told: Told, ask: Ask, known: Known) -> Told:
    """Look up how the rules stood when a message came; rules of which nothing is known stand as if nothing had come."""
    fields: dict[str, FieldValue] = told.event.fields
    found = situations(told.explanations, ask, fields, told.message.received)
    return replace(told, known=known, situations=tuple(found))


def _sees(rule: Rule, event: Event) -> bool:
    """Tell whether a rule is shown an event of our own: it did not cause it, and asks for it where it must."""
    from rules.look import conditions_of
    from rules.own_events import ANCESTORS, asks_for_own, is_own

    ancestors = event.fields.get(ANCESTORS)
    if isinstance(ancestors, list) and rule.name in ancestors:
        return False
    return not is_own(event.fields) or any(asks_for_own(match) for match, _ in conditions_of(rule))
