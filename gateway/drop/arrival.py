"""How a file that is whole comes to its name, so that a crash at any instant loses and doubles nothing.

All of it blocks and belongs in a thread. The order is what counts:

1. the part's data is on disk, and the checks have spoken;
2. its record is on disk beside it: from here on the file is whole, and comes to its place whatever happens;
3. the part is linked to its name, which never overwrites, and the folder is on disk;
4. (on the reactor) the event is kept, with a bookmark of the upload in the same transaction;
5. part and record are removed, and later, once that is on disk, the bookmark.

What is found at a start tells where the last run ended: a part without record never was whole, a record with bookmark
has only step 5 before it, and a record without bookmark goes through 3 to 5 again, each of which sees what was done.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from gateway.checks.checks import MAX_SIDECAR, Outcome, covered, is_sidecar, judge
from gateway.checks.signers import Signers
from gateway.drop.account import Checks, OnConflict, Terms
from gateway.drop.budget import Budget
from gateway.drop.events import name_outside
from gateway.drop.folder import FOLDER_MODE, OWN_MODE, Folder, open_file_in, opened, same_file, status
from gateway.drop.names import is_unfinished, name_problem
from gateway.drop.part import PARTS, Part, described
from gateway.drop.placing import TAKEN, Placing
from gateway.drop.record import COMPLETE, SIDECAR, Record, Standing
from gateway.drop.visit import Refusal, Refused, Way


class Arrivals:
    """Brings the files of one account's folder to their names.

    Args:
        folder: the account's.
        outside: returns the drop box's own folder, where `quarantine` and `processed` are.
        signers: where the keys of those who may sign are read.
        now: seconds since 1970.

    Attributes:
        placing: the steps on disk.
        claims: names that are spoken for.
        held: files that wait for a checksum or signature, by id.
    """

    def __init__(self, folder: Folder, outside: Callable[[], Path], signers: Signers, now: Callable[[], float]) -> None:
        self.folder = folder
        self.placing = Placing(folder, outside)
        self.claims = self.placing.claims
        self.held: dict[str, Record] = {}
        self._signers = signers
        self._now = now
        self._again = Budget(now)
        self._lock = threading.Lock()
        self._sidecars = 0

    # A file that is whole.

    def unfinished(self, part: Part, way: Way) -> None:
        """Let a file be seen under an unfinished name: it is no event yet, and replaces what was unfinished there."""
        part.sync()
        with self.folder.at(PARTS) as parts, self.folder.at(way[:-1]) as parent:
            found = status(parent, way[-1])
            if found is not None and not stat.S_ISREG(found.st_mode):
                raise Refused(Refusal.TAKEN, TAKEN)
            os.replace(part.id, way[-1], src_dir_fd=parts, dst_dir_fd=parent)
            os.fsync(parent)
        part.keep()

    def arrive(self, part: Part, record: Record, checks: Checks) -> Record:
        """Bring a part that is complete to its place; return what came of it.

        Raises:
            Refused: its name is taken, or its folder has gone. OSError: the disk. Nothing of it stays then, if the disk
                lets us remove it; else the next start finishes it.
        """
        record, seen = self._first_look(record, checks)
        return self._whole(record, seen, checks, part.sync, part.keep)

    def rename(self, former: Way, record: Record, checks: Checks) -> Record:
        """Bring what stands under an unfinished name to a finished one; as `arrive`.

        Its size, time and SHA-256 are those of the file that is taken: meanwhile another may come in its place.
        """
        with self.folder.at(PARTS, make=OWN_MODE) as parts, self.folder.at(former[:-1]) as parent:
            os.link(former[-1], record.id, src_dir_fd=parent, dst_dir_fd=parts, follow_symlinks=False)
        try:
            size, sha256, modified = described(self.folder, (*PARTS, record.id))
            record = replace(record, former=former, size=size, sha256=sha256, modified=modified)
            record, seen = self._first_look(record, checks)
        except BaseException:
            self.placing.remove(record)
            raise
        return self._whole(record, seen, checks)

    def settle(self, record: Record, *, make: int = FOLDER_MODE) -> Record:
        """Put a file where its record says; what was done before is seen, and not done again.

        Args:
            record: which must be on disk.
            make: the mode of folders that are made where they are missing; 0: that is an error.

        Raises:
            Refused: its name is taken.
        """
        if record.standing is Standing.REJECTED:
            self.placing.to_quarantine(record)
        else:
            record = self.placing.to_name(record, make)
        self.placing.leave_former(record)
        if record.standing is Standing.WHOLE and is_sidecar(record.way[-1]):
            with self._lock:
                self._sidecars += 1
        return record

    def settle_promised(self, record: Record) -> Record:
        """Put a file where its record says; its client knows that it is here, so that a taken name cannot lose it."""
        try:
            return self.settle(record)
        except Refused as refused:
            rejected = self.rejected(record, str(refused))
            self.placing.write(rejected, again=True)
            return self.settle(rejected)

    def reject(self, record: Record, action: str, problem: str) -> Record:
        """Take a file that has its name into quarantine."""
        rejected = self.rejected(record, problem, action)
        self.placing.write(rejected, again=True)
        self.placing.to_quarantine(rejected)
        with suppress(FileNotFoundError), self.folder.at(PARTS) as parts, self.folder.at(record.way[:-1]) as parent:
            if same_file(status(parts, record.id), status(parent, record.way[-1])):
                os.unlink(record.way[-1], dir_fd=parent)
                os.fsync(parent)
        return rejected

    def drop(self, record: Record) -> None:
        """Have nothing of an upload that was refused, for good: it does not come back after a crash."""
        self.placing.remove(record)
        self.claims.give_back(record.id)

    # Files that wait.

    def release(self, identity: str, checks: Checks, late: str = "") -> Record | None:
        """Judge a file that waits again; return what came of it, None when it still waits or does not.

        Args:
            identity: its id.
            checks: what is asked now.
            late: why it waits no longer, in words: what is not accepted now is rejected.
        """
        with self._lock:
            record = self.held.pop(identity, None)
            seen = self._sidecars
        if record is None:
            return None
        try:
            judged = self.judged(record, checks)
            if late and judged.standing is Standing.HELD:
                judged = self.rejected(judged, late)
            if judged.standing is Standing.HELD:
                judged = self._hold(judged, seen, checks)
            else:
                self.placing.write(judged, again=True)
                judged = self.settle_promised(judged)
        except BaseException:
            with self._lock:
                self.held[identity] = record
            raise
        return None if judged.standing is Standing.HELD else judged

    def again(self, record: Record) -> None:
        """Let a file wait that waited when the gateway ended."""
        self.claims.take(record.way, record.id)
        with self._lock:
            self.held[record.id] = record

    def waiting_for(self, sidecar: Record) -> list[str]:
        """Return the ids of the files that wait and that a sidecar is about."""
        if not is_sidecar(sidecar.way[-1]) or not self.held:
            return []
        folder, name = sidecar.way[:-1], sidecar.way[-1]
        with self._reader(folder) as read:
            names = sorted(set(covered(name, read(name), read)))
        owners = [self.claims.owner((*folder, name)) for name in names]
        return [identity for identity in owners if identity in self.held]

    def judged(self, record: Record, checks: Checks) -> Record:
        """Check a file, by its part; return its record with what was found."""
        folder = record.way[:-1]
        with self._reader(folder) as read:
            verdict = judge(
                self.folder.where((*PARTS, record.id)),
                record.way[-1],
                record.sha256,
                checks,
                self._signers,
                read=read,
                data=self._data_in(folder),
                now=self._now(),
            )
        record = replace(record, fields={**record.fields, **verdict.fields}, problem=verdict.problem)
        match verdict.outcome:
            case Outcome.ACCEPT:
                return replace(record, standing=Standing.WHOLE, action=SIDECAR if verdict.is_sidecar else COMPLETE)
            case Outcome.HOLD:
                return replace(record, standing=Standing.HELD, promised=True)
        return self.rejected(record, verdict.problem)

    def rejected(self, record: Record, problem: str, action: str = "upload-quarantined") -> Record:
        """Return the record of a file that goes to quarantine."""
        name = name_outside(record.id, record.way[-1], record.received)
        return replace(record, standing=Standing.REJECTED, problem=problem, action=action, quarantine=name)

    # Steps.

    def _first_look(self, record: Record, checks: Checks) -> tuple[Record, int]:
        """Find its name, and what the checks say."""
        record = self._named(record)
        seen = self._sidecars  # read before the look: one that comes meanwhile makes us look again
        try:
            return self.judged(record, checks), seen
        except BaseException:
            self.claims.give_back(record.id)
            raise

    def _whole(
        self,
        record: Record,
        seen: int,
        checks: Checks,
        sync: Callable[[], None] | None = None,
        keep: Callable[[], None] | None = None,
    ) -> Record:
        try:
            self.placing.write(record, sync)
            if keep is not None:
                keep()
            return self._hold(record, seen, checks) if record.standing is Standing.HELD else self.settle(record, make=0)
        except BaseException:
            with suppress(OSError):
                self.placing.undo(record)
            self.claims.give_back(record.id)
            raise

    def _named(self, record: Record) -> Record:
        if record.on_conflict is OnConflict.RENAME:
            if self.claims.take(record.way, record.id, lambda way: self.folder.found(way) is None):
                return record
            return replace(record, way=self.placing.claim_other(record.asked, record.id))
        replaces = record.on_conflict is OnConflict.REPLACE
        if not self.claims.take(record.way, record.id, lambda way: replaces or self.folder.found(way) is None):
            raise Refused(Refusal.TAKEN, TAKEN)
        return record

    def _hold(self, record: Record, seen: int, checks: Checks) -> Record:
        """Let a file wait; unless a sidecar came since it was judged, which would not come again."""
        self.placing.leave_former(record)
        while True:
            with self._lock:
                if self._sidecars == seen:
                    self.held[record.id] = record
                    return record
                seen = self._sidecars
            judged = self.judged(record, checks)
            if judged.standing is not Standing.HELD:
                self.placing.write(judged, again=True)
                return self.settle(judged)

    # What the checks look at.

    @contextmanager
    def _reader(self, folder: Way) -> Iterator[Callable[[str], bytes | None]]:
        """Return what reads sidecars in one folder, for as long as the block runs."""
        with self.folder.at(folder, make=FOLDER_MODE) as descriptor:

            def read(name: str) -> bytes | None:
                if name_problem(name):
                    return None  # a list of checksums may name anything
                try:
                    with opened(open_file_in(descriptor, name)) as sidecar:
                        return os.pread(sidecar, MAX_SIDECAR + 1, 0)
                except OSError:
                    return None

            yield read

    def _data_in(self, folder: Way) -> Callable[[str], Path | None]:
        """Return what finds whole files of one folder, those that wait too, for a sidecar that comes after them."""

        def data(name: str) -> Path | None:
            if name_problem(name):
                return None
            way = (*folder, name)
            identity = self.claims.owner(way)
            if identity is not None and identity in self.held:
                way = (*PARTS, identity)
            try:
                found = self.folder.found(way)
            except OSError:
                return None
            if found is None or not stat.S_ISREG(found.st_mode) or not self._again.take(found.st_size):
                return None
            return self.folder.where(way)

        return data


def needs_event(terms: Terms, way: Way) -> bool:
    """Tell whether a file of this name is whole, as far as its name says."""
    return not is_unfinished(way[-1], terms.unfinished)
