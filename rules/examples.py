"""Run the tests that stand inside a rule: in virtual time, through the very stages that the gateway runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from parsers.errors import Place
from parsers.event import FieldValue, lookup, printable_value
from parsers.message import Trust
from parsers.parse import Parser
from rules.coverage import Coverage
from rules.example import Expect, Outcomes
from rules.findings import Decision
from rules.job import FillError, Part
from rules.match import plain
from rules.misses import why_not
from rules.plan import fields_of
from rules.rule import Rule
from rules.step import Emit, Mail, Step, Task, process_of
from rules.trial import Seen, Trial, with_named

START = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
"""When every test begins: a Monday noon, far from the ends of months and years."""

_OF_DO = frozenset({"tries", "argv", "subject", "emit", "event", "digest"})
"""What an expectation says of jobs without saying how many there are."""

MAX_SHOWN = 200
"""Characters of a digest that are shown."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a test expected and did not find; `place` is the test's step."""

    rule: str
    place: Place
    problem: str

    def __str__(self) -> str:
        """Render as one line."""
        return f"{self.place}: rule {self.rule}: {self.problem}"


def run_tests(
    rule: Rule,
    parser: Parser,
    least_trust: Trust = Trust.ACCOUNT,
    others: Iterable[Rule] = (),
    coverage: Coverage | None = None,
) -> list[Failure]:
    """Run a rule's tests from their first step to their last; time, counts and states go on from step to step.

    Args:
        rule: whose tests.
        parser: what the gateway parses with.
        least_trust: of senders that may start processes, where a rule does not say.
        others: all rules, of which those come along that this one names.
        coverage: takes note of what the tests reach.
    """
    if not rule.tests:
        return []
    rules = {one.name: one for one in with_named(rule, {other.name: other for other in others})}
    caused = None if coverage is None else coverage.shown
    trial = Trial(tuple(rules.values()), parser, least_trust, START, caused)
    failures: list[Failure] = []
    for step in rule.tests:
        if step.outcome is not None:
            failures += [
                Failure(rule.name, step.outcome.places.get(name, step.place), f"the rule has no step {name}")
                for name in _choose(trial, step.outcome)
            ]
        if step.advance:
            trial.go_on_to(trial.now + step.advance)
        if step.send is not None:
            for number, message in enumerate(trial.send(step.send)):
                if coverage is not None and number < max(1, len(step.send.texts)):
                    coverage.shown(trial.event_of(message).fields)
        if step.expect is None:
            continue
        looked = step.expect.rule or rule.name
        difference = _difference(trial, rules.get(looked), looked, step.expect, least_trust)
        if difference is not None:
            key, problem = difference
            failures.append(Failure(rule.name, step.expect.places.get(key, step.place), problem))
        if coverage is not None and looked == rule.name:
            coverage.looked(trial.seen(looked))
        trial.look_away(looked)
    if coverage is not None:
        coverage.looked(trial.seen(rule.name))
    return failures


def _choose(trial: Trial, outcomes: Outcomes) -> Iterable[str]:
    """Let tasks end as a test says from here on; return the steps that the rule has not."""
    trial.jobs.choose(outcomes)
    return trial.jobs.unknown_steps(outcomes)


def _difference(
    trial: Trial, rule: Rule | None, name: str, expect: Expect, least_trust: Trust
) -> tuple[str, str] | None:
    """Return what of an expectation is not met, and why; None when all is."""
    if rule is None:
        return "rule", f'there is no rule "{name}" to look at'
    for part, step, error in trial.seen(name).done.refused:
        if part is Part.ON_FAILURE or not expect.on_failure:
            return next(iter(expect.places), "do"), f"{step} cannot be run: {error}"
    correlation = trial.rulebook.named(name)
    states = correlation.states if correlation else None
    difference = check(expect, rule, trial.seen(name), 0 if states is None else len(states))
    if difference is None or trial.seen(name).held:
        return difference
    key, problem = difference
    came = len(trial.seen(name).came(Part.DO))
    reason = ""
    if (expect.do or 0) > came or (expect.do is None and not came and key in _OF_DO):
        events = [trial.event_of(message) for message in trial.arrived]
        reason = why_not(rule, trial.rulebook, events, least_trust, trial.now, acted=came > 0)
    elif key == "tries" and (expect.tries or 0) > trial.seen(name).done.tries:
        reason = _why_no_more(rule, trial)
    return key, f"{problem}; {reason}" if reason else problem


def _why_no_more(rule: Rule, trial: Trial) -> str:
    """Say why no more processes were started of a rule that acted."""
    if not any(process_of(step) for part in Part for step in rule.steps(part)):
        return "the rule starts none"
    if (due := trial.jobs.next_due()) is not None:
        return f"more is to come in {due - trial.now:g}s: `advance` the time"
    if trial.seen(rule.name).done.failed:
        return "the last try has failed"
    return "what has succeeded is not tried again: say with `outcome` how it ends"


def check(expect: Expect, rule: Rule, seen: Seen, opened: int) -> tuple[str, str] | None:
    """Return what of an expectation is not met and why, when so many states are open; None when all is."""
    for key, wanted, has in (
        ("undo", expect.undo, rule.undo),
        ("open", expect.open, rule.undo),
        ("else", expect.otherwise, rule.otherwise),
    ):
        if wanted and not has:
            return key, f"expected `{'else' if key == 'else' else 'undo'}`, and the rule has none"
    done, otherwise = seen.came(Part.DO), seen.came(Part.ELSE)
    why = f"; {seen.held} more came true and were held back, for the sender is not trusted" if seen.held else ""
    for what, wanted, found, more in (
        ("do", expect.do, len(done), why),
        ("undo", expect.undo, seen.done.undone, ""),
        ("else", expect.otherwise, len(otherwise), why),
        ("on_failure", expect.on_failure, seen.done.failed, ""),
    ):
        if wanted not in (None, found):
            return what, f"expected `{what}` {wanted} time(s), it was done {found} time(s){more}"
    if expect.tries not in (None, seen.done.tries):
        return "tries", f"expected {expect.tries} start(s) of processes, there were {seen.done.tries}{why}"
    if expect.held not in (None, seen.held):
        return "held", f"expected that it is held back {expect.held} time(s), it was {seen.held} time(s)"
    if expect.open not in (None, opened):
        return "open", f"expected {expect.open} open state(s), there are {opened}"
    problems = (
        ("argv", None if expect.argv is None else _check_command(expect.argv, rule, seen)),
        ("subject", None if expect.subject is None else _check_subject(expect.subject, rule, seen)),
        ("emit", None if expect.emit is None else _check_emitted(expect.emit, rule, seen)),
        ("event", None if expect.event is None else _check_event(expect.event, [*done, *otherwise])),
        ("digest", None if expect.digest is None else _check_digest(expect.digest, done)),
    )
    return next(((key, problem) for key, problem in problems if problem is not None), None)


def _check_command(wanted: tuple[str, ...], rule: Rule, seen: Seen) -> str | None:
    if not _has(rule, Task):
        return "expected a command, and the rule has none"
    if not seen.done.commands:
        return "expected a command, and nothing was done"
    argv = seen.done.commands[0]
    if isinstance(argv, FillError):
        return f"the command cannot be filled in: {argv}"
    return None if tuple(argv) == wanted else f"expected the command {list(wanted)}, it is {argv}"


def _has(rule: Rule, kind: type[Step]) -> bool:
    return any(isinstance(step, kind) for part in Part for step in rule.steps(part))


def _check_subject(wanted: str, rule: Rule, seen: Seen) -> str | None:
    if not _has(rule, Mail):
        return "expected a mail, and the rule sends none"
    if not seen.done.subjects:
        return "expected a mail, and none was sent"
    found = seen.done.subjects[0]
    return None if found == wanted else f"expected a mail about {wanted!r}, it is about {found!r}"


def _check_emitted(wanted: Mapping[str, FieldValue], rule: Rule, seen: Seen) -> str | None:
    if not _has(rule, Emit):
        return "expected an emitted event, and the rule emits none"
    if not seen.done.emitted:
        return "expected an emitted event, and none was"
    return _check_fields(wanted, seen.done.emitted[0], "the emitted event")


def _check_event(wanted: Mapping[str, FieldValue], decisions: Sequence[Decision]) -> str | None:
    if not decisions:
        return "expected an event, and nothing was done"
    return _check_fields(wanted, fields_of(decisions[0].incident), "the event")


def _check_fields(wanted: Mapping[str, FieldValue], found: Mapping[str, FieldValue], what: str) -> str | None:
    for name, value in wanted.items():
        has = lookup(found, name)
        if has is None:
            return f"expected {name} {value!r} in {what}, which has none"
        if printable_value(has) != value and (isinstance(has, list | dict) or plain(has) != plain(value)):
            return f"expected {name} {value!r} in {what}, it is {has!r}"
    return None


def _check_digest(wanted: str, decisions: Sequence[Decision]) -> str | None:
    if not decisions:
        return "expected a digest, and nothing was done"
    digest = fields_of(decisions[0].incident).get("gateway.digest")
    if not isinstance(digest, str):
        return "expected a digest, and the rule makes none: it has no `when: {digest: …}`"
    if wanted in digest:
        return None
    return f"expected {wanted!r} in the digest, which is {digest if len(digest) <= MAX_SHOWN else digest[:MAX_SHOWN]!r}"
