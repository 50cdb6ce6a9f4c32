"""Rebuild the files of a folder as a machine would find them that lost its power at any point of a trace of strace(1).

The model: what fsync(2) or fdatasync(2) returned for is on the disk. Of what was written to a file since then, any part
may be: writes are kept or dropped each on its own, and one may be torn at a boundary of 512 octets. Names in a folder
become durable in order, those before the last fsync of the folder for certain. This is what POSIX leaves a file system
the freedom to do, and more than ext4 or XFS do.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
CALLS = (
    "openat,pwrite64,pwritev,write,writev,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat"
)
"""What is to be traced; `Trace` refuses those of them that change a file in a way that it does not know."""
STRACE = ("strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-e", "signal=none")

_LINE = re.compile(r"(?P<pid>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\()(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"
_RESULT = re.compile(r"(?P<arguments>.*)\) += (?P<result>-?\d+)(?P<path><(?:\\x..)*>)?(?: .*)?")
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)<((?:\\x..)*)[^>]*>")
_STRING = re.compile(r'"((?:\\x..)*)"')


class UnknownCallError(Exception):
    """The trace holds a change that the model does not know; the words say which."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a file or folder, in the order in which they were complete.

    Attributes:
        kind: `create`, `write`, `truncate`, `sync`, `unlink` or `rename`.
        path: of the file.
        data: what was written.
        offset: where; the new length for `truncate`; -1 is the file's end.
        target: the new name for `rename`.
    """

    kind: str
    path: str
    data: bytes = b""
    offset: int = 0
    target: str = ""


def read_trace(trace: Path, below: Path) -> Iterator[Event]:
    """Yield what a trace says about the files below a folder, and the folders."""
    root = f"{below}/"
    begun: dict[str, str] = {}
    with trace.open(encoding="ascii", errors="replace") as file:
        for line in file:
            match = _LINE.match(line)
            if match is None:
                continue
            pid, rest = match["pid"], match["rest"]
            if match["call"] and rest.endswith(_UNFINISHED):
                begun[pid] = f"{match['call']}({rest.removesuffix(_UNFINISHED)}"
                continue
            whole = begun.pop(pid, "(") + rest if match["resumed"] else f"{match['call']}({rest}"
            call, _, rest = whole.partition("(")
            result = _RESULT.fullmatch(rest)
            if result is None or int(result["result"]) < 0:
                continue
            for event in _events(call, result["arguments"], int(result["result"])):
                if event.path.startswith(root) or event.path == str(below):
                    yield event


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _events(call: str, arguments: str, result: int) -> Iterator[Event]:
    descriptor = _DESCRIPTOR.match(arguments)
    path = os.fsdecode(_octets(descriptor[2])) if descriptor else ""
    strings = [_octets(text) for text in _STRING.findall(arguments)]
    numbers = arguments.rsplit(", ", 2)
    match call:
        case "openat":
            name = str(Path(path, os.fsdecode(strings[0])))
            if "O_CREAT" in arguments:
                yield Event("create", name)
            if "O_TRUNC" in arguments:
                yield Event("truncate", name)
        case "pwrite64":
            yield Event("write", path, strings[0][:result], int(numbers[-1]))
        case "write":
            yield Event("write", path, strings[0][:result], -1)
        case "fsync" | "fdatasync":
            yield Event("sync", path)
        case "ftruncate":
            yield Event("truncate", path, offset=int(numbers[-1]))
        case "unlink":
            yield Event("unlink", str(Path(os.fsdecode(strings[0])).absolute()))
        case "unlinkat":
            yield Event("unlink", str(Path(path, os.fsdecode(strings[0]))))
        case "rename":
            yield Event("rename", os.fsdecode(strings[0]), target=os.fsdecode(strings[1]))
        case "renameat" | "renameat2":
            yield Event("rename", str(Path(path, os.fsdecode(strings[0]))), target=os.fsdecode(strings[1]))
        case _:
            yield Event(f"unknown: {call}", path)


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    current: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Offset and octets; None instead of octets sets the length."""

    def change(self, offset: int, data: bytes | None) -> None:
        if offset < 0:
            offset = len(self.current)
        self.pending.append((offset, data))
        _apply(self.current, offset, data)

    def sync(self) -> None:
        self.durable = bytearray(self.current)
        self.pending.clear()


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class Disk:
    """What a disk holds for certain, and what it may hold."""

    def __init__(self) -> None:
        self._durable: dict[str, _File] = {}
        self._names: dict[str, _File] = {}
        self._changes: list[tuple[str, _File | None]] = []  # of names; None removes one

    def feed(self, event: Event) -> None:
        """Take the next event.

        Raises:
            UnknownCallError: the model does not know what it does.
        """
        match event.kind:
            case "create":
                if event.path not in self._names:
                    self._name(event.path, _File())
            case "write":
                self._at(event.path).change(event.offset, event.data)
            case "truncate":
                if event.path in self._names:
                    self._names[event.path].change(event.offset, None)
            case "sync" if event.path in self._names:
                self._names[event.path].sync()
            case "sync":  # of a folder
                self._sync_names(event.path)
            case "unlink":
                self._name(event.path, None)
            case "rename":
                self._name(event.target, self._at(event.path))
                self._name(event.path, None)
            case _:
                raise UnknownCallError(event.kind)

    def _at(self, path: str) -> _File:
        if path not in self._names:
            raise UnknownCallError(f"a change of {path}, which was never made")
        return self._names[path]

    def _name(self, path: str, file: _File | None) -> None:
        self._changes.append((path, file))
        _set(self._names, path, file)

    def _sync_names(self, folder: str) -> None:
        rest = []
        for path, file in self._changes:
            if os.path.dirname(path) == folder:  # noqa: PTH120 -- called for every change
                _set(self._durable, path, file)
            else:
                rest.append((path, file))
        self._changes = rest

    def after_power_loss(self, chance: random.Random | None) -> dict[str, bytes]:
        """Return the files that a machine may find; without chance only what is certain."""
        names = dict(self._durable)
        if chance is not None:
            for path, file in self._changes[: chance.randint(0, len(self._changes))]:
                _set(names, path, file)
        return {path: _content(file, chance) for path, file in names.items()}


def _set(names: dict[str, _File], path: str, file: _File | None) -> None:
    if file is None:
        names.pop(path, None)
    else:
        names[path] = file


def _content(file: _File, chance: random.Random | None) -> bytes:
    content = bytearray(file.durable)
    if chance is None:
        return bytes(content)
    share = chance.choice((0.1, 0.5, 0.9, 1.0))
    torn = chance.randrange(len(file.pending)) if file.pending and chance.random() < 0.7 else -1
    for index, (offset, data) in enumerate(file.pending):
        if index == torn and data:
            boundaries = range((offset // SECTOR + 1) * SECTOR, offset + len(data), SECTOR)
            if boundaries:
                cut = chance.choice(boundaries) - offset
                kept = (offset, data[:cut]) if chance.random() < 0.5 else (offset + cut, data[cut:])
                _apply(content, *kept)
                continue
        if chance.random() < share:
            _apply(content, offset, data)
    return bytes(content)
