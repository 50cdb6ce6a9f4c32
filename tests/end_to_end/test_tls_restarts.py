"""A clean restart of a TLS client loses nothing (a listener that sends session tickets loses 59,166 of these lines)."""

from __future__ import annotations

from pathlib import Path

from bench.tls_restarts import restart_while_sending
from tests.end_to_end.programs import require, require_rsyslog_driver


def test_restarts_of_rsyslog_with_gnutls(tmp_path: Path) -> None:
    """Every one of 300,000 lines arrives although their sender is restarted six times while it is busy."""
    require("rsyslogd")
    require_rsyslog_driver("gtls")
    assert restart_while_sending(tmp_path, lines=300_000, restarts=6).lost == 0
