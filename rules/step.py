"""The steps that a rule may take: what `do`, `undo` and `on_failure` hold, as the configuration gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

DEFAULT_TIMEOUT = 60.0
"""Seconds; fail2ban's limit, which its users know."""

DEFAULT_GRACE = 5.0
"""Seconds between TERM and KILL."""

DEFAULT_OUTPUT = 64 * 1024
"""Octets kept of each of standard output and standard error: a page of traceback and then some."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process, as setrlimit(2) takes them; None leaves the runner's own.

    `processes` counts all processes of the user and is not enforced for root.
    """

    cpu: int | None = None  # seconds
    address_space: int | None = None  # octets
    file_size: int | None = None  # octets
    open_files: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A `mail:` step: who gets it, and what it says; `${field}` is filled in subject and body.

    Attributes:
        name: as `Task.name`.
        body: None shows the event, one field a line.
        sender: None is whoever runs sendmail, at this host.
    """

    name: str
    to: tuple[str, ...]
    subject: str
    body: str | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One `run:` or `stream:` step; the network side can ask the runner for it only by its name.

    Attributes:
        name: `RULE/do/N`, `RULE/undo/N` or `RULE/on_failure/N`, N counting from 1.
        argv: the program and its arguments; `${field}` is filled in each element after the split.
        options: values that fill `${field}` may begin with `-`.
        stdin: the event goes to standard input as one JSON document; else it is empty.
        concurrency: how many of this task run at a time.
        stream: the program stays: it reads one event a line and answers each with a line, `OK` when it is done with it.
            `timeout` is then how long one answer may take, and `argv` cannot be filled in.
        ready: a stream that says `OK` once before its first event too, as rsyslog's omprog asks of its programs.
        lock: tasks of the same lock run one after the other; takes the place of `concurrency`.
        mail: what its standard input gets instead of the event: this mail, composed.
        decrypts: it runs in a folder of its own, and its last arguments are the file to be decrypted and the one to be
            written there; the runner adds the latter.
        lines: what its standard input gets instead of the event: these fields, one a line, and nothing else ever sees
            them.
        decrypts: it runs in a folder of its own, and its last argument is the file to be decrypted; the runner adds
            which one is to be written.
    """

    name: str
    argv: tuple[str, ...]
    timeout: float = DEFAULT_TIMEOUT
    grace: float = DEFAULT_GRACE
    user: str | None = None
    group: str | None = None
    cwd: str = "/"
    umask: int = 0o077
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    options: bool = False
    stdin: bool = True
    output: int = DEFAULT_OUTPUT
    limits: Limits = Limits()
    concurrency: int = 4
    stream: bool = False
    ready: bool = False
    lock: str | None = None
    mail: Mail | None = None
    lines: tuple[str, ...] = ()
    decrypts: bool = False


@dataclass(frozen=True, slots=True)
class Decrypt:
    """A `decrypt:` step: a process writes a file's plain text into a folder that is private to the job.

    Attributes:
        run: how that process runs; its `argv` is empty, for only the gateway knows where its own program is.
        key: the file with the secret key; None: a passphrase alone opens the file.
        passphrase_file: opens the key, or the file where there is no key.
        file: which file; `${field}` is filled in.
    """

    name: str
    run: Task
    key: str | None
    passphrase_file: str | None = None
    file: str = "${file.path}"


@dataclass(frozen=True, slots=True)
class Delete:
    """A `delete:` step: a file of the drop box, or of a watched folder, is deleted."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Move:
    """A `move:` step: a file goes into another folder, and never takes the place of one that is there.

    Attributes:
        to: the folder; relative to the drop box's, or absolute. It is fixed: no event chooses where files go.
    """

    name: str
    file: str
    to: str


@dataclass(frozen=True, slots=True)
class Forward:
    """A `forward:` step: the original message goes to a destination that the configuration names."""

    name: str
    destination: str


@dataclass(frozen=True, slots=True)
class Emit:
    """An `emit:` step: an event of our own, whose values may hold `${field}`."""

    name: str
    fields: Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Pause:
    """A `pause:` step: the jobs of a rule wait from now on; `${rule.name}` may name it."""

    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class Resume:
    """A `resume:` step: the jobs of a rule go on."""

    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A `dead_letter:` step of `on_failure`: the job is kept in a box until `gateway jobs retry` or `cancel`."""

    name: str
    box: str


Step = Task | Decrypt | Delete | Move | Mail | Forward | Emit | Pause | Resume | DeadLetter


def process_of(step: Step | None) -> Task | None:
    """Return how the process of a step runs; None for a step that the gateway does itself."""
    match step:
        case Task():
            return step
        case Decrypt():
            return step.run
    return None


def texts_of(step: Step) -> Iterator[str]:
    """Yield the texts of a step in which `${field}` is filled."""
    match step:
        case Task():
            yield from step.argv
        case Decrypt() | Delete() | Move():
            yield step.file
        case Mail():
            yield step.subject
            if step.body is not None:
                yield step.body
        case Emit():
            yield from (value for value in step.fields.values() if isinstance(value, str))
        case Pause() | Resume():
            yield step.rule
        case DeadLetter():
            yield step.box


def kind_of(step: Step) -> str:
    """Return a step's kind in the word of a rule file."""
    match step:
        case Task():
            return "stream" if step.stream else "run"
        case DeadLetter():
            return "dead_letter"
        case _:
            return type(step).__name__.lower()
