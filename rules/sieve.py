"""Find the few messages that a rule could want, over a whole batch at once and before anything is parsed.

Each rule yields alternatives over the raw octets of which every message that it matches holds at least one; all of
them are one Hyperscan database. A rule that yields none makes every message a candidate. The contract, held by a
property test: the sieve never drops a message that a rule would match.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version

import hyperscan

from parsers.message import NEWLINE, Batch, Frames, Message
from rules.necessary import NEWLINE as NEWLINE_IN_FRAME
from rules.necessary import Necessary, required_literal

Wanted = tuple[int, ...]
"""The rules, by their place in the rule book, for which a message is a candidate."""

Candidate = tuple[Message, Wanted]

_K, _I, _S = r"(?:[Kk]|\xe2\x84\xaa)", r"(?:[Ii]|\xc4\xb0|\xc4\xb1)", r"(?:[Ss]|\xc5\xbf)"
_MISSED: Mapping[str, bytes] = {
    r"curl[\x00-\xff]*\|\s*python": b"curl http://www.example.org/ 2>&1 | python",
    rf"(?:[Uu][Ss][Ee][Rr]-|[Dd]{_I}{_S}{_K} [\x00-\xff]{{1,4}}[\x00-\xff])": b"a message of a User-",
}
"""What Vectorscan 5.4.12 does not find, on some processors (https://github.com/VectorCamp/vectorscan/issues/382)."""


@cache
def is_sound() -> bool:
    """Tell whether this Hyperscan finds what it should: versions were released that do not."""
    expressions = [Necessary(expression, 0) for expression in _MISSED]
    return all(_hits(_database_of([one]), text) for one, text in zip(expressions, _MISSED.values(), strict=True))


class Sieve:
    """Sifts batches for rules; `needs[i]` is what rule i needs, None when it needs to see every message.

    `compiled` is an earlier `dump()` of a sieve with the same `key_of(needs)`. Where Hyperscan is not to be relied on
    (`is_sound`), every rule sees every message.
    """

    def __init__(self, needs: Sequence[Sequence[Necessary] | None], compiled: bytes | None = None) -> None:
        self.needs = needs = needs if is_sound() else [None] * len(needs)
        self.always: Wanted = tuple(index for index, need in enumerate(needs) if need is None)
        self._rules_of = _by_expression(needs)
        self._wanted: tuple[Wanted, ...] = tuple(
            tuple(sorted({*rules, *self.always})) for rules in self._rules_of.values()
        )
        self._database: hyperscan.Database | None = None
        self.was_compiled = False
        """The database had to be compiled; `compiled` was absent or of no use."""
        if self._rules_of:
            self._database = _load(compiled) if compiled else None
            if self._database is None:
                self._database = _compile(self._rules_of)
                self.was_compiled = True

    @staticmethod
    def key_of(needs: Sequence[Sequence[Necessary] | None]) -> str:
        """Name the database of these needs, for a cache: the same name, the same expressions and Hyperscan."""
        digest = hashlib.blake2b(f"{version('hyperscan')}\n".encode(), digest_size=16)
        for necessary in _by_expression(needs):
            digest.update(f"{necessary.expression}\n{necessary.core}\n".encode())
        return digest.hexdigest()

    def dump(self) -> bytes:
        """Return the compiled database, for `compiled`; empty when there is none."""
        return hyperscan.dumpb(self._database) if self._database else b""

    def candidates(self, batch: Batch) -> Iterator[Candidate]:
        """Yield the messages that a rule could want, in the order of the batch, each with those rules."""
        if self.always:
            yield from self._every(batch)
            return
        if self._database is None:
            return
        frames, origin, received, wanted = batch.frames, batch.origin, batch.received, self._wanted
        data, truncated = frames.data, frames.truncated
        start, end = 0, -1
        rules: Wanted = ()
        for offset, expression in self._scan(frames):
            if start < offset <= end:
                if wanted[expression] is not rules:
                    rules = tuple(sorted({*rules, *wanted[expression]}))
                continue
            if rules:
                yield Message(data[start:end], origin, received, start in truncated, start), rules
            start, end = frames.at(offset)
            rules = wanted[expression] if start < offset <= end else ()
        if rules:
            yield Message(data[start:end], origin, received, start in truncated, start), rules

    def _every(self, batch: Batch) -> Iterator[Candidate]:
        """Yield all messages, each with the rules that see everything and those that were hit."""
        frames = batch.frames
        hit: dict[int, set[int]] = {}
        if self._database is not None:
            for offset, expression in self._scan(frames):
                hit.setdefault(frames.at(offset)[0], set()).update(self._wanted[expression])
        for start, stop in frames:
            rules = tuple(sorted(hit[start])) if start in hit else self.always
            cut = start in frames.truncated
            yield Message(frames.data[start:stop], batch.origin, batch.received, cut, start), rules

    def _scan(self, frames: Frames) -> list[tuple[int, int]]:
        """Return (offset behind the hit, expression), in rising order."""
        assert self._database is not None  # noqa: S101 -- the callers looked
        # frames that end with a newline hold none
        data = frames.data.replace(NEWLINE, NEWLINE_IN_FRAME) if frames.stops else frames.data
        return _hits(self._database, data)


def _hits(database: hyperscan.Database, data: bytes) -> list[tuple[int, int]]:
    hits: list[tuple[int, int]] = []
    append = hits.append

    def hit(expression: int, _start: int, stop: int, _flags: int, _context: object) -> None:
        append((stop, expression))

    database.scan(data, match_event_handler=hit)
    hits.sort()
    return hits


def _by_expression(needs: Iterable[Sequence[Necessary] | None]) -> Mapping[Necessary, list[int]]:
    rules_of: dict[Necessary, list[int]] = {}
    for index, need in enumerate(needs):
        for necessary in need or ():
            rules_of.setdefault(necessary, []).append(index)
    return rules_of


def _compile(expressions: Collection[Necessary]) -> hyperscan.Database:
    """Compile the expressions: what Hyperscan finds too large by its longest text, and all of them when together."""
    try:
        return _database_of(expressions)
    except hyperscan.HyperscanError:
        accepted = [one if _is_accepted(one) else required_literal(one) for one in expressions]
    try:
        return _database_of(accepted)
    except hyperscan.HyperscanError:
        return _database_of([required_literal(one) for one in expressions])


def _database_of(expressions: Collection[Necessary]) -> hyperscan.Database:
    database = hyperscan.Database()
    texts = [one.expression.encode("ascii") for one in expressions]
    database.compile(expressions=texts, elements=len(texts), ids=list(range(len(texts))))
    return database


def _is_accepted(one: Necessary) -> bool:
    try:
        _database_of([one])
    except hyperscan.HyperscanError:
        return False
    return True


def _load(compiled: bytes) -> hyperscan.Database | None:
    """Load a dumped database; None when this Hyperscan or this processor cannot use it."""
    try:
        database = hyperscan.loadb(compiled, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except (hyperscan.HyperscanError, ValueError):
        return None
    return database
