"""Commands that need a data connection: where it comes from, what goes over it, and how it is broken off."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater
from twisted.protocols.ftp import encodeHostPort

from gateway.addresses import plain_address
from gateway.drop.account import Right
from gateway.drop.visit import Entry, Upload, Way
from gateway.notices.ftp import BounceRefused, ForeignData, NoDataPort
from gateway.sources.ftp.commands import Command
from gateway.sources.ftp.data import ActiveDoor, Door, PassiveDoor
from gateway.sources.ftp.folders import Folders
from gateway.sources.ftp.listing import list_line
from gateway.sources.ftp.newlines import to_network
from gateway.sources.ftp.paths import as_way
from gateway.sources.ftp.replies import Declined, Reply, printable, shown
from gateway.sources.ftp.streams import Receiving, Sending, Stream

FIRST_OPEN_PORT = 1024
"""PORT to a lower one would let a client talk to services through us (RFC 2577 section 3)."""

MAX_RESTART = 2**63 - 1
"""The largest place in a file."""

LINES = 1000
"""Lines of a list that are made in one turn of the reactor: 5 ms."""

UNIQUE = "upload"
"""What STOU calls a file whose client has no name for it."""


class Transfers(Folders):
    """Adds the data connection.

    Octets are stored as they come (TYPE I) unless the client says TYPE A, which is text: its CR LF become LF. RFC 959's
    default is A; devices that say no TYPE at all send pictures.
    """

    _door: Door | None = None  # where the next data connection comes from
    _busy: Door | None = None  # that of the transfer under way
    _retired: Door | None = None  # that of a transfer that was refused
    _stream: Stream | None = None
    _cut: str | None = None  # why the transfer under way is to end
    _aborts = 0  # ABORs that wait for it
    _restart = 0

    def cut_off(self) -> None:
        """Cut the transfer: nobody would hear of its end."""
        self._close_door()
        self._cut_transfer("the control connection is gone")

    def hang_up(self) -> None:
        """Cut the transfer, unless it is whole; then say goodbye."""
        super().hang_up()
        self._close_door()
        self._cut_transfer("the gateway is stopping")

    def dismiss(self, problem: str) -> None:
        """Cut the transfer, unless it is whole; then say goodbye."""
        super().dismiss(problem)
        self._close_door()
        self._cut_transfer(problem)

    def _permit(self, command: Command) -> None:
        super()._permit(command)
        if command.name not in {"RETR", "STOR", "REST", "PASV", "EPSV", "PORT", "EPRT", "NOOP"}:
            self._restart = 0

    # What a transfer is: RFC 959 section 5.3.1.

    def ftp_TYPE(self, type: str) -> Reply:  # noqa: A002, N802 -- Twisted's names
        """Choose between octets and text."""
        match type.upper().split():
            case ["I"] | ["L", "8"] | ["L8"]:
                self.binary = True
                return Reply(200, "Octets as they are")
            case ["A"] | ["A", "N"]:
                self.binary = False
                return Reply(200, "Text: CR LF at the ends of lines, LF in files")
            case ["E" | "A" | "L", *_]:
                raise Declined(504, "the types are I (octets) and A (text)")
        raise Declined(501, "the types are I (octets) and A (text)")

    def ftp_REST(self, place: str) -> Reply:  # noqa: N802
        """Hear where a download begins (RFC 3659 section 5); an upload begins at the beginning."""
        if not (place.isascii() and place.isdigit() and len(place) < 20 and int(place) <= MAX_RESTART):
            raise Declined(501, "a number of octets is wanted: REST 0")
        if int(place) and Right.READ not in self.visit.account.terms.rights:
            raise Declined(504, "resuming is not offered: send the whole file")
        self._restart = int(place)
        return Reply(350, f"The transfer begins at octet {self._restart}")

    def ftp_ALLO(self, size: str) -> Reply:  # noqa: ARG002, N802
        """Nothing has to be reserved."""
        return Reply(202, "Nothing needs to be reserved")

    # Where the data connection comes from.

    def ftp_PASV(self) -> Reply:  # noqa: N802
        """Open a port, and name it and our address; IPv4 only."""
        host = self._ours()
        if ":" in host:
            raise Declined(502, "PASV is for IPv4; use EPSV")
        self._refuse_after_epsv_all("PASV")
        door = self._open_door(host)
        there = self.context.source.passive_address or host
        return Reply(227, f"Entering Passive Mode ({encodeHostPort(there, door.port)}).")

    def ftp_EPSV(self, family: str = "") -> Reply:  # noqa: N802
        """Open a port, and name it; the client has our address already (RFC 2428 section 3)."""
        host = self._ours()
        ours = "2" if ":" in host else "1"
        if family.upper() == "ALL":
            self._epsvAll = True
            return Reply(200, "From now on EPSV only")
        if family and not (family.isascii() and family.isdigit()):
            raise Declined(501, "the argument is 1 (IPv4), 2 (IPv6) or ALL")
        if family and family != ours:
            raise Declined(522, f"the data connection is of the same kind as this one, use ({ours})")
        return Reply(229, f"Entering Extended Passive Mode (|||{self._open_door(host).port}|)")

    def ftp_PORT(self, address: str) -> Reply:  # noqa: N802
        """Hear the client's port; used only when the source allows it, and to the client itself."""
        self._refuse_active("PORT")
        match = re.fullmatch(r"([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3})", address)
        numbers = [int(number) for number in match.groups()] if match else [256]
        if max(numbers) > 255:
            raise Declined(501, "PORT wants six numbers of an octet each: A,B,C,D,E,F")
        return self._connect_to(".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5])

    def ftp_EPRT(self, address: str) -> Reply:  # noqa: N802
        """The same with other addresses (RFC 2428 section 2)."""
        self._refuse_active("EPRT")
        parts = address.split(address[0])
        if len(parts) != 5 or parts[0] or parts[4] or not re.fullmatch("[0-9]{1,5}", parts[3], re.ASCII):
            raise Declined(501, "EPRT wants |1|ADDRESS|PORT| or |2|ADDRESS|PORT|")
        if parts[1] not in {"1", "2"}:
            raise Declined(522, "the kinds of addresses are (1,2)")
        try:
            host = str(ip_address(parts[2]))
        except ValueError:
            raise Declined(501, "this is no IP address") from None
        if (":" in host) != (parts[1] == "2") or int(parts[3]) > 0xFFFF:
            raise Declined(501, "this address or port is not of that kind")
        return self._connect_to(host, int(parts[3]))

    def _refuse_after_epsv_all(self, name: str) -> None:
        if self._epsvAll:
            raise Declined(503, f"{name} is not obeyed after EPSV ALL")

    def _refuse_active(self, name: str) -> None:
        self._refuse_after_epsv_all(name)
        if not self.context.source.active:
            raise Declined(502, f"{name} is not offered: use passive mode (EPSV or PASV)")

    def _connect_to(self, host: str, port: int) -> Reply:
        if plain_address(host) != self.peer or port < FIRST_OPEN_PORT:
            self.tell(BounceRefused, f"wanted us to connect to port {port} of {host}; refused")
            raise Declined(504, f"data goes to your own address only, and to ports from {FIRST_OPEN_PORT} on")
        self._close_door()
        self._door = ActiveDoor(self.context.reactor, plain_address(host), port, self._ours())
        return Reply(200, "Data goes to this port")

    def _open_door(self, host: str) -> PassiveDoor:
        self._close_door()
        source = self.context.source
        try:
            door = PassiveDoor(self.context.reactor, self.peer, host, source.passive_ports, self._tell_foreign)
        except (CannotListenError, OSError) as error:  # OSError: two programs wanted one port at the same time
            problem = error.socketError if isinstance(error, CannotListenError) else error
            self.tell(NoDataPort, f"no port is free for data ({problem}); see passive_ports")
            raise Declined(425, "no port is free for data, try again later") from None
        self._door = door
        return door

    def _tell_foreign(self, host: str) -> None:
        self.tell(ForeignData, f"its data connection came from {host} and was refused")

    def _close_door(self) -> None:
        for door in (self._door, self._retired):
            if door is not None:
                door.close()
        self._door = self._retired = None

    def _ours(self) -> str:
        return plain_address(getattr(self._lower().getHost(), "host", ""))

    # Uploads.

    async def ftp_STOR(self, way: Way) -> Reply:  # noqa: N802
        """Store a file."""
        return await self._store(way, unique=False)

    async def ftp_STOU(self, name: bytes) -> Reply:  # noqa: N802
        """Store a file under a name that is free; the replies name it (RFC 1123 section 4.1.2.9)."""
        return await self._store(as_way(self.folder, name.strip(b" ") or UNIQUE.encode()), unique=True)

    def ftp_APPE(self, way: Way) -> Reply:  # noqa: ARG002, N802
        """A file that is here is whole: nothing is put behind it."""
        raise Declined(502, "nothing is appended here: send the whole file with STOR")

    async def _store(self, way: Way, *, unique: bool) -> Reply:
        restart, self._restart = self._restart, 0
        if restart:
            raise Declined(554, "resuming is not offered: send the whole file")
        if not way:
            raise Declined(553, "a file needs a name")
        door = self._enter()
        try:
            upload = await self.visit.upload(way, unique=unique)
            try:
                receiving = await self._receive(upload, way, door, unique=unique)
            except Declined as problem:
                await upload.abort(str(problem))
                raise
            entry = await receiving.done
        finally:
            self._leave(door)
        words = f"The file is whole and kept, {entry.size} octets"
        if unique:
            return Reply(226, f"FILE: {self._called(upload.way)}")
        return Reply(226, words if upload.way == way else f"{words}, as {shown(upload.way)}")

    async def _receive(self, upload: Upload, way: Way, door: Door, *, unique: bool) -> Receiving:
        self._check_cut()
        if unique:
            self.say(Reply(150, f"FILE: {self._called(upload.way)}"))
        else:
            self.say(Reply(150, "Send it" if upload.way == way else f"Send it; it will be {shown(upload.way)}"))
        connection = await door.connection()
        self._check_cut()
        speed, text, context = self.visit.account.terms.speed, not self.binary, self.context
        receiving = Receiving(upload, context.reactor, context.idle, speed, text=text, is_left=self._is_left)
        self._stream = receiving
        connection.carry(receiving, context, protected=self.protects_data)
        return receiving

    def _is_left(self) -> bool:
        """Tell whether the control connection has ended; that of TLS ends with close_notify, before its socket."""
        return bool(getattr(self.transport, "disconnecting", True))  # None has none

    def _called(self, way: Way) -> str:
        return way[-1] if way[:-1] == self.folder else shown(way)

    # Downloads and lists.

    async def ftp_RETR(self, way: Way) -> Reply:  # noqa: N802
        """Send a file."""
        start, self._restart = self._restart, 0
        if start and not self.binary:
            raise Declined(504, "a place in text is not known; TYPE I comes first")
        door = self._enter()
        try:
            download = await self.visit.read(way)
            try:
                if start > download.size:
                    raise Declined(554, f"the file has {download.size} octets only")
                convert = bytes if self.binary else to_network
                speed = self.visit.account.terms.speed
                context = self.context
                await self._send(
                    lambda: Sending(download.read, context.reactor, context.idle, speed, start=start, convert=convert),
                    door,
                )
            finally:
                download.close()
        finally:
            self._leave(door)
        return Reply(226, "This was all of it")

    async def ftp_MLSD(self, way: Way) -> Reply:  # noqa: N802
        """List a folder for machines (RFC 3659 section 7)."""
        return await self._list(way, "MLSD")

    async def ftp_LIST(self, way: Way) -> Reply:  # type: ignore[override]  # noqa: N802
        """List a folder for people."""
        return await self._list(way, "LIST")

    async def ftp_NLST(self, way: Way) -> Reply:  # noqa: N802
        """List the names of a folder."""
        return await self._list(way, "NLST")

    async def _list(self, way: Way, command: str) -> Reply:
        door = self._enter()
        try:
            entries, line = await (self._listed(way) if command == "MLSD" else self._matching(way, command))
            context, octets = self.context, bytearray()
            for start in range(0, len(entries), LINES):
                if start:
                    await deferLater(context.reactor, 0)
                lines = "".join(f"{line(entry)}\r\n" for entry in entries[start : start + LINES])
                octets += lines.encode("utf-8", "replace")

            def read(place: int, size: int) -> Deferred[bytes]:
                return succeed(bytes(octets[place : place + size]))

            await self._send(lambda: Sending(read, context.reactor, context.idle, None), door)
        finally:
            self._leave(door)
        return Reply(226, "This was all")

    async def _matching(self, way: Way, command: str) -> tuple[Sequence[Entry], Callable[[Entry], str]]:
        """Return what LIST and NLST list, and what makes lines of it.

        A path names a folder's entries, one file, or those that match a last name with `*` or `?`.
        """
        entries: Sequence[Entry]
        if way and ("*" in way[-1] or "?" in way[-1]):
            pattern = way[-1]
            entries = [entry for entry in await self.visit.entries(way[:-1]) if fnmatchcase(entry.name, pattern)]
        else:
            entry = await self.visit.entry(way)
            entries = await self.visit.entries(way) if entry.is_folder else [entry]
        if command == "NLST":
            return [entry for entry in entries if not entry.is_folder], lambda entry: printable(entry.name)
        owner, now = self.visit.account.name, self.context.now()
        return entries, lambda entry: printable(list_line(entry, owner, now))

    async def _send(self, make: Callable[[], Sending], door: Door) -> None:
        self._check_cut()
        self.say(Reply(150, "Here it comes"))
        connection = await door.connection()
        self._check_cut()
        sending = make()
        self._stream = sending
        connection.carry(sending, self.context, protected=self.protects_data)
        await sending.done

    # The transfer under way.

    def _enter(self) -> Door:
        """Begin a transfer, if its data connection would be as it must be."""
        if self._tls is not None and not self.protects_data and not self.may_be_plain:
            raise Declined(522, "data must be protected here: PBSZ 0 and PROT P come first")
        door, self._door = self._door, None
        if door is None:
            raise Declined(425, "there is no data connection: EPSV or PASV comes first")
        self._busy = door
        return door

    def _leave(self, door: Door) -> None:
        if self._stream is None and self._cut is None:
            self._retired = door
            door.retire()
        else:
            door.close()
        self._busy = self._stream = self._cut = None

    def _check_cut(self) -> None:
        if self._cut is not None:
            raise Declined(426, self._cut)

    def _cut_transfer(self, problem: str) -> None:
        if self._busy is None:
            return
        self._cut = problem
        if self._stream is not None:
            self._stream.cut(problem)
        else:
            self._busy.close(Declined(426, problem))

    def ftp_ABOR(self) -> Reply:  # noqa: N802
        """Nothing is under way: an open data connection is closed."""
        self._close_door()
        return Reply(226, "There is nothing to break off")

    def interrupt(self, command: Command) -> None:
        """Obey ABOR and STAT during another command; a transfer that is whole already is not broken off."""
        if command.name == "STAT":
            octets = f", {self._stream.octets} octets so far" if self._stream is not None else ""
            self.say(Reply(211, f"{self._running.name if self._running else 'Nothing'} is under way{octets}"))
            return
        self._aborts += 1
        self._cut_transfer("you broke it off")

    def finished(self) -> None:
        """Answer an ABOR after the command that it was about (RFC 959 section 5.4)."""
        aborts, self._aborts = self._aborts, 0
        for _ in range(aborts):
            self.say(Reply(226, "Broken off"))
