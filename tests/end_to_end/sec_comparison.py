"""What SEC and our rules made of the same log, counterpart by counterpart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.sec import Action, actions_of_sec, one_second_shorter
from tests.end_to_end.sec_logs import Line, make_log, merge_logs
from tests.end_to_end.sec_ours import actions_of_ours, load
from tests.end_to_end.sec_rules import Counterpart

_ALL_OVER = 1000
"""Seconds after a log in which all windows end."""

_WORD = re.compile(r"write - %u (\S+)")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The actions of both, of one counterpart; in the order of time, those of one second in that of their words."""

    sec: tuple[Action, ...]
    ours: tuple[Action, ...]

    def differences(self) -> list[str]:
        """Return what only one of them did, the earliest first, as lines `SECOND WHO WORDS`."""
        sec, ours = Counter(self.sec), Counter(self.ours)
        only = [(*action, "only SEC") for action in (sec - ours).elements()]
        only += [(*action, "only ours") for action in (ours - sec).elements()]
        return [f"{time} {who}: {words}" for time, words, who in sorted(only)]


def merged_log(counterparts: Iterable[Counterpart], lines: int, seed: int, step: int = 1) -> list[Line]:
    """Return a log in which so many lines are of each counterpart's traffic."""
    return merge_logs(make_log(one.traffic, lines, seed, step) for one in counterparts)


def compare(counterparts: Sequence[Counterpart], log: Sequence[Line], folder: Path) -> Mapping[str, Comparison]:
    """Run all rules of both over any log; SEC's windows are a second shorter, which in whole seconds is the same."""
    sec, ours = _run(counterparts, [one_second_shorter(text) for one in counterparts for text in one.sec], log, folder)
    return _by_kind(counterparts, sec, ours)


def compare_as_written(
    counterparts: Sequence[Counterpart], log: Sequence[Line], folder: Path
) -> Mapping[str, Comparison]:
    """Run all rules of both as they are written over a log in which no two lines are exactly a window apart.

    What SEC does at the end of a window it does when the window is exceeded, in the second after: that second is taken
    off here.
    """
    sec, ours = _run(counterparts, [text for one in counterparts for text in one.sec], log, folder)
    at_ends = {word for one in counterparts for word in one.at_ends}
    sec = [action._replace(time=action.time - (action.words.split()[0] in at_ends)) for action in sec]
    return _by_kind(counterparts, sec, ours)


def _run(
    counterparts: Sequence[Counterpart], rules: Sequence[str], log: Sequence[Line], folder: Path
) -> tuple[list[Action], list[Action]]:
    """Return what SEC does by these rules, and what ours do; they run side by side."""
    until = log[-1].time + _ALL_OVER
    timers = {name: text for one in counterparts for name, text in one.timers.items()}
    ours = load(one.ours for one in counterparts)
    with ThreadPoolExecutor(1) as pool:
        sec = pool.submit(actions_of_sec, rules, log, until, folder)
        done = actions_of_ours(ours, log, until, timers)
        return sec.result(), done


def _by_kind(
    counterparts: Iterable[Counterpart], sec: Iterable[Action], ours: Iterable[Action]
) -> Mapping[str, Comparison]:
    kinds = {word: one.kind for one in counterparts for text in one.sec for word in _WORD.findall(text)}
    return {one.kind: Comparison(_of(one.kind, kinds, sec), _of(one.kind, kinds, ours)) for one in counterparts}


def _of(kind: str, kinds: Mapping[str, str], actions: Iterable[Action]) -> tuple[Action, ...]:
    return tuple(sorted(action for action in actions if kinds[action.words.partition(" ")[0]] == kind))
