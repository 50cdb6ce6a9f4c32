"""The checker in a real runner: it reads two lines, and finds the password nowhere else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gateway.accounts.checker import CheckerError, attempt_of, judge
from gateway.drop_config import CHECKER, CHECKER_LINES
from gateway.runner.protocol import Start
from tests.gateway.runner_harness import Harness

SCRIPT = """
import os, sys
name, password, *more = sys.stdin.buffer.read().split(b"\\n")
assert more == [b""], more
seen = b"\\0".join([*os.environb.keys(), *os.environb.values(), *map(os.fsencode, sys.argv)])
sys.exit(99 if password in seen or b"alice" in seen else 0 if (name, password) == (b"alice", b"s\\xff3cret") else 1)
"""


def test_a_program_judges(tmp_path: Path) -> None:
    """The right password lets in, a wrong one does not, and a second line in it starts nothing."""
    config = tmp_path / "tasks.json"
    config.write_text(json.dumps({CHECKER: {"argv": [sys.executable, "-S", "-c", SCRIPT], "lines": CHECKER_LINES}}))
    harness = Harness(config)
    try:
        judged = []
        for password in (b"s\xff3cret", b"wrong"):
            attempt = attempt_of("alice", password)
            harness.send(Start(attempt.id, attempt.task, attempt.rule, attempt.key, attempt.event))
            judged.append(judge(harness.outcome(attempt.id)))
        assert judged == [True, False]
        attempt = attempt_of("alice", b"s\xff3cret\nbob")
        harness.send(Start(attempt.id, attempt.task, attempt.rule, attempt.key, attempt.event))
        with pytest.raises(CheckerError, match="a line of its standard input cannot hold"):
            judge(harness.outcome(attempt.id))
    finally:
        status, said = harness.stop()
    assert (status, said) == (0, "")
