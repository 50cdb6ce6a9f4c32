"""OpenVPN: clients that connect, prove who they are or fail to, and go.

The forms are those of the server's and client's log at `--verb 3`, `openvpn(8)`. The server writes `address:port` or
`name/address:port` before what concerns one client. A common name may hold a `/` and an address of its own, but no
blank, so the client's address is the one behind the last `/` of the first word.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.openvpn_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, ip_address, ipv4, lit, rx, up_to, up_to_last

_V6 = r"(?=[0-9A-Fa-f:.]*::|(?:[0-9A-Fa-f]{1,4}:){8})[0-9A-Fa-f:.]{2,45}(?=:[0-9]{1,5}(?![0-9A-Fa-f:]))"
_ANY = r"(?:\[AF_INET6?\])?(?:[0-9.]{7,15}|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]+):[0-9]{1,5}"


def _endpoint(side: str) -> ParserElement:
    """Match `[AF_INET]address:port`; an IPv6 address stands without brackets behind `[AF_INET6]`."""
    address = (
        Opt(rx(r"::[Ff]{4}:(?=[0-9]+\.)")) + ipv4()(f"{side}.ip")
        | lit("[") + ip_address()(f"{side}.ip") + lit("]")
        | rx(_V6)(f"{side}.ip")
    )
    return Opt(rx(r"\[AF_INET6?\]")) + address + lit(":") + integer()(f"{side}.port")


_CLIENT = Opt(rx(rf"[^ /]++(?:/[^ /]++)*?(?=/{_ANY} )")("user.name") + lit("/")) + _endpoint("source") + lit(" ")


def _of_client(content: ParserElement) -> ParserElement:
    return _CLIENT + content


def _sets(category: str, action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"event.category": [category], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_LOGIN = _sets("authentication", "vpn-login", "success")
_LOGIN_FAILED = _sets("authentication", "vpn-login", "failure")
_CERTIFICATE_OK = _sets("authentication", "vpn-certificate", "success")
_CERTIFICATE_BAD = _sets("authentication", "vpn-login", "failure")
_CONNECT, _DISCONNECT = _sets("network", "vpn-connect"), _sets("network", "vpn-disconnect")
_HANDSHAKE_FAILED = _sets("network", "vpn-handshake", "failure")
_STOPPED = _sets("process", "service-stopped")
_SIGNAL = rx(r"SIG[A-Z0-9]+") + lit("[") + rx(r"[^\]]*[^\],]")("event.reason") + rx(r",?\] received, ")

_CLIENTS = (
    Form(
        "initial-packet",
        _of_client(
            lit("TLS: Initial packet from ")
            + rx(_ANY)
            + rx(r"(?: \(via [^)]*\))?, sid=")
            + rx(r"[0-9a-f ]+")("openvpn.session")
            + end()
        ),
        _CONNECT,
    ),
    Form(
        "peer-connected",
        _of_client(
            lit("[") + rx(r"[^\]]+")("user.name") + rx(r"\] Peer Connection Initiated with ") + rx(_ANY) + rx(r".*\Z")
        ),
        _LOGIN,
    ),
    Form(
        "certificate-ok",
        _of_client(
            rx(r"VERIFY OK: depth=") + integer()("openvpn.depth") + lit(", ") + rx(r".+")("tls.client.subject") + end()
        ),
        _CERTIFICATE_OK,
    ),
    Form(
        "certificate-bad",
        _of_client(
            rx(r"VERIFY ERROR: depth=")
            + integer()("openvpn.depth")
            + lit(", error=")
            + up_to(": ")("event.reason")
            + lit(": ")
            + rx(r".+")("tls.client.subject")
            + end()
        ),
        _CERTIFICATE_BAD,
    ),
    Form(
        "certificate-refused",
        _of_client(
            rx(r"VERIFY (?:ERROR|X509NAME ERROR|KU ERROR|EKU ERROR|nsCertType ERROR|SCRIPT ERROR)(?=[: ]|\Z)")(
                "event.reason"
            )
            + Opt(rx(r":? ") + rx(r".+")("tls.client.subject"))
            + end()
        ),
        _CERTIFICATE_BAD,
    ),
    Form("auth-failed", _of_client(lit("TLS Auth Error: ") + rx(r".+")("event.reason") + end()), _LOGIN_FAILED),
    Form("handshake-failed", _of_client(lit("TLS Error: ") + rx(r".+")("event.reason") + end()), _HANDSHAKE_FAILED),
    Form(
        "password-ok",
        _of_client(
            rx(r"TLS: [Uu]sername/[Pp]assword authentication (?:succeeded|deferred) for username '")
            + rx(r".+(?='(?: \[CN SET\])?\Z)")("user.name")
            + rx(r"'(?: \[CN SET\])?\Z")
        ),
        _LOGIN,
    ),
    Form(
        "auth-failed-sent",
        _of_client(
            lit("SENT CONTROL [")
            + (rx(r"UNDEF(?=\])") | rx(r"[^\]]+")("user.name"))
            + rx(r"\]: '(?=AUTH_FAILED)")
            + rx(r"[^']+")("event.reason")
            + rx(r"'.*\Z")
        ),
        _LOGIN_FAILED,
    ),
    Form(
        "push-sent",
        _of_client(
            lit("SENT CONTROL [")
            + rx(r"[^\]]+")("openvpn.common_name")
            + lit("]: '")
            + rx(r".+(?=')")("openvpn.push")
            + rx(r"'.*\Z")
        ),
        _sets("configuration", "vpn-push"),
    ),
    Form(
        "received-control",
        _of_client(rx(r"PUSH: Received control message: '") + rx(r".+(?='\Z)")("openvpn.control") + lit("'") + end()),
        _sets("network", "vpn-control"),
    ),
    Form(
        "learn",
        Opt(_CLIENT)
        + lit("MULTI: Learn: ")
        + rx(r"[0-9A-Fa-f:./]+")("openvpn.virtual_address")
        + lit(" -> ")
        + rx(r"[^ ]+")("openvpn.client")
        + end(),
        _sets("network", "vpn-address"),
    ),
    Form(
        "virtual-address",
        _of_client(
            rx(r"MULTI: primary virtual IP(?:v6)? for ")
            + rx(r"[^ ]+(?=: )")("openvpn.client")
            + lit(": ")
            + ip_address()("openvpn.virtual_address")
            + end()
        ),
        _sets("network", "vpn-address"),
    ),
    Form(
        "bad-source-address",
        _of_client(
            lit("MULTI: bad source address from client [")
            + rx(r"[^\]]+")("openvpn.bad_source")
            + lit("], packet dropped")
            + end()
        ),
        _sets("network", "vpn-packet-dropped", "failure"),
    ),
    Form(
        "inactive",
        _of_client(
            Opt(lit("[") + rx(r"[^\]]+")("openvpn.common_name") + lit("] "))
            + rx(r"Inactivity timeout(?: \([^)]*\))?")("event.reason")
            + rx(r", (?:restarting|exiting)\Z")
        ),
        _DISCONNECT,
    ),
    Form("client-gone", _of_client(_SIGNAL + rx(r"client-instance (?:restarting|exiting)\Z")), _DISCONNECT),
    Form(
        "connection-reset",
        _of_client(rx(r"Connection reset(?=, )")("event.reason") + rx(r", restarting.*\Z")),
        _DISCONNECT,
    ),
    Form(
        "peer-info",
        _of_client(lit("peer info: ") + rx(r".+")("openvpn.peer_info") + end()),
        _sets("network", "vpn-peer-info"),
    ),
    Form(
        "cipher",
        _of_client(
            lit("Control Channel: TLSv")
            + rx(r"[0-9.]+")("tls.version")
            + rx(r", cipher (?:[^ ,]+ )?")
            + rx(r"[^ ,]+")("tls.cipher")
            + rx(r"(?:,.*)?\Z")
        ),
        _sets("network", "vpn-handshake", "success"),
    ),
    Form(
        "packet-error",
        _of_client(
            rx(r"(?:Authenticate/Decrypt packet error|Bad compression stub|WARNING: Bad encapsulated packet).*")(
                "event.reason"
            )
            + end()
        ),
        _sets("network", "vpn-packet-dropped", "failure"),
    ),
)

_SERVER = (
    Form(
        "handshake-failed-from",
        lit("TLS Error: ")
        + up_to(" from [AF_INET")("event.reason")
        + lit(" from ")
        + _endpoint("source")
        + rx(r"(?: \(.*\))?\Z"),
        _HANDSHAKE_FAILED,
    ),
    Form("tls-error", lit("TLS Error: ") + rx(r".+")("event.reason") + end(), _HANDSHAKE_FAILED),
    Form("tcp-connected", lit("TCP connection established with ") + _endpoint("source") + end(), _CONNECT),
    Form(
        "server-reached",
        lit("[")
        + rx(r"[^\]]+")("destination.domain")
        + lit("] Peer Connection Initiated with ")
        + _endpoint("destination")
        + rx(r".*\Z"),
        {**_CONNECT, "event.outcome": "success"},
    ),
    Form(
        "auth-refused",
        lit("AUTH: Received control message: ") + rx(r"AUTH_FAILED.*")("event.reason") + end(),
        _LOGIN_FAILED,
    ),
    Form(
        "pam-failed",
        lit("AUTH-PAM: BACKGROUND: user '")
        + up_to_last("' failed to authenticate: ")("user.name")
        + lit("' failed to authenticate: ")
        + rx(r".+")("event.reason")
        + end(),
        _LOGIN_FAILED,
    ),
    Form(
        "session-replaced",
        lit("MULTI: new connection by client '")
        + rx(r".+(?=' will cause previous active sessions)")("user.name")
        + lit("' will cause previous active sessions")
        + rx(r".*\Z"),
        _DISCONNECT,
    ),
    Form("ready", lit("Initialization Sequence Completed") + rx(r".*\Z"), _sets("process", "service-ready", "success")),
    Form(
        "started",
        lit("OpenVPN ") + rx(r"[0-9][^ ]*")("service.version") + rx(r" .*\Z"),
        _sets("process", "service-started"),
    ),
    Form("stopped", _SIGNAL + rx(r"process (?:exiting|restarting)\Z"), _STOPPED),
    Form(
        "bound",
        rx(r"(?:UDP|TCP)v?[46]?(?:_SERVER)? link local \(bound\): ")
        + Opt(rx(r"\[AF_INET6?\]"))
        + (ip_address()("server.ip") + lit(":") | rx(r"\[undef\]:|::?:?(?=[0-9])"))
        + integer()("server.port")
        + end(),
        _sets("network", "listening", "success"),
    ),
    Form(
        "bad-options",
        lit("Options error: ") + rx(r".+")("error.message") + end(),
        _sets("configuration", "configuration-loaded", "failure"),
    ),
    Form(
        "trouble",
        rx(r"(?:WARNING|ERROR|FATAL|NOTE)(?=: )")("log.level") + lit(": ") + rx(r".+")("error.message") + end(),
    ),
)

_PEER: dict[str, FieldValue] = {"source.ip": "192.0.2.41", "source.port": 50123}
_ALICE: dict[str, FieldValue] = {**_PEER, "user.name": "alice"}
_AT = "192.0.2.41:50123"


GRAMMAR = Grammar(
    name="openvpn",
    programs=("openvpn", "openvpn-*", "openvpn@*", "openvpn(*", "ovpn-*"),
    forms=(*_CLIENTS, *_SERVER),
    examples=EXAMPLES,
)
