"""One FTP client: all commands that are left, which say what the others are."""

from __future__ import annotations

from gateway.drop.account import Right
from gateway.sources.ftp.commands import COMMANDS
from gateway.sources.ftp.listing import FACTS
from gateway.sources.ftp.replies import Declined, Reply, quoted
from gateway.sources.ftp.transfers import Transfers

COMMANDS_IN_A_LINE = 8


class ControlConnection(Transfers):
    """The control connection of one client."""

    def ftp_FEAT(self) -> Reply:  # noqa: N802 -- Twisted's name
        """Say what is offered beyond RFC 959 (RFC 2389)."""
        features = ["CLNT", "EPSV", "MDTM", "MFMT", "PASV", "SIZE", "TVFS", "UTF8"]
        features.append("MLST " + "".join(f"{fact}{'*' if fact in self._facts else ''};" for fact in FACTS))
        if self.context.tls is not None:
            features += ["AUTH TLS", "PBSZ", "PROT"]
        if self.context.source.active:
            features.append("EPRT")
        if self.session is not None and Right.READ in self.session.account.terms.rights:
            features.append("REST STREAM")
        return Reply(211, "Features", tuple(sorted(features)))

    def ftp_HELP(self, topic: str) -> Reply:  # noqa: N802
        """Name the commands, or one's argument."""
        command = COMMANDS.get(topic.upper())
        if command is not None:
            return Reply(214, f"{topic.upper()} {command.hint}".rstrip())
        if topic:
            raise Declined(504, "there is no such command; HELP names them all")
        names = sorted(COMMANDS)
        rows = [names[start : start + COMMANDS_IN_A_LINE] for start in range(0, len(names), COMMANDS_IN_A_LINE)]
        return Reply(214, "Commands", tuple(" ".join(f"{name:<4}" for name in row).rstrip() for row in rows))

    def ftp_STAT(self, path: str) -> Reply:  # noqa: N802
        """Say how things stand; what is in a folder is said over a data connection."""
        if path:
            raise Declined(504, "MLST and MLSD say this")
        account = self.session.account.name if self.session is not None else None
        commands, data = ("TLS" if safe else "in the clear" for safe in (self._tls is not None, self.protects_data))
        body = (
            f"Logged in as {account}, in {quoted(self.folder)}" if account else "Not logged in",
            f"Commands: {commands}; data: {data}",
            f"TYPE {'I' if self.binary else 'A'}, MODE S, STRU F",
        )
        return Reply(211, "Status", body)

    def ftp_CLNT(self, name: str) -> Reply:  # noqa: ARG002, N802
        """Hear which program it is; it makes no difference."""
        return Reply(200, "Welcome")

    def ftp_NOOP(self, nothing: str = "") -> Reply:  # noqa: ARG002, N802
        """Do nothing; some clients give an argument."""
        return Reply(200, "Here")

    def ftp_SITE(self, command: str) -> Reply:  # noqa: ARG002, N802
        """This site has no commands of its own."""
        raise Declined(502, "there are no SITE commands; MFMT sets a file's time")

    def ftp_QUIT(self) -> None:  # noqa: N802
        """Say goodbye; a transfer under way comes before it in the queue."""
        self.end("221 Goodbye")
