"""Steps out of a rule file: what `do`, `undo` and `on_failure` hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from parsers.errors import OperatorError
from parsers.fields import is_reserved
from rules.condition import Scalar
from rules.decrypted import ADDED
from rules.job import PLACEHOLDER, Part
from rules.load_condition import FIELD
from rules.load_task import as_argv, as_filled, as_fixed_argv, as_lock, task_options
from rules.schema import Fields, Problems, Reader, as_one_or_more, did_you_mean, mapping_of, nearest, scalar_of
from rules.step import (
    DeadLetter,
    Decrypt,
    Delete,
    Emit,
    Forward,
    Mail,
    Move,
    Pause,
    Resume,
    Step,
    Task,
    process_of,
    texts_of,
)
from rules.strict_yaml import Node, ScalarNode, SequenceNode, shown
from rules.values import as_bool, as_text

T = TypeVar("T")

RULE_NAME = r"[a-z0-9][a-z0-9-]{0,99}"
OWN_RULE = "${rule.name}"
"""Names the rule of the event: for an event about a job, the rule whose job it was."""

STEPS = ("run", "stream", "decrypt", "delete", "move", "mail", "forward", "emit", "pause", "resume", "dead_letter")

BOX = r"[^\s/](?:.{0,99}\S)?"

ADDRESS = re.compile(r"[A-Za-z0-9._+=#&~'/][\w.+=#&~'/-]*(?:@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)?", re.ASCII)
"""A mail address without quotes or comments, or a user of this machine; never what could be an option."""

MAX_FIELDS = 100
"""Fields of one `emit`: an event is no document."""


@dataclass(frozen=True, slots=True)
class StepReader:
    """Reads the steps of one part of a rule.

    Attributes:
        rule: the rule's name.
        defaults: how a process runs whose step does not say otherwise.
        destinations: the names that `forward` may use; None: they are not known here.
    """

    rule: str
    part: Part
    defaults: Task
    destinations: Collection[str] | None = None

    def read(self, node: Node, problems: Problems) -> tuple[Step, ...]:
        """Read one step or a list of steps."""
        if isinstance(node, ScalarNode):
            raise OperatorError("a step is wanted: {run: [program, argument]}", node.place)
        if isinstance(node, SequenceNode) and not node.items:
            raise OperatorError("there is no step; leave the key away if the rule only tells the log", node.place)
        items = node.items if isinstance(node, SequenceNode) else (node,)
        steps = [problems.attempt(item, self._one(number)) for number, item in enumerate(items, 1)]
        _refuse_second_box(steps, node, problems)
        check_decrypted([step for step in steps if step is not None], problems)
        return tuple(step for step in steps if step is not None)

    def _one(self, number: int) -> Reader[Step | None]:
        def read(node: Node, problems: Problems) -> Step | None:
            with Fields(node, problems, self.part.value) as fields:
                return self.of(fields, number)

        return read

    def of(self, fields: Fields, number: int = 1) -> Step | None:
        """Read the step whose keys stand among others in a mapping; None where it is wrong, which is noted."""
        found = steps_among(fields)
        if len(found) > 1:
            second = fields.place_of_second(found)
            fields.rest()
            both = " and ".join(f'"{kind}"' for kind in found)
            raise OperatorError(f"a step does one thing, and here are {both}; write two: [{{...}}, {{...}}]", second)
        if not found:
            if not any(nearest(key, STEPS) for key in fields.left()):
                fields.require("run", as_argv, "write {run: [program, argument]}")
            for kind in STEPS:
                fields.pop(kind)
            return None
        name = f"{self.rule}/{self.part.value}/{number}"
        problems = fields.problems
        problems.places[name] = fields.place_of(found[0])
        problems.named = {}
        step = self._read_kind(found[0], name, fields)
        problems.filled.update({(name, field): place for field, place in problems.named.items()})
        return step

    def _read_kind(self, kind: str, name: str, fields: Fields) -> Step | None:
        match kind:
            case "run":
                return self._task(name, fields, fields.take(kind, as_argv, None))
            case "stream":
                return self._task(name, fields, fields.take(kind, as_fixed_argv, None), stream=True)
            case "decrypt":
                return self._decrypt(name, fields)
            case "delete":
                return _made(fields.take(kind, _file, None), lambda value: Delete(name, value))
            case "move":
                return _move(name, fields)
            case "mail":
                return _mail(name, fields)
            case "forward":
                return _made(fields.take(kind, self._destination, None), lambda value: Forward(name, value))
            case "emit":
                return _made(fields.take(kind, _emitted, None), lambda value: Emit(name, value))
            case "pause":
                _at_value(kind, name, fields)
                return _made(fields.take(kind, _rule_name, None), lambda value: Pause(name, value))
            case "resume":
                _at_value(kind, name, fields)
                return _made(fields.take(kind, _rule_name, None), lambda value: Resume(name, value))
            case _:
                return self._dead_letter(name, fields)

    def _task(self, name: str, fields: Fields, argv: tuple[str, ...] | None, *, stream: bool = False) -> Task | None:
        if "lock" in fields and "concurrency" in fields:
            _warn_of_concurrency(fields)
        task = _stream_options(fields, self.defaults) if stream else task_options(fields, self.defaults)
        lock = fields.take("lock", as_lock, self.defaults.lock)
        return replace(task, name=name, argv=argv, lock=lock, stream=stream) if argv else None

    def _decrypt(self, name: str, fields: Fields) -> Decrypt | None:
        for key in ("stdin", "options", "cwd"):
            if key in fields:
                fields.problems.error(
                    f'"{key}" is not for this step: its program is the gateway\'s own', fields.place_of(key)
                )
                fields.pop(key)
        wanted = fields.take("decrypt", _as_keys, None)
        if "lock" in fields and "concurrency" in fields:
            _warn_of_concurrency(fields)
        task = task_options(fields, self.defaults)
        lock = fields.take("lock", as_lock, self.defaults.lock)
        run = replace(task, name=name, lock=lock, stdin=False, options=False, cwd="/", decrypts=True)
        return None if wanted is None else replace(wanted, name=name, run=run)

    def _destination(self, node: Node, problems: Problems) -> str:
        name = as_text(r"\S+", "a destination's name")(node, problems)
        if self.destinations is not None and name not in self.destinations:
            known = ", ".join(sorted(self.destinations))
            advice = did_you_mean(name, self.destinations) or (f"; there are {known}" if known else "; there are none")
            raise OperatorError(f"{shown(name)} is none of the configuration's `destinations`{advice}", node.place)
        return name

    def _dead_letter(self, name: str, fields: Fields) -> DeadLetter | None:
        place = fields.place_of("dead_letter")
        box = fields.take("dead_letter", as_filled(BOX, "a name for the box"), None)
        if self.part is not Part.ON_FAILURE:
            problem = 'dead letters are the jobs that failed for good: this step can only stand in "on_failure"'
            fields.problems.error(problem, place)
        return None if box is None else DeadLetter(name, box)


def check_decrypted(steps: Sequence[Step], problems: Problems) -> None:
    """Look at what is done with decrypted files: they are there only after a `decrypt` step, and for its user."""
    decrypting: Decrypt | None = None
    for step in steps:
        if uses := [name for name in _filled_in(step) if name in ADDED]:
            place = problems.places[step.name]
            if decrypting is None:
                problems.error(
                    f"${{{uses[0]}}} is there only after a step that decrypts, and none is before this one", place
                )
            elif (run := process_of(step)) is not None and not _can_read(run.user, decrypting.run.user):
                owner = decrypting.run.user or "the user that runs the gateway"
                problem = (
                    f"{run.user} cannot read the decrypted file, which is private to {owner}; "
                    "give both steps the same user"
                )
                problems.warn(problem, place)
        if isinstance(step, Decrypt):
            decrypting = step
    _check_disposed(steps, problems)


def _check_disposed(steps: Sequence[Step], problems: Problems) -> None:
    """Look whether an encrypted file stays while a step is to come that runs or sends something, and so may fail."""
    encrypted = {step.file for step in steps if isinstance(step, Decrypt)}
    for number, step in enumerate(steps, 1):
        risky = any(isinstance(later, Task | Decrypt | Mail | Forward) for later in steps[number:])
        if risky and isinstance(step, Delete | Move) and step.file in encrypted:
            problem = (
                "this file is decrypted, and decrypted again by `gateway jobs retry` when a later step has failed; "
                "delete or move it after all others"
            )
            problems.warn(problem, problems.places[step.name])


def _filled_in(step: Step) -> list[str]:
    return [match[2] for text in texts_of(step) for match in PLACEHOLDER.finditer(text) if match[2]]


def _can_read(user: str | None, owner: str | None) -> bool:
    """Tell whether a user reads another's files: root does; one that is not named is whoever runs the gateway."""
    return user in (None, "root", "0", owner)


def _warn_of_concurrency(fields: Fields) -> None:
    problem = '"concurrency" means nothing beside "lock": its tasks run one after the other'
    fields.problems.warn(problem, fields.place_of("concurrency"))


def _as_keys(node: Node, problems: Problems) -> Decrypt | None:
    if isinstance(node, ScalarNode):
        raise OperatorError(f"the key is wanted: {{decrypt: {{key: {node.text or 'keys/acme.age'}}}}}", node.place)
    with Fields(node, problems, "decrypt") as fields:
        given = "key" in fields or "passphrase_file" in fields
        key = fields.take("key", _fixed_path("a file with a secret key"), None)
        passphrase = fields.take("passphrase_file", _fixed_path("a file with a passphrase"), None)
        file = fields.take("file", _file, "${file.path}")
        if not given:
            fields.require("key", as_text(), "the file with the secret key (or a passphrase_file)")
    if key is None and passphrase is None:
        return None
    return Decrypt("", Task(name="", argv=()), key, passphrase, file or "${file.path}")


def _at_value(kind: str, name: str, fields: Fields) -> None:
    """Let a step stand where the rule stands that it names."""
    if value := fields.value_of(kind):
        fields.problems.places[name] = value.place


def _move(name: str, fields: Fields) -> Move | None:
    file = fields.take("move", _file, None)
    to = fields.require("to", _folder, "the folder, e.g. processed")
    return Move(name, file, to) if file and to else None


def _fixed_path(wanted: str) -> Reader[str]:
    """Read a path that no event chooses."""

    def read(node: Node, problems: Problems) -> str:
        path = as_text(r".+", wanted)(node, problems)
        if PLACEHOLDER.search(path):
            raise OperatorError("an event must not choose this; write the path out", node.place)
        return path

    return read


def _folder(node: Node, problems: Problems) -> str:
    path = _fixed_path("a folder")(node, problems)
    if ".." in path.split("/"):
        raise OperatorError("a folder outside of the drop box's is written as an absolute path", node.place)
    return path


def _file(node: Node, problems: Problems) -> str:
    text = as_filled(r".+", 'the path of a file, such as "${file.path}"')(node, problems)
    if text == "file":
        raise OperatorError('the path is wanted: "${file.path}"', node.place)
    if not text.startswith(("/", "${")):
        raise OperatorError(
            f'{shown(text)} is no absolute path; which file is it? Usually "${{file.path}}"', node.place
        )
    return text


def _made(value: T | None, make: Callable[[T], Step]) -> Step | None:
    return None if value is None else make(value)


def _refuse_second_box(steps: list[Step | None], node: Node, problems: Problems) -> None:
    boxes = [step for step in steps if isinstance(step, DeadLetter)]
    for step in boxes[1:]:
        problems.error("a job goes into one box; this is the second", problems.places.get(step.name, node.place))


def _stream_options(fields: Fields, defaults: Task) -> Task:
    place, given = fields.place_of("stdin"), "stdin" in fields
    task = task_options(fields, replace(defaults, stdin=True))
    if given and not task.stdin:
        fields.problems.error('"stdin": a stream gets its events there, one a line; leave the key away', place)
    return replace(task, ready=fields.take("ready", as_bool(), default=False))


def _mail(name: str, fields: Fields) -> Mail | None:
    to = fields.take("mail", as_one_or_more(_address), None)
    subject = fields.require(
        "subject", as_filled(r"[^\r\n]+", "a subject of one line"), "say in a line what it is about"
    )
    body = fields.take("body", as_filled(), None)
    return Mail(name, tuple(dict.fromkeys(to)), subject, body) if to and subject else None


def _address(node: Node, problems: Problems) -> str:
    text = as_text(r"(?s).+", "a mail address")(node, problems)
    if PLACEHOLDER.search(text):
        raise OperatorError("an event must not choose who gets mail; write the address out", node.place)
    if not ADDRESS.fullmatch(text):
        raise OperatorError(
            f"a bare mail address such as ops@example.com, or a user such as root, is wanted, not {shown(text)}",
            node.place,
        )
    return text


def _emitted(node: Node, problems: Problems) -> dict[str, Scalar]:
    entries = mapping_of(node).entries
    if not entries:
        raise OperatorError("an event without fields says nothing; write {event.action: NAME}", node.place)
    if len(entries) > MAX_FIELDS:
        raise OperatorError(f"these are more than {MAX_FIELDS} fields", node.place)
    emitted: dict[str, Scalar] = {}
    for entry in entries:
        if not re.fullmatch(FIELD, entry.key):
            problems.error(f"{shown(entry.key)} cannot be a field's name", entry.place)
        elif is_reserved(entry.key) and entry.key != "message":
            problems.error(f"{entry.key} is the gateway's own to set; choose another name", entry.place)
        value = problems.attempt(entry.value, _emitted_value, entry.key)
        if value is not None:
            emitted[entry.key] = value
    return emitted


def _emitted_value(node: Node, problems: Problems) -> Scalar:
    value = scalar_of(node, "a value").value()
    if isinstance(value, int):
        return value
    return as_filled()(node, problems)


def _rule_name(node: Node, problems: Problems) -> str:
    text = as_text()(node, problems)
    if text != OWN_RULE and not re.fullmatch(RULE_NAME, text):
        raise OperatorError(f"a rule's name is wanted, or {OWN_RULE}, not {shown(text)}", node.place)
    return text


def steps_among(fields: Fields) -> list[str]:
    """Return which steps the keys of a mapping name."""
    return [kind for kind in STEPS if kind in fields]
