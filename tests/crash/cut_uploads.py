"""Cut uploads at random instants: is anything seen that is not whole, and is anything lost that is?

Several clients upload at once, over FTP with TLS and over SFTP; a round ends with RST or FIN in the middle of what they
send, with a control connection that is gone, or with kill -9 of the clients or of the gateway, which then starts again.
All of it hits one state folder. With --bite the gateway takes any end of a data connection for the end of the file, and
the battery must notice: it then fails when nothing is wrong.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.crash.cut_clients import CurlUploader, FtpUploader, SftpUploader, Uploader, content_of, new_name
from tests.crash.harness import Report, Victim, command_line, perform
from tests.end_to_end.certificates import Authority
from tests.end_to_end.drop_box import DropFiles, sha256
from tests.end_to_end.upload_clients import TLS_VERSIONS, Server

ROUNDS = 100
CLIENTS = 3
LIVES = 0.4
"""Seconds under load after which a round ends at the latest."""
BITTEN = 2
"""How many kinds of cuts --bite has: those of the data connection."""
IN_START = 0.3
"""The share of kills of the gateway that are followed by another in the middle of the next start."""
START = 1.5
"""Seconds within which that other kill falls: about what a start takes."""
FILES = 40
"""Files of one client of ours: more than it can upload in a round."""
PROGRAM_FILES = 12
"""Files of one program, which are written before; they last for a round as well."""
SETTLE = 10.0
"""Seconds that what is under way gets to come to its end after a cut."""
ACCOUNT = "web"

U = TypeVar("U", bound=Uploader)


@dataclass
class Tally:
    """What was seen over all rounds.

    Attributes:
        instants: rounds, by what was cut.
        under_way: uploads that were on their way at those instants.
        begun: names that a client may have begun.
        acknowledged: names that a client was told are there.
        whole: files that were seen, and were whole; `partial`: that were not.
        events: how often there was an event of a file.
        wrong_events: events that do not describe the whole file.
        parts: parts that were left over.
        slowest: seconds until nothing was left over any more.
    """

    instants: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    begun: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)
    wrong_events: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    slowest: float = 0.0


class Rounds:
    """The rounds of one run.

    Args:
        folder: for what the clients upload.
        victim: a gateway that runs.
        files: what its drop box holds.
    """

    def __init__(self, folder: Path, victim: Victim, files: DropFiles, chance: random.Random) -> None:
        self.tally = Tally()
        self._folder = folder
        self._victim = victim
        self._files = files
        self._chance = chance
        self._number = 0
        self._seen = 0  # the last entry of the journal that was read

    # What is cut, and how.

    def ftp_reset(self) -> None:
        """RST of the data connections."""
        self._cut_each(self._some(self._ftp), lambda client: client.cut_data("rst"))

    def ftp_fin(self) -> None:
        """FIN without close_notify: anywhere, or between two records of TLS."""

        def cut(client: FtpUploader) -> None:
            if self._chance.random() < 0.5:
                client.cut_data("fin")
            else:
                client.short.set()

        self._cut_each(self._some(self._ftp), cut)

    def ftp_polite(self) -> None:
        """The close_notify of TLS in the middle of a file, then no control connection: what curl does out of time."""
        self._cut_each(self._some(self._ftp), lambda client: client.polite.set())

    def ftp_control(self) -> None:
        """The control connections are gone, while the data goes on to its proper end."""

        def cut(client: FtpUploader) -> None:
            client.stop.set()
            client.control.cut(self._chance.choice(("rst", "fin")))

        self._cut_each(self._some(self._ftp), cut)

    def ftp_client(self) -> None:
        """Kill -9 of curl."""
        self._cut_each(self._some(self._curl), CurlUploader.kill)

    def ftp_gateway(self) -> None:
        """Kill -9 of the gateway under FTP."""
        self._perform([self._curl(), *self._some(self._ftp)[1:]], self._victim.kill_now)

    def sftp_reset(self) -> None:
        """RST of the connections."""
        self._cut_each(self._some(self._sftp), lambda client: client.relay.cut("rst"))

    def sftp_fin(self) -> None:
        """FIN on the connections."""
        self._cut_each(self._some(self._sftp), lambda client: client.relay.cut("fin"))

    def sftp_client(self) -> None:
        """Kill -9 of sftp."""
        self._cut_each(self._some(self._sftp), SftpUploader.kill)

    def sftp_gateway(self) -> None:
        """Kill -9 of the gateway under SFTP."""
        self._perform(self._some(self._sftp), self._victim.kill_now)

    def _cut_each(self, clients: Sequence[U], cut: Callable[[U], None]) -> None:
        def cut_all() -> None:
            for client in clients:
                cut(client)

        self._perform(clients, cut_all)

    # Clients.

    def _some(self, client: Callable[[], U]) -> list[U]:
        return [client() for _ in range(CLIENTS)]

    def _ftp(self) -> FtpUploader:
        return FtpUploader(self._server(), self._names(FILES), self._chance.choice(TLS_VERSIONS))

    def _curl(self) -> CurlUploader:
        names = self._names(PROGRAM_FILES)
        return CurlUploader(self._server(), self._folder / names[0], names, self._chance.choice(TLS_VERSIONS))

    def _sftp(self) -> SftpUploader:
        names = self._names(PROGRAM_FILES)
        return SftpUploader(self._server(), self._folder / names[0], names)

    def _server(self) -> Server:
        return self._files.server(self._victim, ACCOUNT)

    def _names(self, count: int) -> list[str]:
        self._number += 1
        return [new_name(f"{self._number:04}-{number:02}", self._chance) for number in range(count)]

    # A round.

    def _perform(self, clients: Sequence[Uploader], cut: Callable[[], None]) -> None:
        with ExitStack() as stack:
            for client in clients:
                stack.callback(client.close)
                client.start()
            at_work = lambda: bool(self._files.parts(ACCOUNT)) or all(client.over for client in clients)  # noqa: E731
            self._victim.wait_until(at_work, "an upload")
            time.sleep(self._chance.uniform(0, LIVES))
            parts = self._files.parts(ACCOUNT)
            cut()
            self.tally.under_way += sum(not name.endswith(".json") for name in parts)
            for client in clients:
                client.finish()
                self.tally.begun |= client.begun
                self.tally.acknowledged |= client.acknowledged
        if not self._victim.running:
            self._victim.start()
            if self._chance.random() < IN_START:
                time.sleep(self._chance.uniform(0, START))
                self._victim.kill_now()
                self._victim.start()
            self._victim.wait_until_listening()
        self.look()

    def look(self) -> None:
        """Wait until nothing is under way, and judge what there is; what was whole is removed then."""
        tally, begun = self.tally, time.monotonic()
        while True:
            self._read_events()
            left, visible = self._files.parts(ACCOUNT), self._files.visible(ACCOUNT)
            waited = time.monotonic() - begun
            if (not left and visible.keys() <= tally.events.keys()) or waited > SETTLE:
                break
            time.sleep(0.02)
        tally.slowest = max(tally.slowest, waited)
        tally.parts.update(left)
        for name, path in visible.items():
            if name in tally.begun and path.read_bytes() == content_of(name):
                tally.whole.add(name)
            else:
                tally.partial.add(name)
            path.unlink()

    def _read_events(self) -> None:
        for number, event in self._files.events(self._seen + 1):
            self._seen = max(self._seen, number)
            if event["event.action"] != "upload-complete":
                continue
            name = event["file.name"]
            self.tally.events[name] += 1
            if name not in self.tally.begun or event["file.hash.sha256"] != sha256(content_of(name)):
                self.tally.wrong_events.add(name)


def kinds(rounds: Rounds) -> dict[str, Callable[[], None]]:
    """Return all that can be cut."""
    return {
        "FTP: RST of the data connection": rounds.ftp_reset,
        "FTP: FIN without close_notify": rounds.ftp_fin,
        "FTP: close_notify, then the control connection closed": rounds.ftp_polite,
        "FTP: control connection lost": rounds.ftp_control,
        "FTP: kill -9 of the client": rounds.ftp_client,
        "FTP: kill -9 of the gateway": rounds.ftp_gateway,
        "SFTP: RST": rounds.sftp_reset,
        "SFTP: FIN": rounds.sftp_fin,
        "SFTP: kill -9 of the client": rounds.sftp_client,
        "SFTP: kill -9 of the gateway": rounds.sftp_gateway,
    }


def battery(folder: Path, rounds: int, chance: random.Random, report: Report, *, bite: bool = False) -> None:
    """Run it."""
    files = DropFiles(folder / "gateway", Authority(folder / "authority"), {ACCOUNT: {}})
    patch = "believe-any-end" if bite else None
    victim = Victim(folder / "gateway", [], sources=files.sources, patch=patch, drop=files.drop)
    with victim:
        run = Rounds(folder / "uploads", victim, files, chance)
        possible = dict(list(kinds(run).items())[: BITTEN if bite else None])
        plan = [
            kind for _ in range(-(-rounds // len(possible))) for kind in chance.sample(list(possible), len(possible))
        ]
        for kind in plan[:rounds]:
            possible[kind]()
            run.tally.instants[kind] += 1
        victim.stop()
        if not bite:
            victim.start_again()  # a clean end and another start add nothing
            run.look()
            victim.stop()
    _judge(run.tally, report, bite=bite)


def _judge(tally: Tally, report: Report, *, bite: bool) -> None:
    for kind, count in tally.instants.items():
        report.note(kind, count)
    report.note("uploads under way at those instants", tally.under_way)
    report.note("uploads acknowledged", len(tally.acknowledged))
    report.note("files that came to be there", len(tally.whole))
    report.note("slowest to have nothing left over, s", tally.slowest)
    if bite:
        partial = len(tally.partial)
        report.expect("partial files seen", partial, "some, for this build believes any end", ok=bool(partial))
        return
    findings = {
        "acknowledged and lost": {
            name for name in tally.acknowledged if name not in tally.whole or not tally.events[name]
        },
        "partial files seen": tally.partial,
        "events of what is not whole": tally.wrong_events | (tally.events.keys() - tally.whole),
        "whole files without an event": {name for name in tally.whole if not tally.events[name]},
        "whole files with several events": {name for name, count in tally.events.items() if count > 1},
        "parts left over": tally.parts,
    }
    for what, names in findings.items():
        report.expect(what, len(names), "0", ok=not names)
        for name in sorted(names)[:3]:
            report.remark(f"{what}: {name}")


def main() -> int:
    """Read the command line and run."""
    parser = command_line("cut_uploads", __doc__, ROUNDS)
    parser.add_argument("--bite", action="store_true", help="against a gateway that believes any end of a connection")
    options = parser.parse_args()
    title = "cut uploads, of a gateway that believes any end" if options.bite else "cut uploads"
    return perform(lambda *rest: battery(*rest, bite=options.bite), title, options)


if __name__ == "__main__":
    sys.exit(main())
