"""Documents that hold every mapping of the language, and what the readers and a schema make of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from gateway.schema import schema_of
from gateway.schema.shapes import Schema
from rules.strict_yaml import MappingNode, Node, ScalarNode, SequenceNode

Where = tuple[str | int, ...]
"""The way to a value in a document: keys, and numbers in lists."""

RULES = """
lists:
  office: [10.0.0.0/8, 192.0.2.0/24]
  admins: {usual: [alice, bob]}
macros:
  failed: {event.action: ssh-login, event.outcome: failure}
  inside: source.ip in $office and user.name in $admins
fields: [shop.order]
defaults:
  run: {timeout: 5m, limits: {cpu: 30s}}
  retry: {times: 2}
rules: []
---
- rule: captured
  match:
    message: {contains: x, not: {regex: y}, any: [{gt: 4}, 7], all: [{exists: true}]}
    any: [{a: 1}, {not: {b: [1, 2]}}]
  unless: process.name == "x" or source.ip in 10.0.0.0/8
  capture: [{field: message, regex: '(?P<user_name>x)'}, {grammar: sshd}, '(?P<a>b)']
---
- rule: counted
  description: five of a kind
  match: {}
  when: {count: 5, within: 10m, by: [source.ip], max_keys: 10}
  suppress: {for: 10m, by: [host.name]}
  during: {hours: "Mo-Fr 08:00-18:00", zone: Europe/Berlin, country: DE}
  outside: ["Su 03:00-05:00"]
  if_open: {rule: counted, by: [source.ip]}
  lock: l
  do: {run: [ban, "${source.ip}"]}
---
- rule: twice
  match: {}
  when: {count: 2, within: 10m, by: [source.ip]}
  do: {run: [ban, "${source.ip}"]}
  undo: {after: 10m, grow: 2, max: 5w, run: [unban], timeout: 1m}
---
- rule: tried-again
  match: {}
  do: {run: [x]}
  retry: {times: 5, wait: 10s, grow: 2, max: 10m, jitter: 20%}
  on_failure: {dead_letter: b}
  rate: {count: 5, within: 1m}
  idempotent: false
  trust: network
---
- rule: tested
  match: {}
  test:
    - {send: x, times: 5, every: 1m, from: 192.0.2.7, trust: local, expect: {do: 1, argv: [ban, x], open: 1}}
    - {advance: 10m, outcome: [{exit: 1}, {signal: KILL}, success], expect: {undo: 1}}
    - send: {event.dataset: x, tags: [a, b]}
      outcome: {do/1: failure}
      expect: {event: {a: 1}, emit: {b: [1]}, rule: x}
---
- {rule: x, match: {}, do: {run: [x], timeout: 1m, limits: {cpu: 30s}, environment: {A: b}, lock: l}}
---
- {rule: x, match: {}, do: {stream: [feed], ready: true}}
---
- {rule: x, match: {}, do: {decrypt: {key: k}, user: x}}
---
- {rule: x, match: {}, do: {delete: "${file.path}"}}
---
- {rule: x, match: {}, do: [{move: "${file.path}", to: processed}]}
---
- {rule: x, match: {}, do: {mail: [root], subject: s, body: b}}
---
- {rule: x, match: {}, do: {forward: archive}}
---
- {rule: x, match: {}, do: {emit: {event.action: x}}}
---
- {rule: x, match: {}, do: [{pause: x}, {resume: "${rule.name}"}]}
---
- rule: web-down
  match: {a: 1}
  when: {distinct: user.name, count: 3, within: 10m, by: [source.ip]}
  do: {run: [down]}
  undo: {match: {a: 2}, unless: {b: 1}, by: [host.name], count: 2, do: [{run: [up]}, {mail: root, subject: s}]}
---
- rule: both
  when: {all: [{a: 1}, {match: {b: 1}, unless: c exists, by: [host.name]}], within: 1m, by: [source.ip]}
  do: {mail: root, subject: s}
  undo: {quiet: 10m, at_most: 3, mail: root, subject: s}
---
- rule: in-order
  when: {sequence: [{a: 1}, b == 2], unless: {c: 3}, within: 1m, by: []}
  busy: coalesce
  suppress: window
  do: {run: [x]}
---
- rule: silent
  match: {a: 1}
  when: {absent: match, within: 1h, by: [host.name]}
  unless_open: [counted]
  do: {run: [x]}
---
- rule: stayed-away
  match: {a: 1}
  when: {absent: {b: 1}, within: 1h, by: [host.name]}
  do: {run: [x]}
  else: {emit: {event.action: y}}
---
- rule: report
  match: {}
  when: {digest: 1h, by: [], max: 10, unique: true, sections: [{title: t, match: {a: 1}}]}
  do: {mail: root, subject: s}
---
- rule: whole
  match: {a: 1}
  when: {settled: 2s, files: ["*.csv", done], within: 1h, by: [user.name]}
  do: {run: [x]}
  else: {mail: root, subject: s}
"""
"""Rule files; between them they hold every mapping that a rule file can have."""

CONFIG = """
state: kept
library: [ssh]
rules: [rules/*.yaml]
grammars: []
lists: {office: [10.0.0.0/8], blocked: {file: list.txt}}
macros: {failed: {event.outcome: failure}}
fields: [shop.order]
limits: {connections: 10, connections_per_address: 2, handshakes: 3, handshake_timeout: 1s, idle: 1h, pending: 2MiB}
defaults: {trust: network, run: {timeout: 5m}, busy: drop}
runner: {limit: 4}
mail: {smtp: "mail.example.com:587", tls: starttls, user: u, password_file: secret, from: a@example.com, timeout: 1m}
destinations:
  archive: {relp: "logs.example.com:2514", tls: implicit, ca: ca.pem, timeout: 5s}
  siem: {tls: "siem.example.com:6514", name: siem.example.com, certificate: one.pem, key: secret}
journal: {keep: 7d, size: 1GiB}
drop:
  folder: drop
  accounts: accounts.yaml
  rights: [upload, list]
  on_conflict: rename
  quota: {octets: 10GiB, files: 5}
  signature: optional
  signers: ca.pem
  unpack: {octets: 1GiB, ratio: 10, members: 5}
  speed: 1MiB
  login: {tries: 3, delay: 0}
  checker: {run: [pwauth], user: root, lock: l}
  retention: {quarantine: 30d}
sources: {a: {tcp: 1514}}
---
sources: {a: {tcp: 1514, trusted: [127.0.0.0/8], framing: lines, max_frame: 64KiB, over_limit: drop}}
---
sources: {b: {tls: 6514, certificate: one.pem, key: secret, client_ca: ca.pem, peers: {names: ["*.example.com"]}}}
---
sources: {c: {relp: 2514, time_zone: local}}
---
sources: {d: {relp: 2515, certificate: [one.pem], client_ca: ca.pem, hostname: must-agree}}
---
sources: {e: {udp: 1514, receive_buffer: 4MiB}}
---
sources: {f: {unix: log.sock, mode: "0660"}}
---
sources: {g: {ftp: 2121, passive_ports: 50000-50999, encryption: optional, active: true, anonymous: guest}}
---
sources: {h: {sftp: "[::1]:2222", host_key: secret, passwords: false}}
---
sources: {i: {files: in, patterns: ["*.csv"], content: syslog, after: move, processed: out, unpack: {ratio: 5}}}
---
sources: {j: {timer: "0 2 * * *", zone: Europe/Berlin, missed: skip}}
---
sources:
  a:
    tls: 6514
    certificate: one.pem
    peers: {fingerprints: ["abababababababababababababababababababababababababababababababab"], common_name: true}
mail: {sendmail: /usr/sbin/sendmail, from: gateway}
drop: {quota: none}
"""
"""Configurations; between them they hold every mapping that one can have."""


def documents(text: str) -> list[str]:
    """Return the documents of a text."""
    return [part for part in re.split(r"(?m)^---\n", text) if part.strip()]


def plain(node: Node) -> Any:
    """Return a document as an editor reads it: by the core schema of YAML 1.2, fractions are numbers."""
    if isinstance(node, MappingNode):
        return {entry.key: plain(entry.value) for entry in node.entries}
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.items]
    is_fraction = node.plain and re.fullmatch(r"-?[0-9]+\.[0-9]+", node.text)
    return float(node.text) if is_fraction else node.value()


def nodes(node: Node, path: Where = ()) -> Iterator[tuple[Where, Node]]:
    """Yield every node of a document with its path."""
    yield path, node
    if isinstance(node, MappingNode):
        for entry in node.entries:
            yield from nodes(entry.value, (*path, entry.key))
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.items):
            yield from nodes(item, (*path, number))
    else:
        assert isinstance(node, ScalarNode)


class Checked:
    """A schema, and what it makes of documents."""

    def __init__(self, name: str) -> None:
        self.schema = schema_of(name)
        self.validator: Any = Draft202012Validator(self.schema)

    def takes(self, value: object, schema: Schema | None = None) -> bool:
        """Tell whether a value is as the schema, or a part of it, says."""
        found = self.validator if schema is None else self.validator.evolve(schema=schema)
        return bool(found.is_valid(value))

    def parts(self, schema: Schema, value: object, *, valid: bool = True) -> Iterator[Schema]:
        """Yield what a schema is made of: of alternatives those that take the value, or all."""
        if "$ref" in schema:
            yield from self.parts(self.schema["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, valid=valid)
        yield schema
        for part in schema.get("allOf", ()):
            yield from self.parts(part, value, valid=valid)
        for part in schema.get("anyOf", ()):
            if not valid or self.takes(value, part):
                yield from self.parts(part, value, valid=valid)

    def at(self, path: Where, value: Any) -> list[Schema]:
        """Return the schemas of what stands at a path of a document, which the schema takes."""
        found = [self.schema]
        for step in path:
            parts = [part for schema in found for part in self.parts(schema, value)]
            if isinstance(step, int):
                found = [part["items"] for part in parts if "items" in part]
            else:
                found = [
                    part["properties"].get(step, part.get("additionalProperties", {}))
                    for part in parts
                    if "properties" in part
                ]
                found = [schema for schema in found if schema]
            value = value[step]
        return found

    def keys(self, schemas: list[Schema], value: object, *, valid: bool = True) -> set[str]:
        """Return the keys that schemas have for a mapping: as it is, or in any of its kinds."""
        parts = (part for schema in schemas for part in self.parts(schema, value, valid=valid))
        return {key for part in parts for key in part.get("properties", ())}

    def value_of(self, schemas: list[Schema], key: str) -> object:
        """Return a value for a key of a mapping, as an example or the words themselves have it."""
        parts = [part for schema in schemas for part in self.parts(schema, {}, valid=False)]
        owner = next(part["properties"][key] for part in parts if key in part.get("properties", ()))
        inner = list(self.parts(owner, None, valid=False))
        told = [value for part in inner for word in ("examples", "enum") for value in part.get(word, ()) if value]
        told += [part[word] for part in inner for word in ("default", "const", "minimum") if word in part]
        return next(value for value in (*told, True, 1, "x", "/x", ["x"], {"x": 1}, {}, []) if self.takes(value, owner))


def files(folder: Path) -> None:
    """Make the files that the configurations and the schemas' examples name."""
    for name in ("in", "out", "rules", "tls", "ssh", "keys"):
        (folder / name).mkdir()
    secrets = ("secret", "tls/server.key", "tls/client.key", "tls/mail.password", "ssh/ssh_host_ed25519_key")
    known = ("one.pem", "ca.pem", "list.txt", "tls/ca.pem", "tls/server.pem", "tls/client.pem", "keys/acme.asc")
    for name in (*secrets, *known):
        (folder / name).write_text("192.0.2.0/24\n")
        (folder / name).chmod(0o600)
