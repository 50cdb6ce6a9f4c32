"""A clean restart of a TLS client loses nothing (`python -m bench.tls_restarts` has the full figure)."""

from __future__ import annotations

from pathlib import Path

from bench.tls_restarts import restart_while_sending
from tests.end_to_end.programs import require, require_rsyslog_driver


def test_restarts_of_rsyslog_with_gnutls(tmp_path: Path) -> None:
    """Every line of a log arrives although its sender is restarted twice while it is busy."""
    require("rsyslogd")
    require_rsyslog_driver("gtls")
    assert restart_while_sending(tmp_path, lines=15_000, restarts=2).lost == 0
