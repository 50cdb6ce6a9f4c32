"""Commands about names: where the client is, folders, renames, sizes and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.drop.visit import Entry, Refusal, Refused, Way
from gateway.sources.ftp.access import Access
from gateway.sources.ftp.commands import Command
from gateway.sources.ftp.listing import FACTS, as_time, facts_line, time_value
from gateway.sources.ftp.paths import as_way
from gateway.sources.ftp.replies import Declined, Reply, printable, quoted, shown


class Folders(Access):
    """Adds what is done with names; rights are the session's business."""

    _renaming: Way | None = None  # RNFR was said just before
    _facts: tuple[str, ...] = FACTS

    def _permit(self, command: Command) -> None:
        super()._permit(command)
        if command.name != "RNTO":
            self._renaming = None  # RNTO follows immediately (RFC 959 section 4.1.3)

    def ftp_PWD(self) -> Reply:  # noqa: N802 -- Twisted's name
        """Say where the client is."""
        return Reply(257, f"{quoted(self.folder)} is where you are")

    async def ftp_CWD(self, way: Way) -> Reply:  # noqa: N802
        """Go to another folder."""
        entry = await self.visit.entry(way)
        if not entry.is_folder:
            raise Declined(550, "this is no folder")
        self.folder = way
        return Reply(250, f"You are in {quoted(way)}")

    async def ftp_CDUP(self) -> Reply:  # noqa: N802
        """Go to the folder above; the root has itself above it."""
        return await self.ftp_CWD(self.folder[:-1])

    async def ftp_MKD(self, way: Way) -> Reply:  # noqa: N802
        """Make a folder."""
        try:
            await self.visit.make_folder(way)
        except Refused as refused:
            if refused.refusal in {Refusal.TAKEN, Refusal.NAME}:
                raise Declined(550, str(refused)) from None  # RFC 959 section 5.4 has no 553 for MKD
            raise
        return Reply(257, f"{quoted(way)} was made")

    async def ftp_RMD(self, way: Way) -> Reply:  # noqa: N802
        """Remove an empty folder."""
        await self.visit.remove_folder(way)
        return Reply(250, "The folder was removed")

    async def ftp_DELE(self, way: Way) -> Reply:  # noqa: N802
        """Delete a file."""
        await self.visit.delete(way)
        return Reply(250, "The file was deleted")

    def ftp_RNFR(self, way: Way) -> Reply:  # noqa: N802
        """Hear which file gets another name; whether it may is said at RNTO, for one may rename what one cannot see."""
        self._renaming = way
        return Reply(350, "And its new name?")

    async def ftp_RNTO(self, way: Way) -> Reply:  # noqa: N802
        """Give it its new name."""
        old, self._renaming = self._renaming, None
        if old is None:
            raise Declined(503, "RNFR comes first")
        await self.visit.rename(old, way)
        return Reply(250, "The file was renamed")

    async def ftp_SIZE(self, way: Way) -> Reply:  # noqa: N802
        """Say how many octets a transfer would have (RFC 3659 section 4); as text, nobody knows without reading it."""
        if not self.binary:
            raise Declined(550, "SIZE is known for TYPE I only")
        entry = await self.visit.entry(way)
        if entry.is_folder:
            raise Declined(550, "a folder has no size")
        return Reply(213, str(entry.size))

    async def ftp_MDTM(self, way: Way) -> Reply:  # noqa: N802
        """Say when a file was modified (RFC 3659 section 3)."""
        entry = await self.visit.entry(way)
        if entry.is_folder:
            raise Declined(550, "this is said of files only")
        return Reply(213, time_value(entry.modified))

    async def ftp_MFMT(self, argument: bytes) -> Reply:  # noqa: N802
        """Give an uploaded file its time of modification (draft-somers-ftp-mfxx)."""
        time, _, path = argument.partition(b" ")
        if not path:
            raise Declined(501, "MFMT wants a time and a file: MFMT 20260131235959 NAME")
        modified = as_time(time.decode("ascii", "replace"))
        way = as_way(self.folder, path)
        await self.visit.set_modified(way, modified)
        return Reply(213, f"Modify={time_value(modified)}; {shown(way)}")

    async def ftp_MLST(self, way: Way) -> Reply:  # noqa: N802
        """Say the facts of one entry, over the control connection (RFC 3659 section 7)."""
        entry = await self.visit.entry(way)
        line = facts_line(entry, shown(way), self._facts, self.visit.account.terms.rights)
        return Reply(250, "Facts", (line,))

    def ftp_OPTS(self, options: str) -> Reply:  # noqa: N802
        """Choose facts for MLSD and MLST; UTF-8 is on, whatever is said (RFC 2389, RFC 3659 section 7.9)."""
        name, _, value = options.upper().partition(" ")
        if name == "UTF8" and value in {"ON", ""}:
            return Reply(200, "Names are UTF-8")
        if name == "MLST":
            wanted = set(value.lower().split(";"))
            self._facts = tuple(fact for fact in FACTS if fact in wanted)
            return Reply(200, "MLST OPTS " + "".join(f"{fact};" for fact in self._facts))
        if name == "UTF8":
            raise Declined(504, "names are UTF-8 here, always")
        raise Declined(501, "the options are UTF8 ON and MLST FACTS")

    async def _listed(self, way: Way) -> tuple[Sequence[Entry], Callable[[Entry], str]]:
        """Return what MLSD lists, and what makes lines of it; the folder itself is told apart by its type."""
        rights, facts = self.visit.account.terms.rights, self._facts
        folder = await self.visit.entry(way)
        if not folder.is_folder:
            raise Declined(501, "MLSD lists folders; MLST is for files")
        itself = replace(folder, name=".")

        def line(entry: Entry) -> str:
            return facts_line(entry, printable(entry.name), facts, rights, "cdir" if entry is itself else "")

        return [itself, *await self.visit.entries(way)], line
