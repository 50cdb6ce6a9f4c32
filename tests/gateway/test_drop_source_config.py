"""The listeners of the drop box out of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, ConfigErrors, load
from gateway.drop_source_config import FtpSource, SftpSource
from gateway.listen_address import Address


def loaded(folder: Path, source: str) -> Config:
    """Load a configuration with one source, beside the files that it may name."""
    for name in ("server.pem", "server.key", "host_ed25519"):
        (folder / name).write_text("made up")
    (folder / "g.yaml").write_text(f"sources: {{s: {source}}}\n")
    return load(folder / "g.yaml")


def test_a_port_is_all_that_ftp_needs_on_this_machine(tmp_path: Path) -> None:
    """Nobody else can reach it, so that nothing has to be encrypted; what is dangerous is off."""
    config = loaded(tmp_path, "{ftp: 2121}")
    (source,) = config.sources
    assert isinstance(source, FtpSource)
    assert (source.address, source.certificates, source.tls_required) == (Address("127.0.0.1", 2121), (), True)
    assert (source.active, source.anonymous, source.passive_ports) == (False, None, None)
    assert not config.warnings


def test_all_that_can_be_said_of_ftp(tmp_path: Path) -> None:
    """Each key is read into what it is for."""
    text = (
        '{ftp: "[::]:21", certificate: server.pem, key: server.key, passive_ports: 50000-50100, '
        "passive_address: 203.0.113.5, active: true, anonymous: public, trusted: [10.0.0.0/8], encryption: optional}"
    )
    config = loaded(tmp_path, text)
    (source,) = config.sources
    assert isinstance(source, FtpSource)
    assert source.certificates == ((tmp_path / "server.pem", tmp_path / "server.key"),)
    assert (source.passive_ports, source.passive_address) == ((50_000, 50_100), "203.0.113.5")
    assert (source.active, source.anonymous, source.tls_required) == (True, "public", False)
    assert [str(network) for network in source.trusted] == ["10.0.0.0/8"]
    assert ["in the clear" in str(warning) for warning in config.warnings] == [True]


def test_sftp_needs_host_keys(tmp_path: Path) -> None:
    """One of each type; passwords may be switched off."""
    (source,) = loaded(tmp_path, "{sftp: 2222, host_key: host_ed25519, passwords: false}").sources
    assert isinstance(source, SftpSource)
    assert (source.host_keys, source.passwords) == ((tmp_path / "host_ed25519",), False)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{ftp: "0.0.0.0:21"}', "without a certificate nobody but this machine could log in"),
        ("{ftp: 21, certificate: [server.pem, server.pem], key: server.key}", "2 certificates, but 1 key"),
        ("{ftp: 21, passive_ports: 50000}", "a range of ports such as 50000-50999 is wanted"),
        ("{ftp: 21, passive_ports: 50-60000}", "from 1024 to 65535 and rising"),
        ("{ftp: 21, passive_ports: 50001-50000}", "from 1024 to 65535 and rising"),
        ("{ftp: 21, passive_address: ftp.example.com}", "an IPv4 address is wanted"),
        ("{ftp: 21, encryption: none}", "one of required, optional is wanted"),
        ("{ftp: 21, anonymous: ../x}", "an account's name is wanted"),
        ("{ftp: 21, actve: true}", 'did you mean "active"?'),
        ("{sftp: 22}", 'the key "host_key" is missing'),
        ("{sftp: 22, host_key: host_rsa}", "host_rsa does not exist; `gateway init DIR` makes host keys"),
        ("{ftp: 21, sftp: 22}", "it has ftp and sftp"),
        ("{ftp: 21}, t: {tcp: 21}", "s listens on 127.0.0.1:21 already"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, source: str, words: str) -> None:
    """One error each."""
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, source)
    (error,) = caught.value.errors
    assert words in str(error)
    assert error.place is not None


@pytest.mark.parametrize("name", ["drop", "files", "gateway", "emit"])
def test_names_that_only_the_gateway_speaks_under(tmp_path: Path, name: str) -> None:
    """A line of somebody's log must not be able to say that it is an upload."""
    (tmp_path / "g.yaml").write_text(f"sources: {{{name}: {{tcp: 1514}}}}\n")
    with pytest.raises(ConfigErrors, match="cannot be a source's name"):
        load(tmp_path / "g.yaml")
