"""What events there can be: of messages, by what envelopes and grammars fill; of our own; of what rules emit.

Where it is not plain to see, an event counts as possible: what is said to be impossible here is so for certain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from parsers.fields import is_reserved
from parsers.lowering import CompiledGrammar
from parsers.message import Trust
from parsers.parse import PRIORITIES, serves
from rules.condition import Equals, Exists, Not, OneOf
from rules.decrypted import ADDED
from rules.job import PLACEHOLDER
from rules.job import Part as RulePart
from rules.match import plain
from rules.needs import Needs, Producer, can_hold
from rules.own_events import EMITTED, KINDS, Kind, timer_kind
from rules.rule import Rule
from rules.step import Emit
from rules.ways import Part, Way, field_of, may_test, values_of
from rules.when import Digest, Distinct, Settled, When

_PROGRAM = ("process.name", "log.syslog.appname")
_OF_ENVELOPE = frozenset({"host.name", "process.name", "process.pid"})
ADDED_FOR_COMMANDS = frozenset(
    {"@timestamp", "event.ingested", "event.original", "rule.name", "gateway.count", "gateway.key", *ADDED}
)
"""Fields that the event of a job has, whatever the message."""

LISTS = frozenset({"gateway.key", "gateway.values", "gateway.files", "gateway.sections"})
"""Those of them, and of what windows add, that hold several values and so fill no word of a command."""


def added_by(when: When | None) -> frozenset[str]:
    """Return the fields that a window adds to the event of a job."""
    match when:
        case Distinct():
            return frozenset({"gateway.values"})
        case Digest():
            return frozenset({"gateway.digest", "gateway.sections"})
        case Settled(files=patterns) if patterns:
            return frozenset({"gateway.files", "gateway.missing"})
    return frozenset()


class Possible:
    """The events that a gateway with these grammars, sources and rules can have.

    Attributes:
        any_field: some senders name the fields of their messages themselves (JSON, key=value).
        lists: fields that hold several values.
        values: all values of the fields of which they are known.
        timers: the names of the sources that bring no messages.
    """

    def __init__(
        self,
        grammars: Iterable[CompiledGrammar],
        sources: Iterable[str] | None = None,
        rules: Sequence[Rule] = (),
        timers: Collection[str] = (),
    ) -> None:
        self._emits = [
            step for rule in rules for part in RulePart for step in rule.steps(part) if isinstance(step, Emit)
        ]
        producers = Needs(grammars).producers
        self.any_field = any(producer.form.any_field for producer in producers)
        self._modules = {plain(one.sets["event.module"]) for one in producers if one.form.any_field}
        self._producers = [producer for producer in producers if not producer.form.any_field]
        self._filled = {name for one in self._producers for name in (*one.captured, *one.sets, *one.form.derived)}
        self.lists = {
            name
            for one in self._producers
            for name in (*one.form.derived, *(name for name, value in one.sets.items() if isinstance(value, list)))
        }
        self._kinds = (*KINDS, *map(timer_kind, timers))
        self.timers = timers
        self.values = _finite_values(None if sources is None else set(sources).difference(timers))

    def may_be_emitted(self, way: Way) -> bool:
        """Tell whether an event that a rule's `emit` makes may fulfil a way."""
        return any(all(_emit_may_hold(step, part) for part in way) for step in self._emits)

    def kinds_asked_for(self, way: Way) -> list[Kind]:
        """Return the events of drop box, folders and timers of which a way asks for one; none where others may do."""
        for part in way:
            if isinstance(part, Equals | OneOf) and part.field == "event.dataset":
                datasets = set(map(plain, values_of(part)))
                if datasets and datasets <= {kind.dataset for kind in self._kinds}:
                    return [kind for kind in self._kinds if kind.dataset in datasets]
        return []

    def may_hold(self, parts: Sequence[Part]) -> bool:
        """Tell whether a message of any kind may fulfil all of these, as far as envelope and grammars decide it.

        What the drop box, watched folders and timers say is a message too.
        """
        if any(kind_may_hold(kind, parts) for kind in self._kinds):
            return True
        if not all(self._envelope_may_hold(part) for part in parts if _of_envelope(field_of(part))):
            return False
        if self.any_field and any(map(self._of_any_field, parts)):
            return True
        return all(_without_grammar(part) for part in parts) or any(
            all(_form_may_hold(producer, part) for part in parts) for producer in self._producers
        )

    def _envelope_may_hold(self, part: Part) -> bool:
        values = self.values.get(field_of(part))
        if values is None:
            return True
        test = may_test(part)
        return any(test({field_of(part): value}) for value in values)

    def _of_any_field(self, part: Part) -> bool:
        """Tell whether this is plainly about messages whose senders name the fields."""
        name = field_of(part)
        if name == "event.module":
            test = may_test(part)
            return any(test({name: module}) for module in self._modules)
        return name not in self._filled and not _of_envelope(name)

    def constants(self, name: str) -> list[str]:
        """Return the values that the forms themselves give a field."""
        values = {plain(value) for one in self._producers if (value := one.sets.get(name)) is not None}
        if name == "event.action":
            values |= {action for kind in self._kinds for action in kind.actions}
        return sorted(values | self._modules if name == "event.module" else values)


def _emit_may_hold(step: Emit, part: Part) -> bool:
    """Tell whether an emitted event may fulfil a condition."""
    name = field_of(part)
    value = step.fields.get(name, EMITTED if name == "event.dataset" else None)
    if isinstance(value, str) and PLACEHOLDER.search(value):
        return True
    if value is None and (is_reserved(name) or name.startswith("rule.")):
        return True
    return may_test(part)({} if value is None else {name: value})


def _finite_values(sources: Iterable[str] | None) -> Mapping[str, list[str]]:
    """Return all values of the fields of which they are known."""
    values = {name: sorted({plain(fields[name]) for fields in PRIORITIES}) for name in PRIORITIES[0]}
    values["gateway.trust"] = [trust.name.lower() for trust in Trust]
    if sources is not None:
        values["event.dataset"] = sorted(sources)  # ours are looked at apart
    return values


def kind_may_hold(kind: Kind, parts: Iterable[Part]) -> bool:
    """Tell whether one of these events may fulfil all of these conditions."""
    for part in parts:
        name, test = field_of(part), may_test(part)
        known = kind.values_of(name)
        if known is not None:
            possible = any(test({name: value}) for value in known)
        else:
            possible = name in kind.fields or name in ADDED_FOR_COMMANDS or test({})
        if not possible:
            return False
    return True


def names_of(kinds: Iterable[Kind]) -> frozenset[str]:
    """Return all fields that some of these events have."""
    return frozenset().union(*(kind.fields for kind in kinds))


def _of_envelope(name: str) -> bool:
    return (is_reserved(name) and name != "event.module") or name in _OF_ENVELOPE


def _without_grammar(part: Part) -> bool:
    """Tell whether a message that no grammar knows may fulfil this."""
    return isinstance(part, Not) or (isinstance(part, Exists) and not part.expected) or _of_envelope(field_of(part))


def _form_may_hold(producer: Producer, part: Part) -> bool:
    name = field_of(part)
    of_header = name in _PROGRAM and not producer.fills(name) and name not in producer.sets
    if of_header and producer.programs and isinstance(part, Equals | OneOf):
        return any(serves(producer.programs, _program(plain(value))) for value in values_of(part))
    return can_hold(producer, part)


def _program(name: str) -> str:
    return name.lower().rpartition("/")[2] if name.startswith("/") else name.lower()
