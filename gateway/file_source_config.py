"""Watched folders out of the configuration: `files`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

from gateway.drop.account import After, Checks, Content, Terms, Unpacking
from gateway.files import FileKind, file_kind
from gateway.source_fields import SourceHead
from gateway.terms_config import as_patterns, as_unpacking, checks
from parsers.errors import OperatorError, Place
from rules.schema import Fields, Problems, Reader, as_one_or_more
from rules.strict_yaml import Node
from rules.values import as_bool, as_choice, as_duration, as_text, choices


@dataclass(frozen=True, slots=True)
class FilesSource:
    """Folders of this machine in which files appear.

    Attributes:
        patterns: a file's name must match one.
        unfinished: a file whose name matches one is not whole yet; nor is a folder, with all that is in it.
        recursive: folders below are watched too, those that appear later too.
        quiet: seconds for which nothing must have happened to a file before it is taken for whole.
        existing: what is there when the source is seen for the first time is reported too.
        zone: of time stamps in logs that carry none.
        after: what becomes of a log once all it caused is kept.
        processed: where `After.MOVE` moves it; None: it is not to be moved.
    """

    name: str
    place: Place
    folders: tuple[Path, ...]
    zone: tzinfo
    patterns: tuple[str, ...] = ("*",)
    unfinished: tuple[str, ...] = Terms().unfinished
    recursive: bool = True
    quiet: float = 2.0
    existing: bool = True
    checks: Checks = field(default_factory=Checks)
    content: Content = Content.FILES
    after: After = After.KEEP
    processed: Path | None = None
    unpacking: Unpacking = field(default_factory=Unpacking)


LONGEST_QUIET = 86_400.0
"""Seconds; who waits for longer than a day waits for something else."""


def as_files(head: SourceHead, fields: Fields, problems: Problems) -> FilesSource | None:
    """Read watched folders; a folder that is not there may come later, and is a warning."""
    places = {key: fields.place_of(key) for key in ("after", "processed", "unpack")}
    folders = fields.take("files", as_one_or_more(_as_folder(head.folder)), ())
    usual = FilesSource(head.name, head.place, folders, head.zone)
    given = {key for key in places if key in fields}
    source = replace(
        usual,
        patterns=fields.take("patterns", _as_some_patterns, usual.patterns),
        unfinished=fields.take("unfinished", as_patterns, usual.unfinished),
        recursive=fields.take("recursive", as_bool(), usual.recursive),
        quiet=fields.take("quiet", as_duration(), usual.quiet),
        existing=fields.take("existing", as_choice({"report": True, "ignore": False}), default=True),
        checks=checks(fields, usual.checks, head.folder),
        content=fields.take("content", as_choice(choices(Content)), usual.content),
        after=fields.take("after", as_choice(choices(After)), usual.after),
        processed=fields.take("processed", _as_folder(head.folder, watched=False), None),
        unpacking=fields.take("unpack", as_unpacking(usual.unpacking), usual.unpacking),
    )
    if source.quiet > LONGEST_QUIET:
        problems.error(f"{head.name}: quiet is at most a day", head.place)
    if source.content is Content.FILES and given:
        key = min(given)
        problems.error(f'"{key}" is for logs (content: syslog); a rule can delete or move other files', places[key])
    elif (source.after is After.MOVE) != ("processed" in given):
        problems.error('"after: move" and "processed: FOLDER" go together', places["after"])
    _compare_folders(source, problems)
    return source if folders else None


def _compare_folders(source: FilesSource, problems: Problems) -> None:
    for number, folder in enumerate(source.folders):
        for other in source.folders[:number]:
            inner, outer = sorted((folder, other), key=lambda each: len(each.parts), reverse=True)
            if inner == outer or (source.recursive and inner.is_relative_to(outer)):
                problems.error(f"{inner} is in {outer}, which is watched whole; name it once", source.place)
        watched = source.processed == folder or (source.recursive and source.processed is not None)
        if watched and source.processed is not None and source.processed.is_relative_to(folder):
            problems.error(f"what is moved to {source.processed} would be taken again; choose another", source.place)


def _as_folder(base: Path, *, watched: bool = True) -> Reader[Path]:
    """Read the path of a folder, which is made absolute, without `.` and `..`; links stay what they are.

    One that is not there and not `watched` is made when it is needed.
    """

    def read(node: Node, problems: Problems) -> Path:
        path = Path(os.path.abspath(base / as_text(r".+", "a folder")(node, problems)))  # noqa: PTH100 -- see above
        if path == Path("/"):
            raise OperatorError("this is the whole machine; name the folders in which files appear", node.place)
        kind = file_kind(path)
        if kind is FileKind.MISSING:
            if watched:
                problems.warn(f"{path} does not exist; it is looked for until it does", node.place)
        elif kind is not FileKind.FOLDER:
            raise OperatorError(f"{path} {kind.value}; a folder is wanted", node.place)
        return path

    return read


def _as_some_patterns(node: Node, problems: Problems) -> tuple[str, ...]:
    patterns = as_patterns(node, problems)
    if not patterns:
        raise OperatorError('no file would be wanted; leave "patterns" out to take all', node.place)
    return patterns
