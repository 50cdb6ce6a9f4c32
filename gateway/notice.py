"""Facts about ourselves: each is a type that owns its words for the log and the name of its counter."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


def counted(number: int, noun: str) -> str:
    """Say how many there are: `1 rule`, `50 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def host_port(host: object, port: object) -> str:
    """Write an address as a configuration would: `192.0.2.1:514`, `[2001:db8::1]:514`."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


class _Words(string.Formatter):
    """Fills words in; a noun as the format of a number, as in `{rules:rule}`, counts."""

    def format_field(self, value: object, format_spec: str) -> str:
        if isinstance(value, int) and len(format_spec) > 1 and format_spec.replace(" ", "").isalpha():
            return counted(value, format_spec)
        return format(value, format_spec)


_WORDS = _Words()


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact; `words` is filled from the fields, `level` says who should care."""

    level: ClassVar[str] = "info"
    words: ClassVar[str] = ""

    def __str__(self) -> str:
        """Render as one line; the log's formatter escapes what a peer may have put into it."""
        return _WORDS.vformat(
            self.words, (), {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        )


Notify = Callable[[Notice], None]
"""Whoever has something to tell gets one of these as an argument."""


@dataclass(frozen=True, slots=True)
class Listening(Notice):
    """A source has its port."""

    words = "{source}: listening on {address}"
    source: str
    address: str


@dataclass(frozen=True, slots=True)
class PeerTrouble(Notice):
    """One peer's connection cannot begin or go on; the listener is fine."""

    level = "warn"
    words = "{source}: {address}: {problem}"
    source: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class HandshakeFailed(PeerTrouble):
    """TLS did not come about: no TLS at all, no common ground, no acceptable chain, too slow."""


@dataclass(frozen=True, slots=True)
class PeerRefused(PeerTrouble):
    """The peer proved its certificate, and the listener's policy does not permit it."""


@dataclass(frozen=True, slots=True)
class StreamBroken(PeerTrouble):
    """A TLS stream is damaged and was closed: what follows the damage is missing."""


@dataclass(frozen=True, slots=True)
class StreamTruncated(PeerTrouble):
    """A TLS stream ended without close_notify: its tail may be missing.

    Some clients send none when they stop, syslog-ng among them, so that it is no warning.
    """

    level = "info"


@dataclass(frozen=True, slots=True)
class RunnerStarted(Notice):
    """The process that starts children is there and has its tasks."""

    words = "the runner is process {pid} and has {tasks:task}"
    pid: int
    tasks: int


@dataclass(frozen=True, slots=True)
class RunnerDied(Notice):
    """The process that starts children is gone with the jobs that it had; it is started again."""

    level = "error"
    words = "the runner died; {lost} jobs are lost; it is started again in {wait:g} seconds, and jobs wait until then"
    lost: int
    wait: float


@dataclass(frozen=True, slots=True)
class RunnerKeeperDied(Notice):
    """The outer of the runner's two processes is gone, which nothing but a signal or a bug of ours brings about."""

    level = "error"
    words = "the runner's outer process died: {reason}"
    reason: str


@dataclass(frozen=True, slots=True)
class RunnerGone(Notice):
    """The runner died wholly, and the gateway has no longer the privileges to start it."""

    level = "critical"
    words = "the runner is gone and can be started only by user {uid}, which the gateway is no longer: restart it"
    uid: int


@dataclass(frozen=True, slots=True)
class RunnerGarbled(Notice):
    """The runner said what no gateway understands; it is started again."""

    level = "critical"
    words = "the runner and the gateway do not understand each other (a bug of ours): {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class RunnerReloaded(Notice):
    """The runner has loaded its tasks again."""

    words = "the runner has {tasks:task}"
    tasks: int


@dataclass(frozen=True, slots=True)
class RunnerReloadFailed(Notice):
    """The runner could not load its tasks; those of before stay."""

    level = "error"
    words = "the runner keeps the tasks it had: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class RunnerSaid(Notice):
    """A line on the runner's standard error: a traceback, or what only it could see."""

    level = "warn"
    words = "the runner says: {line}"
    line: str


@dataclass(frozen=True, slots=True)
class StoppedListening(Notice):
    """A source has given up its port."""

    words = "{source}: no longer listening on {address}"
    source: str
    address: str


@dataclass(frozen=True, slots=True)
class CannotListen(Notice):
    """A source did not get its port; the others go on."""

    level = "error"
    words = "{source}: cannot listen on {address}: {problem}"
    source: str
    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused(PeerTrouble):
    """There are too many connections already, in all or from this address."""


@dataclass(frozen=True, slots=True)
class StreamRefused(PeerTrouble):
    """What a peer sends cannot be divided into messages; its connection is closed."""


@dataclass(frozen=True, slots=True)
class OverLimitFrames(PeerTrouble):
    """Messages over the listener's `max_frame` were cut or dropped."""


@dataclass(frozen=True, slots=True)
class ConnectionIdle(PeerTrouble):
    """Nothing came for the idle time; the connection is closed."""

    level = "info"


@dataclass(frozen=True, slots=True)
class DatagramsDropped(Notice):
    """The kernel dropped datagrams because we did not read them in time."""

    level = "warn"
    words = "{source}: the kernel dropped {count:datagram} because its receive buffer was full"
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class ReceiveBufferGranted(Notice):
    """The kernel granted less buffer for datagrams than was asked for."""

    level = "warn"
    words = (
        "{source}: the kernel granted a receive buffer of {granted} octets where {wanted} were asked for; raise "
        "net.core.rmem_max, or lower receive_buffer"
    )
    source: str
    granted: int
    wanted: int


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
class JobSucceeded(Notice):
    """A process ended with exit code 0."""

    words = "rule {rule}: {task} succeeded (job {job}, {seconds:.3f} s){output}"
    rule: str
    task: str
    job: str
    seconds: float
    output: str


@dataclass(frozen=True, slots=True)
class JobFailed(Notice):
    """A process failed, or could not be started."""

    level = "error"
    words = "rule {rule}: {task} failed: {problem} (job {job}, {seconds:.3f} s){output}"
    rule: str
    task: str
    job: str
    seconds: float
    problem: str
    output: str


@dataclass(frozen=True, slots=True)
class EventLost(Notice):
    """Our own fault: a message that met a bug; the others go on."""

    level = "critical"
    words = "a bug of the gateway, please report it: {problem}; the message was {frame}"
    problem: str
    frame: str


@dataclass(frozen=True, slots=True)
class ConfigurationWarning(Notice):
    """The configuration loads, and something in it is probably not meant."""

    level = "warn"
    words = "{problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class RuleOff(Notice):
    """A rule or a rule file does not load: it is off, and the rest runs."""

    level = "error"
    words = "off until it is mended: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class Reloaded(Notice):
    """The configuration was read anew."""

    words = "reloaded {config}: {rules:rule}, {sources:source}"
    config: str
    rules: int
    sources: int


@dataclass(frozen=True, slots=True)
class ReloadRefused(Notice):
    """The new configuration does not load; the one in use stays."""

    level = "error"
    words = "not reloaded, the configuration in use stays: {problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class CertificateReloaded(Notice):
    """New connections get the new certificate."""

    words = "{source}: new certificate in use, it expires on {expires}"
    source: str
    expires: str


@dataclass(frozen=True, slots=True)
class CertificateKept(Notice):
    """A new certificate does not load; the one in use stays."""

    level = "error"
    words = "{source}: the certificate in use stays: {problem}"
    source: str
    problem: str


@dataclass(frozen=True, slots=True)
class CertificateExpires(Notice):
    """A server certificate expires soon, or has."""

    level = "warn"
    words = "{source}: the server's certificate expires on {expires}"
    source: str
    expires: str


@dataclass(frozen=True, slots=True)
class Ready(Notice):
    """Everything that could be started is."""

    words = "ready: {rules:rule}, {sources:source}"
    rules: int
    sources: int


@dataclass(frozen=True, slots=True)
class SourceTotals(Notice):
    """What a source took in since the start; said at the end and on request."""

    words = "{source}: {frames:message} in {octets:octet} since the start"
    source: str
    frames: int
    octets: int


@dataclass(frozen=True, slots=True)
class DatagramsShed(Notice):
    """We dropped datagrams ourselves, for too much was waiting already."""

    level = "warn"
    words = "{source}: {count:datagram} dropped because too much waits for its processes (limits: pending)"
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class Stopping(Notice):
    """The gateway was asked to end."""

    words = "stopping; processes that run get {seconds:g} seconds to end"
    seconds: float


@dataclass(frozen=True, slots=True)
class Suppressed(Notice):
    """So many notices of one kind, about one source or rule, were counted and not shown."""

    words = "{count:more notice} of the kind {kind}{about} within {seconds:g} s"
    kind: str
    about: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadyInPart(Notice):
    """Everything that could be started is, and some sources could not be opened."""

    level = "warn"
    words = "ready: {rules:rule}, {sources:source}; NOT listening: {missing}"
    rules: int
    sources: int
    missing: str


@dataclass(frozen=True, slots=True)
class ReloadedInPart(Notice):
    """The configuration was read anew, and some sources could not be opened."""

    level = "warn"
    words = "reloaded {config}: {rules:rule}, {sources:source}; NOT listening: {missing}"
    config: str
    rules: int
    sources: int
    missing: str


@dataclass(frozen=True, slots=True)
class PeerPolicyChanged(Notice):
    """Whom a TLS listener lets in has changed; connections that it no longer permits are closed."""

    words = "{source}: new peer policy in use"
    source: str
