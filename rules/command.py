"""What a step comes to for an event: its command line or its words, or why it cannot be filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parsers.event import FieldValue
from rules.decrypted import example_event
from rules.job import FillError, NoFieldError, fill, fill_argv, fill_known
from rules.mail import subject_of
from rules.step import DeadLetter, Decrypt, Delete, Emit, Forward, Mail, Move, Pause, Resume, Step, Task, kind_of


@dataclass(frozen=True, slots=True)
class Command:
    """A step that a rule would take.

    Attributes:
        task: the step's name.
        kind: `run`, `mail` and so on, as a rule file has it.
        argv: of a process.
        words: of any other step.
        problem: why it cannot be filled in.
        lacking: that is because the event has not all fields; where there are several events, another may have them.
    """

    task: str
    kind: str = "run"
    argv: tuple[str, ...] = ()
    words: str = ""
    problem: str | None = None
    lacking: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return {
            "task": self.task,
            "kind": self.kind,
            "argv": list(self.argv),
            "words": self.words,
            "problem": self.problem,
        }


def commands_of(steps: Sequence[Step], event: Mapping[str, FieldValue]) -> tuple[Command, ...]:
    """Return what steps come to for a job's event, or why they cannot be filled in."""
    return tuple(_command(step, example_event(event, steps, number)) for number, step in enumerate(steps))


def _command(step: Step, fields: Mapping[str, FieldValue]) -> Command:
    kind = kind_of(step)
    try:
        if isinstance(step, Task):
            return Command(step.name, kind, tuple(fill_argv(step.argv, fields, options=step.options)))
        return Command(step.name, kind, words=_words(step, fields))
    except FillError as error:
        return Command(step.name, kind, problem=str(error), lacking=isinstance(error, NoFieldError))


def _words(
    step: Decrypt | Delete | Move | Mail | Forward | Emit | Pause | Resume | DeadLetter,
    fields: Mapping[str, FieldValue],
) -> str:
    match step:
        case Decrypt():
            return f"{fill(step.file, fields)} with {step.key or step.passphrase_file}"
        case Delete():
            return fill(step.file, fields)
        case Move():
            return f"{fill(step.file, fields)} to {step.to}"
        case Mail():
            return f"{', '.join(step.to)}: {subject_of(step, fields)}"
        case Forward():
            return step.destination
        case Emit():
            filled = ((name, fill(str(value), fields, options=True)) for name, value in step.fields.items())
            return ", ".join(f"{name}: {value}" for name, value in filled)
        case Pause() | Resume():
            return fill(step.rule, fields)
        case DeadLetter():
            return fill_known(step.box, fields)
