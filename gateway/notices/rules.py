"""What rules have to tell: what came true, what was held back, what had to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class RuleFired(Notice):
    """A rule's condition came true; `about` is empty or ` for` what it counts by."""

    words = "rule {rule}: {count:event}{about} from {source} ({sender})"
    rule: str
    count: int
    about: str
    source: str
    sender: str


@dataclass(frozen=True, slots=True)
class JobsHeld(Notice):
    """A rule has something to do, and its sender is not trusted far enough for that."""

    level = "warn"
    words = (
        "rule {rule}: nothing was started{about}: the sender {address} is known by {trust} only, and the rule "
        "wants more; list its network under `trusted:` of the source {source}, or lower the rule's `trust:`"
    )
    rule: str
    about: str
    address: str
    trust: str
    source: str


@dataclass(frozen=True, slots=True)
class RuleElse(Notice):
    """A rule waited, and what it waited for came, or did not become whole: it does its `else`."""

    words = "rule {rule}: `else`{about}"
    rule: str
    about: str


@dataclass(frozen=True, slots=True)
class Resumed(Notice):
    """The gateway was away: what it could not see in that time is not taken for absent."""

    words = "nobody watched for {seconds:.0f} s: rules that wait for something to stay away wait so much longer"
    seconds: float


@dataclass(frozen=True, slots=True)
class EventLost(Notice):
    """Our own fault: a message that met a bug; the others go on."""

    level = "critical"
    words = "a bug of the gateway, please report it: {problem}; the message was {frame}"
    problem: str
    frame: str


@dataclass(frozen=True, slots=True)
class StateCloses(Notice):
    """The event came that closes a state which a rule had opened."""

    words = "rule {rule}: closes{about}"
    rule: str
    about: str


@dataclass(frozen=True, slots=True)
class StatesSurplus(Notice):
    """A rule has more open states than there may be, and the one that was opened first closes early."""

    level = "warn"
    words = "rule {rule}: closes{about} before its time, for too many are open; can a stranger choose that key?"
    rule: str
    about: str


@dataclass(frozen=True, slots=True)
class WindowsEvicted(Notice):
    """A rule counts for more keys than there may be, and forgot those that were quiet longest."""

    level = "warn"
    words = (
        "rule {rule}: {keys:key} forgotten while what was counted of them still mattered, for too many others came; "
        "count by fewer fields or for a shorter time"
    )
    rule: str
    keys: int


@dataclass(frozen=True, slots=True)
class SearchStopped(Notice):
    """A rule's regular expression took too long in an event, and the rule did not see it."""

    level = "error"
    words = (
        "rule {rule}: did not see an event from {source} ({sender}), for the search for {pattern} was stopped after "
        "{milliseconds} ms; the text has {length:character} and begins {text}; say in the pattern more exactly what a "
        "repetition may take"
    )
    rule: str
    source: str
    sender: str
    pattern: str
    milliseconds: int
    length: int
    text: str


@dataclass(frozen=True, slots=True)
class SearchesStopped(Notice):
    """How many more events a rule did not see, since a search of it was told to have been stopped."""

    level = "error"
    words = "rule {rule}: did not see {events:event} more, for its searches took too long"
    rule: str
    events: int


@dataclass(frozen=True, slots=True)
class ChainCut(Notice):
    """Rules have fed each other for too many generations; the event is shown to no more rules."""

    level = "error"
    words = "rules feed each other in a chain that is cut here: {rules} would see an event caused by {ancestors}"
    rules: str
    ancestors: str


@dataclass(frozen=True, slots=True)
class ListRead(Notice):
    """The file of a list has changed, and the rules go by what stands in it now."""

    words = "the list {name} holds {entries:line} now, read from {path}"
    name: str
    entries: int
    path: str


@dataclass(frozen=True, slots=True)
class ListEmptied(Notice):
    """The file of a list holds nothing any more; that is taken at its word, and may still be a mishap."""

    level = "warn"
    words = "the list {name} is empty now: {path} holds no entry"
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class ListLost(Notice):
    """The file of a list cannot be read, and never could since the gateway started: the rules that use it are off."""

    level = "error"
    words = "the list {name} cannot be read, and what uses it is off until it can: {problem}"
    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class ListFound(Notice):
    """The file of a list that was lost can be read; what uses the list comes on with a reload."""

    words = "the list {name} can be read now: {path} holds {entries:line}"
    name: str
    entries: int
    path: str


@dataclass(frozen=True, slots=True)
class ListKept(Notice):
    """The file of a list has become wrong, or is gone; the rules go on with what stood in it before."""

    level = "error"
    words = "the list {name} stays as it was, with {entries:line}: {problem}"
    name: str
    entries: int
    problem: str
