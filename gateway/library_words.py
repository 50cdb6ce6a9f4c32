"""What a rule of the library is about, when it comes true and until when, in words for its page."""

from __future__ import annotations

from rules.condition import AllOf, AnyOf, Condition, Not, OneOf
from rules.rule import Undo
from rules.when import Absent, Count, Digest, Distinct, Every, Sequence, Settled, Suppress, When
from rules.words import value_words, words

MAX_ALTERNATIVES = 4
"""Values or conditions of which one is enough that are shown; how many more there are is said."""

_UNITS = ((604800, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def span(seconds: float) -> str:
    """Render seconds as a rule file has them: `10m`, `1h30m`; a year is `52w`."""
    whole, text = int(seconds), ""
    for size, unit in _UNITS:
        if whole >= size and (whole % size == 0 or size <= 3600):
            text += f"{whole // size}{unit}"
            whole %= size
    rest = round((seconds - int(seconds)) * 1000)
    return text + (f"{rest}ms" if rest else "") or "0s"


def about_words(condition: Condition) -> str:
    """Render a condition for people: what goes without saying is left away, and long lists are cut."""
    match condition:
        case AllOf(conditions):
            return ", ".join(map(about_words, conditions)) or "every event"
        case AnyOf(conditions):
            shown = (f"({about_words(part)})" if isinstance(part, AllOf) else about_words(part) for part in conditions)
            return f"({_cut(list(shown), ' or ')})"
        case Not(inner):
            return f"not ({about_words(inner)})"
        case OneOf(name, values):
            return f"{name}: [{_cut(list(map(value_words, values)), ', ')}]"
        case _:
            return words(condition)


def _cut(parts: list[str], joint: str) -> str:
    more = len(parts) - MAX_ALTERNATIVES
    return joint.join(parts) if more < 2 else f"{joint.join(parts[:MAX_ALTERNATIVES])}{joint}… ({more} more)"


def when_words(when: When | None) -> str:
    """Say when a rule comes true."""
    match when:
        case None:
            return "at every match"
        case Count(1):
            return f"at every match{_each(when.by)}"
        case Count(count, within):
            return f"at {count} within {span(within)}{_each(when.by)}"
        case Distinct(name, count, within):
            return f"at {count} different values of `{name}` within {span(within)}{_each(when.by)}"
        case Every(stages, within):
            return f"at all of {len(stages)} events within {span(within)}{_each(when.by)}"
        case Sequence(stages, within):
            return f"at {len(stages)} events in order within {span(within)}{_each(when.by)}"
        case Absent(None, within):
            return f"when none came for {span(within)}{_each(when.by)}"
        case Absent(stage, within):
            other = about_words(stage.match) if stage else ""
            return f"when {span(within)} later no `{other}` has come{_each(when.by)}"
        case Digest(within):
            return f"every {span(within)} in which there are any, or at {when.most}{_each(when.by)}"
        case Settled(quiet, files=files):
            whole = f" and there is one of each of {', '.join(files)}" if files else ""
            return f"when nothing more came for {span(quiet)}{whole}{_each(when.by)}"


def _each(by: tuple[str, ...]) -> str:
    return f", for each {' and '.join(f'`{name}`' for name in by)}" if by else ""


def suppress_words(suppress: Suppress) -> str:
    """Say for how long a rule that has acted is still."""
    by = f" of the same {' and '.join(f'`{name}`' for name in suppress.by)}" if suppress.by else ""
    return f"then not again{by} for {'that window' if suppress.seconds is None else span(suppress.seconds)}"


def undo_words(undo: Undo, match: Condition) -> str:
    """Say when the state is over that a rule about `match` opened."""
    parts = []
    if undo.match == match:
        parts.append("when one comes again")
    elif undo.match is not None:
        times = f"{undo.count} times " if undo.count > 1 else ""
        parts.append(f"at {times}`{about_words(undo.match)}`")
    if undo.after is not None:
        growth = f", each time {undo.grow:g} times as long" if undo.grow > 1 else ""
        most = f" up to {span(undo.limit)}" if undo.limit is not None else ""
        parts.append(f"after {span(undo.after)}{growth}{most}")
    if undo.quiet is not None:
        parts.append(f"when it was quiet for {span(undo.quiet)}")
    return " or ".join(parts)
