"""Listeners of the drop box follow a configuration, and what does not load changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.testing import MemoryReactorClock

from gateway.config import Limits
from gateway.drop_source_config import FtpSource, SftpSource
from gateway.file_listeners import FileListeners
from gateway.handshakes import HalfHandshakes
from gateway.host_keys import make_host_keys
from gateway.listen_address import Address
from gateway.notices.sftp import HostKeysKept
from gateway.notices.sources import CertificateKept
from gateway.sources.admission import Admission
from parsers.errors import OperatorError, Place
from tests.gateway.told import Told

NOW = 1_700_000_000.0
PLACE = Place("gateway.yaml", 1, 1)
NOWHERE = Path("/nonexistent/file")


@pytest.fixture
def told() -> Told:
    """Return what is told."""
    return Told()


@pytest.fixture
def listeners(told: Told) -> FileListeners:
    """Return listeners with no drop box behind them."""
    drop = cast("Any", SimpleNamespace(logins=None, settings=SimpleNamespace(tries=3)))
    reactor = cast("Any", MemoryReactorClock())
    return FileListeners(reactor, drop, Admission(9, 9), HalfHandshakes(9), Limits, told, lambda: NOW)


def test_a_certificate_that_is_new_and_does_not_load(listeners: FileListeners, told: Told) -> None:
    """It is told, and the rest of the reload goes on; at the start it keeps the listener from opening."""
    source = FtpSource("ftp", PLACE, Address("127.0.0.1", 2121), UTC)
    encrypted = replace(source, certificates=((NOWHERE, NOWHERE),))
    opened = listeners.listen(source)
    opened.follow(encrypted)
    opened.poll()
    assert "/nonexistent/file" in told.of(CertificateKept)[0].problem
    with pytest.raises(OperatorError):
        listeners.listen(encrypted)


def test_host_keys_that_do_not_load(listeners: FileListeners, told: Told, tmp_path: Path) -> None:
    """The old ones stay in use."""
    source = SftpSource("sftp", PLACE, Address("127.0.0.1", 2222), UTC, tuple(make_host_keys(tmp_path)))
    opened = listeners.listen(source)
    opened.follow(replace(source, host_keys=(NOWHERE,)))
    assert "/nonexistent/file" in told.of(HostKeysKept)[0].problem
