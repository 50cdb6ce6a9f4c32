"""Load the tasks in a process of its own, so that the parsers of YAML and rules never enter the runner's memory."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway.runner.tree import die_with_parent
from parsers.errors import OperatorError
from rules.step import Limits, Mail, Task

Tasks = Mapping[str, Task]
Load = Callable[[Path], Tasks]

LOADER = "gateway.loading:load_tasks"
"""Where the function stands that reads the configuration; tests name another."""

MAX_DESCRIPTOR = 1 << 20
"""More than any process has; close_range(2) takes them all at once."""


class LoadError(Exception):
    """The tasks could not be loaded; the text says whose fault it is."""


def tasks_json(tasks: Tasks) -> bytes:
    """Write tasks for the process that starts them."""
    plain = [dataclasses.asdict(task) | {"environment": dict(task.environment)} for task in tasks.values()]
    return json.dumps({"tasks": plain}).encode()


def tasks_from_json(text: bytes) -> dict[str, Task]:
    """Read what `tasks_json` wrote, or raise the LoadError that stands in its place."""
    answer = json.loads(text or b'{"error": "the process that loads the configuration died"}')
    if "error" in answer:
        raise LoadError(answer["error"])
    return {item["name"]: _task(item) for item in answer["tasks"]}


def _task(values: dict[str, Any]) -> Task:
    mail = values["mail"]
    whole = {"argv": tuple(values["argv"]), "lines": tuple(values["lines"]), "limits": Limits(**values["limits"])}
    whole["mail"] = mail and Mail(**mail | {"to": tuple(mail["to"])})
    return Task(**values | whole)


class LastGood:
    """The tasks as they last loaded, for the process that takes over from a dead one while the file is broken.

    They lie in memory that the keeper made and every inner process inherits; no file is involved that another user
    might write.
    """

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("tasks", os.MFD_CLOEXEC)

    def keep(self, tasks: Tasks) -> None:
        """Replace what was kept."""
        text = tasks_json(tasks)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def recall(self) -> dict[str, Task]:
        """Return what was kept; nothing when nothing ever loaded."""
        size = os.fstat(self._descriptor).st_size
        return tasks_from_json(os.pread(self._descriptor, size, 0)) if size else {}


class Loading:
    """Tasks that are being loaded; `descriptor` becomes readable as they come, and at the end of file all is there."""

    def __init__(self, config: Path, loader: str = LOADER) -> None:
        self.descriptor, theirs = os.pipe()
        self._text = bytearray()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _load_and_exit(config, loader, theirs)
        os.close(theirs)
        self._process = os.pidfd_open(self.pid)

    def read(self) -> bool:
        """Take what has come; True when that was all, the descriptor being closed."""
        data = os.read(self.descriptor, 1 << 16)
        self._text += data
        if not data:
            os.close(self.descriptor)
            os.close(self._process)
        return not data

    def give_up(self) -> None:
        """Stop waiting for it."""
        os.close(self.descriptor)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        os.close(self._process)

    def result(self) -> dict[str, Task]:
        """Return the tasks, once `read` has said that this was all.

        Raises:
            LoadError: they could not be loaded.
        """
        return tasks_from_json(bytes(self._text))


def _load_and_exit(config: Path, loader: str, answer_to: int) -> None:
    status = 1
    try:
        die_with_parent(signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # The modules that a configuration names run in here: the runner's connection and its lock are not for them.
        os.closerange(3, answer_to)
        os.closerange(answer_to + 1, MAX_DESCRIPTOR)
        answer = memoryview(_load(config, loader))
        while answer:
            answer = answer[os.write(answer_to, answer) :]
        status = 0
    finally:
        os._exit(status)


def _load(config: Path, loader: str) -> bytes:
    module, _, name = loader.partition(":")
    try:
        load: Load = getattr(import_module(module), name)
        return tasks_json(load(config))
    except OperatorError as error:
        return json.dumps({"error": str(error)}).encode()
    except Exception as error:  # noqa: BLE001 -- whatever it is, the runner goes on with the tasks it has
        traceback.print_exc()
        return json.dumps({"error": f"{config} cannot be loaded: {type(error).__name__}: {error}"}).encode()
