"""Start one child: its argv, environment, user, directory, limits, and the three descriptors it gets.

`subprocess.Popen` starts it, for that uses vfork(2) when no user changes and no limit is set (0.09 ms of our CPU and
0.6 ms of the child's; fork with Python code in the child: 0.4 and 1.6).
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import re
import resource
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gateway.runner.protocol import Start
from parsers.event import FieldValue, printable
from rules.outcome import Ending
from rules.step import Limits, Task

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MAX_VARIABLE = 8 * 1024
"""Octets of one field in the environment; longer ones are left out, not cut, and stand in the JSON on stdin."""

MAX_ENVIRONMENT = 64 * 1024
"""Octets of all fields in the environment together: half of what execve(2) takes even with the smallest stack."""


class StartError(Exception):
    """A child could not be started; the text says why and what to look at.

    `ending` is REFUSED when it is the event that no process can be given, and NOT_STARTED when it is the machine.
    """

    def __init__(self, words: str, ending: Ending = Ending.NOT_STARTED) -> None:
        self.ending = ending
        super().__init__(words)


@dataclass(frozen=True, slots=True)
class Child:
    """A child that runs: its pid, and our non-blocking ends of its standard output and standard error."""

    pid: int
    stdout: int
    stderr: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a child runs as; `uid`, `gid` and `groups` are None where nothing changes."""

    name: str
    home: str
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None


def identity(user: str | None, group: str | None) -> Identity:
    """Look up a user and a group, each a name or a number.

    Raises:
        StartError: there is no such user or group, or the runner may not become it.
    """
    entry = _user(user)
    own_uid, own_gid = os.geteuid(), os.getegid()
    name = entry.pw_name if entry else str(own_uid)
    home = entry.pw_dir if entry else "/"
    uid = entry.pw_uid if user is not None and entry else own_uid
    gid = _group(group) if group is not None else (entry.pw_gid if user is not None and entry else own_gid)
    if (user is None or uid == own_uid) and (group is None or gid == own_gid) and own_uid:
        return Identity(name, home)
    if user is None and group is None:
        return Identity(name, home)
    if own_uid:
        wanted = f"the user {user}" if uid != own_uid else f"the group {group}"
        raise StartError(f"the runner is user {name_of(own_uid)} and cannot become {wanted}; start the gateway as root")
    groups = tuple(os.getgrouplist(name, gid)) if user is not None else (gid,)
    return Identity(name, home, uid, gid, groups)


def _user(user: str | None) -> pwd.struct_passwd | None:
    try:
        if user is None:
            return pwd.getpwuid(os.geteuid())
        return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        if user is None:
            return None
        raise StartError(f"there is no user {user}") from None


def _group(group: str) -> int:
    try:
        return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartError(f"there is no group {group}") from None


def name_of(uid: int) -> str:
    """Return the user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=1024)
def variable_name(field: str) -> str:
    """Return the environment variable that carries a field: `source.ip` is GATEWAY_SOURCE_IP."""
    return "GATEWAY_" + re.sub("[^A-Z0-9]", "_", field.upper())


def environment(task: Task, start: Start, who: Identity) -> dict[str, str]:
    """Build the environment of a job's process up from nothing.

    Fields come first, so that no message can set what the task or the gateway sets; all of them begin with GATEWAY_.
    """
    key = printable(" ".join(start.key)).replace("\0", "")
    fields = {name: value for name, value in start.fields.items() if name not in task.lines}
    return _event_variables(fields) | {
        **_task_variables(task, who),
        "GATEWAY_RULE": start.rule,
        "GATEWAY_JOB": start.job,
        "GATEWAY_ATTEMPT": str(start.attempt),
        "GATEWAY_KEY": key.encode()[:MAX_VARIABLE].decode("utf-8", "ignore"),
    }


def stream_environment(task: Task, rule: str, who: Identity) -> dict[str, str]:
    """Build the environment of a stream's program: it outlives jobs, so GATEWAY_JOB is the task's name."""
    return {**_task_variables(task, who), "GATEWAY_RULE": rule, "GATEWAY_JOB": task.name}


def _task_variables(task: Task, who: Identity) -> dict[str, str]:
    own = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": who.home, "USER": who.name, "LOGNAME": who.name}
    return {**own, **task.environment}


def _event_variables(fields: Mapping[str, FieldValue]) -> dict[str, str]:
    variables: dict[str, str] = {}
    room = MAX_ENVIRONMENT
    for field, value in fields.items():
        text = _variable(value)
        if text is None:
            continue
        name = variable_name(field)
        size = len(name) + len(text.encode()) + 2
        if size <= min(room, MAX_VARIABLE):
            room -= size
            variables[name] = text
    return variables


def _variable(value: FieldValue) -> str | None:
    if value is None or isinstance(value, list | dict):
        return None
    text = printable(str(value).lower() if isinstance(value, bool) else str(value))
    return None if "\0" in text else text


def start_child(task: Task, argv: list[str], variables: Mapping[str, str], who: Identity, stdin: int) -> Child:
    """Start a child in a session of its own; the descriptor `stdin` is closed here in any case.

    Raises:
        StartError: it could not be started.
    """
    opened = [stdin]
    ours, theirs = [], []
    try:
        for _ in range(2):
            read, write = os.pipe()
            opened += (read, write)
            os.set_blocking(read, False)
            give_to(who, write)
            ours.append(read)
            theirs.append(write)
        with _raised_priority(task.nice):
            process = subprocess.Popen(  # noqa: S603 -- no shell; argv is the operator's, filled after the split
                argv,
                stdin=stdin,
                stdout=theirs[0],
                stderr=theirs[1],
                env=variables,
                cwd=task.cwd,
                umask=task.umask,
                start_new_session=True,
                user=who.uid,
                group=who.gid,
                extra_groups=who.groups,
                preexec_fn=_restrain(task.limits, task.nice),  # noqa: PLW1509 -- the runner has one thread
            )
    except (OSError, ValueError, subprocess.SubprocessError, StartError) as error:
        for descriptor in opened:
            os.close(descriptor)
        if isinstance(error, StartError):
            raise
        raise why_not_started(error, task, argv, variables, who) from error
    process.returncode = 0  # the runner fetches exit statuses itself, those of orphans too
    for descriptor in (stdin, *theirs):
        os.close(descriptor)
    return Child(process.pid, ours[0], ours[1])


def give_to(who: Identity, pipe: int) -> None:
    """Let another user open its end of a pipe by name: /dev/stdin, /dev/stderr."""
    if who.uid is not None:
        with suppress(OSError):  # it is a convenience: its own descriptor works whoever owns the pipe
            os.fchown(pipe, who.uid, -1)


def empty_input() -> int:
    """Open a standard input that holds nothing."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def input_file(content: bytes) -> int:
    """Open a standard input that holds this.

    A file in memory, not a pipe: writing it cannot block, and a child that does not read is no case of its own.

    Raises:
        StartError: there is no room for it.
    """
    try:
        return _memory_file(content)
    except OSError as error:
        raise StartError(f"there is no room for the standard input: {error.strerror}") from error


def lines_of(fields: Mapping[str, FieldValue], names: Sequence[str]) -> bytes:
    """Return the values of these fields, a line each, as the octets that they came as.

    Raises:
        StartError: one is no text, or not one line; another try would end the same.
    """
    values = [fields.get(name) for name in names]
    lines = [value for value in values if isinstance(value, str) and not set(value) & set("\0\r\n")]
    if len(lines) < len(values):
        raise StartError("a line of its standard input cannot hold what was given for it", Ending.REFUSED)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("event", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)  # else a child could keep memory in it
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _raised_priority(nice: int) -> Iterator[None]:
    """Be of higher priority while a child is started, for it may not raise its own once it is another user."""
    if nice >= 0:
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        raise StartError(f"only a gateway started as root can give niceness {nice}") from None
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def _restrain(limits: Limits, nice: int) -> Callable[[], None] | None:
    """Return what the child does last before it becomes the program; None keeps the fast way to start it."""
    wanted = {
        resource.RLIMIT_CPU: limits.cpu,
        resource.RLIMIT_AS: limits.address_space,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_NPROC: limits.processes,
    }
    chosen = [(kind, _lowered(kind, value)) for kind, value in wanted.items() if value is not None]
    if not chosen and nice <= 0:
        return None

    def restrain() -> None:
        for kind, value in chosen:
            # One second of CPU between SIGXCPU and SIGKILL; for the others both limits are the same.
            resource.setrlimit(kind, (value, _lowered(kind, value + 1) if kind == resource.RLIMIT_CPU else value))
        if nice > 0:
            os.nice(nice)

    return restrain


def _lowered(kind: int, value: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def why_not_started(
    error: Exception, task: Task, argv: list[str], variables: Mapping[str, str], who: Identity
) -> StartError:
    """Find the words for what went wrong, looking at the files again."""
    program = argv[0]
    if isinstance(error, ValueError):
        return StartError(f"an argument or a variable cannot be given to a program: {error}", Ending.REFUSED)
    if not isinstance(error, OSError):
        return StartError(f"niceness {task.nice} or the limits of {task.name} cannot be set by {who.name}")
    if error.errno == errno.E2BIG:
        words = f"the arguments and the environment of {program} are longer than the system takes"
        return StartError(words, Ending.REFUSED)
    if not Path(task.cwd).is_dir():
        return StartError(f"the working directory {task.cwd} does not exist or is no directory")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC):
        return StartError(_why_no_program(error, task, program, variables.get("PATH", ""), who))
    return StartError(f"{program} could not be started by {who.name}: {error.strerror}")


def _why_no_program(error: OSError, task: Task, program: str, path: str, who: Identity) -> str:
    if "/" in program:
        places = [Path(task.cwd, program)]
    else:
        places = [Path(directory or task.cwd, program) for directory in path.split(":")]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        if error.errno == errno.EACCES:
            return f"{program} or a directory above it cannot be reached by {who.name}"
        return f"no program named {program} in PATH {path}" if "/" not in program else f"there is no file {places[0]}"
    if found.is_dir():
        return f"{found} is a directory, not a program"
    if error.errno == errno.ENOEXEC:
        return f"{found} is neither a binary for this machine nor a script with a #! line"
    if error.errno == errno.ENOENT:
        return f"{found} is there, but the interpreter that it names is not"
    mode = found.stat().st_mode
    if not mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
        return f"{found} is not executable by {who.name}; chmod +x it"
    return f"{found} is not executable by {who.name}: its mode, the directories above it or the mount forbid it"
