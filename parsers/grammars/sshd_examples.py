"""Messages of sshd in our own words, and every field that each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

_PRINT = "SHA256:Xk3QmDqB0o8R7VbGmZ2y1uT5cJ9wN4pLr6sE0aHfIdU"
_SSH_LOGIN_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-login",
    "event.outcome": "failure",
}
_SSH_LOGIN_SUCCESS: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-login",
    "event.outcome": "success",
}
_SSH_LOGIN_CONTINUED: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-login-continued",
}
_SSH_INVALID_USER_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-invalid-user",
    "event.outcome": "failure",
}
_SSH_TOO_MANY_ATTEMPTS_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-too-many-attempts",
    "event.outcome": "failure",
}
_SSH_USER_NOT_ALLOWED_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-user-not-allowed",
    "event.outcome": "failure",
}
_SSH_PREAUTH_CLOSE: dict[str, FieldValue] = {
    "event.category": ["network"],
    "event.type": ["connection"],
    "event.action": "ssh-preauth-close",
}
_SSH_DISCONNECT: dict[str, FieldValue] = {
    "event.category": ["network"],
    "event.type": ["connection"],
    "event.action": "ssh-disconnect",
}
_SSH_BAD_PROTOCOL_FAILURE: dict[str, FieldValue] = {
    "event.category": ["network"],
    "event.type": ["connection"],
    "event.action": "ssh-bad-protocol",
    "event.outcome": "failure",
}
_SSH_LOGIN_TIMEOUT_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "ssh-login-timeout",
    "event.outcome": "failure",
}
_SSH_CONNECTION_DROP: dict[str, FieldValue] = {
    "event.category": ["network"],
    "event.type": ["connection", "denied"],
    "event.action": "ssh-connection-drop",
}
_SSH_REVERSE_MAPPING_FAILURE: dict[str, FieldValue] = {
    "event.category": ["network"],
    "event.type": ["connection"],
    "event.action": "ssh-reverse-mapping",
    "event.outcome": "failure",
}
_SSH_SESSION_START: dict[str, FieldValue] = {
    "event.category": ["session"],
    "event.type": ["start"],
    "event.action": "ssh-session-start",
}
_SSH_LISTEN: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "ssh-listen",
}
_SSH_SIGNAL: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["change"],
    "event.action": "ssh-signal",
}

EXAMPLES = (
    Example(
        "Failed password for root from 192.0.2.7 port 4000 ssh2",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "root",
            "source.ip": "192.0.2.7",
            "source.port": 4000,
        },
    ),
    Example(
        "Failed password for invalid user admin from 2001:db8::7 port 4001 ssh2",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "admin",
            "source.ip": "2001:db8::7",
            "source.port": 4001,
        },
    ),
    Example(
        "Failed password for alice from ::ffff:192.0.2.7 port 4002 ssh2",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "alice",
            "source.ip": "192.0.2.7",
            "source.port": 4002,
        },
    ),
    Example(
        "Failed password for invalid user  from 192.0.2.7 port 4003 ssh2",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "",
            "source.ip": "192.0.2.7",
            "source.port": 4003,
        },
    ),
    Example(
        "Failed password for invalid user root from 203.0.113.5 port 1 ssh2 from 192.0.2.7 port 4000 ssh2",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "root from 203.0.113.5 port 1 ssh2",
            "source.ip": "192.0.2.7",
            "source.port": 4000,
        },
    ),
    Example(
        "Failed password for invalid user a from b from 192.0.2.7 port 4004 ssh2",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "a from b",
            "source.ip": "192.0.2.7",
            "source.port": 4004,
        },
    ),
    Example(
        "Failed publickey for invalid user x from 203.0.113.5 port 1 ssh2: RSA SHA256:fake from "
        f"192.0.2.7 port 4005 ssh2: RSA {_PRINT}",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "publickey",
            "user.name": "x from 203.0.113.5 port 1 ssh2: RSA SHA256:fake",
            "source.ip": "192.0.2.7",
            "source.port": 4005,
            "ssh.key_type": "RSA",
            "ssh.fingerprint": _PRINT,
        },
    ),
    Example(
        "Failed keyboard-interactive/pam for bob from 192.0.2.7 port 4006 ssh2 [preauth]",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "keyboard-interactive/pam",
            "user.name": "bob",
            "source.ip": "192.0.2.7",
            "source.port": 4006,
        },
    ),
    Example("Failed password for root from gateway.example port 4000 ssh2", None),
    Example("Failed password for root from 192.0.2.7 port 4000 ssh2 and more", None),
    Example("Failed password for root", None),
    Example(
        "message repeated 3 times: [ Failed password for root from 192.0.2.7 port 4000 ssh2]",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "root",
            "source.ip": "192.0.2.7",
            "source.port": 4000,
        },
    ),
    Example(
        "message repeated 2 times: [ Failed password for invalid user x from 203.0.113.5 port 1 ssh2] "
        "from 192.0.2.7 port 4000 ssh2]",
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "password",
            "user.name": "x from 203.0.113.5 port 1 ssh2]",
            "source.ip": "192.0.2.7",
            "source.port": 4000,
        },
    ),
    Example(
        "Accepted password for alice from 192.0.2.8 port 5000 ssh2",
        {
            **_SSH_LOGIN_SUCCESS,
            "ssh.method": "password",
            "user.name": "alice",
            "source.ip": "192.0.2.8",
            "source.port": 5000,
        },
    ),
    Example(
        f"Accepted publickey for git from 2001:db8:0:1::9 port 5001 ssh2: ED25519 {_PRINT}",
        {
            **_SSH_LOGIN_SUCCESS,
            "ssh.method": "publickey",
            "user.name": "git",
            "source.ip": "2001:db8:0:1::9",
            "source.port": 5001,
            "ssh.key_type": "ED25519",
            "ssh.fingerprint": _PRINT,
        },
    ),
    Example(
        f"Accepted publickey for alice from 192.0.2.8 port 5002 ssh2: ED25519-CERT {_PRINT} ID "
        f"alice@ca.example (serial 7) CA ED25519 {_PRINT}",
        {
            **_SSH_LOGIN_SUCCESS,
            "ssh.method": "publickey",
            "user.name": "alice",
            "source.ip": "192.0.2.8",
            "source.port": 5002,
            "ssh.key_type": "ED25519-CERT",
            "ssh.fingerprint": _PRINT,
        },
    ),
    Example(
        f"Accepted publickey for alice from 192.0.2.8 port 5002 ssh2: RSA-CERT {_PRINT} ID x from "
        f"203.0.113.5 port 1 ssh2: RSA-CERT {_PRINT} ID y (serial 7) CA RSA {_PRINT}",
        None,
    ),
    Example(
        f'Accepted hostbased for root from 192.0.2.8 port 5003 ssh2: RSA {_PRINT}, client user "root", '
        'client host "db.example"',
        {
            **_SSH_LOGIN_SUCCESS,
            "ssh.method": "hostbased",
            "user.name": "root",
            "source.ip": "192.0.2.8",
            "source.port": 5003,
            "ssh.key_type": "RSA",
            "ssh.fingerprint": _PRINT,
        },
    ),
    Example(
        f'Failed hostbased for alice from 192.0.2.8 port 5003 ssh2: RSA {_PRINT}, client user "alice", '
        'client host "db.example"',
        {
            **_SSH_LOGIN_FAILURE,
            "ssh.method": "hostbased",
            "user.name": "alice",
            "source.ip": "192.0.2.8",
            "source.port": 5003,
            "ssh.key_type": "RSA",
            "ssh.fingerprint": _PRINT,
        },
    ),
    Example(
        f'Failed hostbased for root from 192.0.2.8 port 5003 ssh2: RSA {_PRINT}, client user "a from '
        '203.0.113.5 port 1 ssh2: RSA x, client user "b", client host "db.example"',
        None,
    ),
    Example(
        f"Partial publickey for alice from 192.0.2.8 port 5004 ssh2: RSA {_PRINT}",
        {
            **_SSH_LOGIN_CONTINUED,
            "ssh.method": "publickey",
            "user.name": "alice",
            "source.ip": "192.0.2.8",
            "source.port": 5004,
            "ssh.key_type": "RSA",
            "ssh.fingerprint": _PRINT,
        },
    ),
    Example(
        "Postponed keyboard-interactive for invalid user bob from 192.0.2.8 port 5005 ssh2 [preauth]",
        {
            **_SSH_LOGIN_CONTINUED,
            "ssh.method": "keyboard-interactive",
            "user.name": "bob",
            "source.ip": "192.0.2.8",
            "source.port": 5005,
        },
    ),
    Example(
        "Invalid user admin from 192.0.2.7 port 4100",
        {**_SSH_INVALID_USER_FAILURE, "user.name": "admin", "source.ip": "192.0.2.7", "source.port": 4100},
    ),
    Example(
        "Invalid user  from 192.0.2.7 port 4101",
        {**_SSH_INVALID_USER_FAILURE, "user.name": "", "source.ip": "192.0.2.7", "source.port": 4101},
    ),
    Example(
        "Invalid user test from 192.0.2.7", {**_SSH_INVALID_USER_FAILURE, "user.name": "test", "source.ip": "192.0.2.7"}
    ),
    Example(
        "Invalid user a from 203.0.113.5 port 1 from 192.0.2.7 port 4102",
        {
            **_SSH_INVALID_USER_FAILURE,
            "user.name": "a from 203.0.113.5 port 1",
            "source.ip": "192.0.2.7",
            "source.port": 4102,
        },
    ),
    Example("Invalid user admin", None),
    Example(
        "input_userauth_request: invalid user admin [preauth]", {**_SSH_INVALID_USER_FAILURE, "user.name": "admin"}
    ),
    Example(
        "error: maximum authentication attempts exceeded for root from 192.0.2.7 port 4200 ssh2 [preauth]",
        {**_SSH_TOO_MANY_ATTEMPTS_FAILURE, "user.name": "root", "source.ip": "192.0.2.7", "source.port": 4200},
    ),
    Example(
        "maximum authentication attempts exceeded for invalid user x from 203.0.113.5 port 1 ssh2 "
        "[preauth] from 192.0.2.7 port 4201 ssh2 [preauth]",
        {
            **_SSH_TOO_MANY_ATTEMPTS_FAILURE,
            "user.name": "x from 203.0.113.5 port 1 ssh2 [preauth]",
            "source.ip": "192.0.2.7",
            "source.port": 4201,
        },
    ),
    Example(
        "Disconnecting authenticating user root 192.0.2.7 port 4202: Too many authentication failures [preauth]",
        {**_SSH_TOO_MANY_ATTEMPTS_FAILURE, "user.name": "root", "source.ip": "192.0.2.7", "source.port": 4202},
    ),
    Example(
        "Disconnecting invalid user a 203.0.113.5 port 1: Too many authentication failures [preauth] "
        "192.0.2.7 port 4203: Too many authentication failures [preauth]",
        {
            **_SSH_TOO_MANY_ATTEMPTS_FAILURE,
            "user.name": "a 203.0.113.5 port 1: Too many authentication failures [preauth]",
            "source.ip": "192.0.2.7",
            "source.port": 4203,
        },
    ),
    Example(
        "Disconnecting: Too many authentication failures for root [preauth]",
        {**_SSH_TOO_MANY_ATTEMPTS_FAILURE, "user.name": "root"},
    ),
    Example(
        "error: PAM: Authentication failure for root from 192.0.2.7",
        {
            **_SSH_LOGIN_FAILURE,
            "event.reason": "Authentication failure",
            "user.name": "root",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
        },
    ),
    Example(
        "error: PAM: Authentication failure for illegal user a from 203.0.113.5 from host.example",
        {
            **_SSH_LOGIN_FAILURE,
            "event.reason": "Authentication failure",
            "user.name": "a from 203.0.113.5",
            "source.address": "host.example",
        },
    ),
    Example(
        "User root from 192.0.2.7 not allowed because not listed in AllowUsers",
        {
            **_SSH_USER_NOT_ALLOWED_FAILURE,
            "user.name": "root",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "event.reason": "not listed in AllowUsers",
        },
    ),
    Example(
        "User bob from host.example not allowed because account is locked",
        {
            **_SSH_USER_NOT_ALLOWED_FAILURE,
            "user.name": "bob",
            "source.address": "host.example",
            "event.reason": "account is locked",
        },
    ),
    Example(
        "User x from 203.0.113.5 not allowed because y from 192.0.2.7 not allowed because listed in DenyUsers",
        {
            **_SSH_USER_NOT_ALLOWED_FAILURE,
            "user.name": "x from 203.0.113.5 not allowed because y",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "event.reason": "listed in DenyUsers",
        },
    ),
    Example(
        "ROOT LOGIN REFUSED FROM 192.0.2.7 port 4300 [preauth]",
        {
            "event.category": ["authentication"],
            "event.type": ["start"],
            "event.action": "ssh-login",
            "event.outcome": "failure",
            "user.name": "root",
            "source.ip": "192.0.2.7",
            "source.port": 4300,
        },
    ),
    Example(
        "Authentication refused: bad ownership or modes for directory /home/alice",
        {
            "event.category": ["authentication"],
            "event.type": ["start"],
            "event.action": "ssh-key-refused",
            "event.outcome": "failure",
            "event.reason": "bad ownership or modes for directory /home/alice",
        },
    ),
    Example(
        "Connection closed by authenticating user root 192.0.2.7 port 4400 [preauth]",
        {**_SSH_PREAUTH_CLOSE, "user.name": "root", "source.ip": "192.0.2.7", "source.port": 4400},
    ),
    Example(
        "Connection reset by invalid user a 203.0.113.5 port 1 [preauth] 192.0.2.7 port 4401 [preauth]",
        {
            **_SSH_PREAUTH_CLOSE,
            "user.name": "a 203.0.113.5 port 1 [preauth]",
            "source.ip": "192.0.2.7",
            "source.port": 4401,
        },
    ),
    Example(
        "Connection closed by 192.0.2.7 port 4402 [preauth]",
        {**_SSH_PREAUTH_CLOSE, "source.ip": "192.0.2.7", "source.port": 4402},
    ),
    Example(
        "Disconnected from invalid user  192.0.2.7 port 4403 [preauth]",
        {**_SSH_PREAUTH_CLOSE, "user.name": "", "source.ip": "192.0.2.7", "source.port": 4403},
    ),
    Example(
        "Disconnected from user alice 192.0.2.8 port 5000",
        {**_SSH_DISCONNECT, "user.name": "alice", "source.ip": "192.0.2.8", "source.port": 5000},
    ),
    Example(
        "Connection closed by 2001:db8::7 port 4404",
        {**_SSH_DISCONNECT, "source.ip": "2001:db8::7", "source.port": 4404},
    ),
    Example("Connection closed by remote host", None),
    Example(
        "Received disconnect from 192.0.2.7 port 4500:11: Bye Bye [preauth]",
        {
            **_SSH_DISCONNECT,
            "source.ip": "192.0.2.7",
            "source.port": 4500,
            "ssh.disconnect_code": "11",
            "event.reason": "Bye Bye",
        },
    ),
    Example(
        "Received disconnect from 192.0.2.7: 11: disconnected by user",
        {
            **_SSH_DISCONNECT,
            "source.ip": "192.0.2.7",
            "ssh.disconnect_code": "11",
            "event.reason": "disconnected by user",
        },
    ),
    Example(
        "error: Received disconnect from 192.0.2.7 port 4501:3: from 203.0.113.5 port 1:11: x [preauth] [preauth]",
        {
            **_SSH_DISCONNECT,
            "source.ip": "192.0.2.7",
            "source.port": 4501,
            "ssh.disconnect_code": "3",
            "event.reason": "from 203.0.113.5 port 1:11: x [preauth]",
        },
    ),
    Example("Received disconnect from somewhere", None),
    Example(
        "Did not receive identification string from 192.0.2.7 port 4600",
        {
            "event.category": ["network"],
            "event.type": ["connection"],
            "event.action": "ssh-no-identification",
            "source.ip": "192.0.2.7",
            "source.port": 4600,
        },
    ),
    Example(
        "Unable to negotiate with 192.0.2.7 port 4601: no matching host key type found. Their offer: "
        "ssh-rsa,ssh-dss [preauth]",
        {
            "event.category": ["network"],
            "event.type": ["connection"],
            "event.action": "ssh-negotiation",
            "event.outcome": "failure",
            "source.ip": "192.0.2.7",
            "source.port": 4601,
            "event.reason": "no matching host key type found",
        },
    ),
    Example(
        "Bad protocol version identification 'GET / HTTP/1.1' from 192.0.2.7 port 4602",
        {
            **_SSH_BAD_PROTOCOL_FAILURE,
            "ssh.client_version": "GET / HTTP/1.1",
            "source.ip": "192.0.2.7",
            "source.port": 4602,
        },
    ),
    Example(
        "Bad protocol version identification 'x' from 203.0.113.5 port 1' from 192.0.2.7",
        {**_SSH_BAD_PROTOCOL_FAILURE, "ssh.client_version": "x' from 203.0.113.5 port 1", "source.ip": "192.0.2.7"},
    ),
    Example(
        "Protocol major versions differ for 192.0.2.7 port 4603: SSH-2.0-OpenSSH_9.2 vs. SSH-1.5-x",
        {**_SSH_BAD_PROTOCOL_FAILURE, "source.ip": "192.0.2.7", "source.port": 4603},
    ),
    Example(
        "banner exchange: Connection from 192.0.2.7 port 4604: invalid format",
        {**_SSH_BAD_PROTOCOL_FAILURE, "source.ip": "192.0.2.7", "source.port": 4604, "event.reason": "invalid format"},
    ),
    Example(
        "error: kex_exchange_identification: Connection closed by remote host",
        {**_SSH_BAD_PROTOCOL_FAILURE, "event.reason": "Connection closed by remote host"},
    ),
    Example(
        "ssh_dispatch_run_fatal: Connection from authenticating user root 192.0.2.7 port 4605: message "
        "authentication code incorrect [preauth]",
        {
            **_SSH_PREAUTH_CLOSE,
            "user.name": "root",
            "source.ip": "192.0.2.7",
            "source.port": 4605,
            "event.reason": "message authentication code incorrect [preauth]",
        },
    ),
    Example(
        'Connection from 192.0.2.7 port 4606 on 198.51.100.1 port 22 rdomain ""',
        {
            "event.category": ["network"],
            "event.type": ["connection", "start"],
            "event.action": "ssh-connection",
            "source.ip": "192.0.2.7",
            "source.port": 4606,
            "destination.ip": "198.51.100.1",
            "destination.port": 22,
        },
    ),
    Example("Connection from nowhere", None),
    Example(
        "Timeout before authentication for 192.0.2.7 port 4607",
        {**_SSH_LOGIN_TIMEOUT_FAILURE, "source.ip": "192.0.2.7", "source.port": 4607},
    ),
    Example(
        "fatal: Timeout before authentication for 192.0.2.7 port 4607",
        {**_SSH_LOGIN_TIMEOUT_FAILURE, "source.ip": "192.0.2.7", "source.port": 4607},
    ),
    Example(
        "Timeout before authentication for connection from 192.0.2.7 to 198.51.100.1, pid = 812",
        {**_SSH_LOGIN_TIMEOUT_FAILURE, "source.ip": "192.0.2.7", "destination.ip": "198.51.100.1", "process.pid": 812},
    ),
    Example(
        "drop connection #10 from [192.0.2.7]:4608 on [198.51.100.1]:22 past MaxStartups",
        {
            **_SSH_CONNECTION_DROP,
            "source.ip": "192.0.2.7",
            "source.port": 4608,
            "destination.ip": "198.51.100.1",
            "destination.port": 22,
            "event.reason": "past MaxStartups",
        },
    ),
    Example(
        "srclimit_penalise: ipv4: new 192.0.2.7/32 deferred penalty of 1 seconds for penalty: failed authentication",
        {
            "event.category": ["network"],
            "event.type": ["denied"],
            "event.action": "ssh-penalty",
            "source.ip": "192.0.2.7",
            "event.reason": "deferred penalty of 1 seconds for penalty: failed authentication",
        },
    ),
    Example(
        "refused connect from host.example (192.0.2.7)",
        {**_SSH_CONNECTION_DROP, "source.domain": "host.example", "source.ip": "192.0.2.7"},
    ),
    Example(
        "reverse mapping checking getaddrinfo for evil [203.0.113.5] failed.example [192.0.2.7] failed - "
        "POSSIBLE BREAK-IN ATTEMPT!",
        {
            **_SSH_REVERSE_MAPPING_FAILURE,
            "source.domain": "evil [203.0.113.5] failed.example",
            "source.ip": "192.0.2.7",
        },
    ),
    Example(
        "Address 192.0.2.7 maps to host.example, but this does not map back to the address.",
        {**_SSH_REVERSE_MAPPING_FAILURE, "source.ip": "192.0.2.7", "source.domain": "host.example"},
    ),
    Example(
        "Disconnecting authenticating user bob 192.0.2.7 port 4609: Change of username or service not "
        "allowed: (bob,ssh-connection) -> (eve,ssh-connection) [preauth]",
        {
            "event.category": ["authentication"],
            "event.type": ["start"],
            "event.action": "ssh-preauth-close",
            "event.outcome": "failure",
            "user.name": "bob",
            "source.ip": "192.0.2.7",
            "source.port": 4609,
            "event.reason": "Change of username or service not allowed",
        },
    ),
    Example(
        "Disconnecting invalid user a 203.0.113.5 port 1: x 192.0.2.7 port 4609: Change of username or "
        "service not allowed: (a,ssh-connection) -> (b,ssh-connection) [preauth]",
        None,
    ),
    Example(
        "Starting session: shell on pts/0 for alice from 192.0.2.8 port 5000 id 0",
        {
            **_SSH_SESSION_START,
            "ssh.session_type": "shell on pts/0",
            "user.name": "alice",
            "source.ip": "192.0.2.8",
            "source.port": 5000,
        },
    ),
    Example(
        "Starting session: forced-command (key-option) 'run for x from 203.0.113.5 port 1 id 0' for git "
        "from 192.0.2.8 port 5001 id 0",
        {
            **_SSH_SESSION_START,
            "ssh.session_type": "forced-command (key-option) 'run for x from 203.0.113.5 port 1 id 0'",
            "user.name": "git",
            "source.ip": "192.0.2.8",
            "source.port": 5001,
        },
    ),
    Example(
        "Close session: user alice from 192.0.2.8 port 5000 id 0",
        {
            "event.category": ["session"],
            "event.type": ["end"],
            "event.action": "ssh-session-end",
            "user.name": "alice",
            "source.ip": "192.0.2.8",
            "source.port": 5000,
        },
    ),
    Example(
        "Server listening on 198.51.100.1 port 22.", {**_SSH_LISTEN, "server.ip": "198.51.100.1", "server.port": 22}
    ),
    Example("Server listening on :: port 22.", {**_SSH_LISTEN, "server.ip": "::", "server.port": 22}),
    Example("Received signal 15; terminating.", {**_SSH_SIGNAL, "event.reason": "signal 15"}),
    Example("Received SIGHUP; restarting.", {**_SSH_SIGNAL, "event.reason": "SIGHUP"}),
    Example(
        "fatal: No supported authentication methods available [preauth]",
        {
            "event.category": ["process"],
            "event.type": ["error"],
            "event.action": "ssh-fatal",
            "event.outcome": "failure",
            "event.reason": "No supported authentication methods available [preauth]",
        },
    ),
    Example("User child is on pid 4711", None),
)
