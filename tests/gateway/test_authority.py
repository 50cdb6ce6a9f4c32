"""Tests of the private authority, and of the commands that hand out what it makes."""

from __future__ import annotations

import argparse
import ipaddress
import json
import ssl
import stat
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway import authority, clock, trust
from gateway.commands import cert, onboard
from gateway.tls_context import server_context
from parsers.errors import OperatorError

NOW = clock.now()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what `gateway init` makes; tests only add to it."""
    folder = tmp_path_factory.mktemp("home")
    authority.create_authority(folder / "tls", "Test authority", NOW)
    authority.issue_server(folder / "tls", ["Gateway.example.com", "127.0.0.1", "::1"], NOW)
    return folder


def load(file: Path) -> x509.Certificate:
    """Return the first certificate of a file."""
    return x509.load_der_x509_certificate(trust.read_certificates(file)[0])


def call(module: ModuleType, *words: str) -> int:
    """Run a command as the `gateway` program does."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(words))
    return code


def test_the_server_gets_an_ecdsa_and_an_rsa_certificate(home: Path) -> None:
    """Both carry all names by their kind, are for servers only, and end with their 825 days."""
    types = []
    for stem in ("server", "server-rsa"):
        found = load(home / f"tls/{stem}.pem")
        types.append(type(found.public_key()))
        san = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert san.get_values_for_type(x509.DNSName) == ["gateway.example.com"]
        assert san.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(each) for each in ("127.0.0.1", "::1")]
        usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
        assert abs(found.not_valid_after_utc.timestamp() - NOW - 825 * 86400) < 2
    assert issubclass(types[0], ec.EllipticCurvePublicKey)
    assert issubclass(types[1], rsa.RSAPublicKey)


def test_server_and_client_believe_each_other(home: Path) -> None:
    """A handshake with what the authority made succeeds, and the policy by name accepts the client."""
    issued = authority.issue_client(home / "tls", "n1.example.com", NOW)
    pairs = [(home / f"tls/{stem}.pem", home / f"tls/{stem}.key") for stem in ("server", "server-rsa")]
    server = server_context(pairs, home / "tls/ca.pem", now=NOW)
    client = ssl.create_default_context(cafile=home / "tls/ca.pem")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_cert_chain(issued.certificate, issued.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = client.wrap_bio(down, up, server_hostname="gateway.example.com")
    for end in (theirs, ours) * 3:  # the client's first guess at a group may be another than the server's
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    peer = trust.judge(ours.getpeercert(binary_form=True), trust.PeerPolicy.names(["*.example.com"]), NOW)
    assert peer.identity == "n1.example.com"


def test_keys_are_secret_and_no_part_files_stay(home: Path) -> None:
    """Keys are 0600, the folder is 0700, and nothing half-written is left."""
    for key in home.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "tls").stat().st_mode) == 0o700
    assert not [file for file in home.rglob(".*") if file.is_file()]


def test_nothing_is_written_over(home: Path) -> None:
    """Each function refuses where one of its files exists, and leaves all as it was."""
    authority.issue_client(home / "tls", "twice.example.com", NOW)
    before = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    with pytest.raises(OperatorError, match=r"ca\.pem: this file exists"):
        authority.create_authority(home / "tls", "x", NOW)
    with pytest.raises(OperatorError, match=r"server\.pem: this file exists"):
        authority.issue_server(home / "tls", ["a.example"], NOW)
    with pytest.raises(OperatorError, match=r"twice\.example\.com\.pem: this file exists"):
        authority.issue_client(home / "tls", "TWICE.example.com.", NOW)
    with pytest.raises(OperatorError, match="this file exists"):
        authority.write_new(home / "tls/ca.pem", b"", 0o600)
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "a b", "*.example.com", "-x", "a..b", "x" * 64, "naïve"])
def test_a_wrong_name_is_said(home: Path, name: str) -> None:
    """What is no host name becomes no certificate, and no path."""
    with pytest.raises(OperatorError, match="a certificate is for a host name or an IP address"):
        authority.issue_client(home / "tls", name, NOW)
    with pytest.raises(OperatorError, match="host name"):
        authority.issue_server(home / "tls", [name], NOW)


def test_a_long_name_stands_in_the_san_alone(home: Path) -> None:
    """RFC 5280 ends a common name at 64 characters; a SAN takes 253."""
    name = ".".join(["a" * 30] * 4)
    found = load(authority.issue_client(home / "tls", name, NOW).certificate)
    assert found.subject.rfc4514_string() == ""
    san = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical
    assert san.value.get_values_for_type(x509.DNSName) == [name]


def test_a_certificate_never_outlives_its_authority(home: Path) -> None:
    """Near the authority's end, certificates get shorter."""
    late = NOW + 3600 * 86400
    found = load(authority.issue_client(home / "tls", "late.example.com", late).certificate)
    assert found.not_valid_after_utc == load(home / "tls/ca.pem").not_valid_after_utc


def test_a_missing_or_broken_authority_is_named(home: Path, tmp_path: Path) -> None:
    """No authority, a key that is none, and another's key."""
    with pytest.raises(OperatorError, match=r"ca\.pem: the certificate cannot be read: No such file"):
        authority.issue_client(tmp_path, "a.example", NOW)
    (tmp_path / "ca.pem").write_bytes((home / "tls/ca.pem").read_bytes())
    with pytest.raises(OperatorError, match=r"ca\.key: the authority's key cannot be read: No such file"):
        authority.issue_client(tmp_path, "a.example", NOW)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(OperatorError, match=r"ca\.key: there is no PEM key"):
        authority.issue_client(tmp_path, "a.example", NOW)
    (tmp_path / "ca.key").write_bytes((home / "tls/server.key").read_bytes())
    with pytest.raises(OperatorError, match=r"ca\.key: this key does not belong to"):
        authority.issue_client(tmp_path, "a.example", NOW)
    assert not (tmp_path / "clients").exists()


def test_cert_client_prints_files_and_fingerprints(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The fingerprints are RFC 5425's; a second call fails with one line."""
    assert call(cert, "client", "printed.example.com", "--dir", str(home)) == 0
    out = capsys.readouterr().out
    der = trust.read_certificates(home / "tls/clients/printed.example.com.pem")[0]
    assert str(trust.fingerprints(der)[0]) in out
    assert "sha-256:" in out
    assert "sha-1:" in out
    assert call(cert, "client", "printed.example.com", "--dir", str(home)) == 1
    err = capsys.readouterr().err
    assert err.startswith("gateway cert: ")
    assert err.count("\n") == 1


def test_cert_server_makes_both_pairs(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway cert server` needs the authority only."""
    (tmp_path / "tls").mkdir()
    for name in ("ca.pem", "ca.key"):
        (tmp_path / "tls" / name).write_bytes((home / "tls" / name).read_bytes())
    assert call(cert, "server", "gw.example.com", "192.0.2.1", "--dir", str(tmp_path)) == 0
    assert "server-rsa.pem" in capsys.readouterr().out


def test_cert_show_says_names_end_and_fingerprints(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and as JSON; without files, all that there are."""
    assert call(cert, "show", "--dir", str(home)) == 0
    out = capsys.readouterr().out
    assert "gateway.example.com, 127.0.0.1, ::1" in out
    assert "Test authority" in out
    assert call(cert, "show", "--json", str(home / "tls/server.pem")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["names"] == ["gateway.example.com", "127.0.0.1", "::1"]
    assert shown["expired"] is False
    assert call(cert, "show", str(home / "tls/none.pem")) == 1
    assert "none.pem: the certificate cannot be read" in capsys.readouterr().err
    assert call(cert, "show", "--dir", str(home / "nowhere")) == 1
    assert "give the gateway's folder with --dir DIR" in capsys.readouterr().err


@pytest.mark.parametrize(("program", "driver"), [("rsyslog", "gtls"), ("rsyslog", "ossl"), ("syslog-ng", "gtls")])
def test_onboard_prints_the_configuration_and_packs_the_bundle(
    home: Path, program: str, driver: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is also in the bundle; all of it is for root's eyes; a second run keeps the certificate."""
    words = ("web1.example.com", "--for", program, "--driver", driver, "--dir", str(home))
    assert call(onboard, *words) == 0
    first = (home / "tls/clients/web1.example.com.pem").read_bytes()
    assert call(onboard, *words) == 0
    assert (home / "tls/clients/web1.example.com.pem").read_bytes() == first
    text, err = capsys.readouterr()
    assert err.splitlines()[-2].startswith("gateway onboard: replaced ")
    assert ("time-reopen(10)" in text) == (program == "syslog-ng")
    assert ('queue.size="50000" queue.timeoutEnqueue="60000"' in text) == (program == "rsyslog")
    assert 'gateway.example.com"' in text
    assert "6514" in text
    folder = home / "bundles/web1.example.com"
    assert text.endswith((folder / "gateway.conf").read_text())
    with tarfile.open(home / "bundles/web1.example.com.tar.gz") as tar:
        members = {member.name: member for member in tar}
        key = tar.extractfile("web1.example.com/client.key")
        assert key is not None
        assert key.read() == (home / "tls/clients/web1.example.com.key").read_bytes()
    assert set(members) == {
        f"web1.example.com/{each}" for each in ("ca.pem", "client.pem", "client.key", "gateway.conf")
    }
    assert {member.mode for member in members.values()} == {0o600}
    for file in (*folder.iterdir(), home / "bundles/web1.example.com.tar.gz"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_onboard_by_another_address_still_checks_our_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rsyslog may connect to one name and insist on another; syslog-ng cannot, and that is said."""
    words = ("web2.example.com", "--dir", str(home), "--server", "203.0.113.5", "--port", "7000")
    assert call(onboard, *words, "--for", "rsyslog") == 0
    out, err = capsys.readouterr()
    assert "our certificate is for gateway.example.com, 127.0.0.1, ::1, and not for 203.0.113.5" in err
    assert 'target="203.0.113.5" port="7000"' in out
    assert 'StreamDriverPermittedPeers="gateway.example.com"' in out
    assert call(onboard, *words, "--for", "syslog-ng") == 1
    assert "syslog-ng would refuse us" in capsys.readouterr().err


def test_onboard_takes_the_port_from_the_configuration(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first TLS listener's port; a configuration without one, or a broken one, is said."""
    (tmp_path / "tls").symlink_to(home / "tls")
    words = ("web3.example.com", "--for", "rsyslog", "--dir", str(tmp_path))
    tls = "{tls: 7514, certificate: tls/server.pem, key: tls/server.key, client_ca: tls/ca.pem}"
    for sources, answer in (
        (f"{{a: {{tcp: 1514}}, b: {tls}}}", 'port="7514"'),
        ("{a: {tcp: 1514}}", "gateway.yaml: no source of this configuration is a TLS listener"),
        ("{a: {tpc: 1514}}", "gateway.yaml:1:"),
    ):
        (tmp_path / "gateway.yaml").write_text(f"sources: {sources}\n")
        code = call(onboard, *words)
        captured = capsys.readouterr()
        assert answer in (captured.err if code else captured.out)
        reach = 'no other machine can reach 127.0.0.1:7514: set tls: "0.0.0.0:7514"'
        assert (reach in captured.err) == (code == 0)


@pytest.mark.parametrize(("driver", "library"), [("gtls", "gnutls"), ("ossl", "openssl")])
def test_onboard_by_relp(
    home: Path, tmp_path: Path, driver: str, library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port is that of RELP over TLS; a configuration without one is told what to write, and that works."""
    (tmp_path / "tls").symlink_to(home / "tls")
    words = ("web4.example.com", "--for", "rsyslog", "--relp", "--driver", driver, "--dir", str(tmp_path))
    assert call(onboard, *words) == 1
    assert "give ours with --port" in capsys.readouterr().err
    (tmp_path / "gateway.yaml").write_text("sources: {a: {relp: 2514}}\n")
    assert call(onboard, *words) == 1
    error = capsys.readouterr().err
    listener = error.partition("write under sources: ")[2].strip()
    (tmp_path / "gateway.yaml").write_text(f"sources:\n  {listener}\n")
    assert call(onboard, *words) == 0
    captured = capsys.readouterr()
    assert 'type="omrelp" target="gateway.example.com" port="2515"' in captured.out
    assert f'tls.tlslib="{library}"' in captured.out
    assert "nothing is" in captured.out
    assert 'queue.size="50000" queue.timeoutEnqueue="60000"' in captured.out
    assert "no other machine" not in captured.err
    assert call(onboard, *words[:2], "syslog-ng", *words[3:]) == 1
    assert "syslog-ng does not send RELP" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["../x"], "no host name"),
        (["a.example", "--port", "70000"], "is no port"),
        (["a.example", "--server", 'x" port="1'], "no host name"),
        (
            ["a.example", "--dir", "/nonexistent"],
            "/nonexistent: there is no folder tls here; give the gateway's folder with --dir DIR",
        ),
    ],
)
def test_onboard_says_what_is_wrong(
    home: Path, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 1, and no text of the command line gets into the configuration unchecked."""
    assert call(onboard, "--for", "rsyslog", "--dir", str(home), *words) == 1
    captured = capsys.readouterr()
    assert problem in captured.err
    assert captured.out == ""
