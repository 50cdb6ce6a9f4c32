"""What is found in an account's folder at the start, and how what was interrupted comes to its end."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from gateway.drop.folder import OWN_MODE, names_in, opened
from gateway.drop.locker import Locker
from gateway.drop.names import shown
from gateway.drop.part import PARTS
from gateway.drop.record import END, Damaged, Record, Standing, from_octets
from gateway.drop.visit import Refused
from gateway.notices.drop import PartsRemoved, RecordDamaged, UploadDropped, UploadsFinished

MAX_RECORD = 1024 * 1024
"""Octets of a record: two paths and some fields are some kilobytes."""


@dataclass(slots=True)
class Found:
    """What an earlier run has left.

    Attributes:
        records: files that were whole, the oldest first.
        parts: how many parts were removed that never were.
        damaged: (name, problem) of records that cannot be read.
    """

    records: list[Record] = field(default_factory=list)
    parts: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)


def look(locker: Locker) -> Found:
    """Read what an earlier run has left, and remove what was not whole; in a thread."""
    locker.folder.make()
    found = Found()
    kept: set[str] = set()
    with locker.folder.at(PARTS, make=OWN_MODE) as parts:
        names = [name for name in names_in(parts) if name.partition(".")[0] not in locker.around.live]
        for name in names:
            identity, _, ending = name.partition(".")
            if ending != "json":
                continue
            with opened(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parts)) as descriptor:
                octets = os.pread(descriptor, MAX_RECORD, 0)
            if not octets.endswith(END):
                continue  # it was being written, so that its file never was whole
            kept.add(identity)
            try:
                found.records.append(from_octets(octets))
            except Damaged as damaged:
                found.damaged.append((name, str(damaged)))
        for name in names:
            identity, dot, ending = name.partition(".")
            if identity in kept and ending in {"", "json"}:
                continue
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parts)
            found.parts += not dot
    found.records.sort(key=lambda record: (record.received, record.id))
    return found


@inlineCallbacks
def recover(
    locker: Locker, uploads: Mapping[str, str], logs: Mapping[str, str], accounts: Collection[str]
) -> Generator[Deferred[Any], Any, None]:
    """Bring to its end what the gateway's end has interrupted.

    Args:
        locker: of the folder; nothing is under way there.
        uploads: bookmarks of the files whose events are kept.
        logs: how far the lines of logs are kept.
        accounts: names of those whose folder it is.

    Raises:
        Refused: the folder cannot be used now.
    """
    around = locker.around
    found: Found = yield locker.in_thread(look, locker)
    around.live.update(record.id for record in found.records)
    for name, problem in found.damaged:
        around.notify(RecordDamaged(str(locker.folder.where((*PARTS, name))), problem))
    finished = 0
    for record in found.records:
        terms = around.terms_of(record.account)
        if record.bookmark in uploads:
            with suppress(Refused):  # told; the next start does it
                yield locker.tidy(record, terms)
            continue
        if record.standing is Standing.HELD:
            locker.arrivals.again(record)
            locker.in_background(locker.release(record.id))
            continue
        finished += yield from _finish(locker, record, logs.get(record.log_bookmark))
    if found.parts:
        around.notify(PartsRemoved(str(locker.folder.path), found.parts))
    if finished:
        around.notify(UploadsFinished(str(locker.folder.path), finished))
    known = {mark for record in found.records for mark in (record.bookmark, record.log_bookmark)}
    damaged = {name.partition(".")[0] for name, _ in found.damaged}
    for mark in (*uploads, *logs):
        account, _, identity = mark.partition("/")[2].partition("/")
        if account in accounts and mark not in known and identity not in damaged and identity not in around.live:
            locker.settled.append(mark)


def _finish(locker: Locker, record: Record, done: str | None) -> Generator[Deferred[Any], Any, bool]:
    around, arrivals = locker.around, locker.arrivals
    arrivals.claims.take(record.way, record.id)
    try:
        settled: Record = yield locker.in_thread(
            arrivals.settle_promised if record.promised else arrivals.settle, record
        )
    except Refused as refused:
        around.notify(UploadDropped(record.account, shown(record.way), str(refused)))
        with suppress(Refused):
            yield locker.in_thread(arrivals.drop, record)
            locker.end(record.id)
        return False
    with suppress(Refused):  # told; it is tried again
        yield locker.conclude(settled, around.terms_of(record.account), done)
    locker.acknowledge_later(settled)
    return True
