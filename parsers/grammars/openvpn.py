"""OpenVPN: clients that connect, prove who they are or fail to, and go.

The forms are those of the server's and client's log at `--verb 3`, `openvpn(8)`. The server writes `address:port` or
`name/address:port` before what concerns one client. A common name may hold a `/` and an address of its own, but no
blank, so the client's address is the one behind the last `/` of the first word.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Example, Form, Grammar
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


_CLIENT = Opt(rx(rf"[^ ]+(?=/{_ANY} )")("user.name") + lit("/")) + _endpoint("source") + lit(" ")


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
            lit("[")
            + rx(r"[^\]]+")("openvpn.common_name")
            + rx(r"\] Peer Connection Initiated with ")
            + rx(_ANY)
            + rx(r".*\Z")
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
            + rx(r".+(?='(?: \[CN SET\])?\Z)")("openvpn.username")
            + rx(r"'(?: \[CN SET\])?\Z")
        ),
        _LOGIN,
    ),
    Form(
        "auth-failed-sent",
        _of_client(
            lit("SENT CONTROL [")
            + rx(r"[^\]]+")("openvpn.common_name")
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

_EXAMPLES = (
    Example(
        f"{_AT} TLS: Initial packet from [AF_INET]{_AT}, sid=0a1b2c3d 4e5f6071",
        {**_CONNECT, **_PEER, "openvpn.session": "0a1b2c3d 4e5f6071"},
    ),
    Example(
        f"{_AT} [alice] Peer Connection Initiated with [AF_INET]{_AT}",
        {**_LOGIN, **_PEER, "openvpn.common_name": "alice"},
    ),
    Example(
        "2001:db8::41:50123 [alice] Peer Connection Initiated with [AF_INET6]2001:db8::41:50123",
        {**_LOGIN, "source.ip": "2001:db8::41", "source.port": 50123, "openvpn.common_name": "alice"},
    ),
    Example(
        f"{_AT} VERIFY OK: depth=0, CN=alice, O=Example",
        {**_CERTIFICATE_OK, **_PEER, "openvpn.depth": "0", "tls.client.subject": "CN=alice, O=Example"},
    ),
    Example(
        f"{_AT} VERIFY ERROR: depth=0, error=certificate has expired: CN=alice, serial=7",
        {
            **_CERTIFICATE_BAD,
            **_PEER,
            "openvpn.depth": "0",
            "event.reason": "certificate has expired",
            "tls.client.subject": "CN=alice, serial=7",
        },
    ),
    Example(  # a subject that is a copy of the line
        f"{_AT} VERIFY ERROR: depth=0, error=self-signed certificate: CN=203.0.113.9:1 TLS Error: x",
        {
            **_CERTIFICATE_BAD,
            **_PEER,
            "openvpn.depth": "0",
            "event.reason": "self-signed certificate",
            "tls.client.subject": "CN=203.0.113.9:1 TLS Error: x",
        },
    ),
    Example(
        f"{_AT} VERIFY X509NAME ERROR: CN=mallory, must be alice",
        {
            **_CERTIFICATE_BAD,
            **_PEER,
            "event.reason": "VERIFY X509NAME ERROR",
            "tls.client.subject": "CN=mallory, must be alice",
        },
    ),
    Example(
        f"{_AT} TLS Auth Error: Auth Username/Password verification failed for peer",
        {**_LOGIN_FAILED, **_PEER, "event.reason": "Auth Username/Password verification failed for peer"},
    ),
    Example(
        f"{_AT} TLS Error: TLS handshake failed",
        {**_HANDSHAKE_FAILED, **_PEER, "event.reason": "TLS handshake failed"},
    ),
    Example(  # a common name with an address of its own
        f"x/203.0.113.9:1/{_AT} TLS Error: TLS handshake failed",
        {
            **_HANDSHAKE_FAILED,
            **_PEER,
            "user.name": "x/203.0.113.9:1",
            "event.reason": "TLS handshake failed",
        },
    ),
    Example(
        f"{_AT} TLS: Username/Password authentication succeeded for username 'x' [CN SET] y' [CN SET]",
        {**_LOGIN, **_PEER, "openvpn.username": "x' [CN SET] y"},
    ),
    Example(
        f"alice/{_AT} SENT CONTROL [alice]: 'AUTH_FAILED' (status=1)",
        {**_LOGIN_FAILED, **_ALICE, "openvpn.common_name": "alice", "event.reason": "AUTH_FAILED"},
    ),
    Example(
        f"alice/{_AT} SENT CONTROL [alice]: 'PUSH_REPLY,route 10.8.0.1,ping 10' (status=1)",
        {
            **_sets("configuration", "vpn-push"),
            **_ALICE,
            "openvpn.common_name": "alice",
            "openvpn.push": "PUSH_REPLY,route 10.8.0.1,ping 10",
        },
    ),
    Example(
        f"alice/{_AT} PUSH: Received control message: 'PUSH_REQUEST'",
        {**_sets("network", "vpn-control"), **_ALICE, "openvpn.control": "PUSH_REQUEST"},
    ),
    Example(
        f"MULTI: Learn: 10.8.0.6 -> alice/{_AT}",
        {
            **_sets("network", "vpn-address"),
            "openvpn.virtual_address": "10.8.0.6",
            "openvpn.client": f"alice/{_AT}",
        },
    ),
    Example(
        f"alice/{_AT} MULTI: Learn: 10.8.0.6 -> alice/{_AT}",
        {
            **_sets("network", "vpn-address"),
            **_ALICE,
            "openvpn.virtual_address": "10.8.0.6",
            "openvpn.client": f"alice/{_AT}",
        },
    ),
    Example(
        f"alice/{_AT} MULTI: primary virtual IP for alice/{_AT}: 10.8.0.6",
        {
            **_sets("network", "vpn-address"),
            **_ALICE,
            "openvpn.virtual_address": "10.8.0.6",
            "openvpn.client": f"alice/{_AT}",
        },
    ),
    Example(
        f"alice/{_AT} MULTI: bad source address from client [192.168.7.5], packet dropped",
        {**_sets("network", "vpn-packet-dropped", "failure"), **_ALICE, "openvpn.bad_source": "192.168.7.5"},
    ),
    Example(
        f"alice/{_AT} [alice] Inactivity timeout (--ping-restart), restarting",
        {
            **_DISCONNECT,
            **_ALICE,
            "openvpn.common_name": "alice",
            "event.reason": "Inactivity timeout (--ping-restart)",
        },
    ),
    Example(
        f"alice/{_AT} SIGTERM[soft,remote-exit] received, client-instance exiting",
        {**_DISCONNECT, **_ALICE, "event.reason": "soft,remote-exit"},
    ),
    Example(
        "alice/[2001:db8::41]:50123 SIGUSR1[soft,connection-reset] received, client-instance restarting",
        {
            **_DISCONNECT,
            "user.name": "alice",
            "source.ip": "2001:db8::41",
            "source.port": 50123,
            "event.reason": "soft,connection-reset",
        },
    ),
    Example(f"{_AT} Connection reset, restarting [0]", {**_DISCONNECT, **_PEER, "event.reason": "Connection reset"}),
    Example(
        f"{_AT} peer info: IV_VER=2.6.3",
        {**_sets("network", "vpn-peer-info"), **_PEER, "openvpn.peer_info": "IV_VER=2.6.3"},
    ),
    Example(
        f"{_AT} Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384, peer certificate: 256 bits ED25519",
        {
            **_sets("network", "vpn-handshake", "success"),
            **_PEER,
            "tls.version": "1.3",
            "tls.cipher": "TLS_AES_256_GCM_SHA384",
        },
    ),
    Example(
        f"alice/{_AT} Authenticate/Decrypt packet error: bad packet ID (may be a replay)",
        {
            **_sets("network", "vpn-packet-dropped", "failure"),
            **_ALICE,
            "event.reason": "Authenticate/Decrypt packet error: bad packet ID (may be a replay)",
        },
    ),
    Example(
        f"TLS Error: cannot locate HMAC in incoming packet from [AF_INET]{_AT}",
        {**_HANDSHAKE_FAILED, **_PEER, "event.reason": "cannot locate HMAC in incoming packet"},
    ),
    Example(
        "TLS Error: tls-crypt unwrapping failed from [AF_INET6]2001:db8::41:50123",
        {
            **_HANDSHAKE_FAILED,
            "source.ip": "2001:db8::41",
            "source.port": 50123,
            "event.reason": "tls-crypt unwrapping failed",
        },
    ),
    Example("TLS Error: TLS handshake failed", {**_HANDSHAKE_FAILED, "event.reason": "TLS handshake failed"}),
    Example(f"TCP connection established with [AF_INET]{_AT}", {**_CONNECT, **_PEER}),
    Example(
        "[vpn.example.com] Peer Connection Initiated with [AF_INET]198.51.100.41:1194",
        {
            **_CONNECT,
            "event.outcome": "success",
            "destination.domain": "vpn.example.com",
            "destination.ip": "198.51.100.41",
            "destination.port": 1194,
        },
    ),
    Example("AUTH: Received control message: AUTH_FAILED", {**_LOGIN_FAILED, "event.reason": "AUTH_FAILED"}),
    Example(
        "AUTH-PAM: BACKGROUND: user 'x' failed to authenticate: y' failed to authenticate: Authentication failure",
        {
            **_LOGIN_FAILED,
            "user.name": "x' failed to authenticate: y",
            "event.reason": "Authentication failure",
        },
    ),
    Example(
        "MULTI: new connection by client 'alice' will cause previous active sessions by this client to be dropped.",
        {**_DISCONNECT, "user.name": "alice"},
    ),
    Example("Initialization Sequence Completed", _sets("process", "service-ready", "success")),
    Example(
        "OpenVPN 2.6.3 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO]",
        {**_sets("process", "service-started"), "service.version": "2.6.3"},
    ),
    Example("SIGTERM[hard,] received, process exiting", {**_STOPPED, "event.reason": "hard"}),
    Example(
        "UDPv4 link local (bound): [AF_INET]198.51.100.41:1194",
        {**_sets("network", "listening", "success"), "server.ip": "198.51.100.41", "server.port": 1194},
    ),
    Example(
        "UDPv4 link local (bound): [AF_INET][undef]:1194",
        {**_sets("network", "listening", "success"), "server.port": 1194},
    ),
    Example(
        "Options error: Unrecognized option or missing parameter(s) in server.conf:3: prot",
        {
            **_sets("configuration", "configuration-loaded", "failure"),
            "error.message": "Unrecognized option or missing parameter(s) in server.conf:3: prot",
        },
    ),
    Example(
        "WARNING: this configuration may cache passwords in memory",
        {"log.level": "WARNING", "error.message": "this configuration may cache passwords in memory"},
    ),
    Example("library versions: OpenSSL 3.0.11", None),
    Example("x 203.0.113.9:1 TLS Error: TLS handshake failed", None),
)

GRAMMAR = Grammar(
    name="openvpn",
    programs=("openvpn", "openvpn-*", "openvpn@*", "openvpn(*", "ovpn-*"),
    forms=(*_CLIENTS, *_SERVER),
    examples=_EXAMPLES,
)
