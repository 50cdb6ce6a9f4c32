"""How a rule stands, in sentences: what was counted, what is open, what is missing, and why it did not act."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gateway.commands.rule_words import Clock, about, mapping, progress_words, short
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD, duration
from parsers.event import FieldValue, lookup
from rules.explain import Circumstance, Role
from rules.situation import Effect, Situation, remaining
from rules.when import Absent, Count, Digest, Distinct, Every, Sequence, Settled
from rules.windows.window import Progress

if TYPE_CHECKING:
    from gateway.commands.told import Known
    from parsers.message import Trust


class Said(NamedTuple):
    """One sentence: its beginning, which is in a colour, and the rest."""

    head: str
    rest: str = ""
    colour: str | None = None

    @property
    def text(self) -> str:
        """Return both."""
        return self.head + self.rest


def sentences(
    at: Situation, fields: Mapping[str, FieldValue], clock: Clock, known: Known, least_trust: Trust
) -> list[Said]:
    """Say how a rule stood when an event came, and what became of it.

    Args:
        at: the rule.
        fields: the event's.
        clock: writes times.
        known: whether it came, or might come.
        least_trust: of senders that may start processes, where the rule does not say.
    """
    return list(_Saying(at, fields, clock, known.value == "log", least_trust).all())


class _Saying:
    """Says it about one rule."""

    def __init__(
        self, at: Situation, fields: Mapping[str, FieldValue], clock: Clock, came: bool, least_trust: Trust
    ) -> None:
        self._at, self._one, self._rule = at, at.explanation, at.explanation.rule
        self._fields, self._clock, self._came, self._least_trust = fields, clock, came, least_trust
        self._by = self._one.stage.by
        self._about = about(at.key, self._by)

    def all(self) -> Iterator[Said]:
        if self._one.closes is not None and self._one.closes.wanted:
            yield self._closing()
        yield from self._effect()

    def _does(self, past: str, would: str) -> str:
        return past if self._came else would

    def _closing(self) -> Said:
        rule, closes, standing = self._rule, self._one.closes, self._at.closing
        by = (rule.undo.by if rule.undo else ()) or (rule.when.by if rule.when else ())
        if closes is None or closes.key is None:
            return Said(
                "closes nothing", f": whose state is told by {', '.join(by)}, which the event has not", DOUBTFUL
            )
        of = about(closes.key, by)
        if standing is None or standing.opened is None:
            return Said("closes nothing", f": no state is open for {of}", DOUBTFUL)
        if not self._one.trusted:
            return Said("closes nothing", f": {self._untrusted()}", DOUBTFUL)
        if not self._at.closes:
            count = rule.undo.count if rule.undo else 1
            return Said("counts towards closing", f": {standing.endings + 1} of {count} for {of}", GOOD)
        since = f", open since {self._clock.time(standing.opened.since)}" if standing.opened.since is not None else ""
        return Said(self._does("closed its state", "would close its state"), f" for {of}{since}", GOOD)

    def _untrusted(self) -> str:
        wants = (self._rule.trust or self._least_trust).name.lower()
        return f"sender is not trusted ({lookup(dict(self._fields), 'gateway.trust')}), for the rule wants {wants}"

    def _effect(self) -> Iterator[Said]:
        at = self._at
        match at.effect:
            case Effect.UNWANTED:
                yield from self._elsewhere()
            case Effect.FIRED:
                yield Said(self._does("fired", "would fire"), f": {self._complete()}", GOOD)
            case Effect.HELD:
                yield Said(self._does("held back", "would be held back"), f": {self._untrusted()}", BAD)
                yield Said("", f"without that it {self._does('had fired', 'would fire')}: {self._complete()}")
            case Effect.COUNTED:
                yield self._counted(at.after)
                yield from self._at_the_end()
                if self._acts() and not self._one.trusted:
                    rest = "; what others send is counted apart from what trusted senders do"
                    yield Said(self._untrusted(), f": it would be held back{rest}", DOUBTFUL)
            case Effect.ENDED:
                yield Said(self._does("ended", "would end"), f" {self._ended()}", GOOD)
            case Effect.ELSE:
                head = self._does("came in time", "would come in time")
                yield Said(head, f" for {self._about}: the wait ends, and `else` is done", GOOD)
            case _:
                yield from self._in_the_way()

    def _in_the_way(self) -> Iterator[Said]:
        """Say why nothing was counted that the rule wants."""
        at, own = self._at, self._at.own
        match at.effect:
            case Effect.UNCOUNTED:
                names = ", ".join(self._one.without)
                yield Said("but counts nowhere", f": it counts by {names}, which the event has not", DOUBTFUL)
            case Effect.NOT_NOW:
                for part in at.circumstances:
                    if not part.holds:
                        yield Said("not now", f": {self._circumstance(part)}", DOUBTFUL)
            case Effect.SWALLOWED if own and own.opened:
                yield Said(f"its state is open {self._open()}", ": repeats are swallowed", DOUBTFUL)
            case Effect.SUPPRESSED if own and own.suppressed is not None:
                until = self._clock.time(own.suppressed)
                yield Said(f"suppressed until {until}", ": it has acted a short while ago", DOUBTFUL)
            case Effect.UNCHANGED:
                yield Said("changes nothing", f": {self._unchanged()}", DOUBTFUL)

    def _at_the_end(self) -> Iterator[Said]:
        """Say why nothing comes of a wait that ends now, as far as that is known."""
        own = self._at.own
        if own is None or self._at.after is None or self._at.after.due is None:
            return
        if self._one.trusted and own.opened is not None:
            yield Said(f"but its state is open {self._open()}", ": so nothing comes of that meanwhile", DOUBTFUL)
        if own.suppressed is not None:
            until = self._clock.time(own.suppressed)
            yield Said(f"but it is suppressed until {until}", ": so nothing comes of that meanwhile", DOUBTFUL)

    def _acts(self) -> bool:
        return bool(self._rule.do or self._rule.undo or self._rule.otherwise)

    def _open(self) -> str:
        own = self._at.own
        if own is None or own.opened is None:
            return ""
        texts = [] if own.opened.since is None else [f"since {self._clock.time(own.opened.since)}"]
        undo = self._rule.undo
        if own.opened.due is not None:
            texts.append(f"until {self._clock.time(own.opened.due)}")
        if own.lasts is not None:
            what = "while it is not quiet, at least " if undo and undo.quiet is not None else ""
            texts.append(f"{what}until {self._clock.time(own.lasts)}")
        if undo is not None and undo.match is not None:
            texts.append("or until an event closes it" if len(texts) > 1 else "until an event closes it")
        return " ".join(texts) + (f" for {self._about}" if self._at.key else "")

    def _elsewhere(self) -> Iterator[Said]:
        """Say how a rule stands that does not want the event."""
        own = self._at.own
        if own is None:
            return
        if own.opened is not None and self._at.closing is None:
            yield Said(f"its state is open {self._open()}", "", DIM)
        if own.suppressed is not None:
            yield Said(f"suppressed until {self._clock.time(own.suppressed)}", "", DIM)
        if own.progress is not None:
            yield Said(
                f"stands at {progress_words(self._rule.when, own.progress, self._clock)} for {self._about}", "", DIM
            )

    def _circumstance(self, part: Circumstance) -> str:
        if part.words.startswith(("during", "outside")):
            return f"`{part.words}`, and it is {self._clock.day()}"
        if part.state is None:
            return f"`{part.words}`, and the event has no key for which that could be open"
        rule, key = part.state
        of = f" for {short(', '.join(key))}" if key else ""
        return f"`{part.words}`, and {rule} has {'no' if part.open else 'a'} state open{of}"

    def _unchanged(self) -> str:
        when, before = self._rule.when, self._at.own.progress if self._at.own else None
        match when:
            case Settled():
                return "file.name fits none of the patterns of `files`"
            case Absent() if before is not None and before.due is not None:
                return f"it already waits for {self._about}, until {self._clock.time(before.due)}"
            case Absent():
                return f"nothing waits for {self._about}"
            case Sequence() if self._one.stage.role is Role.BREAKS:
                return f"no sequence has begun for {self._about}"
            case Sequence() if before is not None:
                return f"it is not its turn: {progress_words(when, before, self._clock)} for {self._about}"
        return f"it is not its turn: nothing has begun for {self._about}"

    def _ended(self) -> str:
        if isinstance(self._rule.when, Sequence):
            return f"the sequence for {self._about}: its `unless` breaks it off"
        return f"the wait for {self._about}: what must not stay away has come"

    def _complete(self) -> str:
        """Say what came together when a rule fires."""
        when, own = self._rule.when, self._at.own
        span = f" within {duration(when.within)}" if when is not None and when.within is not None else ""
        match when:
            case Count(count) if count == 1:
                return f"one event is enough, for {self._about}"
            case Count(count):
                return f"{count} of {count}{span} for {self._about}"
            case Distinct(name, count):
                has = (*(own.progress.has if own and own.progress else ()), self._one.part or "")
                values = short(", ".join(dict.fromkeys(has)))
                return f"{count} different {name}{span} for {self._about}: {values}"
            case Every(stages):
                return f"all {len(stages)} have come{span} for {self._about}"
            case Sequence(stages):
                return f"the sequence of {len(stages)} is whole{span} for {self._about}"
            case Digest(most=most):
                return f"{most} are collected for {self._about}, which is as many as one digest may hold"
        return "every such event is enough"

    def _counted(self, after: Progress | None) -> Said:
        when, head = self._rule.when, self._does("counted", "would be counted")
        if after is None or when is None:
            return Said(head, f" for {self._about}", GOOD)
        has = progress_words(when, after, self._clock)
        lacking = remaining(when, after)
        more = f"{lacking} more" if lacking != 1 else "1 more"
        before = f" before {self._clock.time(after.until)}" if after.until is not None else ""
        due = "" if after.due is None else self._clock.time(after.due)
        make = "makes" if lacking == 1 else "make"
        match when:
            case Count():
                return Said(head, f", {has} for {self._about}; {more}{before} {make} it fire", GOOD)
            case Distinct():
                values = short(", ".join(after.has))
                return Said(head, f", {has} for {self._about} ({values}); {more}{before} {make} it fire", GOOD)
            case Every():
                return Said(head, f", {has} for {self._about}; {more}{before} {make} it fire", GOOD)
            case Sequence():
                what = f"number {after.have + 1}{before} {'makes it fire' if lacking == 1 else 'goes on with it'}"
                return Said(head, f", {has} for {self._about}; {what}", GOOD)
            case Absent(stage):
                what = "nothing more" if stage is None else f"no {short(mapping(stage.match))}"
                begins = self._does("waits", "would wait")
                return Said(begins, f" for {self._about}: {what} until {due} makes it fire", GOOD)
            case Digest():
                collected = self._does("collected", "would be collected")
                section = f" in the section {self._one.part}" if self._one.part else ""
                return Said(collected, f"{section}, {has} for {self._about}; handed over at {due}", GOOD)
            case Settled(files=patterns) if patterns:
                fits = f", it is {self._one.part}"
                lacks = f"; {after.words}" if after.words else ""
                return Said(head, f"{fits}{lacks}{f'; until {due}' if due else ''}, for {self._about}", GOOD)
        return Said(
            self._does("waits", "would wait"), f": fires at {due} if nothing more comes for {self._about}", GOOD
        )
