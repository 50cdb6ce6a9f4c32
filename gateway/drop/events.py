"""The events of the drop box: what is said of a file, and on whose word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from pathlib import Path, PurePath

from gateway.drop.names import shown
from gateway.drop.record import Record, Standing
from gateway.drop.visit import Client, Refusal, Way
from gateway.notice import counted, host_port
from parsers.event import FieldValue
from parsers.message import Message, Origin, Trust
from rules.own_events import DROP, own_message


def origin_of(client: Client, account: str) -> Origin:
    """Say who caused an event, and how far that one is trusted."""
    return _origin(client.trust, client.address, client.port, account, trusted=client.trusted)


@lru_cache(1024)  # the journal writes an origin down once for each object
def _origin(trust: Trust, address: str, port: int, account: str, *, trusted: bool) -> Origin:
    return Origin(DROP, trust, address, port, trusted=trusted, account=account)


def lines_origin(record: Record, path: Path, zone: tzinfo) -> Origin:
    """Say where the lines of an uploaded log come from: through the listener, as the log of a file."""
    client = record.client
    return Origin(
        client.source,
        client.trust,
        client.address,
        client.port,
        trusted=client.trusted,
        zone=zone,
        account=record.account,
        file=str(path),
    )


def file_fields(path: PurePath, size: int, sha256: str, modified: float) -> dict[str, FieldValue]:
    """Describe a file that is whole, under ECS names; `modified` is in seconds since 1970."""
    fields: dict[str, FieldValue] = {
        "file.path": str(path),
        "file.name": path.name,
        "file.directory": str(path.parent),
        "file.size": size,
        "file.hash.sha256": sha256,
        "file.mtime": stamp(modified),
    }
    if path.suffix:
        fields["file.extension"] = path.suffix[1:]
    return fields


def file_event(record: Record, folder: Path, quarantine: Path) -> Message:
    """Make the event of a file that is whole: it is here, or in quarantine.

    `event.action` is `upload-complete`, `upload-quarantined` or `log-failed`; or `sidecar-complete` for a checksum file
    or a signature that the account's checks make use of, so that rules about files are not about these. One that does
    not fit, or cannot be read, says why in `event.reason`.

    Args:
        record: what is known of it.
        folder: the account's.
        quarantine: the account's folder in quarantine.
    """
    rejected = record.standing is Standing.REJECTED
    path = quarantine / (record.quarantine or record.id) if rejected else folder.joinpath(*record.way)
    client = record.client
    by = f"by {client.protocol} from {host_port(client.address, client.port)}"
    words = f"{record.account} uploaded {shown(record.way)} ({counted(record.size, 'octet')}) {by}"
    if rejected:
        words = f"{words}; it is in quarantine: {record.problem}"
    elif record.speaks_against:
        words = f"{words}; it failed: {record.problem}"
    fields = {
        "event.action": record.action,
        "event.outcome": "failure" if rejected else "success",
        **_who(client, record.account),
        **file_fields(
            path, record.size, record.sha256, record.received if record.modified is None else record.modified
        ),
        **record.fields,
        "message": words,
    }
    if rejected:
        fields["file.name"] = record.way[-1]  # rules are about names that people give
    if rejected or record.speaks_against:
        fields["event.reason"] = record.problem
    return own_message(fields, record.received, DROP, origin_of(client, record.account))


def failed_event(client: Client, account: str, way: Way, refusal: Refusal, reason: str, now: float) -> Message:
    """Make the event of an upload that came to nothing."""
    fields: dict[str, FieldValue] = {
        "event.action": "upload-failed",
        "event.outcome": "failure",
        "event.reason": reason,
        "gateway.refusal": refusal.value,
        **_who(client, account),
        "file.path": shown(way),
        "file.name": way[-1] if way else "/",
        "message": f"{account} could not upload {shown(way)}: {reason}",
    }
    return own_message(fields, now, DROP, origin_of(client, account))


def stamp(seconds: float) -> str:
    """Write a time as ISO 8601, in UTC; one that no calendar holds as its number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def name_outside(record_id: str, name: str, now: float) -> str:
    """Return the name of a file in quarantine or among what is processed: when it came, its own name, never taken."""
    when = datetime.fromtimestamp(now, UTC)
    return f"{when:%Y%m%dT%H%M%SZ}-{record_id[:8]}-{name.encode()[-200:].decode(errors='ignore')}"


def _who(client: Client, account: str) -> Mapping[str, FieldValue]:
    return {
        "event.provider": client.source,
        "network.protocol": client.protocol,
        "user.name": account,
        "source.ip": client.address,
        "source.port": client.port,
        **client.fields,
    }
