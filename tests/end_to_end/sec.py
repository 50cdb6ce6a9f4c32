"""The real SEC in virtual time: rules and a log go in, what it did and when comes out."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.end_to_end.programs import PATIENCE, require
from tests.end_to_end.sec_logs import Line

VIRTUAL_SEC = Path(__file__).with_name("virtual_sec.pl")

_SPAN = re.compile(r"^(window2?=|action=create \S+ )(\d+)", re.MULTILINE)


class Action(NamedTuple):
    """What was done: the whole second since 1970, and words that say what."""

    time: int
    words: str


def one_second_shorter(rules: str) -> str:
    """Shorten all windows and the lives of contexts by a second.

    SEC's clock knows whole seconds, and its windows include both ends: an event that is exactly `window` seconds old
    still counts, and what has not come ends when `window` is exceeded. In whole seconds a window of 59 is therefore
    what everybody else calls a minute.
    """
    return _SPAN.sub(lambda match: f"{match[1]}{int(match[2]) - 1}", rules)


def actions_of_sec(rules: Iterable[str], log: Iterable[Line], until: int, folder: Path) -> list[Action]:
    """Run SEC with these rule files over a log and on until a second; return what it did, in the order it did it.

    Raises:
        AssertionError: SEC did not take a rule, or something else went wrong.
    """
    sec, perl = require("sec"), require("perl")
    files = []
    for number, text in enumerate(rules):
        files.append(folder / f"{number:03}.conf")
        files[-1].write_text(text)
    lines = folder / "log"
    lines.write_text("".join(f"{time} {text}\n" for time, text in log) + f"{until}\n")
    options = [f"--conf={file}" for file in files]
    done = subprocess.run(
        [perl, VIRTUAL_SEC, sec, lines, *options, "--notail", "--debug=3"],
        env={**os.environ, "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    actions = (line.partition(" ") for line in done.stdout.splitlines())
    return [Action(int(time), words) for time, _, words in actions]
