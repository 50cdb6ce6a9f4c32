"""Packets that netfilter logged: iptables' and nftables' LOG, ufw, shorewall, ulogd.

The form is that of `nf_log_syslog` in Linux (net/netfilter/nf_log_syslog.c); ufw's prefixes are documented in ufw(8),
"LOGGING".

All of it is the kernel's own writing; only the prefix is the administrator's. An ICMP error quotes the packet that it
answers in square brackets: nothing within them is taken. MAC addresses stay as the kernel writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
from parsers.grammars.tokens import integer, ip_address, lit, rx

_MAC = r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
_NAMES = {"icmpv6": "ipv6-icmp"}  # the kernel's word and IANA's keyword


def _packet() -> ParserElement:
    interface = rx(r"[^ ]+")
    addresses = rx(f"{_MAC}(?=:)")("destination.mac") + lit(":") + rx(_MAC)("source.mac") + rx(r"[0-9a-f:]*")
    ports = lit(" SPT=") + integer()("source.port") + lit(" DPT=") + integer()("destination.port")
    flags = rx(r"(?: (?:LEN|SEQ|ACK|WINDOW|RES)=[0-9xA-F]+)*") + Opt(
        lit(" ")
        + rx(r"(?:CWR|ECE|URG|ACK|PSH|RST|SYN|FIN)(?: (?:CWR|ECE|URG|ACK|PSH|RST|SYN|FIN))*(?= )")(
            "netfilter.tcp.flags"
        )
    )
    icmp = lit(" TYPE=") + integer()("netfilter.icmp.type") + lit(" CODE=") + integer()("netfilter.icmp.code")
    return (
        lit("IN=")
        + Opt(interface("observer.ingress.interface.name"))
        + lit(" OUT=")
        + Opt(interface("observer.egress.interface.name"))
        + rx(r"(?: PHYS(?:IN|OUT)=[^ ]*)*")
        + Opt(lit(" MAC=") + Opt(addresses))
        + Opt(
            rx(r" MACSRC=(?=[0-9a-f])")
            + rx(_MAC)("source.mac")
            + lit(" MACDST=")
            + rx(_MAC)("destination.mac")
            + rx(r" MACPROTO=[0-9a-f]*")
        )
        + rx(r" +SRC=")
        + ip_address()("source.ip")
        + lit(" DST=")
        + ip_address()("destination.ip")
        + lit(" LEN=")
        + integer()("network.bytes")
        + rx(r"[^P\[]*+(?:P(?!ROTO=)[^P\[]*+)*+PROTO=")
        + rx(r"[A-Za-z0-9-]+")("network.transport")
        + Opt(ports + flags | icmp)
        + Opt(rx(r".* MARK=") + rx(r"0x[0-9a-f]+")("netfilter.mark"))
    )


def _logged(prefix: ParserElement) -> ParserElement:
    uptime = rx(r"\[ *[0-9]+\.[0-9]{6}\] ")
    return Opt(uptime) + prefix + _packet()


def _ufw(words: str) -> ParserElement:
    return lit("[") + rx(words)("rule.name") + rx(r"\] ?")


def _transport(fields: dict[str, FieldValue]) -> bool:
    protocol = str(fields["network.transport"]).lower()
    fields["network.transport"] = _NAMES.get(protocol, protocol)
    return True


def _form(name: str, prefix: ParserElement, sets: dict[str, FieldValue]) -> Form:
    return Form(name, _logged(prefix), sets, _transport, ("network.transport",))


def _sets(action: str, kind: str) -> dict[str, FieldValue]:
    return {"event.action": action, "event.category": ["network"], "event.type": [kind]}


_BLOCK = _sets("firewall-block", "denied")
_ALLOW = _sets("firewall-allow", "allowed")
_AUDIT = _sets("firewall-audit", "info")
_LIMIT = _sets("firewall-limit", "denied")
_LOG = _sets("firewall-log", "info")

# A device's name (`usb 1-1: Product: ...`) is the one text in the kernel's log that whoever stands before the machine
# chooses. 127 characters is the longest prefix of nftables.
_PREFIX = lit("usb ")
_ANY = ~_PREFIX + Opt(rx(r"(?!IN=)[^ \"](?:(?!IN=)[^\"]){0,126}?(?=[: ]*IN=)")("rule.name") + rx(r"[: ]*"))

_MAC_FIELDS: Mapping[str, FieldValue] = {"destination.mac": "52:54:00:12:34:56", "source.mac": "52:54:00:65:43:21"}
_MAC_TEXT = "MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00"
_FLOW: Mapping[str, FieldValue] = {
    "observer.ingress.interface.name": "eth0",
    **_MAC_FIELDS,
    "source.ip": "192.0.2.7",
    "destination.ip": "198.51.100.1",
}
_TCP: Mapping[str, FieldValue] = {
    **_FLOW,
    "network.bytes": 60,
    "network.transport": "tcp",
    "source.port": 40000,
    "destination.port": 22,
}
_SYN = (
    f"IN=eth0 OUT= {_MAC_TEXT} SRC=192.0.2.7 DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=51 ID=54321 DF PROTO=TCP "
    "SPT=40000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 "
)

GRAMMAR = Grammar(
    name="netfilter",
    programs=("kernel", "ulogd"),
    forms=(
        _form("ufw-block", _ufw(r"UFW BLOCK"), _BLOCK),
        _form("ufw-allow", _ufw(r"UFW ALLOW"), _ALLOW),
        _form("ufw-audit", _ufw(r"UFW AUDIT(?: INVALID)?"), _AUDIT),
        _form("ufw-limit", _ufw(r"UFW LIMIT(?: BLOCK)?"), _LIMIT),
        _form("log", _ANY, _LOG),
    ),
    examples=(
        Example(
            f"[12345.678901] [UFW BLOCK] {_SYN}",
            {**_BLOCK, **_TCP, "rule.name": "UFW BLOCK", "netfilter.tcp.flags": "SYN"},
        ),
        Example(f"[UFW ALLOW] {_SYN}", {**_ALLOW, **_TCP, "rule.name": "UFW ALLOW", "netfilter.tcp.flags": "SYN"}),
        Example(
            f"[    5.000001] [UFW AUDIT INVALID] {_SYN}".replace(" SYN ", " ACK RST "),
            {**_AUDIT, **_TCP, "rule.name": "UFW AUDIT INVALID", "netfilter.tcp.flags": "ACK RST"},
        ),
        Example(
            f"[UFW LIMIT BLOCK] {_SYN}MARK=0x2a ",
            {
                **_LIMIT,
                **_TCP,
                "rule.name": "UFW LIMIT BLOCK",
                "netfilter.tcp.flags": "SYN",
                "netfilter.mark": "0x2a",
            },
        ),
        Example(
            f"[UFW BLOCK] IN=eth0 OUT= {_MAC_TEXT} SRC=192.0.2.7 DST=198.51.100.1 LEN=36 TOS=0x00 PREC=0x00 TTL=51 "
            "ID=1 PROTO=UDP SPT=5353 DPT=5353 LEN=16 ",
            {
                **_BLOCK,
                **_FLOW,
                "rule.name": "UFW BLOCK",
                "network.bytes": 36,
                "network.transport": "udp",
                "source.port": 5353,
                "destination.port": 5353,
            },
        ),
        Example(
            "Shorewall:net-fw:DROP:IN=ppp0 OUT= MAC= SRC=2001:db8::17 DST=2001:db8::1 LEN=104 TC=0 HOPLIMIT=57 "
            "FLOWLBL=0 PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=1 ",
            {
                **_LOG,
                "rule.name": "Shorewall:net-fw:DROP",
                "observer.ingress.interface.name": "ppp0",
                "source.ip": "2001:db8::17",
                "destination.ip": "2001:db8::1",
                "network.bytes": 104,
                "network.transport": "ipv6-icmp",
                "netfilter.icmp.type": "128",
                "netfilter.icmp.code": "0",
            },
        ),
        Example(  # an ICMP error; what it quotes stays out
            "out: IN= OUT=eth1 SRC=192.0.2.7 DST=198.51.100.1 LEN=88 TOS=0x00 PREC=0xC0 TTL=64 ID=9 PROTO=ICMP TYPE=3 "
            "CODE=3 [SRC=198.51.100.1 DST=203.0.113.9 LEN=60 TOS=0x00 PREC=0x00 TTL=51 ID=2 DF PROTO=TCP SPT=1 DPT=2 "
            "WINDOW=1 RES=0x00 SYN URGP=0 ] ",
            {
                **_LOG,
                "rule.name": "out",
                "observer.egress.interface.name": "eth1",
                "source.ip": "192.0.2.7",
                "destination.ip": "198.51.100.1",
                "network.bytes": 88,
                "network.transport": "icmp",
                "netfilter.icmp.type": "3",
                "netfilter.icmp.code": "3",
            },
        ),
        Example(
            "IN=br0 OUT=br0 PHYSIN=vnet1 PHYSOUT=eth0 SRC=192.0.2.7 DST=198.51.100.1 LEN=20 TOS=0x00 PREC=0x00 TTL=1 "
            "ID=3 PROTO=47 ",
            {
                **_LOG,
                "observer.ingress.interface.name": "br0",
                "observer.egress.interface.name": "br0",
                "source.ip": "192.0.2.7",
                "destination.ip": "198.51.100.1",
                "network.bytes": 20,
                "network.transport": "47",
            },
        ),
        Example(f"usb 1-1: Product: {_SYN}", None),  # an attack: a device's name
        Example("eth0: renamed from veth1a2b3c4", None),
    ),
)
