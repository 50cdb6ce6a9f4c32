"""A log to measure with: RFC 3164 messages as servers write them, 120 to 160 octets, a share of them interesting.

The same seed makes the same log, so sender, receivers and checks agree on it without passing it around. A log of any
length is one block again and again: 1.4 MB, which is more than a receiver remembers of what it read before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import Random

BLOCK = 10_000
"""Messages of a block; logs are whole blocks."""

INTERESTING = 0.01
"""The share of interesting messages: what a busy server with an open SSH port sees."""

SHORTEST, LONGEST = 120, 160
"""Octets of a message without its framing."""

WORDS = ("queue", "worker", "cache", "index", "replica", "lease", "volume", "bucket", "tenant", "ledger", "report")
USERS = ("deploy", "anna", "backup", "postgres", "www-data", "j.smith", "nagios", "git")
HOSTS = ("web1", "web2", "mail", "db-primary", "gw-berlin", "files", "ci-runner-3", "ns1")
DOMAINS = (
    ".rack-17.row-c.second-hall.frankfurt.eu-central.infrastructure.example.net",
    ".second-hall.frankfurt.eu-central.infrastructure.example.net",
    ".frankfurt.eu-central.infrastructure.example.net",
    ".eu-central.infrastructure.example.net",
    ".infrastructure.example.net",
    ".dc2.example.net",
    "",
)
"""From long to short: a message takes the one that brings it to its length."""

VALUES: dict[str, Callable[[Random], object]] = {
    "address": lambda random: f"{random.choice(('192.0.2.', '203.0.113.', '10.20.3.'))}{random.randrange(1, 255)}",
    "digit": lambda random: random.randrange(10),
    "hex": lambda random: f"{random.getrandbits(32):08x}",
    "number": lambda random: random.randrange(100_000),
    "port": lambda random: random.randrange(2**15, 2**16),
    "user": lambda random: random.choice(USERS),
    "victim": lambda random: random.choice(("root", "invalid user admin", "invalid user oracle", *USERS)),
    "word": lambda random: random.choice(WORDS),
}
"""What stands for `{name}` in a shape."""

Shape = tuple[int, str, str]
"""Priority, program and text."""

FAILED_LOGIN: Shape = (38, "sshd", "Failed password for {victim} from {address} port {port} ssh2")

NOISE: tuple[Shape, ...] = (
    (38, "sshd", "Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:{hex}{hex}"),
    (38, "sshd", "Received disconnect from {address} port {port}:11: disconnected by user"),
    (38, "sshd", "Connection closed by {address} port {port} [preauth]"),
    (86, "sshd", "pam_unix(sshd:session): session opened for user {user}(uid={number}) by (uid=0)"),
    (86, "sudo", "{user} : TTY=pts/{digit} ; PWD=/srv/{word} ; USER=root ; COMMAND=/usr/bin/{word} --list"),
    (78, "CRON", "(root) CMD (test -x /usr/sbin/{word} && /usr/sbin/{word} --quiet --once)"),
    (30, "systemd", "Started {word}-{hex}.service - Refresh of the {word} of the {word}."),
    (22, "postfix/smtpd", "connect from mx{digit}.example.net[{address}]"),
    (22, "postfix/qmgr", "{hex}: from=<{user}@example.com>, size={number}, nrcpt=1 (queue active)"),
    (
        22,
        "postfix/smtp",
        "{hex}: to=<{user}@example.org>, relay=mx[{address}]:25, delay=0.{digit}, dsn=2.0.0, status=sent",
    ),
    (22, "dovecot", "imap-login: Login: user=<{user}>, method=PLAIN, rip={address}, lip={address}, mpid={port}, TLS"),
    (190, "nginx", '{address} - - "GET /{word}/{word}/{number} HTTP/1.1" 200 {number} "-" "Mozilla/5.0"'),
    (190, "nginx", '{address} - {user} "POST /api/{word} HTTP/2.0" 201 {number} "-" "curl/8.5.0"'),
    (
        4,
        "kernel",
        "[{number}.{port}] IN=eth0 OUT= SRC={address} DST={address} LEN=60 TTL=54 PROTO=TCP SPT={port} DPT=443",
    ),
    (30, "dhcpd", "DHCPACK on {address} to 02:00:5e:10:2{digit}:3{digit} via eth1"),
    (30, "named", "client @0x{hex} {address}#{port} ({word}.example.net): query: {word}.example.net IN AAAA +E(0)K"),
    (134, "postgres", "[{digit}-1] {user}@{word} LOG:  duration: {number}.{digit} ms  statement: SELECT * FROM {word}"),
    (134, "app", 'level=info msg="request done" method=GET path=/{word} status=200 took={digit}ms trace={hex}{hex}'),
    (29, "openvpn", "{user}/{address}:{port} TLS: soft reset sec=3600/3600 bytes={number}/-1 pkts={port}/0"),
    (85, "login", "connection attempt number {digit} of session {hex} for {user} was granted"),
)


def message(random: Random, number: int, shape: Shape) -> bytes:
    """Return one message without framing; the host's domain makes up the length that the text leaves open."""
    priority, program, template = shape
    text = re.sub(r"\{(\w+)\}", lambda match: str(VALUES[match[1]](random)), template)
    second = number // 7
    head = f"<{priority}>Nov 10 09:{second // 60:02d}:{second % 60:02d} {random.choice(HOSTS)}"
    tail = f" {program}[{random.randrange(300, 65536)}]: {text}"
    room = max(0, random.randrange(SHORTEST + 20, LONGEST + 1) - len(head) - len(tail))
    return f"{head}{next(domain for domain in DOMAINS if len(domain) <= room)}{tail}".encode("ascii")


def block(*, share: float = INTERESTING, seed: int = 20_240_229) -> list[bytes]:
    """Return one block of messages without framing.

    Args:
        share: how many of them are interesting; the last one is, so that a receiver that found all has read all.
        seed: what makes it the same every time.
    """
    random = Random(seed)
    places = {BLOCK - 1, *random.sample(range(BLOCK - 1), round(BLOCK * share) - 1)}
    return [
        message(random, number, FAILED_LOGIN if number in places else random.choice(NOISE)) for number in range(BLOCK)
    ]


def by_lines(messages: Iterable[bytes]) -> bytes:
    """Frame messages by newlines (RFC 6587 section 3.4.2)."""
    return b"".join(text + b"\n" for text in messages)


def by_octet_counts(messages: Iterable[bytes]) -> bytes:
    """Frame messages by octet counts (RFC 6587 section 3.4.1)."""
    return b"".join(b"%d %s" % (len(text), text) for text in messages)
