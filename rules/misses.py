"""Why a rule did nothing where a test expects that it acts: the nearest miss, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from parsers.event import Event, lookup
from parsers.message import Trust
from rules.answer import Answer, explain
from rules.correlate import key_of, window_key
from rules.look import conditions_of, is_open
from rules.match import Fields, wants
from rules.own_events import ANCESTORS, asks_for_own, is_own
from rules.plan import is_trusted, trusts
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.when import Every, Stage
from rules.when import Sequence as InOrder
from rules.words import value_words

_NOTHING = "nothing is under way"

MAX_SHOWN = 80
"""Characters of a value that are shown."""


def why_not(
    rule: Rule, rulebook: RuleBook, events: Sequence[Event], least_trust: Trust, now: float, *, acted: bool = False
) -> str:
    """Say why a rule did not act, as far as that is plain; empty where it is not.

    Args:
        rule: of the book.
        rulebook: the rules with their state.
        events: what came since the rule was looked at last, the latest last.
        least_trust: of senders that may start processes.
        now: seconds since 1970.
        acted: it did act, only less often than expected.
    """
    if not events:
        window = correlation.window if (correlation := rulebook.named(rule.name)) else None
        due = window.next_due() if window else None
        if due is not None:
            return f"it waits until {_clock(due)}"
        hours = next(_wrong_hours(rule, now), None)
        return "nothing was sent" if hours is None else f"nothing was sent, and {hours}"
    hidden = [_hidden(rule, event.fields) for event in events]
    events = [event for event, reason in zip(events, hidden, strict=True) if reason is None]
    if not events:
        return hidden[-1] or ""
    stages = tuple(_stages(rule))
    for event in reversed(events):
        for stage in stages:
            fields = wants(stage.match, stage.unless)(event.fields)
            if fields is not None:
                reason = _state(rule, rulebook, stage, fields, least_trust, now)
                return "" if acted and reason.startswith(_NOTHING) else reason
    first = stages[0]
    nearest = min(reversed(events), key=lambda event: _distance(explain(first.match, dict(event.fields))))
    return next(_unwanted(first, nearest.fields), "")


def _hidden(rule: Rule, fields: Fields) -> str | None:
    """Return why a rule does not see an event at all; None when it does."""
    former = fields.get(ANCESTORS)
    if isinstance(former, list) and rule.name in former:
        return "a rule never sees what it caused itself"
    if is_own(fields) and not any(asks_for_own(match) for match, _ in conditions_of(rule)):
        return "what the gateway says of its own jobs is seen only by rules that ask for `event.dataset: gateway`"
    return None


def _stages(rule: Rule) -> Iterator[Stage]:
    """Yield what a rule looks for in order to act, each with the fields of the key."""
    by = rule.when.by if rule.when else ()
    match rule.when:
        case Every(stages) | InOrder(stages):
            for (match, unless), stage in zip(conditions_of(rule), stages, strict=False):
                yield Stage(match, unless, stage.by or by)
        case _:
            yield Stage(rule.match, rule.unless, by)


def _distance(answer: Answer) -> tuple[bool, int, int]:
    """Return how far a condition is from holding: nothing of it holds, how much fails, how little holds."""
    return not answer.held, answer.missing, -answer.held


def _unwanted(stage: Stage, fields: Fields) -> Iterator[str]:
    """Yield what of `match` failed, or what of `unless` holds."""
    shown = dict(fields)
    match = explain(stage.match, shown)
    yield from _failed(match)
    if match.holds and stage.unless is not None:
        yield f"`unless` holds: {_words_of(explain(stage.unless, shown))}"


def _failed(answer: Answer) -> Iterator[str]:
    """Yield the conditions that failed, each with what was found instead."""
    if answer.holds:
        return
    if answer.words == "not":
        yield f"{_words_of(answer.parts[0])} holds, and must not"
    elif answer.words == "any" and answer.parts:
        yield from _failed(min(answer.parts, key=lambda part: part.missing))
    elif answer.parts:
        for part in answer.parts:
            yield from _failed(part)
    else:
        yield f"{answer.words} does not hold: {_found(answer)}{_advice(answer)}"


def _found(answer: Answer) -> str:
    name = answer.words.partition(":")[0]
    if answer.found is None:
        return f"the event has no {name}" if "exists" not in answer.words else "it is not so"
    text = value_words(answer.found) if isinstance(answer.found, str | int | float) else str(answer.found)
    return f"it is {text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + '…'}"


def _advice(answer: Answer) -> str:
    """Return what to write where a value was taken for a text that stands somewhere in the field."""
    wanted = answer.words.partition(": ")[2].strip('"')
    is_part = isinstance(answer.found, str) and wanted and wanted in answer.found
    return "; a value is compared as a whole, {contains: …} finds a part" if is_part else ""


def _words_of(answer: Answer) -> str:
    if not answer.parts:
        return answer.words
    joined = " and " if answer.words == "all" else " or "
    return joined.join(_words_of(part) for part in answer.parts if part.holds) or answer.words


def _state(rule: Rule, rulebook: RuleBook, stage: Stage, fields: Fields, least_trust: Trust, now: float) -> str:
    """Say what keeps a rule from acting that wants an event."""
    correlation, key = rulebook.named(rule.name), key_of(fields, stage.by)
    if key is None:
        without = " and no ".join(name for name in stage.by if lookup(fields, name) is None)
        return f"the event has no {without}, by which the rule counts"
    if correlation is None:
        return ""
    about = f" for {', '.join(key)}" if key else ""
    trusted = is_trusted(fields, trusts(rule, least_trust))
    if trusted and correlation.states is not None and key in correlation.states:
        return f"the state{about} is open, and swallows repeats"
    if (circumstance := _circumstance(rule, rulebook, fields, now)) is not None:
        return circumstance
    if rule.suppress is not None and correlation.suppressed is not None:
        other = key_of(fields, rule.suppress.by)
        until = None if other is None else correlation.suppressed.until(window_key(other, trusted), now)
        if until is not None:
            return f"it has acted a short while ago, and is suppressed{about} until {_clock(until)}"
    if correlation.window is None:
        return ""
    progress = correlation.window.progress(window_key(key, trusted), now)
    if progress is None:
        return f"{_NOTHING}{about}: what came has ended it, or its time is over"
    counted = f"has {progress.have} of {progress.need}" if progress.need else ""
    ends = "" if progress.due is None else f"until {_clock(progress.due)}"
    return f"the window{about} {', '.join(text for text in (counted, progress.words, ends) if text)}"


def _circumstance(rule: Rule, rulebook: RuleBook, fields: Fields, now: float) -> str | None:
    """Return which of the rule's circumstances is not so."""
    asked = rule.circumstances
    for hours in _wrong_hours(rule, now):
        return hours
    for one in asked.if_open:
        if not is_open(one, fields, rulebook.named(one.rule)):
            return f"the rule {one.rule} has no state open for this key"
    for one in asked.unless_open:
        if is_open(one, fields, rulebook.named(one.rule)):
            return f"the rule {one.rule} has a state open for this key"
    return None


def _wrong_hours(rule: Rule, now: float) -> Iterator[str]:
    """Yield why the calendar keeps a rule from seeing anything."""
    asked = rule.circumstances
    if asked.during and not any(hours.hold(now) for hours in asked.during):
        yield f"it is {_clock(now)}, which is not `during` {' or '.join(map(str, asked.during))}"
    for hours in asked.outside:
        if hours.hold(now):
            yield f"it is {_clock(now)}, which is not `outside` {hours}"


def _clock(now: float) -> str:
    """Render a time; tests run in UTC."""
    return f"{datetime.fromtimestamp(now, UTC):%a %Y-%m-%d %H:%M:%S} UTC"
