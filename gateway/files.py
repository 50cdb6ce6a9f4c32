"""Files that a configuration names: what stands at a path, and whether it is still the same."""

from __future__ import annotations

import enum
import stat
from pathlib import Path

from parsers.errors import OperatorError
from rules.schema import Problems, Reader
from rules.strict_yaml import Node
from rules.values import as_text

NO_FILE = (0, 0, 0)
"""The stamp of a file that is not there."""


class FileKind(enum.Enum):
    """What stands at a path, in the words of an error."""

    REGULAR = "is a file"
    FOLDER = "is a folder, not a file"
    OTHER = "is not a regular file"
    MISSING = "does not exist"
    UNREACHABLE = "cannot be reached: no permission, or the path is too long"


def file_kind(path: Path) -> FileKind:
    """Tell what stands at a path; a FIFO must not be opened, for that would wait for its other end."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return FileKind.MISSING
    except (OSError, ValueError):
        return FileKind.UNREACHABLE
    return FileKind.FOLDER if stat.S_ISDIR(mode) else FileKind.REGULAR if stat.S_ISREG(mode) else FileKind.OTHER


def as_file(folder: Path, advice: str = "; `gateway init DIR` makes certificates and keys") -> Reader[Path]:
    """Read the path of a file that must be there, readable and not empty; `advice` is for one that is missing."""

    def read(node: Node, problems: Problems) -> Path:
        path = folder / as_text(r".+", "a file")(node, problems)
        kind = file_kind(path)
        if kind is not FileKind.REGULAR:
            raise OperatorError(f"{path} {kind.value}{advice if kind is FileKind.MISSING else ''}", node.place)
        try:
            with path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            raise OperatorError(f"{path} cannot be read: {error.strerror}", node.place) from None
        if empty:
            raise OperatorError(f"{path} is empty", node.place)
        return path

    return read


def as_folder(folder: Path) -> Reader[Path]:
    """Read the path of a folder, which need not be there yet."""

    def read(node: Node, problems: Problems) -> Path:
        path = folder / as_text(r".+", "a folder")(node, problems)
        if file_kind(path) not in {FileKind.MISSING, FileKind.FOLDER}:
            raise OperatorError(f"{path} cannot be used: it is no folder, or cannot be reached", node.place)
        return path

    return read


def stamp_of(file: Path) -> tuple[int, int, int]:
    """Return what changes when a file does: its time, its inode, its size; NO_FILE where there is none."""
    try:
        found = file.stat()
    except OSError:
        return NO_FILE
    return found.st_mtime_ns, found.st_ino, found.st_size
