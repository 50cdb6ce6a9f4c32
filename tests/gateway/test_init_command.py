"""`gateway init`: one command makes everything that mutual TLS needs, and a second one changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway import authority, trust
from gateway.commands import init, main
from gateway.config import load
from gateway.source_config import TlsSource
from parsers.errors import OperatorError

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(autouse=True)
def _one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have known names, ask no resolver, and make keys quickly."""
    monkeypatch.setattr(authority, "AUTHORITY_RSA_BITS", 1024)
    monkeypatch.setattr(authority, "SERVER_RSA_BITS", 1024)
    monkeypatch.setattr("socket.gethostname", lambda: "gw")
    monkeypatch.setattr(init, "_full_name", lambda host: f"{host}.example.com")
    monkeypatch.setattr(init, "_addresses", lambda: ["192.0.2.9"])


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def server_names(folder: Path) -> tuple[str, ...]:
    """Return the names in the server's certificate."""
    return trust.certificate_names(trust.read_certificates(folder / "tls" / "server.pem")[0])


def test_everything_is_made_and_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Configuration, rules, authority, certificates, state; secrets are for the owner only; the next words are told."""
    folder = tmp_path / "deep" / "gw"
    assert main(["init", str(folder)]) == 0
    assert set(contents(folder)) == {
        "gateway.yaml",
        "accounts.yaml",
        "rules/drop.yaml",
        "rules/ssh.yaml",
        *(f"schema/{name}.schema.json" for name in ("gateway", "rules")),
        *(f"ssh/ssh_host_{kind}_key{end}" for kind in ("ed25519", "rsa") for end in ("", ".pub")),
        *(f"tls/{name}.{end}" for name in ("ca", "server", "server-rsa", "clients/client1") for end in ("pem", "key")),
    }
    for secret in (
        "state",
        "tls",
        "tls/ca.key",
        "tls/server.key",
        "tls/clients/client1.key",
        "ssh/ssh_host_rsa_key",
        "accounts.yaml",
    ):
        assert not (folder / secret).stat().st_mode & 0o077, secret
    found = load(folder / "gateway.yaml")
    assert not found.warnings
    assert [source.address.loopback for source in found.sources if isinstance(source, TlsSource)] == [False]
    assert server_names(folder) == (
        *("gw.example.com", "gw", "localhost"),
        *("192.0.2.9", "127.0.0.1", "::1"),
    )
    printed = capsys.readouterr().out
    for words in ("gateway check", "twistd -n --pidfile= gateway --config", "gateway onboard web1 --for rsyslog --dir"):
        assert f"  {words} {folder}" in printed


def test_a_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is there stays, also what the operator changed or emptied; new names are not taken silently."""
    assert main(["init", str(tmp_path)]) == 0
    (tmp_path / "gateway.yaml").write_text("sources: {here: {tcp: 1514}}\n")
    (tmp_path / "rules" / "ssh.yaml").unlink()
    before = contents(tmp_path)
    capsys.readouterr()
    assert main(["init", str(tmp_path), "--name", "other.example.com"]) == 0
    assert contents(tmp_path) == before
    printed = capsys.readouterr().out
    assert "made" not in printed
    assert "--name was not used" in printed
    assert "has no TLS listener yet" in printed


def test_the_checkouts_configuration_gets_what_it_lacks(tmp_path: Path) -> None:
    """Only certificates and state are made beside a configuration that is there; then it loads."""
    copy = tmp_path / "conf"
    shutil.copytree(CONF, copy, ignore=shutil.ignore_patterns("tls", "ssh", "schema", "state", "accounts.yaml"))
    with pytest.raises(OperatorError):
        load(copy / "gateway.yaml")
    before = contents(copy)
    assert main(["init", str(copy)]) == 0
    after = contents(copy)
    assert {name: after[name] for name in before} == before
    assert {name.partition("/")[0] for name in set(after) - set(before)} == {"tls", "ssh", "schema", "accounts.yaml"}
    assert (copy / "state").is_dir()
    (tls,) = (source for source in load(copy / "gateway.yaml").sources if isinstance(source, TlsSource))
    assert tls.address.loopback


def test_names_can_be_given(tmp_path: Path) -> None:
    """The first is what clients are told; loopback names come along. Another client is made when asked for."""
    assert main(["init", str(tmp_path), "--name", "log.example.com", "198.51.100.7", "--client", "web1"]) == 0
    assert server_names(tmp_path)[0] == "log.example.com"
    assert set(server_names(tmp_path)) == {"log.example.com", "198.51.100.7", "localhost", "127.0.0.1", "::1"}
    assert (tmp_path / "tls" / "clients" / "web1.pem").exists()
    assert not (tmp_path / "tls" / "clients" / "client1.pem").exists()
    assert main(["init", str(tmp_path), "--client", "web2"]) == 0
    assert (tmp_path / "tls" / "clients" / "web2.pem").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "two words"], "two words"),
        (["--client", "a/b"], "a/b"),
    ],
)
def test_a_wrong_name_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Half an installation would have to be cleared away by hand."""
    assert main(["init", str(tmp_path / "gw"), *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "gw").exists()


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Naming the configuration instead of its folder is an easy mistake."""
    file = tmp_path / "gateway.yaml"
    file.write_text("")
    assert main(["init", str(file)]) == 1
    assert capsys.readouterr().err == f"gateway init: {file}: this is a file; name a folder\n"


def test_what_fails_keeps_nothing_else_from_being_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An authority whose key is kept elsewhere signs nothing; that is said, and the state folder is made."""
    assert main(["init", str(tmp_path)]) == 0
    for path in ("tls/ca.key", "tls/server.pem", "tls/server.key", "tls/server-rsa.pem", "tls/server-rsa.key"):
        (tmp_path / path).unlink()
    (tmp_path / "state").rmdir()
    capsys.readouterr()
    assert main(["init", str(tmp_path)]) == 1
    assert "ca.key: the authority's key cannot be read" in capsys.readouterr().err
    assert (tmp_path / "state").is_dir()


def test_names_that_no_certificate_can_carry_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may be called what no host name may be."""
    monkeypatch.setattr(init, "_full_name", lambda host: "two words")
    assert init.names_of_this_machine(tmp_path) == ["gw", "192.0.2.9"]
