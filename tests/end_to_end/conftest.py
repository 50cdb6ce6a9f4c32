"""What the end-to-end tests share: one CA for all of them, for making keys takes time."""

from __future__ import annotations

import pytest

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import ClientTls


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that issues the certificates of servers and clients."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def client_tls(authority: Authority) -> ClientTls:
    """What a client needs to be let in."""
    return ClientTls(authority.certificate, authority.issue("client1.example.test"))
