"""Random frames: the examples of all grammars through every envelope, changed and cut, in both forms of a batch."""

from __future__ import annotations

from random import Random

from parsers.grammar import Grammar
from parsers.message import Batch, Frames, Origin, Peer, Trust, one_frame
from parsers.parse import builtin_grammars
from tests.rules.random_patterns import CHARACTERS, vary

RECEIVED = 1_767_225_600.0
GRAMMARS: tuple[Grammar, ...] = builtin_grammars()

EXAMPLES: list[tuple[str, str]] = [
    (example.program or (grammar.programs[0].rstrip("*") if grammar.programs else "app"), example.text)
    for grammar in GRAMMARS
    for example in grammar.examples
]
"""Program and text."""

NUMBERS = (
    *("443", "0443", "4.43e2", "44300e-2", "443.0", "443.50", "-0.0", "-0", "0.00001", "0.000123", "1e5", "1E+16"),
    *("12345678901234567890", "1234567890123456789.5", "12345678901234567.0", "0.1234567890123456789", "123.00000"),
    *("9007199254740993.0", "1700000000.1234567", "true", "false", "null", "[1,2.50,null,[3]]", '["a",{"b":1}]', "{}"),
)
TEXTS = (
    r"\u0072oot",
    r"\ud83d\ude00",
    r"\ud800x",
    r"a\tb",
    r"a\/b",
    "root",
    "RooT",
    "K\u212a",
    "0443",
    "192.0.2.7",
    "::ffff:192.0.2.7",
)
KEYS = (
    *("user", "src", "sport", "dport", "status", "pid", "level", "a", "event.action", "x.y", "process.name"),
    "k\u017f",
)


def text(random: Random) -> tuple[str, str]:
    """Return a program and what it may have said."""
    kind = random.randrange(6)
    if kind == 0:
        return "app", _json(random)
    if kind == 1:
        pairs = (f"{random.choice(KEYS)}={random.choice((*NUMBERS[:18], 'x', _quoted(random)))}" for _ in range(4))
        return "app", " ".join(pairs)
    if kind == 2:
        value = random.choice(("a\\=b", "x\\ny", "443", "0443", "CORP\\\\root", "192.0.2.7", "4.43e2"))
        return "app", f"CEF:0|Exa\\|mple|Wall|1|1|n|3|suser={value} spt=0443 dpt=443 spt=17 msg={value} cs1={value}"
    return random.choice(EXAMPLES)


def _quoted(random: Random) -> str:
    return f'"{random.choice(TEXTS)}"'


def _json(random: Random, depth: int = 2) -> str:
    members = []
    for _ in range(random.randrange(1, 5)):
        value = random.choice((random.choice(NUMBERS), _quoted(random), _json(random, depth - 1) if depth else "1"))
        members.append(f'"{random.choice(KEYS)}":{random.choice(("", " "))}{value}')
    return "{" + ",".join(members) + "}"


def frame(random: Random) -> bytes:
    """Return one frame, which may hold anything but is never empty."""
    program, said = text(random)
    if random.random() < 0.4:
        said = _mutated(random, said)
    found = _enveloped(random, program, said).encode("utf-8", "surrogateescape")
    if random.random() < 0.1:
        start = random.randrange(len(found) + 1)
        found = found[start : start + random.randrange(200)]
    if random.random() < 0.1:
        place = random.randrange(len(found) + 1)
        found = found[:place] + random.randbytes(2) + found[place:]
    return found or b"x"


def _mutated(random: Random, said: str) -> str:
    start, stop = sorted((random.randrange(len(said) + 1), random.randrange(len(said) + 1)))
    match random.randrange(5):
        case 0:
            return said[:start] + random.choice(CHARACTERS) + said[start:]
        case 1:
            return said[:start] + said[stop:]
        case 2:
            return said[:start] + vary(random, said[start:stop]) + said[stop:]
        case 3:
            return said[:start]
        case _:
            return said[:stop] + said[start:stop] + said[stop:]


def _enveloped(random: Random, program: str, said: str) -> str:
    priority = random.choice(("", "<13>", "<38>", "<0>", "<191>", "<013>", "<192>", "<34>"))
    pid = random.choice(("", "[7]", "[007]", "[1234567]", "[a b]"))
    stamp = random.choice(("Jan  1 00:00:00", "2026-01-01T00:00:00Z", "*Jan 01 00:00:00.123", "Jan  1 00:00:00 CET"))
    host = random.choice(("web1", "192.0.2.9", "2001:db8::1", "Message forwarded from gw:", "b\u00fccher"))
    colon = random.choice((": ", ":", " ", ":  "))
    match random.randrange(4):
        case 0:
            data = random.choice(
                (
                    "-",
                    r'[a@1 k="v\"w\\x\]y" k2="q\z" K="4.43e2"][b x="1"]',
                    '[a@1 k="root"][a@1 k="admin"]',
                    "[bad data]",
                    "[x=1]",
                    '[a@1 k=root m="a\nb"]',
                    "[]",
                )
            )
            head = f"1 {random.choice(('2026-01-01T00:00:00.5Z', '-', 'x'))} {random.choice((host, '-'))}"
            bom = random.choice(("", "\ufeff", "\ufeff\ufeff", " ", "  ", " \ufeff", "\ufeff "))
            return f"{priority or '<13>'}{head} {program} {random.choice(('7', '-', '007'))} ID1 {data} {bom}{said}"
        case 1:
            return f"{priority}{stamp} {host} {program}{pid}{colon}{said}{random.choice(('', chr(10), chr(0)))}"
        case 2:
            return f"{priority}{random.choice(('/usr/sbin/', ''))}{program}{pid}: {said}"
        case _:
            return f"{priority}{random.choice(('', ' '))}{said}"


ORIGINS = (
    Origin("main", Trust.LOCAL, "127.0.0.1"),
    Origin("other", Trust.NETWORK, "192.0.2.7", trusted=True),
    Origin("tls", Trust.CERTIFICATE, "192.0.2.8", peer=Peer("web1", "CN=web1", "00")),
    Origin("unix", Trust.LOCAL),
    Origin("unix", Trust.LOCAL, host="here"),
)


def batch(random: Random) -> Batch:
    """Return a batch of some frames, newline-terminated, octet-counted or one datagram."""
    frames = [frame(random) for _ in range(random.randrange(1, 8))]
    if random.random() < 0.3:
        frames.append(frames[0])
    kind = random.randrange(3)
    if kind == 0:
        return Batch(one_frame(frames[0]), random.choice(ORIGINS), RECEIVED)
    if kind == 1:
        ends = (random.choice((b"\n", b"\r\n", b"\n\n")) for _ in frames)
        lines = (one.replace(b"\n", b" ") + end for one, end in zip(frames, ends, strict=False))
        return Batch(Frames(b"".join(lines)), random.choice(ORIGINS), RECEIVED)
    data, starts, stops = bytearray(), [], []
    for one in frames:
        data += b"%d " % len(one)
        starts.append(len(data))
        data += one
        stops.append(len(data))
        data += random.choice((b"", b"", b"\n"))
    truncated = frozenset(start for start in starts if random.random() < 0.1)
    return Batch(Frames(bytes(data), tuple(starts), tuple(stops), truncated), random.choice(ORIGINS), RECEIVED)
