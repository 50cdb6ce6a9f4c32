"""Where to listen, and in which time zone what comes from there is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import IPv6Address, ip_address

from gateway.zone import parse_zone
from parsers.errors import OperatorError
from rules.schema import Problems, scalar_of
from rules.strict_yaml import Node, shown

LISTEN = r"(?:(?:\[([^\]]*)\]|([^:\[\]]*)):)?([0-9]{1,5})"
"""`PORT`, `HOST:PORT` or `[IPV6]:PORT`."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; `host` is an IP address."""

    host: str
    port: int

    def __str__(self) -> str:
        """Render as `HOST:PORT`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ip_address(self.host).is_loopback

    def overlaps(self, other: Address) -> bool:
        """Tell whether both cannot listen at once; `::` takes IPv4 as well. Port 0 is whatever is free."""
        if not self.port or self.port != other.port:
            return False
        hosts = {self.host, other.host}
        both_ipv4 = ":" not in self.host and ":" not in other.host
        return len(hosts) == 1 or "::" in hosts or ("0.0.0.0" in hosts and both_ipv4)  # noqa: S104 -- compared, not bound


def as_listen_address(node: Node, problems: Problems) -> Address:  # noqa: ARG001 -- a reader's signature
    """Read `PORT` (on loopback), `HOST:PORT` or `[IPV6]:PORT`."""
    wanted = 'an address such as 1514, "0.0.0.0:1514" or "[::]:1514"'
    scalar = scalar_of(node, wanted)
    match = re.fullmatch(LISTEN, scalar.text, re.ASCII)
    if not match or int(match[3]) > 0xFFFF:
        raise OperatorError(f"{wanted} is wanted, not {shown(scalar.text)}", node.place)
    host = match[1] or match[2] or "127.0.0.1"
    if host == "localhost":
        host = "127.0.0.1"
    try:
        found = ip_address(host)
    except ValueError:
        raise OperatorError(f"{shown(host)} is no IP address; a listener needs one, not a name", node.place) from None
    if isinstance(found, IPv6Address) != (match[1] is not None):
        raise OperatorError(f"brackets are for IPv6 addresses, not {shown(host)}", node.place)
    return Address(str(found), int(match[3]))


def as_zone(node: Node, problems: Problems) -> tzinfo:  # noqa: ARG001 -- a reader's signature
    """Read a time zone."""
    try:
        return parse_zone(scalar_of(node, "a time zone such as Europe/Zurich, +02:00 or local").text)
    except ValueError as error:
        raise OperatorError(str(error), node.place) from None
