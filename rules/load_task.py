"""Tasks out of a rule file: their commands, and how their processes run."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import PurePosixPath

from parsers.errors import OperatorError, Place
from rules.job import FIELD_NAME, PLACEHOLDER, FillError, check_argument
from rules.load_condition import check_field
from rules.schema import Fields, Problems, Reader, as_table, scalar_of, sequence_of
from rules.script_words import ScriptWord, script_words
from rules.step import Limits, Task
from rules.strict_yaml import MappingNode, Node, ScalarNode, shown
from rules.values import as_choice, as_duration, as_int, as_mode, as_size, as_text

MAX_CONCURRENCY = 1024
MAX_OUTPUT = 16 * 1024**2
"""Octets; what is kept of a process's output is held in memory and travels over one socket."""
MAX_COUNT = 2**31 - 1
MAX_OCTETS = 2**63 - 1
"""The greatest limit that setrlimit(2) takes as a number."""

_SHELL_HABIT = re.compile(r"\$([a-z_]\w*(?:\.\w+)*)")
"""`$source.ip`, which a shell would fill; `$5` and `x$` are prices and patterns."""

_PROCESS_ID = re.compile(r"(?<!\$)\$\$(?![${])")
"""`$$` that is not meant to be `$`: `$${HOME}` is, for a shell's own variable, and `$$$$` is `$$`."""

_SHELL_OPERATORS = frozenset({"|", "||", "&", "&&", ";", "<", "<<", ">", ">>", "2>", "2>&1", "&>"})
_READ_OPERATORS = frozenset({"[", "expr", "find", "test"})
"""Programs to which such a word means something: `find -exec … ;`."""


def as_task_defaults(builtin: Task) -> Reader[Task]:
    """Read `defaults.run`: how processes run whose step does not say otherwise."""

    def read(node: Node, problems: Problems) -> Task:
        with Fields(node, problems, "run") as fields:
            return task_options(fields, builtin)

    return read


def as_argv(node: Node, problems: Problems) -> tuple[str, ...]:
    """Read a command: a list whose first word is the program; `${field}` may stand in the others."""
    if isinstance(node, ScalarNode):
        raise OperatorError(f"there is no shell; write the command as a list: {_as_written(node.text)}", node.place)
    items = sequence_of(node).items
    if not items:
        raise OperatorError("the list is empty; its first word is the program", node.place)
    words = [item.text if isinstance(item, ScalarNode) else "" for item in items]
    scripts = {script.index: _as_script(script) for script in script_words(words)}
    read = [
        problems.attempt(item, _as_program if number == 0 else scripts.get(number, _as_argument))
        for number, item in enumerate(items)
    ]
    _warn_of_operators(items, problems)
    return tuple(argument for argument in read if argument is not None)


def as_fixed_argv(node: Node, problems: Problems) -> tuple[str, ...]:
    """Read the command of a stream, which no event can fill in."""
    argv = as_argv(node, problems)
    for argument in argv:
        if filled := next((match[0] for match in PLACEHOLDER.finditer(argument) if match[2] is not None), None):
            raise OperatorError(
                f"{filled} cannot be filled in: this process is started once and then reads all its events from "
                "standard input, one a line",
                node.place,
            )
    return argv


def as_filled(pattern: str = r"(?s).+", wanted: str = "text") -> Reader[str]:
    """Read text in which `${field}` may stand, and which matches the whole pattern."""
    text = as_text(pattern, wanted)

    def read(node: Node, problems: Problems) -> str:
        text(node, problems)
        return _argument(scalar_of(node), problems, program=False)

    return read


LOCK = r"[A-Za-z0-9][\w.-]{0,99}"
as_lock = as_text(LOCK, "a lock's name of letters, figures and _ . -")


def _warn_of_operators(items: tuple[Node, ...], problems: Problems) -> None:
    program = items[0].text if isinstance(items[0], ScalarNode) else ""
    if PurePosixPath(program).name in _READ_OPERATORS:
        return
    for item in items[1:]:
        if isinstance(item, ScalarNode) and item.text in _SHELL_OPERATORS:
            problems.warn(f"there is no shell: {shown(item.text)} is passed on as a word", item.place)


def _as_program(node: Node, problems: Problems) -> str:
    return _argument(scalar_of(node, "a program's name"), problems, program=True)


def _as_argument(node: Node, problems: Problems) -> str:
    return _argument(scalar_of(node, "text"), problems, program=False)


def _as_script(script: ScriptWord) -> Reader[str]:
    """Read a word that an interpreter takes for a program."""

    def read(node: Node, problems: Problems) -> str:
        found = scalar_of(node, "text")
        text = _argument(found, problems, program=False, script=script)
        if pid := _PROCESS_ID.search(text):
            problems.warn(
                "this $$ reaches the script as a single $; for the two characters write $$$$", _at(found, pid.start())
            )
        return text

    return read


def _as_written(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    quoted = (word if re.fullmatch(r"[A-Za-z./_][\w./-]*|-[\w-]+", word) else f'"{word}"' for word in words or ["..."])
    return f"[{', '.join(quoted)}]"


def _at(node: ScalarNode, offset: int) -> Place:
    moved = 0 if node.inset is None else node.inset + offset
    return Place(node.place.file, node.place.line, node.place.column + moved)


def _argument(node: ScalarNode, problems: Problems, *, program: bool, script: ScriptWord | None = None) -> str:
    _check(node)
    if program and not node.text:
        raise OperatorError("the program's name is empty", node.place)
    for match in PLACEHOLDER.finditer(node.text):
        if match[2] is None:
            continue
        if program:
            raise OperatorError("an event must not choose the program; write its name out", _at(node, match.start()))
        if script:
            own = f" (a variable of the script's own is $${{{match[2]}}})" if match[2].isupper() else ""
            raise OperatorError(
                f"{match[0]} would become part of this script, and so the text of an event a command{own}; pass it "
                f"as an argument of its own: {script.instead(match[0])}, or read the event, JSON, from standard input",
                _at(node, match.start()),
            )
        place = _at(node, match.start())
        check_field(match[2], place, problems)
        problems.named.setdefault(match[2], place)
    if script:
        return node.text  # its dollar signs are its own
    if habit := _SHELL_HABIT.search(PLACEHOLDER.sub(lambda match: " " * len(match[0]), node.text)):
        problems.warn(
            f"{shown(habit[0])} is passed on as it stands; a field's value is ${{{habit[1]}}}", _at(node, habit.start())
        )
    return node.text


def _check(node: ScalarNode) -> None:
    """Raise what is wrong with the `${...}` of a text, where that begins."""
    try:
        check_argument(node.text)
    except FillError as error:
        wrong = (match for match in PLACEHOLDER.finditer(node.text) if match[3] or not _is_field(match[2]))
        begin = next((match.start() for match in wrong), None)
        place = node.place if begin is None else _at(node, begin)
        raise OperatorError(str(error), place) from None


def _is_field(name: str | None) -> bool:
    return name is None or FIELD_NAME.fullmatch(name) is not None


def task_options(fields: Fields, defaults: Task) -> Task:
    """Read how a process runs, apart from its lock, which is one rule's or step's and no default for all."""
    concurrency = as_int(1, MAX_CONCURRENCY)
    return replace(
        defaults,
        timeout=fields.take("timeout", as_duration(), defaults.timeout),
        grace=fields.take("grace", as_duration(zero=True), defaults.grace),
        user=fields.take("user", as_text(r"[^\s:]+", "a user's name or number"), defaults.user),
        group=fields.take("group", as_text(r"[^\s:]+", "a group's name or number"), defaults.group),
        cwd=fields.take("cwd", as_text(r"/.*", "an absolute path"), defaults.cwd),
        umask=fields.take("umask", as_mode(), defaults.umask),
        nice=fields.take("nice", as_int(-20, 19), defaults.nice),
        environment={**defaults.environment, **fields.take("environment", _environment, {})},
        options=fields.take("options", as_choice({"allow": True, "refuse": False}), defaults.options),
        stdin=fields.take("stdin", as_choice({"event": True, "none": False}), defaults.stdin),
        output=fields.take("output", as_size(0, MAX_OUTPUT), defaults.output),
        limits=fields.take("limits", _as_limits(defaults.limits), defaults.limits),
        concurrency=fields.take("concurrency", concurrency, defaults.concurrency),
    )


def _environment(node: Node, problems: Problems) -> dict[str, str]:
    table = as_table(as_text(), r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name", ("GATEWAY_",))(node, problems)
    if isinstance(node, MappingNode):
        for entry in node.entries:
            if PLACEHOLDER.search(table.get(entry.key, "")):
                problems.warn("values here are fixed, ${...} is not filled; the event is in GATEWAY_*", entry.place)
    return table


def _as_limits(defaults: Limits) -> Reader[Limits]:
    def read(node: Node, problems: Problems) -> Limits:
        with Fields(node, problems, "limits") as fields:
            return Limits(
                cpu=fields.take("cpu", _whole_seconds, defaults.cpu),
                address_space=fields.take("address_space", as_size(1, MAX_OCTETS), defaults.address_space),
                file_size=fields.take("file_size", as_size(0, MAX_OCTETS), defaults.file_size),
                open_files=fields.take("open_files", as_int(3, MAX_COUNT), defaults.open_files),
                processes=fields.take("processes", as_int(1, MAX_COUNT), defaults.processes),
            )

    return read


def _whole_seconds(node: Node, problems: Problems) -> int:
    seconds = as_duration()(node, problems)
    if seconds != int(seconds):
        raise OperatorError("the kernel counts whole seconds of processor time: 1s, 30s, 2m", node.place)
    return int(seconds)
