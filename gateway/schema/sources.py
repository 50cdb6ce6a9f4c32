"""The ways in: what a source of the configuration is."""

from __future__ import annotations

from datetime import UTC

from gateway.config import SOURCE_NAME
from gateway.drop.account import NAME
from gateway.drop_source_config import ENCRYPTION, LEAST_PASSIVE, PORTS
from gateway.file_source_config import FilesSource
from gateway.listen_address import LISTEN
from gateway.schedule import MACROS
from gateway.schema import drop
from gateway.schema.shapes import (
    Keys,
    Schema,
    about,
    choice,
    duration,
    ecma,
    either,
    listed,
    mapping,
    mode,
    one_or_more,
    path,
    size,
    table,
    text,
    truth,
)
from gateway.source_config import KINDS, LEAST_FRAME, RECEIVE_BUFFER, RelpStream, Stream
from gateway.timer_source_config import Missed
from parsers.errors import Place
from parsers.framing.framer import OverLimit
from parsers.framing.syslog_stream import Framing
from parsers.message import HostnamePolicy
from rules.own_events import OWN
from rules.values import choices

_WATCHED = FilesSource("", Place(""), (), UTC)

ZONE_EXAMPLES = ("local", "Europe/Zurich", "+02:00")


def _address(description: str, port: int) -> Schema:
    return about(
        f"{description}: PORT (this machine only), HOST:PORT or [IPV6]:PORT.",
        {"type": ["integer", "string"], "minimum": 0, "maximum": 0xFFFF, "pattern": ecma(LISTEN)},
        patternErrorMessage='an address such as 1514, "0.0.0.0:1514" or "[::]:1514" is wanted',
        examples=[port, f"0.0.0.0:{port}"],
    )


def _buffer() -> Schema:
    return size("What the kernel is asked to hold; net.core.rmem_max bounds it.", 4096, RECEIVE_BUFFER, example="4MiB")


def _frames(stream: Stream | RelpStream) -> Keys:
    return {
        "max_frame": size("The octets of the longest message.", LEAST_FRAME, stream.max_frame),
        "over_limit": choice(
            "What becomes of a longer message: it is cut, it is dropped, or the connection is closed.",
            choices(OverLimit),
            stream.over_limit.value,
        ),
    }


def _certificates(description: str) -> Keys:
    return {
        "certificate": one_or_more(description, path("A PEM file."), examples=["tls/server.pem"]),
        "key": one_or_more(
            "The keys of the certificates, in their order; absent: each is in its certificate's file.",
            path("A PEM file."),
            examples=["tls/server.key"],
        ),
    }


def _trusted(description: str = "Networks whose messages may start processes.") -> Schema:
    network = text("A network, or an address.", r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?", wanted="a network")
    return listed(description, network, examples=[["127.0.0.0/8", "::1"]])


_ZONE: Keys = {
    "time_zone": text("Of time stamps that carry none.", examples=ZONE_EXAMPLES) | {"default": "local"},
}
_TRUSTED: Keys = {"trusted": _trusted()}

_PEERS = either(
    "Which clients may come in: whoever has a certificate of client_ca, those with a name, or these very certificates.",
    {"const": "certificate"},
    *(
        mapping(
            f"By {key}.",
            {
                key: value,
                "common_name": truth("A certificate without a SAN may be named by its CN.", usual=False),
            },
            required=[key],
        )
        for key, value in (
            (
                "names",
                listed(
                    "Names that their certificates carry; * is one whole label at the left.",
                    text("A host name or an address."),
                    least=1,
                    examples=[["web1.example.com", "*.example.com"]],
                ),
            ),
            (
                "fingerprints",
                listed(
                    "Fingerprints, as `gateway cert show FILE` prints them, or PEM files.",
                    path("A fingerprint or a file."),
                    least=1,
                ),
            ),
        )
    ),
    examples=["certificate", {"names": ["*.example.com"]}],
)

_TLS: Keys = {
    **_certificates("The server's certificate chains, one for each type of key; `gateway init DIR` makes them."),
    "client_ca": path("The authority that signs the clients' certificates.", "tls/ca.pem"),
    "peers": _PEERS | {"default": "certificate"},
    "hostname": choice(
        "Who says what host.name is: the message, the client's certificate, or both, which must agree.",
        choices(HostnamePolicy),
        HostnamePolicy.MESSAGE.value,
    ),
}

_FRAMING: Keys = {
    "framing": choice(
        "How the stream is divided into messages; auto looks at a connection's first octets.",
        choices(Framing),
        Framing.AUTO.value,
    ),
    **_frames(Stream()),
}

_RELP = _address("RELP, which answers a message when what it caused is on disk", 2514)
_SEEN = [["client_ca"], ["peers"]]
"""One of these says which clients may come in."""

_FTP: Keys = {
    **_certificates("The server's certificate chains; without one there is no TLS here."),
    "encryption": choice(
        "Whether passwords may come in the clear (optional), or only over TLS.", ENCRYPTION, "required"
    ),
    "passive_ports": text(
        f"The ports for data, from {LEAST_PASSIVE} on, which a firewall has to let through.",
        PORTS,
        wanted="a range of ports",
        examples=["50000-50999"],
    ),
    "passive_address": text("The IPv4 address that PASV names, behind a router.", r"[0-9.]+", examples=["203.0.113.5"]),
    "active": truth("PORT and EPRT are served, to the client's own address.", usual=False),
    "anonymous": text("Lets anyone in, as this account.", NAME),
    "trusted": _trusted("Networks from which what comes in the clear may start processes."),
    **_ZONE,
}

_SFTP: Keys = {
    "host_key": one_or_more(
        "The server's private keys; `gateway init DIR` makes them.",
        path("A file in OpenSSH's form."),
        examples=["ssh/ssh_host_ed25519_key"],
    ),
    "passwords": truth("false: by key only.", usual=True),
    **_TRUSTED,
    **_ZONE,
}

_FILES: Keys = {
    "patterns": drop.patterns(_WATCHED.patterns),
    "unfinished": drop.unfinished(_WATCHED.unfinished),
    "recursive": truth("Folders below are watched too.", usual=_WATCHED.recursive),
    "quiet": duration("How long nothing must have happened to a file; at most a day.", _WATCHED.quiet, example="2s"),
    "existing": choice("What is there when the folder is seen for the first time.", ("report", "ignore"), "report"),
    **drop.checks(_WATCHED.checks),
    **drop.content(_WATCHED.content, _WATCHED.after, _WATCHED.unpacking),
    "processed": path("The folder that `after: move` moves logs to."),
    **_ZONE,
}

_TIMER: Keys = {
    "zone": text("The time zone of the times.", examples=ZONE_EXAMPLES) | {"default": "local"},
    "missed": choice(
        "What becomes of times that were due while the gateway did not run: one event for all, or none.",
        choices(Missed),
        Missed.ONCE.value,
    ),
}

_SOURCES: tuple[tuple[str, str, Schema, Keys, tuple[str, ...]], ...] = (
    ("tcp", "Syslog over plain TCP.", _address("Plain TCP (RFC 6587)", 1514), {**_TRUSTED, **_FRAMING, **_ZONE}, ()),
    (
        "tls",
        "Syslog over TLS, with certificates on both sides.",
        _address("TLS (RFC 5425)", 6514),
        {**_TLS, **_TRUSTED, **_FRAMING, **_ZONE},
        ("certificate",),
    ),
    ("relp", "RELP, plain.", _RELP, {**_TRUSTED, **_frames(RelpStream()), **_ZONE}, ()),
    (
        "relp",
        "RELP over TLS.",
        _RELP,
        {**_TLS, **_TRUSTED, **_frames(RelpStream()), **_ZONE},
        ("certificate",),
    ),
    (
        "udp",
        "Syslog over UDP, whose sender can be forged.",
        _address("UDP (RFC 5426)", 1514),
        {**_TRUSTED, "receive_buffer": _buffer(), **_ZONE},
        (),
    ),
    (
        "unix",
        "Datagrams of this machine's programs.",
        path("The socket.", "state/log.sock"),
        {"mode": mode("The socket's permissions.", 0o660), "receive_buffer": _buffer(), **_ZONE},
        (),
    ),
    ("ftp", "FTP into the drop box.", _address("FTP with explicit TLS (RFC 4217)", 2121), _FTP, ()),
    ("sftp", "SFTP into the drop box.", _address("SFTP", 2222), _SFTP, ("host_key",)),
    (
        "files",
        "Watched folders of this machine.",
        one_or_more("The folders.", path("A folder."), examples=["/srv/incoming"]),
        _FILES,
        (),
    ),
    (
        "timer",
        "An event each time that it is due.",
        either(
            "When: five fields as in a crontab, a word for them, or an interval, counted from midnight UTC.",
            {"enum": list(MACROS)},
            {"type": "string", "minLength": 1},
            examples=["0 2 * * *", "@daily", "5m"],
        ),
        _TIMER,
        (),
    ),
)
"""Each kind: its key, what it is, what stands under the key, the keys beside it, and those that must be there."""


def _source(kind: str, words: str, value: Schema, keys: Keys, required: tuple[str, ...]) -> Schema:
    schema = mapping(words, {kind: value, **keys}, title=words.removesuffix("."), required=[kind, *required])
    return schema | {"anyOf": [{"required": keys} for keys in _SEEN]} if "client_ca" in keys else schema


SOURCES = table(
    "Ways in, by names that are yours: rules see the name as event.dataset of messages. Each has exactly one of "
    f"{', '.join(KINDS)}.",
    {"anyOf": [_source(*each) for each in _SOURCES]},
    {"type": "string", "pattern": ecma(SOURCE_NAME), "not": {"enum": sorted(OWN)}},
    least=1,
    examples=[{"syslog-tcp": {"tcp": 1514, "trusted": ["127.0.0.0/8"]}}, {"nightly": {"timer": "0 2 * * *"}}],
)
