"""What `gateway explain` prints for people."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.commands.explained_state import sentences
from gateway.commands.rule_words import Clock, intent
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD, Page, duration
from gateway.commands.told import Known
from parsers.event import FieldValue, lookup
from rules.explain import Explanation, Role, StageAnswer
from rules.job import Part
from rules.own_events import is_own
from rules.situation import ACTS, Effect, Situation
from rules.when import Every, Sequence
from rules.words import words

if TYPE_CHECKING:
    from gateway.commands.told import Told
    from parsers.envelopes.envelope import Envelope
    from rules.answer import Answer
    from rules.command import Command
    from rules.rule import Undo

MAX_SHOWN = 200
"""Characters of one value that are shown."""

_COUNT = re.compile(rb"[0-9]{1,7} ")


def show(told: Told, most: int | None) -> None:
    """Print what the stages said; of the rules that do not want the message at most so many; None: all."""
    page = Page()
    _frame(page, told)
    if told.envelope is None:
        _fields(page, told)
        _sight(page, told)
    else:
        _envelope(page, told, told.envelope)
        _grammar(page, told, told.envelope)
        _fields(page, told)
        _sieve(page, told)
    _rules(page, told, most)


def _frame(page: Page, told: Told) -> None:
    message, origin = told.message, told.message.origin
    cut = ", cut at the limit" if message.truncated else ""
    if told.place:
        moment = Clock(message.received, origin.zone)
        page.row("line", f"{told.place}, of {moment.day()}; counts are those of when it came")
    page.row("frame", f"{len(message.frame)} octets{cut}")
    if _COUNT.match(message.frame):
        page.row("", ("framing auto would read its first number as an octet count, where a stream begins with it", DIM))
    address = f", from {origin.address}" if origin.address else ""
    trusted = ", which is in the source's `trusted`" if origin.trusted else ""
    page.row("sender", f"known by {origin.trust.name.lower()}{address}{trusted}; source {origin.dataset}")


def _envelope(page: Page, told: Told, envelope: Envelope) -> None:
    fields = told.event.fields
    what = {"plain": "plain: no header was found, all of it is text"}
    page.row("envelope", what.get(envelope.protocol, envelope.protocol))
    facility, severity = fields["log.syslog.facility.name"], fields["log.syslog.severity.name"]
    given = "" if envelope.priority is not None else " (assumed, for there is no valid PRI)"
    stamp = envelope.timestamp.isoformat() if envelope.timestamp else "- (the time of receipt is taken)"
    rows: list[tuple[str, FieldValue]] = [
        ("priority", f"{fields['log.syslog.priority']} = {facility}.{severity}{given}"),
        ("time", stamp),
        ("host", envelope.hostname),
        ("program", envelope.appname),
        ("process", envelope.procid),
        ("msgid", envelope.msgid),
        ("data", json.dumps(envelope.structured_data) if envelope.structured_data else None),
        ("message", _shown(envelope.message)),
    ]
    for name, value in rows:
        if value is not None or name in ("host", "program"):
            page.row("", (f"{name:<9}", DIM), str("-" if value is None else value))


def _grammar(page: Page, told: Told, envelope: Envelope) -> None:
    if told.event.form is not None:
        page.row("grammar", f"{told.event.fields['event.module']}, form {told.event.form}")
        return
    program = envelope.appname
    if not told.serving:
        whose = f"the program {program}" if program else "a text without a program's name"
        page.row(
            "grammar", ("none", DOUBTFUL), f": there is none for {whose}, and none for any program knows this text"
        )
        return
    page.row("grammar", ("none", DOUBTFUL), f": no form of {', '.join(told.serving)} knows this text")
    if told.near is not None:
        text = envelope.message
        page.row("", f"nearest is {told.near.form}, which agrees up to the mark:")
        page.row("", _shown(text[: told.near.agrees]), ("▸", BAD), (_shown(text[told.near.agrees :]), BAD))


def _fields(page: Page, told: Told) -> None:
    fields = {name: value for name, value in told.event.to_dict().items() if name != "event.original"}
    width = max(map(len, fields), default=0)
    for number, (name, value) in enumerate(fields.items()):
        page.row("" if number else "fields", (f"{name:<{width}} ", DIM), _shown(value))


def _sight(page: Page, told: Told) -> None:
    """Say how many rules are shown an event of our own; it goes through no sieve."""
    if not told.rules:
        page.row("rules", "there are none")
        return
    why = ": the rest does not ask for event.dataset: gateway, or caused it" if is_own(told.event.fields) else ""
    page.row("event", f"of the gateway's own; {len(told.candidates)} of {told.rules} rules see it{why}")


def _sieve(page: Page, told: Told) -> None:
    count = len(told.explanations)
    if not count:
        page.row("rules", "there are none")
    elif told.candidates:
        page.row("sieve", f"a candidate for {len(told.candidates)} of {count}: {', '.join(told.candidates)}")
    else:
        page.row("sieve", f"dropped: it holds nothing that any of the {count} rules looks for")


def _rules(page: Page, told: Told, most: int | None) -> None:
    concerned, near = told.concerned(), told.nearest(most)
    wanting = [one for one in concerned if one.wanted]
    if told.explanations:
        page.row("rules", (f"{len(wanting)} of {len(told.explanations)} match", GOOD if wanting else None))
    if told.others:
        page.row("", ("the gateway that runs has others", BAD), f": {', '.join(told.others)}; it has not reloaded them")
    for one in concerned:
        _concerned(page, told, one)
    left = len(told.explanations) - len(concerned)
    if near:
        page.line()
        page.row("", (f"not matching{f', the {len(near)} nearest of {left}' if len(near) < left else ''}:", DIM))
    for one in near:
        _not_wanting(page, told, one)
    if told.known is Known.NOT and any(one.wanted and one.rule.when is not None for one in concerned):
        page.line()
        page.row("", (_UNKNOWN, DIM))


_UNKNOWN = (
    "how much was counted before is not known here: `--live` asks the gateway that runs, and `--file LOG --at LINE` "
    "reads it from a log"
)


def _concerned(page: Page, told: Told, one: Explanation) -> None:
    if one.rule.name not in told.candidates:
        page.row("", ("a bug of the gateway, please report it: the sieve drops what this rule wants", BAD))
    at = told.situation(one)
    acts = at is None or at.effect in ACTS or at.effect is Effect.COUNTED or at.closes
    page.line((f"  {one.rule.name}", GOOD if acts else DOUBTFUL), (f"  {one.rule.place}", DIM))
    for stage in one.stages:
        if stage.found:
            found = ", ".join(f"{name} = {_shown(value)}" for name, value in stage.found.items())
            page.row("", (f"finds {found}", DIM))
            break
    if at is not None:
        _standing(page, told, at)
        return
    if one.closes is not None and one.closes.wanted:
        _closing(page, one)
    if one.wanted:
        _wanting(page, told, one)


def _standing(page: Page, told: Told, at: Situation) -> None:
    """Say how a rule stood, what became of it, and what it does."""
    one, rule = at.explanation, at.explanation.rule
    clock = Clock(told.message.received, told.message.origin.zone)
    for said in sentences(at, told.event.fields, clock, told.known, told.least_trust):
        page.row("", (said.head, said.colour), said.rest)
    fired = (told.fired or {}).get(rule.name)
    if fired is not None:
        page.row("", (f"it fired last at {clock.time(fired)}", DIM))
    if isinstance(rule.when, Every | Sequence) and (fulfilled := one.fulfilled()):
        page.row("", (f"the event is its {' and '.join(stage.name for stage in fulfilled)}", DIM))
    _steps(page, told, at)


def _steps(page: Page, told: Told, at: Situation) -> None:
    """Show what a rule did, or what it will do when it comes true."""
    one, rule, acts = at.explanation, at.explanation.rule, at.effect in ACTS
    now = told.known is Known.LOG and acts and at.effect is not Effect.HELD
    if at.effect is Effect.ELSE:
        for command in told.commands(one, Part.ELSE):
            _command(page, command, now=now)
    elif acts or at.effect is Effect.COUNTED:
        if not rule.do:
            page.row("", "then tells the log, for it has no `do`")
        for command in told.commands(one, Part.DO):
            _command(page, command, now=now, rule=None if now else one)
    if at.closes:
        for command in told.commands(one, Part.UNDO):
            _command(page, command, now=told.known is Known.LOG)
    elif at.effect is Effect.FIRED and rule.undo is not None:
        page.row("", f"then swallows repeats until {_until(rule.undo)}")
        for command in one.undoing:
            _command(page, command, now=False)


def _closing(page: Page, one: Explanation) -> None:
    """Say which state of the rule ends here."""
    rule, undo = one.rule, one.rule.undo
    by = (undo.by if undo else ()) or (rule.when.by if rule.when else ())
    key = one.closes.key if one.closes else None
    if key is None:
        page.row("", ("closes nothing", DOUBTFUL), f": whose state is told by {', '.join(by)}, which the event has not")
        return
    of = ", ".join(f"{name} = {value}" for name, value in zip(by, key, strict=True))
    times = f"counts as one of {undo.count} towards closing" if undo and undo.count > 1 else "closes"
    page.row("", f"{times} its state{f' of {of}' if of else ''}, if that is open")
    if not one.trusted:
        page.row("", ("but not because of this sender", DOUBTFUL), ", whom the rule does not trust")


def _wanting(page: Page, told: Told, one: Explanation) -> None:
    """Say what a rule does with an event, where it is not known how it stands."""
    stage = one.stage
    for part in one.circumstances:
        verdicts = {True: ("holds", GOOD), False: ("does not hold", BAD), None: ("is not known here", DOUBTFUL)}
        page.row("", f"only if `{part.words}`, which ", verdicts[part.holds])
    if one.without:
        names = ", ".join(one.without)
        page.row("", ("but counts nowhere", DOUBTFUL), f": it counts by {names}, which the event has not")
        return
    if one.rule.when is not None:
        for fulfilled in one.fulfilled():
            page.row("", intent(replace(one, stages=(fulfilled,))))
    if stage.role is Role.ENDS:
        for command in one.otherwise:
            _command(page, command, now=one.trusted)
    elif stage.role is Role.TAKES:
        _acting(page, told, one)


def _acting(page: Page, told: Told, one: Explanation) -> None:
    """Say what a rule does once it is true."""
    rule = one.rule
    if not rule.do:
        page.row("", "then tells the log, for it has no `do`")
    elif not one.trusted:
        wants = (rule.trust or told.least_trust).name.lower()
        known = str(lookup(told.event.fields, "gateway.trust"))
        page.row("", ("starts nothing", DOUBTFUL), f": the sender is known by {known}, and the rule wants {wants};")
        page.row("", "list the sender's network under `trusted:` of its source, or lower `trust:` of the rule")
    for command in one.commands:
        _command(page, command, now=one.trusted, rule=one)
    if rule.suppress is not None:
        span = "the window" if rule.suppress.seconds is None else duration(rule.suppress.seconds)
        page.row("", f"then acts no more for {span}, for each {', '.join(rule.suppress.by) or 'event'}")
    if rule.undo is not None:
        page.row("", f"then swallows repeats until {_until(rule.undo)}")
        for command in one.undoing:
            _command(page, command, now=one.trusted)


_VERBS = {
    "run": ("runs", "run"),
    "decrypt": ("decrypts", "decrypt"),
    "move": ("moves", "move"),
    "delete": ("deletes", "delete"),
    "stream": ("gives it to", "give it to"),
    "mail": ("mails", "mail"),
    "forward": ("forwards it to", "forward it to"),
    "emit": ("emits", "emit"),
    "pause": ("pauses the rule", "pause the rule"),
    "resume": ("lets go on the rule", "let go on the rule"),
    "dead_letter": ("puts it into the box", "put it into the box"),
}


def _command(page: Page, command: Command, *, now: bool, rule: Explanation | None = None) -> None:
    """Show what a step comes to; of a `rule` that takes several events, another one may have what this one lacks."""
    does, would = _VERBS[command.kind]
    label = f"{does} " if now else f"would {would} "
    if command.problem is None:
        page.row("", label, shlex.join(command.argv) if command.argv else command.words)
    elif command.lacking and rule is not None and len(rule.stages) > 1:
        page.row("", label, (f"what it can only say with the other events: {command.problem}", DOUBTFUL))
    else:
        page.row("", label, (f"nothing: {command.problem}", BAD))


def _until(undo: Undo) -> str:
    """Say when an open state closes."""
    ways = []
    if undo.after is not None:
        growing = f", {undo.grow:g} times as long each time" if undo.grow > 1 else ""
        limit = f" up to {duration(undo.limit)}" if undo.limit is not None and growing else ""
        ways.append(f"{duration(undo.after)} have passed{growing}{limit}")
    if undo.quiet is not None:
        few = f"no more than {undo.at_most} such events" if undo.at_most else "no such event"
        ways.append(f"{few} came for {duration(undo.quiet)}")
    if undo.match is not None:
        times = f"{undo.count} events are" if undo.count > 1 else "an event is"
        ways.append(f"{times} {words(undo.match)}")
    return ", or ".join(ways) + (", and then:" if undo.steps else ", and then does nothing")


def _not_wanting(page: Page, told: Told, one: Explanation) -> None:
    page.line((f"  {one.rule.name}", DOUBTFUL), (f"  {one.rule.place}", DIM))
    at = told.situation(one)
    clock = Clock(told.message.received, told.message.origin.zone)
    for said in sentences(at, told.event.fields, clock, told.known, told.least_trust) if at else ():
        page.row("", (said.head, said.colour), said.rest)
    several = len(one.stages) > 1
    for stage in one.stages:
        if several:
            page.row("", (f"{stage.name}:", DIM))
        _stage(page, stage, 1 if several else 0)


def _stage(page: Page, stage: StageAnswer, depth: int) -> None:
    _answer(page, stage.match, depth, "match")
    if stage.match.holds and stage.unless is not None:
        page.row("", "  " * depth, ("`unless` holds:", BAD))
        _answer(page, stage.unless, depth + 1, "all")


def _answer(page: Page, answer: Answer, depth: int, joined: str) -> None:
    """Print a condition; those that `all` joins at the top stand for themselves."""
    indent = "  " * depth
    verdict = ("yes ", GOOD) if answer.holds else ("no  ", BAD)
    if answer.parts:
        if not (answer.words == "all" and joined in ("match", "all")):
            page.row("", indent, verdict, f"{answer.words}:")
            depth += 1
        for part in answer.parts:
            _answer(page, part, depth, answer.words)
        return
    found = ""
    if not answer.holds and answer.words != "{}":
        found = "   it is absent" if answer.found is None else f"   it is {_shown(answer.found)}"
    page.row("", indent, verdict, answer.words, (found, DIM))


def _shown(value: FieldValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters)"
