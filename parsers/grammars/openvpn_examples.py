"""OpenVPN's messages, in our own words, and what each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example


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
_PEER: dict[str, FieldValue] = {"source.ip": "192.0.2.41", "source.port": 50123}
_ALICE: dict[str, FieldValue] = {**_PEER, "user.name": "alice"}
_AT = "192.0.2.41:50123"

EXAMPLES: tuple[Example, ...] = (
    Example(
        f"{_AT} TLS: Initial packet from [AF_INET]{_AT}, sid=0a1b2c3d 4e5f6071",
        {**_CONNECT, **_PEER, "openvpn.session": "0a1b2c3d 4e5f6071"},
    ),
    Example(
        f"{_AT} [alice] Peer Connection Initiated with [AF_INET]{_AT}",
        {**_LOGIN, **_ALICE},
    ),
    Example(
        "2001:db8::41:50123 [alice] Peer Connection Initiated with [AF_INET6]2001:db8::41:50123",
        {**_LOGIN, "source.ip": "2001:db8::41", "source.port": 50123, "user.name": "alice"},
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
        {**_LOGIN, **_PEER, "user.name": "x' [CN SET] y"},
    ),
    Example(
        f"alice/{_AT} SENT CONTROL [alice]: 'AUTH_FAILED' (status=1)",
        {**_LOGIN_FAILED, **_ALICE, "event.reason": "AUTH_FAILED"},
    ),
    Example(
        f"{_AT} SENT CONTROL [UNDEF]: 'AUTH_FAILED' (status=1)",
        {**_LOGIN_FAILED, **_PEER, "event.reason": "AUTH_FAILED"},
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
