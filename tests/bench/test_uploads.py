"""What the benchmark of uploads makes of its runs."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from bench.send_file import Sent
from bench.uploads import FLAT, MIB, Row, print_row

ROW = Row("FTP", "vsftpd", 0.7, Mock())


def sent(*seconds: float) -> list[Sent]:
    """Return uploads of a GiB that took so long."""
    return [Sent(2**30, each, each / 2, each / 4, "AES") for each in seconds]


def test_the_median_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """One upload that was slow by chance is none that counts; the figures are those of the median."""
    assert print_row(ROW, sent(10, 10, 1000), sent(8, 8, 1), [(0, 0)])
    said = " ".join(capsys.readouterr().out.split())
    assert said == "FTP 102 (5.0 s, 2.5 s) 128 (4.0 s, 2.0 s) 0.80 0.7 +0, +0 MiB"


def test_too_slow() -> None:
    """Less than the goal's part of the other's rate is a failure."""
    assert not print_row(ROW, sent(10), sent(6.9), [(0, 0)])


def test_memory_that_grows() -> None:
    """The largest growth of all runs counts."""
    assert print_row(ROW, sent(1), sent(1), [(FLAT * MIB, 0)])
    assert not print_row(ROW, sent(1), sent(1), [(0, 0), (FLAT * MIB + 1, 0)])


def test_other_ciphers_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the two agreed on different ciphers, both are named."""
    print_row(ROW, sent(1), [Sent(2**30, 1, 1, 1, "chacha20, <implicit>")], [(0, 0)])
    assert capsys.readouterr().out.splitlines()[1].split() == ["AES", "chacha20"]
