"""What leaves over the network: mail, and the destinations of `forward`."""

from __future__ import annotations

from gateway.outgoing_config import (
    DESTINATION_NAME,
    FORWARD_TIMEOUT,
    MAIL_ADDRESS,
    MAIL_TIMEOUT,
    SENDMAIL,
    SERVER,
    Security,
)
from gateway.schema.shapes import Keys, Schema, about, choice, duration, ecma, either, mapping, path, table, text


def _server(description: str, example: str) -> Schema:
    return about(
        f"{description}: HOST:PORT or [IPV6]:PORT.",
        {"type": "string", "pattern": ecma(SERVER)},
        patternErrorMessage='a server such as "syslog.example.com:6514" or "[2001:db8::1]:6514" is wanted',
        examples=[example],
    )


_TLS: Keys = {
    "ca": path("The authorities that may sign the server's certificate; absent: those of the system.", "tls/ca.pem"),
    "name": text("What the server's certificate must carry; absent: the host."),
    "certificate": path("Our own certificate chain, for servers that want to see one.", "tls/client.pem"),
    "key": path("The key of our own certificate; absent: it is in the same file.", "tls/client.key"),
}

_FROM: Keys = {
    "from": text("Whom mail is from.", MAIL_ADDRESS, wanted="a mail address", examples=["gateway@example.com"]),
}

MAIL = either(
    "How mail goes out: this machine's sendmail takes it, or a server.",
    mapping(
        "A server takes it.",
        {
            "smtp": _server("The mail server", "mail.example.com:587"),
            "tls": choice(
                "starttls, implicit (usual for port 465), or none (usual for this machine).",
                [each.value for each in Security],
            ),
            "user": text("The user that we log in as.", r"[\x21-\x7e]+"),
            "password_file": path("The file with the password, in its first line.", "tls/mail.password"),
            **_FROM,
            **_TLS,
            "timeout": duration("For one whole mail.", MAIL_TIMEOUT, example="60s"),
        },
        required=["smtp"],
        wants={"user": ["password_file"], "password_file": ["user"], "key": ["certificate"]},
    ),
    mapping(
        "A program takes it.",
        {
            "sendmail": text("The program.", r"/.*", wanted="a program's whole path") | {"default": str(SENDMAIL)},
            **_FROM,
        },
    ),
    examples=[{"smtp": "mail.example.com:587", "user": "gateway", "password_file": "tls/mail.password"}],
)

_TIMEOUT: Keys = {"timeout": duration("How long a message waits; then its job fails.", FORWARD_TIMEOUT, example="30s")}

DESTINATIONS = table(
    "Where `forward` steps send the original message; the names are yours.",
    either(
        "A destination.",
        mapping(
            "A syslog server over TLS; nobody says when it has a message.",
            {"tls": _server("TLS (RFC 5425)", "siem.example.com:6514"), **_TLS, **_TIMEOUT},
            required=["tls"],
            wants={"key": ["certificate"]},
        ),
        mapping(
            "A syslog server over RELP, which says when it has a message.",
            {
                "relp": _server("RELP", "logs.example.com:2514"),
                "tls": choice(
                    "implicit, or none (usual for this machine).", [Security.IMPLICIT.value, Security.NONE.value]
                ),
                **_TLS,
                **_TIMEOUT,
            },
            required=["relp"],
            wants={"key": ["certificate"]},
        ),
    ),
    {"type": "string", "pattern": ecma(DESTINATION_NAME)},
    examples=[{"archive": {"relp": "logs.example.com:2514", "tls": "implicit", "ca": "tls/ca.pem"}}],
)
