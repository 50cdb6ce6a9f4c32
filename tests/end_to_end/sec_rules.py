"""Each kind of rule of SEC (Simple Event Correlator 2.9) beside the rule of ours that does the same.

The rules are in `sec_examples/`, NAME.conf of SEC and NAME.yaml of ours. What they do is a line of words: SEC writes
`%u WORDS` (`%u` is the second in which it acts), ours would run a command of these words. Most are the examples of
SEC's manual page, sec(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.sec_logs import Traffic

EXAMPLES = Path(__file__).with_name("sec_examples")


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A rule of SEC and ours.

    Attributes:
        kind: what SEC calls it.
        name: of their files.
        words: how ours says it, in a line.
        traffic: the log on which both are tried.
        differs: what else SEC's has or does; empty: nothing.
        at_ends: the first words of what is done when a window ends, not at a line.
        timers: the timer sources that ours looks for, with their cron expressions.
    """

    kind: str
    name: str
    words: str
    traffic: Traffic
    differs: str = ""
    at_ends: frozenset[str] = frozenset()
    timers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sec(self) -> tuple[str, ...]:
        """SEC's rule files; more than one where it needs them."""
        files = (EXAMPLES / f"{self.name}.conf", *sorted(EXAMPLES.glob(f"{self.name}-*.conf")))
        return tuple(file.read_text() for file in files)

    @property
    def ours(self) -> str:
        """Our rule file."""
        return (EXAMPLES / f"{self.name}.yaml").read_text()


_FAILED = "web1 sshd[7]: Failed password for {key} port 4000 ssh2"
_ACCEPTED = "web1 sshd[7]: Accepted password for {key} port 4000 ssh2"
_EVE_FAILED = "web1 sshd[7]: Failed password for eve from {key} port 4000 ssh2"
_DENIED = 'web1 apache2: {key} - - [01/Jan/2026:00:00:00 +0000] "GET /a HTTP/1.1" 404 286 "-" "-"'
_PACKET = "web1 kernel: iptables: IN=eth0 OUT= SRC={key} DST=192.0.2.1 LEN=60 PROTO=TCP SPT=46351 DPT=21"
_SUDO = "web1 sudo: {key} : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"
_FULL = "web1 ufs: NOTICE: alloc: {key}: file system full"
_HOGGED = "core1 {key}: %SYS-3-CPUHOG: cpu is hogged"
_MEMORY = "web1 kernel: EDAC {key}: 1 CE memory scrubbing error"
_NFS_DOWN = "web1 kernel: nfs: server {key} not responding, still trying"
_NFS_UP = "web1 kernel: nfs: server {key} OK"
_LINK_DOWN = "web1 kernel: {key}: link is down"
_LINK_UP = "web1 kernel: {key}: link is up"
_BUSY = "web1 backup: still busy"
_READY = "web1 backup: BACKUP READY"


def _addresses(network: int) -> tuple[str, ...]:
    """Return three addresses; every counterpart has a network of its own."""
    return tuple(f"10.{network}.0.{host}" for host in (1, 2, 3))


def _logins(network: int) -> tuple[str, ...]:
    return tuple(f"{user} from {address}" for user in ("alice", "bob") for address in _addresses(network))


SCRIPT = Counterpart(
    "SingleWithScript",
    "script",
    "the steps of `do`, and `on_failure`",
    Traffic((), (), ()),
    "SEC writes the names of its contexts to the script; ours gets the event, as JSON, and has a timeout.",
)
"""What it does depends on a process, so it is there to be read; the `test` of ours is run."""

SINGLE_WITH_THRESHOLD = Counterpart(
    "SingleWithThreshold",
    "threshold",
    "`count`, and `suppress: {for: window}`",
    Traffic((_FAILED,), _logins(1), (60,)),
    "`action2`, when the window that came true is over, has no like.",
)

PAIR_WITH_WINDOW = Counterpart(
    "PairWithWindow",
    "pair_with_window",
    "`absent`; when it came in time, `else`",
    Traffic((_FAILED, _FAILED, _FAILED, _ACCEPTED), _logins(2), (60,)),
    "A line that is both: SEC takes it for the first; for ours it ends the wait and begins the next.",
    at_ends=frozenset({"locked-out"}),
)

EVENT_GROUP = Counterpart(
    "EventGroup",
    "event_group",
    "`all`, a condition as often as its `thresh`, and `suppress: {for: window}`",
    Traffic((_EVE_FAILED, _EVE_FAILED, _DENIED, _PACKET), _addresses(3), (60,)),
    "`egpattern`, `multact`, `init`, `slide`, `end` and `count` have no like; for an order there is `sequence`.",
)

_ALL = (
    Counterpart(
        "Single",
        "single",
        "`match` and `do`",
        Traffic((_SUDO,), ("alice", "bob"), (60,)),
        "SEC's keeps a line from the rules below it in its file (unless `continue` says otherwise); ours never do.",
    ),
    Counterpart(
        "SingleWithSuppress",
        "suppressed",
        "`suppress`",
        Traffic((_FULL,), ("/var", "/home", "/srv"), (90,)),
    ),
    SINGLE_WITH_THRESHOLD,
    Counterpart(
        "SingleWith2Thresholds",
        "two_thresholds",
        "`count`, and `undo: {quiet: 2m}`",
        Traffic((_HOGGED,), ("Router1", "Router2", "Router3"), (60, 120)),
        at_ends=frozenset({"normal"}),
    ),
    Counterpart(
        "SingleWith2Thresholds with `thresh2`",
        "falling_threshold",
        "`undo: {quiet: 30s, at_most: 2}`",
        Traffic((_MEMORY,), ("MC0", "MC1", "MC2"), (30, 60)),
        at_ends=frozenset({"few-errors"}),
    ),
    Counterpart(
        "Pair",
        "pair",
        "`do`, and `undo` with `match`",
        Traffic((_NFS_DOWN, _NFS_UP), ("box1", "box2", "box3"), (60,)),
        "A line that is both: SEC takes it for the first; ours closes the state and opens it again. In SEC a second "
        "pattern without a key ends all pairs.",
    ),
    Counterpart(
        "Pair with `window`",
        "pair_in_time",
        "`undo` with `match` and `within`",
        Traffic((_LINK_DOWN, _LINK_DOWN, _LINK_UP), ("eth0", "eth1", "eth2"), (60,)),
    ),
    PAIR_WITH_WINDOW,
    EVENT_GROUP,
    Counterpart(
        "EventGroup with `reset`",
        "event_group_again",
        "`all`",
        Traffic((_EVE_FAILED, _PACKET), _addresses(8), (60,)),
    ),
    Counterpart(
        "Suppress",
        "suppress",
        "`unless`",
        Traffic((_FAILED, _ACCEPTED), _logins(4), (60,)),
        "SEC's keeps a line from all rules below it; ours stands where it is meant, or once under `macros`.",
    ),
    Counterpart(
        "contexts",
        "contexts",
        "`if_open`, `unless_open`: the open state of another rule",
        Traffic((_FAILED, _ACCEPTED, _ACCEPTED), _logins(5), (60,)),
        "What SEC collects in a context (`add`, `report`) is `digest`.",
        at_ends=frozenset({"cleared"}),
    ),
    Counterpart(
        "contexts that are renewed",
        "renewed_contexts",
        "`undo: {quiet: 60s}`",
        Traffic((_FAILED, _ACCEPTED), _logins(9), (60,)),
        at_ends=frozenset({"idle"}),
    ),
    Counterpart(
        "Jump",
        "jump",
        "`macros`",
        Traffic((_FAILED, _ACCEPTED), _logins(6), (60,)),
        "There is no order to jump in: the sieve finds the rules that a message concerns.",
    ),
    Counterpart(
        "`event` action",
        "event_action",
        "`emit`",
        Traffic((_FAILED,), _logins(7), (30, 120)),
        "A rule never sees what it caused itself, through however many others.",
    ),
    Counterpart(
        "Calendar",
        "calendar",
        "a `timer` source, and a rule for its `event.dataset`",
        Traffic((*[_BUSY] * 20, _READY), ("-",), (60,)),
        "SEC joins day and weekday with *and*; a timer joins them with *or*, as cron does. What was due while the "
        "gateway was down is made up for.",
        at_ends=frozenset({"backup-missing"}),
        timers={"backup-time": "4-59/5 * * * *"},
    ),
)

COUNTERPARTS = {one.kind: one for one in _ALL}
