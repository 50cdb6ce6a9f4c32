"""The configuration, gateway.yaml."""

from __future__ import annotations

from gateway.config import LEAST_JOURNAL, PROCESSES, Limits, library_names
from gateway.jobs.retention import Retention
from gateway.schema import rules
from gateway.schema.drop import DROP
from gateway.schema.outgoing import DESTINATIONS, MAIL
from gateway.schema.shapes import Keys, Schema, duration, listed, mapping, path, ref, size, text, whole
from gateway.schema.sources import SOURCES

_LIMITS, _KEPT = Limits(), Retention()

CONFIG: Schema = mapping(
    "The gateway's configuration. Relative files are its neighbours.",
    {
        "state": path("The folder for what is kept; made on start.", "state") | {"default": "state"},
        "library": listed("Ready rules that come with the gateway.", {"enum": list(library_names())}),
        "rules": listed(
            "Your own rules: files and patterns.", path("A file or a pattern."), examples=[["rules/*.yaml"]]
        ),
        "grammars": listed(
            "Your own grammars: Python modules with a GRAMMAR.",
            text("A module's name.", r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"),
            examples=[["shop_grammar"]],
        ),
        "lists": ref("lists"),
        "macros": ref("macros"),
        "fields": ref("fields"),
        "sources": SOURCES,
        "drop": DROP,
        "limits": mapping(
            "What peers may cost.",
            {
                "connections": whole("Open connections in all.", 1, 1_000_000, _LIMITS.connections),
                "connections_per_address": whole(
                    "Open connections of one address.", 1, 1_000_000, _LIMITS.connections_per_address
                ),
                "handshakes": whole("TLS handshakes under way.", 1, 1_000_000, _LIMITS.handshakes),
                "handshake_timeout": duration("How long one may take.", _LIMITS.handshake_timeout, example="10s"),
                "idle": duration("After how long a silent connection is closed.", _LIMITS.idle, example="1h"),
                "pending": size(
                    "Octets received and not yet dealt with: then streams pause and datagrams are dropped.",
                    1024**2,
                    _LIMITS.pending,
                    example="64MiB",
                ),
            },
        ),
        "defaults": ref("defaults"),
        "runner": mapping(
            "Processes.",
            {"limit": whole("How many run at a time.", 1, 4096, PROCESSES)},
            examples=[{"limit": PROCESSES}],
        ),
        "mail": MAIL,
        "destinations": DESTINATIONS,
        "journal": mapping(
            "How much of what happened is kept: messages that matched, ended jobs, and their attempts.",
            {
                "keep": duration("For how long.", _KEPT.age, example="7d"),
                "size": size("Up to how many octets.", LEAST_JOURNAL, _KEPT.octets, example="1GiB"),
            },
        ),
    },
    required=["sources"],
)

DEFINITIONS: Keys = rules.DEFINITIONS
