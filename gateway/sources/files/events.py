"""The events of watched folders."""

from __future__ import annotations

from pathlib import PurePosixPath

from gateway.drop.events import file_fields
from gateway.log_files.log_feed import Fed
from gateway.notice import counted
from gateway.sources.files.whole import Look
from parsers.event import FieldValue
from parsers.message import Message
from rules.own_events import FILES, own_message


def complete_event(source: str, path: str, look: Look, now: float, messages: int | None = None) -> Message:
    """Make the event of a file that is whole and passed its checks; `messages` is how many lines a log had.

    Its action is `file-complete`; or `sidecar-complete` for a checksum file or a signature that the source's checks
    make use of. One that does not fit, or cannot be read, says why in `event.reason`.
    """
    verdict = look.verdict
    action = "sidecar-complete" if verdict is not None and verdict.is_sidecar else "file-complete"
    fields: dict[str, FieldValue] = {"event.action": action, "event.outcome": "success"}
    words = f"{path} is complete ({counted(look.stamp.size if look.stamp else 0, 'octet')})"
    if messages is not None:
        fields["gateway.messages"] = messages
        words += f", and {counted(messages, 'message')} of it taken"
    if verdict is not None and verdict.speaks_against:
        fields["event.reason"] = verdict.problem
        words += f"; it failed: {verdict.problem}"
    return _event(fields, source, path, look, now, words)


def rejected_event(source: str, path: str, look: Look, problem: str, now: float) -> Message:
    """Make the event of a file that failed its checks, or whose checksum or signature never came."""
    fields: dict[str, FieldValue] = {"event.action": "file-rejected", "event.outcome": "failure"}
    return _event({**fields, "event.reason": problem}, source, path, look, now, f"{path} is rejected: {problem}")


def log_failed_event(source: str, path: str, look: Look, fed: Fed, now: float) -> Message:
    """Make the event of a log that could not be read to its end."""
    problem = fed.problem or ""
    fields: dict[str, FieldValue] = {
        "event.action": "log-failed",
        "event.outcome": "failure",
        "event.reason": problem,
        "gateway.messages": fed.messages,
    }
    return _event(fields, source, path, look, now, f"{path} could not be read to its end: {problem}")


def _event(fields: dict[str, FieldValue], source: str, path: str, look: Look, now: float, words: str) -> Message:
    fields["event.provider"] = source
    if look.stamp is not None:
        fields |= file_fields(PurePosixPath(path), look.stamp.size, look.sha256, look.stamp.modified / 1e9)
    if look.verdict is not None:
        fields |= look.verdict.fields
    return own_message({**fields, "message": words}, now, FILES)
