"""Rules and events for the tests of what happens after the match."""

from __future__ import annotations

from dataclasses import replace

from parsers.errors import Place
from parsers.event import Event
from parsers.message import Message, Origin, Trust
from parsers.parse import Parser, builtin_grammars
from rules.condition import AllOf, Equals
from rules.rule import Rule
from rules.step import Task
from rules.when import Count

NOW = 1_767_225_600.0
PARSER = Parser([grammar for grammar in builtin_grammars() if grammar.name == "sshd"])
PLACE = Place("ssh.yaml", 3, 1)

FAILED = Rule(
    "ssh",
    PLACE,
    AllOf((Equals("event.action", "ssh-login"), Equals("event.outcome", "failure"))),
    when=Count(3, 60.0, ("source.ip",)),
    do=(Task("ssh/do/1", ("ban", "${source.ip}")), Task("ssh/do/2", ("tell",))),
)
AT_ONCE = replace(FAILED, name="at-once", when=None)


def failed(
    address: str = "192.0.2.7",
    trust: Trust = Trust.LOCAL,
    *,
    trusted: bool = False,
    received: float = NOW,
    offset: int = 0,
    dataset: str = "main",
) -> Event:
    """Return the event of one failed login."""
    frame = f"<38>Jan  1 00:00:00 web1 sshd[7]: Failed password for root from {address} port 4000 ssh2".encode()
    origin = Origin(dataset, trust, "127.0.0.1", trusted=trusted)
    return PARSER.parse(Message(frame, origin, received, offset=offset))
