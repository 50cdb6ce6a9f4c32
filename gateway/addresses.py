"""IP addresses of peers; an IPv4 one that comes over an IPv6 socket (`::ffff:192.0.2.1`) is the IPv4 address it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, an IPv4-mapped one as IPv4; None for what is no address."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def plain_address(text: str) -> str:
    """Write an address in one way; what is no address stays as it is."""
    return str(parse_address(text) or text)


def is_loopback(text: str) -> bool:
    """Tell whether an address is this machine's own (127.0.0.0/8, ::1)."""
    found = parse_address(text)
    return found is not None and found.is_loopback
