"""Long logs through the real SEC and through our rules, seed after seed: where does one do what the other does not?

`python -m tests.end_to_end.sec_rounds` prints a table, with the first differences where there are any. The ends of
windows are hit exactly in one log of each seed (there SEC's windows are a second shorter: `sec.one_second_shorter`
says why), and missed in the other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.end_to_end.sec_comparison import Comparison, compare, compare_as_written, merged_log
from tests.end_to_end.sec_rules import COUNTERPARTS, Counterpart

LINES = 10_000
SEEDS = 5
SPARSE = 25
"""Seconds between lines: no window is a multiple, nor a second more; nor ends one that a timer began at a line."""


def main() -> int:
    """Run, and return the exit status: 0 when both did the same everywhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.sec_rounds", description=(__doc__ or "")[:109])
    parser.add_argument("--lines", type=int, default=LINES, help=f"lines of each kind (default: {LINES})")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many logs (default: {SEEDS})")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    arguments = parser.parse_args()
    sys.stdout.write(f"{'kind':38}{'ends':8}{'seed':>4}{'lines':>8}{'actions':>9}{'of ours':>9}  the same?\n")
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    wrong = sum(not _round(one, arguments.lines, seed) for one in COUNTERPARTS.values() for seed in seeds)
    return 1 if wrong else 0


def _round(counterpart: Counterpart, lines: int, seed: int) -> bool:
    same = True
    with tempfile.TemporaryDirectory(prefix="sec-") as temporary:
        for way, step, ends in ((compare, 1, "hit"), (compare_as_written, SPARSE, "missed")):
            log = merged_log([counterpart], lines, seed, step)
            comparison = way([counterpart], log, Path(temporary))[counterpart.kind]
            same &= _tell(f"{counterpart.kind:38}{ends:8}{seed:4}{lines:8}", comparison)
    return same


def _tell(which: str, comparison: Comparison) -> bool:
    differences = comparison.differences()
    verdict = f"{len(differences)} differences" if differences else "yes"
    sys.stdout.write(f"{which}{len(comparison.sec):9}{len(comparison.ours):9}  {verdict}\n")
    for difference in differences[:5]:
        sys.stdout.write(f"    {difference}\n")
    sys.stdout.flush()
    return not differences


if __name__ == "__main__":
    sys.exit(main())
