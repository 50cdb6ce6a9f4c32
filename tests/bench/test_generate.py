"""The benchmark's log and expressions are what its figures claim."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from bench.expressions import FAILED_LOGIN, expressions
from bench.generate import BLOCK, INTERESTING, LONGEST, SHORTEST, block, by_lines, by_octet_counts


@pytest.fixture(scope="module")
def messages() -> list[bytes]:
    """One block."""
    return block()


def texts(messages: list[bytes]) -> list[str]:
    """Return what stands behind the headers."""
    return [message.decode().split("]: ", 1)[1] for message in messages]


def test_block(messages: list[bytes]) -> None:
    """A block is the same every time, its messages have the stated lengths, and time goes forward."""
    assert messages == block()
    assert len(messages) == BLOCK
    assert all(SHORTEST <= len(message) <= LONGEST for message in messages)
    stamps = [message[message.index(b">") + 1 :][:15] for message in messages]
    assert all(earlier <= later for earlier, later in pairwise(stamps))


def test_interesting_share(messages: list[bytes]) -> None:
    """The first expression finds the stated share, the last message among them, and every message of a full block."""
    search = re.compile(FAILED_LOGIN).search
    assert sum(1 for text in texts(messages) if search(text)) == BLOCK * INTERESTING
    assert search(texts(messages)[-1])
    assert all(map(search, texts(block(share=1.0))))


def test_framing() -> None:
    """Both framings hold the same messages."""
    assert by_lines([b"<14>a", b"<14>bc"]) == b"<14>a\n<14>bc\n"
    assert by_octet_counts([b"<14>a", b"<14>bc"]) == b"5 <14>a6 <14>bc"


def test_expressions(messages: list[bytes]) -> None:
    """1,300 different expressions compile, begin with the fewer ones, and all but the first find nothing."""
    many = expressions(1300)
    assert len(set(many)) == 1300
    assert many[:30] == expressions(30)
    # One alternation is a hundred times quicker to run than all of them one after another.
    together = re.compile("|".join(f"(?:{text})" for text in many[1:]))
    assert not any(map(together.search, texts(messages)[:500]))


def test_expressions_need_no_quoting() -> None:
    """They hold nothing that rsyslog's, syslog-ng's or YAML's quotes would change."""
    assert not any(set(text) & set("\\'\"`%") for text in expressions(1300))
