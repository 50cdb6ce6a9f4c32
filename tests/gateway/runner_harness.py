"""A runner's process as the tests see it, and a look at what runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.runner import tree
from gateway.runner.protocol import Ended, Lines, Ready, Reply, Request, Start, read_reply, request_line
from parsers.event import FieldValue
from rules.outcome import Outcome

PATIENCE = 20.0
ROOT = Path(__file__).parents[2]
LOADER = "tests.gateway.runner_tasks:load_tasks"


def shell(script: str, **values: Any) -> dict[str, Any]:
    """Write a task that runs a shell script; its first argument is the test's tag."""
    return {"argv": ["sh", "-c", script, "sh", "${tag}"], "grace": 0.3, **values}


class Harness:
    """A runner's process, and the gateway's end of its connection."""

    def __init__(self, config: Path, limit: int = 8, lock: Path | None = None, folders: Path | None = None) -> None:
        self.control, theirs = socket.socketpair()
        argv = [sys.executable, "-P", "-m", "gateway.runner", "--config", str(config), "--limit", str(limit)]
        argv += ["--loader", LOADER, "--fd", str(theirs.fileno())]
        argv += ["--lock", str(lock)] if lock else []
        argv += ["--folders", str(folders)] if folders else []
        self.keeper = subprocess.Popen(
            argv,
            pass_fds=[theirs.fileno()],
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.lines = Lines()
        self.replies: list[Reply] = []
        self.connect()

    def connect(self) -> None:
        """Hand a new connection over, and wait for the runner to be ready."""
        self.connection, theirs = socket.socketpair()
        self.connection.settimeout(PATIENCE)
        socket.send_fds(self.control, [b"+"], [theirs.fileno()])
        theirs.close()
        self.lines = Lines()
        self.ready = self.await_reply(Ready)

    def send(self, request: Request) -> None:
        self.connection.sendall(request_line(request))

    def start(self, task: str, job_id: str = "job", /, **fields: FieldValue) -> None:
        self.send(Start(job_id, task, "rule", ("192.0.2.7",), fields))

    def await_reply(self, kind: type[Any], which: Callable[[Any], bool] = lambda _: True) -> Any:
        while True:
            for reply in self.replies:
                if isinstance(reply, kind) and which(reply):
                    self.replies.remove(reply)
                    return reply
            self.receive()

    def receive(self) -> None:
        data = self.connection.recv(1 << 20)
        if not data:
            raise EOFError
        self.replies += map(read_reply, self.lines.feed(data))

    def outcome(self, job: str = "job") -> Outcome:
        ended: Ended = self.await_reply(Ended, lambda reply: reply.outcome.job == job)
        return ended.outcome

    def run(self, task: str, /, **fields: FieldValue) -> Outcome:
        self.start(task, "job", **fields)
        return self.outcome()

    def rest(self) -> list[Reply]:
        """Read all that is still said."""
        while True:
            try:
                self.receive()
            except EOFError:
                return self.replies

    def stop(self) -> tuple[int, str]:
        self.connection.close()
        self.control.close()
        _, said = self.keeper.communicate(timeout=PATIENCE)
        return self.keeper.returncode, said.decode()


def alive(pid: int) -> bool:
    """Tell whether a process is there and is more than an exit status."""
    process = tree.look(pid)
    return process is not None and process.alive


def living(tag: str) -> list[int]:
    """List the living processes that have a tag in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(path.parent.name)
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if tag.encode() in text and alive(pid):
            found.append(pid)
    return found


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is the case."""
    end = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
    return answer


def new_tag() -> str:
    """Return digits that no other process has in its arguments."""
    return f"{os.getpid()}{time.monotonic_ns()}"
