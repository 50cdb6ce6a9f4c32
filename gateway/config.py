"""The configuration: frozen values, read and checked as a whole before anything is opened."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from gateway.drop_config import DropSettings, as_drop, usual_drop
from gateway.drop_source_config import FtpSource, SftpSource
from gateway.file_source_config import FilesSource
from gateway.files import FileKind, as_folder, file_kind
from gateway.jobs.retention import Retention
from gateway.outgoing_config import DestinationSettings, MailSettings, SendmailSettings, as_destinations, as_mail
from gateway.source_config import Source, TcpSource, TlsSource, UdpSource, UnixSource, as_source, place_of
from gateway.timer_source_config import TimerSource
from gateway.zone import local_zone
from parsers.errors import OperatorError, Place
from parsers.lowering import CompiledGrammar
from rules.load import Defaults, LoadedFile, as_defaults, load_rules
from rules.load_pieces import ReadFile, take_pieces
from rules.made_fields import own_fields
from rules.own_events import OWN
from rules.pieces import Pieces
from rules.schema import Fields, Problems, Reader, as_list, did_you_mean, mapping_of, sequence_of
from rules.strict_yaml import MappingNode, Node, SequenceNode, parse, shown
from rules.values import as_duration, as_int, as_size, as_text

MAX_FILE = 16 * 1024**2
"""Octets of a configuration or rule file: thousands of rules; more is the wrong file."""

PROCESSES = 8
"""Processes that run at a time, as long as nobody says otherwise."""

LEAST_JOURNAL = 16 * 1024**2
"""Octets; a smaller store would forget what it counts within minutes."""

SOURCE_NAME = r"[a-z0-9][a-z0-9_.-]{0,63}"

ACTING = frozenset({"ban-file", "ban-ipset", "ban-nftables", "digest", "import"})
"""Shipped rule files that do more than tell the log."""

COSTLY = frozenset({"silence"})
"""Shipped rule files because of which every message has to be parsed."""


class ConfigErrors(OperatorError):  # noqa: N818 -- it is several errors
    """Everything that is wrong with a configuration; renders one error a line."""

    def __init__(self, errors: Iterable[OperatorError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


@dataclass(frozen=True, slots=True)
class Limits:
    """What peers may cost us; durations are seconds.

    Attributes:
        connections: open stream connections in all.
        connections_per_address: of one IP address.
        handshakes: TLS handshakes under way.
        handshake_timeout: how long one may take.
        idle: after how long a silent connection is closed.
        pending: octets received and not yet dealt with before streams pause and datagrams are dropped.
    """

    connections: int = 4096
    connections_per_address: int = 256
    handshakes: int = 512
    handshake_timeout: float = 10.0
    idle: float = 3600.0
    pending: int = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Config:
    """What the operator wants.

    Attributes:
        folder: where the configuration stands; relative files are its neighbours.
        state: folder for what is kept; made on start.
        library: names of shipped rule files.
        rules: the operator's own rule files, in the order they load.
        grammars: Python modules with a GRAMMAR of the operator's own.
        sources: in the order of the file; a name is `event.dataset`.
        processes: how many processes run at a time.
        mail: how mail goes out.
        destinations: where `forward` can send to, in the order of the file.
        drop: where uploaded files go, and who may upload.
        journal: how much of what happened is kept.
        pieces: the lists and macros that all rules may use; some lists may be lost.
        warnings: what works but probably is not meant.
    """

    path: Path
    folder: Path
    state: Path
    sources: tuple[Source, ...]
    library: tuple[str, ...] = ()
    rules: tuple[Path, ...] = ()
    grammars: tuple[str, ...] = ()
    limits: Limits = Limits()
    defaults: Defaults = field(default_factory=Defaults)
    processes: int = PROCESSES
    mail: MailSettings = field(default_factory=SendmailSettings)
    destinations: tuple[DestinationSettings, ...] = ()
    journal: Retention = field(default_factory=Retention)
    drop: DropSettings = field(default_factory=lambda: usual_drop(Path(), Path("state")))
    pieces: Pieces = field(default_factory=Pieces, compare=False)
    warnings: tuple[OperatorError, ...] = field(default=(), compare=False)

    def zone_of(self, source: str) -> tzinfo:
        """Return the zone of time stamps without one that come through a source."""
        return next((each.zone for each in self.sources if each.name == source), UTC)

    def timers(self) -> list[str]:
        """Return the names of the sources that bring no messages, only events of their own."""
        return [source.name for source in self.sources if isinstance(source, TimerSource)]

    def watched(self) -> Iterator[Path]:
        """Yield the folders that are watched, and those where their files go."""
        for source in self.sources:
            if isinstance(source, FilesSource):
                yield from source.folders
                if source.processed is not None:
                    yield source.processed


def load(path: Path) -> Config:
    """Read a configuration; a list whose file cannot be read is no error of it, but turns off what uses the list.

    Raises:
        ConfigErrors: all that is wrong with it, each with its place.
    """
    place = Place(str(path), 1, 1)
    try:
        root = parse(read_text(path, place), str(path))
        if root is None:
            raise OperatorError("this configuration is empty; `gateway init DIR` makes one that works", place)
        if _is_rule_file(root):
            raise OperatorError("this is a rule file; check the gateway.yaml that names it", place)
    except OperatorError as error:
        raise ConfigErrors([error]) from None
    problems = Problems(fields=own_fields(root))
    config = problems.attempt(root, _as_config(path))
    if config is None or problems.errors:
        raise ConfigErrors(problems.errors)
    return config


def _is_rule_file(root: Node) -> bool:
    if isinstance(root, MappingNode):
        return any(entry.key == "rules" and _is_rule_file(entry.value) for entry in root.entries)
    return isinstance(root, SequenceNode) and any(
        isinstance(item, MappingNode) and any(entry.key == "rule" for entry in item.entries) for item in root.items
    )


def read_rules(config: Config, grammars: Iterable[CompiledGrammar]) -> tuple[LoadedFile, ...]:
    """Read the shipped and the operator's rule files; what is wrong with them is in them.

    Args:
        config: names them.
        grammars: those that rules may take text apart with, an earlier one before a later one of the same name.
    """
    shipped: list[tuple[str, Path | Traversable]] = [
        (f"library/{name}.yaml", _shipped(name)) for name in config.library
    ]
    files = [*shipped, *((str(path), path) for path in config.rules)]
    defaults = replace(
        config.defaults,
        zone=local_zone(),
        destinations=frozenset(one.name for one in config.destinations),
        pieces=config.pieces,
        read_file=_list_reader(config.folder),
        grammars={each.grammar.name: each for each in reversed(tuple(grammars))},
    )
    return tuple(_read_rule_file(name, file, defaults) for name, file in files)


def _read_rule_file(name: str, file: Path | Traversable, defaults: Defaults) -> LoadedFile:
    try:
        return load_rules(read_text(file, Place(name, 1, 1)), name, defaults)
    except OperatorError as error:
        return LoadedFile(name, (), (error,))


def _list_reader(folder: Path) -> ReadFile:
    def read(name: str, place: Place) -> tuple[str, str | OperatorError]:
        path = (folder / name).absolute()
        try:
            return str(path), read_text(path, place)
        except OperatorError as error:
            return str(path), error

    return read


def read_text(path: Path | Traversable, place: Place) -> str:
    """Read an operator's text file.

    Raises:
        OperatorError: it cannot be read, is no regular file, too large, or not UTF-8; `place` says who wants it.
    """
    name = "it" if place == Place(str(path)) else path  # an error that names the file names it once
    try:
        if isinstance(path, Path) and (kind := file_kind(path)) is not FileKind.REGULAR:
            raise OperatorError(f"{name} {kind.value}", place)
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise OperatorError(f"{name} cannot be read: {error.strerror}", place) from None
    if len(data) > MAX_FILE:
        raise OperatorError(f"{name} is larger than {MAX_FILE:,} octets; is it the right file?", place)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        line, column = data.count(b"\n", 0, error.start) + 1, len(data[start : error.start].decode()) + 1
        raise OperatorError(
            f"the octet 0x{data[error.start]:02X} is no UTF-8; save the file as UTF-8", Place(place.file, line, column)
        ) from None


def _library() -> Traversable:
    return resources.files("rules").joinpath("library")


def _shipped(name: str) -> Traversable:
    return _library().joinpath(f"{name}.yaml")


def library_names() -> tuple[str, ...]:
    """Return the names of the shipped rule files."""
    return tuple(sorted(entry.name[:-5] for entry in _library().iterdir() if entry.name.endswith(".yaml")))


def telling_library() -> tuple[str, ...]:
    """Return the names of those shipped rule files that only tell the log, and cost next to nothing."""
    return tuple(name for name in library_names() if name not in ACTING | COSTLY)


def _as_config(path: Path) -> Reader[Config]:
    folder = path.parent

    def read(node: Node, problems: Problems) -> Config:
        with Fields(node, problems) as fields:
            pieces = take_pieces(fields, Pieces(), _list_reader(folder))
            state = fields.take("state", as_folder(folder), folder / "state")
            library = fields.take("library", as_list(_library_name), ())
            rules = fields.take("rules", _as_rule_files(folder), ())
            grammars = fields.take(
                "grammars", as_list(as_text(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a module's name")), ()
            )
            sources = fields.require("sources", _as_sources(folder), "e.g. {syslog-tcp: {tcp: 1514}}") or ()
            limits = fields.take("limits", _limits, Limits())
            defaults = fields.take("defaults", as_defaults(Defaults()), Defaults())
            processes = fields.take("runner", _processes, PROCESSES)
            mail = fields.take("mail", as_mail(folder), SendmailSettings())
            destinations = fields.take("destinations", as_destinations(folder), ())
            journal = fields.take("journal", _journal, Retention())
            drop = fields.take("drop", as_drop(folder, state, defaults.run), usual_drop(folder, state))
        return Config(
            path=path,
            folder=folder,
            state=state,
            sources=sources,
            library=library,
            rules=rules,
            grammars=grammars,
            limits=limits,
            defaults=defaults,
            processes=processes,
            mail=mail,
            destinations=destinations,
            journal=journal,
            drop=drop,
            pieces=pieces,
            warnings=problems.warnings,
        )

    return read


def _library_name(node: Node, problems: Problems) -> str:
    name, known = as_text()(node, problems), library_names()
    if name not in known:
        advice = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise OperatorError(f"{shown(name)} is no shipped rule file{advice}", node.place)
    return name


def _as_rule_files(folder: Path) -> Reader[tuple[Path, ...]]:
    """Read a list of files and patterns; each file once, a pattern's files in the order of their names."""

    def read(node: Node, problems: Problems) -> tuple[Path, ...]:
        found: dict[Path, None] = {}
        for item in sequence_of(node).items:
            pattern = problems.attempt(item, as_text(r".+", "a file or a pattern such as rules/*.yaml"))
            if pattern is None:
                continue
            path, kind = folder / pattern, file_kind(folder / pattern)
            if kind is FileKind.MISSING and glob.has_magic(pattern):
                matches = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 -- Path refuses absolute ones
                if not matches:
                    problems.warn(f'"rules": no file matches {path}', item.place)
                found.update(dict.fromkeys(folder / match for match in sorted(matches)))
            elif kind is FileKind.REGULAR:
                found[path] = None
            else:
                problems.error(f'"rules": {path} {kind.value}', item.place)
        return tuple(found)

    return read


def _as_sources(folder: Path) -> Reader[tuple[Source, ...]]:
    def read(node: Node, problems: Problems) -> tuple[Source, ...]:
        entries = mapping_of(node).entries
        if not entries:
            raise OperatorError("name at least one source: {syslog-tcp: {tcp: 1514}}", node.place)
        sources: list[Source] = []
        for entry in entries:
            if entry.key in OWN:
                problem = (
                    f"{shown(entry.key)} cannot be a source's name: the gateway's own events have it; choose another"
                )
                problems.error(problem, entry.place)
            elif not re.fullmatch(SOURCE_NAME, entry.key):
                problems.error(f"{shown(entry.key)} cannot be a source's name; use a-z, 0-9, - _ .", entry.place)
            source = problems.attempt(entry.value, as_source(entry.key, folder), entry.key)
            if source is not None:
                sources.append(source)
        _refuse_overlaps(sources, problems)
        return tuple(sources)

    return read


def _refuse_overlaps(sources: list[Source], problems: Problems) -> None:
    for index, source in enumerate(sources):
        for other in sources[:index]:
            match source, other:
                case (
                    TcpSource() | TlsSource() | FtpSource() | SftpSource(),
                    TcpSource() | TlsSource() | FtpSource() | SftpSource(),
                ):
                    clash = source.address.overlaps(other.address)
                case UdpSource(), UdpSource():
                    clash = source.address.overlaps(other.address)
                case UnixSource(), UnixSource():
                    clash = source.path == other.path
                case _:
                    clash = False
            if clash:
                problems.error(
                    f"{source.name}: {other.name} listens on {place_of(source)} already; choose another", source.place
                )


def _limits(node: Node, problems: Problems) -> Limits:
    usual = Limits()
    with Fields(node, problems, "limits") as fields:
        return Limits(
            fields.take("connections", as_int(1, 1_000_000), usual.connections),
            fields.take("connections_per_address", as_int(1, 1_000_000), usual.connections_per_address),
            fields.take("handshakes", as_int(1, 1_000_000), usual.handshakes),
            fields.take("handshake_timeout", as_duration(), usual.handshake_timeout),
            fields.take("idle", as_duration(), usual.idle),
            fields.take("pending", as_size(1024**2, 1024**4), usual.pending),
        )


def _processes(node: Node, problems: Problems) -> int:
    with Fields(node, problems, "runner") as fields:
        return fields.take("limit", as_int(1, 4096), PROCESSES)


def _journal(node: Node, problems: Problems) -> Retention:
    usual = Retention()
    with Fields(node, problems, "journal") as fields:
        return Retention(
            fields.take("keep", as_duration(), usual.age),
            fields.take("size", as_size(LEAST_JOURNAL, 1024**5), usual.octets),
        )
