"""The drop box, as the configuration gives it: where its folders are, who may come in, and what is checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from gateway.drop.account import OWN_FOLDER, Terms
from gateway.files import FileKind, as_folder, file_kind
from gateway.terms_config import terms
from parsers.errors import OperatorError, Place
from rules.job import PLACEHOLDER
from rules.load import BUILTIN
from rules.load_task import as_argv, as_lock, task_options
from rules.schema import Fields, Problems, Reader, mapping_of
from rules.step import Task
from rules.strict_yaml import Node, shown
from rules.values import as_duration, as_int, as_text

CHECKER = "drop/checker"
"""The name of the task that judges passwords."""

CHECKER_LINES = ("user.name", "user.password")
"""What the checker reads: a line each. Only for the length of one attempt are these fields of anything."""

CHECKER_TIMEOUT = 10.0
"""Seconds; a client waits at the other end."""

MAX_TRIES = 100

MAX_DELAY = 60.0
"""Seconds of `login.delay`: clients give up after a minute or two."""


@dataclass(frozen=True, slots=True)
class DropSettings:
    """What all ways into the drop box share; durations are seconds.

    Attributes:
        place: where `drop:` stands; None: the configuration does not have it, and this is what is usual.
        folder: absolute; holds the accounts' folders, `quarantine` and `processed`.
        accounts: the accounts file.
        terms: what an account has that does not say otherwise.
        tries: wrong passwords on one connection, after which it is closed.
        delay: how long the first of them takes; each further one takes twice as long.
        checker: a program that judges passwords; it gets the user and the password on two lines of its standard input
            (as pwauth(8) does), and exits with 0 to let them in.
        retention: for a folder, relative to `folder`: after how long a file in it is deleted.
    """

    folder: Path
    accounts: Path
    place: Place | None = field(default=None, compare=False)
    terms: Terms = field(default_factory=Terms)
    tries: int = 3
    delay: float = 1.0
    checker: Task | None = None
    retention: Mapping[str, float] = field(default_factory=dict)


def usual_drop(folder: Path, state: Path) -> DropSettings:
    """Return what there is without a `drop:` key.

    Args:
        folder: where the configuration stands.
        state: the folder for what is kept.
    """
    return DropSettings(_plain(state / "drop"), folder / "accounts.yaml")


def as_drop(folder: Path, state: Path, run: Task = BUILTIN) -> Reader[DropSettings]:
    """Read `drop:`; relative files are the configuration's neighbours.

    Args:
        folder: where the configuration stands.
        state: the folder for what is kept.
        run: how a process runs that does not say otherwise.
    """
    usual = usual_drop(folder, state)

    def read(node: Node, problems: Problems) -> DropSettings:
        with Fields(node, problems, "drop") as fields:
            login = fields.take("login", _login, (usual.tries, usual.delay))
            return DropSettings(
                folder=fields.take("folder", _as_folder(folder), usual.folder),
                accounts=fields.take("accounts", _as_accounts(folder), usual.accounts),
                place=node.place,
                terms=terms(fields, usual.terms, folder),
                tries=login[0],
                delay=login[1],
                checker=fields.take("checker", _as_checker(run), None),
                retention=fields.take("retention", _retention, {}),
            )

    return read


def _as_folder(folder: Path) -> Reader[Path]:
    anywhere = as_folder(folder)

    def read(node: Node, problems: Problems) -> Path:
        return _plain(anywhere(node, problems))

    return read


def _plain(path: Path) -> Path:
    """Make a path absolute and without `..`, so that the folders of accounts, which are below, can be compared."""
    return Path(os.path.abspath(path))  # noqa: PTH100 -- resolve() follows links, which are the operator's names


def _as_accounts(folder: Path) -> Reader[Path]:
    """Read the accounts file's path; it is made by `gateway account add`, so that it need not be there."""

    def read(node: Node, problems: Problems) -> Path:
        path = folder / as_text(r".+", "a file")(node, problems)
        kind = file_kind(path)
        if kind not in {FileKind.MISSING, FileKind.REGULAR}:
            raise OperatorError(f"{path} {kind.value}", node.place)
        return path

    return read


def _login(node: Node, problems: Problems) -> tuple[int, float]:
    usual = DropSettings(Path(), Path())
    with Fields(node, problems, "login") as fields:
        return fields.take("tries", as_int(1, MAX_TRIES), usual.tries), fields.take("delay", _delay, usual.delay)


def _delay(node: Node, problems: Problems) -> float:
    delay = as_duration(zero=True)(node, problems)
    if delay > MAX_DELAY:
        raise OperatorError(f"clients give up before: at most {MAX_DELAY:g}s", node.place)
    return delay


def _as_checker(run: Task) -> Reader[Task | None]:
    def read(node: Node, problems: Problems) -> Task | None:
        defaults = replace(run, timeout=CHECKER_TIMEOUT, stdin=True, lock=None)
        with Fields(node, problems, "checker") as fields:
            place, given = fields.place_of("stdin"), "stdin" in fields
            argv = fields.require("run", _checker_argv, "write the program and its arguments as a list")
            task = task_options(fields, defaults)
            lock = fields.take("lock", as_lock, None)
        if given:
            problems.error('"stdin": it reads the user and the password there; leave the key away', place)
        if not argv:
            return None
        return replace(task, name=CHECKER, argv=argv, stdin=True, lock=lock, lines=CHECKER_LINES)

    return read


def _checker_argv(node: Node, problems: Problems) -> tuple[str, ...]:
    argv = as_argv(node, problems)
    for argument in argv:
        if filled := next((match[0] for match in PLACEHOLDER.finditer(argument) if match[2] is not None), None):
            raise OperatorError(
                f"{filled} is not filled in here, for all users of this machine can see arguments: the program reads "
                "the user and the password from its standard input, a line each",
                node.place,
            )
    return argv


def _retention(node: Node, problems: Problems) -> dict[str, float]:
    """Read for each folder how long its files are kept; the nearest folder above a file decides."""
    found: dict[str, float] = {}
    for entry in mapping_of(node).entries:
        age = problems.attempt(entry.value, as_duration(), entry.key)
        way = PurePosixPath(entry.key)
        if way.is_absolute() or ".." in way.parts or OWN_FOLDER in way.parts or "\0" in entry.key or not entry.key:
            problems.error(
                f"a folder below that of the drop box is wanted, such as quarantine, not {shown(entry.key)}",
                entry.place,
            )
        elif str(way) in found:
            problems.error(f"{shown(entry.key)} is a folder that stands here twice", entry.place)
        elif age is not None:
            found[str(way)] = age
    return found
