"""The `gateway` program itself: help, versions, wrong usage."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.commands import COMMANDS, main


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The program and each command explain themselves."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: gateway")


@pytest.mark.parametrize(
    "words", [[], ["explian"], ["explain"], ["init"], ["explain", "x", "--from", "300.1.1.1"], ["check", "a", "b"]]
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the usage on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: gateway")


def test_it_runs_as_a_module() -> None:
    """For where the script is not in PATH."""
    ended = subprocess.run([sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout.split()[0]) == (0, "event-gateway")
