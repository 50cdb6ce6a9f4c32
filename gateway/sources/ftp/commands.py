"""The closed table of commands: what is not in it is answered with 502, and no name of a client's reaches our code."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.sources.ftp.replies import Declined


class Argument(enum.Enum):
    """What stands after a command."""

    NONE = "none"
    TEXT = "text"
    OPTIONAL = "optional text"
    OCTETS = "octets, perhaps none, as they are"
    PATH = "path"
    FOLDER = "optional path, options before it ignored"


class When(enum.Enum):
    """In which state of a connection a command is obeyed."""

    ALWAYS = "always"
    BEFORE = "before the login"
    INSIDE = "after the login"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `name` is that of the method that obeys it, `ftp_NAME`.

    Attributes:
        interrupts: it is obeyed during a transfer, and not after it.
        hint: the argument, for HELP and for whoever gives a wrong one.
    """

    name: str
    argument: Argument
    when: When
    hint: str = ""
    interrupts: bool = False


def _table() -> Mapping[str, Command]:
    none, text, optional, path = Argument.NONE, Argument.TEXT, Argument.OPTIONAL, Argument.PATH
    always, before, inside = When.ALWAYS, When.BEFORE, When.INSIDE
    table = [
        Command("USER", text, before, "NAME"),
        Command("PASS", Argument.OCTETS, before, "PASSWORD"),
        Command("ACCT", optional, always, "ACCOUNT"),
        Command("AUTH", text, before, "TLS"),
        Command("PBSZ", text, always, "0"),
        Command("PROT", text, always, "P|C"),
        Command("CCC", none, always),
        Command("REIN", none, always),
        Command("QUIT", none, always),
        Command("NOOP", optional, always),
        Command("SYST", none, always),
        Command("FEAT", none, always),
        Command("HELP", optional, always),
        Command("OPTS", text, always, "UTF8 ON|MLST FACTS"),
        Command("CLNT", optional, always, "NAME"),
        Command("SITE", optional, inside),
        Command("STAT", optional, always, interrupts=True),
        Command("ABOR", none, inside, interrupts=True),
        Command("PWD", none, inside),
        Command("CWD", path, inside, "FOLDER"),
        Command("CDUP", none, inside),
        Command("MKD", path, inside, "FOLDER"),
        Command("RMD", path, inside, "FOLDER"),
        Command("DELE", path, inside, "FILE"),
        Command("RNFR", path, inside, "FILE"),
        Command("RNTO", path, inside, "FILE"),
        Command("SIZE", path, inside, "FILE"),
        Command("MDTM", path, inside, "FILE"),
        Command("MFMT", Argument.OCTETS, inside, "YYYYMMDDHHMMSS FILE"),
        Command("MLST", Argument.FOLDER, inside, "[PATH]"),
        Command("MLSD", Argument.FOLDER, inside, "[FOLDER]"),
        Command("LIST", Argument.FOLDER, inside, "[PATH]"),
        Command("NLST", Argument.FOLDER, inside, "[FOLDER]"),
        Command("TYPE", text, inside, "I|A|L 8"),
        Command("MODE", text, inside, "S"),
        Command("STRU", text, inside, "F"),
        Command("PASV", none, inside),
        Command("EPSV", optional, inside, "[1|2|ALL]"),
        Command("PORT", text, inside, "A,B,C,D,E,F"),
        Command("EPRT", text, inside, "|1|ADDRESS|PORT|"),
        Command("REST", text, inside, "OCTETS"),
        Command("ALLO", optional, inside, "OCTETS"),
        Command("STOR", path, inside, "FILE"),
        Command("STOU", Argument.OCTETS, inside, "[FILE]"),
        Command("APPE", path, inside, "FILE"),
        Command("RETR", path, inside, "FILE"),
    ]
    named = {command.name: command for command in table}
    older = {"XCWD": "CWD", "XCUP": "CDUP", "XMKD": "MKD", "XRMD": "RMD", "XPWD": "PWD"}  # RFC 775
    return {**named, **{name: named[now] for name, now in older.items()}}


COMMANDS = _table()
"""All commands that are obeyed, by what clients call them."""


def parse(line: bytes) -> tuple[Command, bytes]:
    """Take a line apart: which command it is, and its argument.

    Raises:
        Declined: 500, it is no command; 501, its argument is missing, or there should be none; 502, it is unknown.
    """
    verb, _, argument = line.partition(b" ")
    if not verb.isalpha() or len(verb) > 8:
        raise Declined(500, "this is no FTP command")
    name = verb.decode("ascii", "replace").upper()
    command = COMMANDS.get(name)
    if command is None:
        raise Declined(502, f"{name} is not offered; HELP names the commands that are")
    if command.argument is Argument.NONE and argument.strip(b" "):
        raise Declined(501, f"{name} takes no argument")
    if command.argument in {Argument.TEXT, Argument.PATH} and not argument.strip(b" "):
        raise Declined(501, f"{name} wants an argument: {name} {command.hint}")
    return command, argument
