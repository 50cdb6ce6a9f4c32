"""`sequence`: one event for each stage within a time, in order."""

from __future__ import annotations

from typing import NamedTuple

from parsers.message import Message
from rules.when import Sequence
from rules.windows.memory import OCTETS_PER_KEY, Memory, weight_of
from rules.windows.window import Completed, Instant, Key, Progress, Sighting, Taken


class _Chain(NamedTuple):
    """Events that fulfil the first stages, when the first of them came, and what they weigh."""

    began: float
    messages: tuple[Message, ...]
    weight: int


_Chains = list[_Chain | None]
"""For each length the chain that began last: one that began earlier cannot do better."""


class SequenceWindow(Instant):
    """For each key the chains that go on."""

    def __init__(self, when: Sequence) -> None:
        self._when = when
        self._length = len(when.stages)
        self._memory = Memory[_Chains](when.max_keys, OCTETS_PER_KEY * when.max_keys, _weigh, self._is_over)
        self._chains = self._memory.held

    def take(self, key: Key, seen: Sighting, now: float) -> Taken:
        """Go on with the chains that wait for the event; it takes one place in each of them.

        What breaks off has no place in what it breaks off, but it may be the first of what comes next.
        """
        stages = seen.stages
        broken = self._length in stages and key in self._chains
        if broken:
            self._memory.remove(key)
        message = seen.event.message
        chains = self._chains.get(key)
        if chains is None:
            if 0 not in stages:
                return broken
            chains = [None] * (self._length - 1)
            chains[0] = _Chain(now, (message,), weight_of(message))
            self._memory.admit(key, chains, now)
            return True
        grown, changed = 0, False
        for stage in sorted(stages, reverse=True):  # from behind, so that no chain takes the event twice
            if stage == 0:
                chain = _Chain(now, (message,), weight_of(message))
            else:
                former = chains[stage - 1]
                if former is None or former.began <= now - self._when.within:
                    continue
                if stage == self._length - 1:
                    self._memory.remove(key)
                    return Completed(self._length, former.began, tuple(zip(former.messages, range(stage), strict=True)))
                chain = _Chain(former.began, (*former.messages, message), former.weight + weight_of(message))
            replaced = chains[stage]
            chains[stage] = chain
            grown += chain.weight - (replaced.weight if replaced else 0)
            changed = True
        if changed:
            self._chains.move_to_end(key)
            self._memory.grow(grown, now)
        return changed

    def _is_over(self, chains: _Chains, now: float) -> bool:
        return all(chain is None or chain.began <= now - self._when.within for chain in chains)

    def progress(self, key: Key, now: float) -> Progress | None:
        """Tell how long the longest chain is."""
        oldest = now - self._when.within
        chains = self._chains.get(key, [])
        begun = {at: one.began for at, one in enumerate(chains, 1) if one is not None and one.began > oldest}
        if not begun:
            return None
        have = max(begun)
        words, until = f"waits for number {have + 1} of the sequence", begun[have] + self._when.within
        return Progress(have, self._length, words=words, until=until, has=tuple(map(str, begun)))

    def shift(self, seconds: float) -> None:
        """Move all times along with a clock that was set."""
        for chains in self._chains.values():
            chains[:] = [chain and chain._replace(began=chain.began + seconds) for chain in chains]

    @property
    def evicted(self) -> int:
        """Count the keys that had to go for others while they still counted."""
        return self._memory.evicted

    def __len__(self) -> int:
        """Count the keys in memory."""
        return len(self._chains)


def _weigh(chains: _Chains) -> int:
    return sum(chain.weight for chain in chains if chain is not None)
