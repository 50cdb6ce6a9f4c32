"""Parsed events through match, windows and plan, with fifty rules of mixed kinds and no disk.

Run it as `python -m bench.rules`. All rules see every event (`candidates` is None), as they see the gateway's own and
those of a backtest without the sieve; then only those that the index of values finds. Events are parsed in batches just
before, as the gateway does, and only what comes then is measured; time goes on by 2 ms with each, and waits end when
they are due. `--profile` shows where the time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import time
from collections import Counter
from importlib import resources
from pathlib import Path
from random import Random
from statistics import median

from bench.run import processor
from parsers.event import Event
from parsers.message import Message, Origin, Trust
from parsers.parse import Parser, builtin_grammars
from rules.load import Defaults, load_rules
from rules.rule import Rule
from rules.rulebook import RuleBook

BATCH, BATCHES, ROUNDS = 500, 40, 10
"""Events that are parsed before they are shown, such batches of a round, and rounds."""
TICK = 0.002
START = 1_767_571_200.0
"""A Monday, 00:00 UTC."""
GOAL = 150_000
ORIGIN = Origin("main", Trust.LOCAL, "127.0.0.1")

QUIET = (
    "sshd[{pid}]: Accepted publickey for {staff} from 192.0.2.{low} port {port} ssh2: ED25519 SHA256:abcdefghijk",
    "sshd[{pid}]: pam_unix(sshd:session): session opened for user {staff}(uid=1000) by (uid=0)",
    "sshd[{pid}]: Received disconnect from 192.0.2.{low} port {port}:11: disconnected by user",
    "sudo: {staff} : TTY=pts/0 ; PWD=/home/{staff} ; USER=root ; COMMAND=/usr/bin/apt-get update",
    "CRON[{pid}]: (root) CMD (run-parts --report /etc/cron.hourly)",
    "systemd[1]: logrotate.service: Deactivated successfully.",
    "kernel: [12345.678901] eth0: renamed from veth{pid}",
    "postfix/smtp[{pid}]: 4ABC{pid}: to=<u{low}@example.net>, relay=mx.example[198.51.100.{low}]:25, status=sent (k)",
    "postfix/qmgr[{pid}]: 4ABC{pid}: from=<u{low}@example.com>, size=4321, nrcpt=1 (queue active)",
    "postfix/smtpd[{pid}]: connect from mail.example.org[203.0.113.{low}]",
    'nginx: 203.0.113.{low} - - [05/Jan/2026:00:00:00 +0000] "GET /a/{pid}.css HTTP/1.1" 200 5120 "-" "Mozilla/5.0"',
    'nginx: 198.51.100.{low} - - [05/Jan/2026:00:00:00 +0000] "POST /api/v1/items HTTP/2.0" 201 88 "-" "curl/8.0"',
)
LOUD = (
    *("sshd[{pid}]: Failed password for invalid user {made_up} from 203.0.113.{low} port {port} ssh2",) * 4,
    "sshd[{pid}]: Failed password for {staff} from 192.0.2.{low} port {port} ssh2",
    "sudo: {staff} : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/bash",
    'nginx: 203.0.113.{low} - - [05/Jan/2026:00:00:00 +0000] "GET /{made_up}.php HTTP/1.1" 404 153 "-" "scan"',
    "postfix/smtpd[{pid}]: warning: unknown[203.0.113.{low}]: SASL LOGIN authentication failed: (reason unavailable)",
    "systemd[1]: backup.service: Failed with result 'exit-code'.",
    "kernel: [12345.678901] e1000e eth0: NIC link is down",
)
SHARE = 0.025
"""Of events that concern a rule: less than most machines on the Internet see, more than those behind a firewall."""


def rules() -> tuple[Rule, ...]:
    """Return the fifty rules."""
    path = Path(str(resources.files("bench").joinpath("rules.yaml")))
    loaded = load_rules(path.read_text("utf-8"), path.name, Defaults())
    if loaded.errors or len(loaded.rules) != 50:
        raise SystemExit("\n".join(map(str, loaded.errors)) or f"{len(loaded.rules)} rules")
    return loaded.rules


def events(parser: Parser, count: int = BATCH, seed: int = 1) -> list[Event]:
    """Return events of four dozen machines, the same every time for a seed."""
    random = Random(seed)
    made = []
    for number in range(seed * count, (seed + 1) * count):
        template = random.choice(LOUD if random.random() < SHARE else QUIET)
        text = template.format(
            pid=random.randrange(1000, 30_000),
            low=random.randrange(1, 255),
            port=random.randrange(1024, 65536),
            staff=random.choice(("alice", "bob", "carol", "dave")),
            made_up=f"x{random.randrange(5000)}",
        )
        frame = f"<38>Jan  5 00:00:00 web{random.randrange(48)} {text}".encode()
        made.append(parser.parse(Message(frame, ORIGIN, START, offset=number)))
    return made


def show(book: RuleBook, made: list[Event], now: float, counts: Counter[str]) -> float:
    """Show events and end waits; return the time afterwards."""
    feed, next_due = book.feed, book.next_due
    due = next_due()
    for number, event in enumerate(made):
        now += TICK
        findings = feed(event, now)
        if findings.matched:
            counts["matched"] += 1
            counts["decisions"] += len(findings.decisions)
            counts["jobs"] += sum(len(one.jobs) for one in findings.decisions)
        elif findings.swallowed:
            counts["swallowed"] += 1
        if number % 125 == 0 and (due := next_due()) is not None and due <= now:  # as often as the gateway looks
            for one in book.dues(now):
                counts["ended"] += 1
                counts["jobs"] += sum(len(decision.jobs) for decision in book.end(one, now).decisions)
            for _ in book.fall_due(now):
                counts["undone"] += 1
    return now


def main() -> None:
    """Print events per CPU second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    given = parser.parse_args()
    reader = Parser(builtin_grammars())
    book = RuleBook(rules(), reader.grammars, parse=reader.parse)
    counts: Counter[str] = Counter()
    profile = cProfile.Profile()
    now = START
    rates: list[float] = []
    for number in range(-1, ROUNDS):
        if number == 0:  # the one before was to get warm
            counts.clear()
            rates.clear()
        seconds = 0.0
        for batch in range(BATCHES):
            made = events(reader, seed=(number + 2) * BATCHES + batch)
            if given.profile:
                profile.enable()
            started = time.process_time()
            now = show(book, made, now, counts)
            seconds += time.process_time() - started
            profile.disable()
        rates.append(BATCH * BATCHES / seconds)
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    total, best = ROUNDS * BATCHES * BATCH, max(rates)
    print(f"{processor()}, Python {platform.python_version()}")
    print(", ".join(f"{name} {count:,} ({count / total:.2%})" for name, count in sorted(counts.items())))
    print(
        f"{best:,.0f} events per CPU second through 50 rules in the best of {ROUNDS} rounds"
        f" (the median is {median(rates):,.0f}): {'held' if best >= GOAL else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
