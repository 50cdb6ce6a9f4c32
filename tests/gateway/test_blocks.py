"""Blocks: what is read is what was written, or it is said that it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.blocks import (
    BLOCK_OCTETS,
    Block,
    BlockWriter,
    Entry,
    Origins,
    checksum,
    decode_origin,
    encode_origin,
    read_block,
)
from gateway.jobs.records import Damage
from parsers.message import HostnamePolicy, Message, Origin, Peer, Trust
from tests.gateway.store_samples import message

TEXT = st.text(st.characters(codec=None), max_size=20)
OPTIONAL = st.none() | TEXT
ZONES = st.sampled_from([UTC, ZoneInfo("UTC"), timezone(timedelta(hours=-5)), timezone(timedelta(seconds=5))])
ORIGINS = st.builds(
    Origin,
    TEXT,
    st.sampled_from(Trust),
    OPTIONAL,
    st.none() | st.integers(0, 65535),
    st.none() | st.builds(Peer, OPTIONAL, TEXT, TEXT),
    st.booleans(),
    ZONES,
    st.sampled_from(HostnamePolicy),
    st.lists(TEXT).map(tuple),
    OPTIONAL,
)
MESSAGES = st.builds(
    Message,
    st.binary(max_size=200),
    ORIGINS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.integers(0, 1 << 40),
)


def write(messages: list[Message], first: int = 1) -> list[Block]:
    """Make blocks of messages."""
    writer = BlockWriter(Origins(), first)
    return [*writer.append(messages), *writer.finish()]


def read(blocks: list[Block]) -> list[Entry | Damage]:
    """Read blocks, each record checked."""
    return [entry for block in blocks for entry in read_block(block.first, block.last, block.body)]


@given(ORIGINS)
def test_an_origin_comes_back(origin: Origin) -> None:
    """Every origin is read as it was written, and fills one line."""
    line = encode_origin(origin)
    assert decode_origin(line) == origin
    assert b"\n" not in line


@given(st.lists(MESSAGES, max_size=20), st.integers(1, 1 << 40))
def test_messages_come_back(messages: list[Message], first: int) -> None:
    """Whatever the messages are, they are read as they were written, under the numbers that they got."""
    blocks = write(messages, first)
    assert read(blocks) == [Entry(number, message) for number, message in enumerate(messages, first)]
    for block in blocks:
        received = [entry.message.received for entry in read([block]) if isinstance(entry, Entry)]
        assert (block.since, block.until) == (min(received), max(received))


def test_many_messages_fill_several_blocks() -> None:
    """A block is closed when it is full, whatever the number of messages handed over at a time."""
    messages = [Message(b"x" * 1000, message(1).origin, 1.0, offset=number) for number in range(1000)]
    blocks = write(messages)
    assert 1 < len(blocks) < 6
    assert all(len(block.body) < BLOCK_OCTETS * 1.1 for block in blocks)
    assert [entry.message for entry in read(blocks) if isinstance(entry, Entry)] == messages


def test_a_known_checksum_stands_for_all_records() -> None:
    """A body whose checksum is right is read without checking each record; one whose is wrong, with."""
    (block,) = write([message(number) for number in range(1, 9)])
    assert list(read_block(1, 8, block.body, checksum(block.body))) == read([block])
    damaged = block.body[:-1] + b"!"
    assert list(read_block(1, 8, damaged, checksum(block.body))) == read([replace(block, body=damaged)])


def test_records_are_not_taken_for_others() -> None:
    """A block that stands under other numbers than it was written for is damaged."""
    (block,) = write([message(1), message(2)])
    assert all(isinstance(entry, Damage) for entry in read_block(2, 3, block.body))


def test_a_flipped_bit_concerns_its_record_only() -> None:
    """A flipped bit in a frame or a header loses that record; all others are read."""
    messages = [message(number) for number in range(1, 21)]
    (block,) = write(messages)
    for place in range(0, len(block.body), 3):
        body = bytearray(block.body)
        body[place] ^= 1 << place % 8
        entries = list(read_block(1, 20, bytes(body)))
        damages = [entry for entry in entries if isinstance(entry, Damage)]
        assert damages, f"octet {place} was flipped, and nobody noticed"
        if place >= len(block.body) - 20 * len(messages[-1].frame):
            assert len(damages) == 1
        whole = {entry.number: entry.message for entry in entries if isinstance(entry, Entry)}
        assert whole.items() <= dict(enumerate(messages, 1)).items()


@pytest.mark.parametrize("length", [0, 7, 8, 40])
def test_a_block_that_is_cut_off_is_damaged(length: int) -> None:
    """What is left of a block is not taken for all of it."""
    (block,) = write([message(1), message(2)])
    (damage,) = read_block(1, 2, block.body[:length])
    assert isinstance(damage, Damage)
    assert (damage.first, damage.last) == (1, 2)
