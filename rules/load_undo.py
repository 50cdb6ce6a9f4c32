"""What ends a rule's work otherwise than `do`: its `undo`, and whether it has an `else`."""

from __future__ import annotations

from rules.habits import OF_UNDO
from rules.load_condition import as_condition, as_field
from rules.load_step import StepReader, check_decrypted, steps_among
from rules.load_when import counts_by
from rules.rule import Undo
from rules.schema import Fields, Problems, Reader, as_list
from rules.step import Step
from rules.strict_yaml import Node, SequenceNode
from rules.values import as_duration, as_int, as_number, as_text
from rules.when import Absent, Settled, When

MAX_GROWTH = 100.0
MAX_ENDINGS = 10_000

WITH_ELSE = "`absent`, where what was waited for came, and `settled` with files and `within`, where some stayed away"


def has_else(when: When | None) -> bool:
    """Tell whether a condition over time may end without coming true, so that `else` has its time."""
    match when:
        case Absent(stage):
            return stage is not None
        case Settled(within=within):
            return within is not None
    return False


def as_undo(steps: StepReader, by_fields: int | None) -> Reader[Undo]:
    """Read how the state that `do` opens is closed, and what is done then.

    Args:
        steps: reads its steps.
        by_fields: how many fields the rule counts by; None: that is wrong, and told.
    """

    def read(node: Node, problems: Problems) -> Undo:
        before = problems.count
        with Fields(node, problems, "undo", habits=OF_UNDO) as fields:
            given = [key for key in ("grow", "max", "unless", "by", "count", "within", "at_most") if key in fields]
            timed, at_event, ceased = "after" in fields, "match" in fields, "quiet" in fields
            places = {key: fields.place_of(key) for key in (*given, "do")}
            after = fields.take("after", as_duration(), None)
            grow = fields.take("grow", as_number(1, MAX_GROWTH), 1.0)
            limit = fields.take("max", as_duration(), None)
            match = fields.take("match", as_condition, None)
            unless = fields.take("unless", as_condition, None)
            by = fields.take("by", as_list(as_field()), None)
            count = fields.take("count", as_int(1, MAX_ENDINGS), 1)
            quiet = fields.take("quiet", as_duration(), None)
            at_most = fields.take("at_most", as_int(1, MAX_ENDINGS), 0)
            within = fields.take("within", as_duration(), None)
            undoing = _undoing(fields, steps)
        if not timed and not at_event and not ceased and problems.count == before:
            problem = (
                '"undo" never happens: say "after" what time, at which event ("match"), or after how long a "quiet"'
            )
            problems.error(problem, node.place)
        for key, wants, is_there in (
            ("grow", "after", timed),
            ("max", "after", timed),
            ("unless", "match", at_event),
            ("by", "match", at_event),
            ("count", "match", at_event),
            ("within", "match", at_event),
            ("at_most", "quiet", ceased),
        ):
            if key in given and not is_there:
                problems.error(f'"{key}" means nothing without "{wants}"', places[key])
        if "max" in given and "grow" not in given and timed:
            problems.warn('"max" bounds what grows, and there is no "grow"', places["max"])
        if after is not None and limit is not None and limit < after:
            problems.error('"max" is shorter than "after"', places["max"])
        if by is not None and by_fields is not None and len(by) != by_fields:
            problems.error(f'"by": {counts_by(by_fields)}, and this names {len(by)}; name as many', places["by"])
        if "within" in given and (timed or ceased):
            problems.error('"within" lets the state lapse; beside "after" or "quiet" it has two ends', places["within"])
        return Undo(undoing, after, grow, limit, match, unless, by or (), count, quiet, at_most, within)

    return read


def _undoing(fields: Fields, steps: StepReader) -> tuple[Step, ...]:
    """Read what undoes: one step, whose keys stand among the others, or a list under `do`, which may be empty."""
    if "do" not in fields and not steps_among(fields):
        fields.require("run", as_list(as_text()), 'or, when nothing is to be done, "do: []"')
        return ()
    if "do" not in fields:
        fields.pop("do")
        step = steps.of(fields)
        check_decrypted([step] if step else [], fields.problems)
        return (step,) if step else ()
    for kind in steps_among(fields):
        fields.problems.error(f'"{kind}" stands beside "do"; write all steps in one list', fields.place_of(kind))
        fields.pop(kind)
    return fields.take("do", _none_or(steps.read), ())


def _none_or(reader: Reader[tuple[Step, ...]]) -> Reader[tuple[Step, ...]]:
    def read(node: Node, problems: Problems) -> tuple[Step, ...]:
        return () if isinstance(node, SequenceNode) and not node.items else reader(node, problems)

    return read
