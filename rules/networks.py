"""What is wrong with text that was meant as an address or a network, and is neither."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface

_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+){2,}", re.ASCII)
_COLONS = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Za-z:.]*")


def fault_of_prefix(text: str) -> str | None:
    """Say of an address with a number behind it why that is no network; None for a network, and for any other text."""
    before, _, behind = text.partition("/")
    try:
        address, length = ip_address(before), int(behind)
    except ValueError:
        return None
    most = address.max_prefixlen
    if not 0 <= length <= most:
        return f"has a wrong prefix: that of an IPv{address.version} network is at most {most}"
    network = ip_interface(f"{address}/{length}").network
    inside = network.network_address != address
    return f"is an address inside a network; did you mean {network}?" if inside else None


def fault_of(text: str) -> str | None:
    """Say what is wrong with text that is no network but looks like one, or like an address; None where it does not."""
    before, slash, _ = text.partition("/")
    try:
        address = ip_address(before)
    except ValueError:
        looks_so = _DOTTED.fullmatch(before) or _COLONS.fullmatch(before)
        return "is neither an address nor a network" if looks_so else None
    network = ip_interface(f"{address}/{address.max_prefixlen // 4}").network
    return fault_of_prefix(text) or (f"has a wrong prefix; a network is written {network}" if slash else None)
