"""What the web servers' grammars share: a request's target, taken apart."""

from __future__ import annotations

from parsers.event import FieldValue

TARGET_FIELDS = ("url.path", "url.query")
"""What `split_target` sets."""


def split_target(fields: dict[str, FieldValue]) -> None:
    """Set `url.path` and `url.query` from `url.original`, a request target (RFC 9112, section 3.2), as it was logged.

    The escapes of the log and of the URL stay: to undo them here would let `%2e%2e` and `..` look alike.
    """
    target = fields.get("url.original")
    if not isinstance(target, str):
        return
    path, mark, query = target.partition("?")
    if path[:1] != "/":
        _, scheme_end, rest = path.partition("://")  # a proxy's absolute form; CONNECT and OPTIONS * have no path
        slash = rest.find("/")
        path = rest[slash:] if scheme_end and slash >= 0 else ""
    if path:
        fields["url.path"] = path
    if mark:
        fields["url.query"] = query
