"""The configuration: what it says, what is wrong with it, and that all of that is said at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import config
from gateway.config import Config, ConfigErrors, Limits, load, read_rules
from gateway.listen_address import Address
from gateway.source_config import RelpStream, Stream, TcpSource, TlsSource, UdpSource, UnixSource, kind_of
from gateway.trust import PeerPolicy, PolicyKind
from parsers.framing.framer import OverLimit
from parsers.framing.syslog_stream import Framing
from parsers.message import HostnamePolicy, Trust
from rules.load import Defaults

MINIMUM = "sources: {syslog: {tcp: 1514}}\n"
FINGERPRINT = "sha-256:" + ":".join(["AB"] * 32)

Load = Callable[[str], Config]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with made-up certificate files, and with two shipped rule files in the library."""
    for name in ("server.pem", "server.key", "rsa.pem", "rsa.key", "ca.pem"):
        (tmp_path / name).write_text("made up")
    library = tmp_path / "shipped"
    library.mkdir()
    for name in ("ssh", "sudo"):
        (library / f"{name}.yaml").write_text(f"- {{rule: {name}-x, match: {{}}}}\n")
    monkeypatch.setattr(config, "_library", lambda: library)
    return tmp_path


def load_text(folder: Path, text: str) -> Config:
    """Load a configuration with this text."""
    path = folder / "g.yaml"
    path.write_text(text)
    return load(path)


def errors_of(folder: Path, text: str) -> list[str]:
    """Return all errors, with the folder's name taken out."""
    with pytest.raises(ConfigErrors) as caught:
        load_text(folder, text)
    assert str(caught.value) == "\n".join(map(str, caught.value.errors))
    return [str(error).replace(f"{folder}/", "") for error in caught.value.errors]


def test_a_source_is_all_that_is_needed(folder: Path) -> None:
    """Everything else has its default; a bare port means loopback."""
    found = load_text(folder, "sources: {syslog: {tcp: 1514, time_zone: UTC}}\n")
    assert found.folder == folder
    assert found.state == folder / "state"
    assert [(source.name, source.zone) for source in found.sources] == [("syslog", found.sources[0].zone)]
    assert isinstance(found.sources[0], TcpSource)
    assert found.sources[0].address == Address("127.0.0.1", 1514)
    assert found.sources[0].stream == Stream()
    assert (found.library, found.rules, found.grammars) == ((), (), ())
    assert (found.limits, found.defaults, found.processes) == (Limits(), Defaults(), 8)
    assert not found.warnings


def test_every_key_of_a_source_is_read(folder: Path) -> None:
    """Listeners of all kinds, with their trust, framing and limits."""
    found = load_text(
        folder,
        f"""
sources:
  t: {{tcp: "[::1]:1514", framing: octet, max_frame: 8KiB, over_limit: close, time_zone: UTC, trusted: [10.0.0.0/8]}}
  s:
    tls: "0.0.0.0:6514"
    certificate: [server.pem, rsa.pem]
    key: [server.key, rsa.key]
    client_ca: ca.pem
    peers: {{names: ["*.example.com", 192.0.2.1], common_name: true}}
    hostname: must-agree
    time_zone: UTC
  p: {{tls: 7514, certificate: server.pem, key: server.key, peers: {{fingerprints: ["{FINGERPRINT}"]}}, time_zone: UTC}}
  u: {{udp: "127.0.0.1:1514", receive_buffer: 8MiB, time_zone: UTC, trusted: ["::1"]}}
  l: {{unix: log.sock, mode: "0600", time_zone: UTC}}
""",
    )
    tcp, tls, pinned, udp, unix = found.sources
    assert isinstance(tcp, TcpSource)
    assert tcp.address == Address("::1", 1514)
    assert str(tcp.address) == "[::1]:1514"
    assert tcp.stream == Stream(Framing.OCTET, 8192, OverLimit.CLOSE)
    assert tcp.trusted == (ip_network("10.0.0.0/8"),)
    assert tcp.zone.utcoffset(None) == UTC.utcoffset(None)
    assert isinstance(tls, TlsSource)
    assert tls.certificates == (
        (folder / "server.pem", folder / "server.key"),
        (folder / "rsa.pem", folder / "rsa.key"),
    )
    assert tls.client_ca == folder / "ca.pem"
    assert tls.peers == PeerPolicy.names(["*.example.com", "192.0.2.1"], common_name=True)
    assert tls.hostname is HostnamePolicy.MUST_AGREE
    assert isinstance(pinned, TlsSource)
    assert pinned.peers == PeerPolicy.pinned([FINGERPRINT])
    assert pinned.client_ca is None
    assert isinstance(udp, UdpSource)
    assert (udp.receive_buffer, udp.trusted) == (8 * 1024**2, (ip_network("::1"),))
    assert isinstance(unix, UnixSource)
    assert (unix.path, unix.mode) == (folder / "log.sock", 0o600)


def test_relp_is_plain_or_over_tls(folder: Path) -> None:
    """A certificate, or anything that belongs to one, makes it TLS; plain RELP beyond this machine is warned of."""
    found = load_text(
        folder,
        """
sources:
  plain: {relp: 2514, time_zone: UTC}
  open: {relp: "0.0.0.0:2515", max_frame: 8KiB, over_limit: close, trusted: [10.0.0.0/8], time_zone: UTC}
  tls: {relp: "0.0.0.0:2516", certificate: server.pem, client_ca: ca.pem, hostname: certificate, max_frame: 1MiB}
""",
    )
    plain, outside, tls = found.sources
    assert isinstance(plain, TcpSource)
    assert plain.stream == RelpStream(128 * 1024, OverLimit.TRUNCATE)
    assert isinstance(outside, TcpSource)
    assert (outside.stream, outside.trusted) == (RelpStream(8192, OverLimit.CLOSE), (ip_network("10.0.0.0/8"),))
    assert isinstance(tls, TlsSource)
    assert (tls.stream, tls.hostname) == (RelpStream(1024**2), HostnamePolicy.CERTIFICATE)
    assert [kind_of(source) for source in found.sources] == ["relp", "relp", "relp over tls"]
    (warning,) = found.warnings
    assert "open: plain RELP on 0.0.0.0:2515 takes whatever anyone sends there; give it a certificate" in str(warning)


def test_peers_of_a_tls_source_are_whoever_the_authority_signed(folder: Path) -> None:
    """Without `peers` the client's certificate must have a chain, and its own file may hold the key."""
    found = load_text(folder, "sources: {s: {tls: 6514, certificate: server.pem, client_ca: ca.pem}}")
    (source,) = found.sources
    assert isinstance(source, TlsSource)
    assert source.peers.kind is PolicyKind.CERTIFICATE
    assert source.certificates == ((folder / "server.pem", folder / "server.pem"),)


def test_limits_defaults_and_runner(folder: Path) -> None:
    """Each setting has its unit."""
    found = load_text(
        folder,
        MINIMUM
        + """
state: kept
grammars: [site.grammars.router]
limits: {connections: 10, connections_per_address: 2, handshakes: 3, handshake_timeout: 5s, idle: 2h, pending: 1MiB}
defaults: {trust: certificate, run: {timeout: 5m, user: jobs, umask: 0027}}
runner: {limit: 2}
""",
    )
    assert found.state == folder / "kept"
    assert found.grammars == ("site.grammars.router",)
    assert found.limits == Limits(10, 2, 3, 5.0, 7200.0, 1024**2)
    assert found.defaults.trust is Trust.CERTIFICATE
    assert (found.defaults.run.timeout, found.defaults.run.user, found.defaults.run.umask) == (300.0, "jobs", 0o027)
    assert found.processes == 2


def test_rule_files_are_files_and_patterns(folder: Path) -> None:
    """A pattern's files come in the order of their names, each once; a pattern without files is fine."""
    (folder / "rules").mkdir()
    for name in ("b.yaml", "a.yaml", "c.txt"):
        (folder / "rules" / name).write_text("- {rule: x, match: {}}\n")
    found = load_text(folder, MINIMUM + "rules: [rules/b.yaml, rules/*.yaml, more/*.yaml]\nlibrary: [sudo, ssh]\n")
    assert found.rules == (folder / "rules/b.yaml", folder / "rules/a.yaml")
    absolute = load_text(folder, MINIMUM + f"rules: ['{folder}/rules/a*']\n")
    assert absolute.rules == (folder / "rules/a.yaml",)
    loaded = read_rules(found, ())
    assert [file.file for file in loaded] == [
        "library/sudo.yaml",
        "library/ssh.yaml",
        str(folder / "rules/b.yaml"),
        str(folder / "rules/a.yaml"),
    ]
    assert [rule.name for file in loaded for rule in file.rules] == ["sudo-x", "ssh-x", "x", "x"]


def test_a_rule_file_that_cannot_be_read_is_one_error_of_its_own(folder: Path) -> None:
    """The configuration still loads, and so do the other files."""
    (folder / "bad.yaml").write_bytes(b"- rule: \xff\n")
    (folder / "good.yaml").write_text("- {rule: x, match: {}}\n")
    found = load_text(folder, MINIMUM + "rules: ['*d.yaml']\n")
    bad, good = read_rules(found, ())
    assert [str(error) for error in bad.errors] == [
        f"{folder}/bad.yaml:1:9: the octet 0xFF is no UTF-8; save the file as UTF-8"
    ]
    assert good.rules


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "g.yaml:1:1: this configuration is empty; `gateway init DIR` makes one that works"),
        ("[]", "g.yaml:1:1: a mapping (key: value) is wanted here, not a list"),
        ("state: x\n", 'g.yaml:1:1: the key "sources" is missing'),
        ("sources: {}\n", 'g.yaml:1:10: "sources": name at least one source'),
        (MINIMUM + "soruces: 1\n", 'g.yaml:2:1: unknown key "soruces"'),
        (MINIMUM + "library: [shh]\n", 'g.yaml:2:11: "shh" is no shipped rule file; did you mean "ssh"?'),
        (MINIMUM + "library: [mail]\n", 'g.yaml:2:11: "mail" is no shipped rule file; there are ssh, sudo'),
        (MINIMUM + "rules: [none.yaml]\n", 'g.yaml:2:9: "rules": none.yaml does not exist'),
        (MINIMUM + "rules: [shipped]\n", 'g.yaml:2:9: "rules": shipped is a folder, not a file'),
        (MINIMUM + "grammars: [a-b]\n", 'g.yaml:2:12: a module\'s name is wanted, not "a-b"'),
        (MINIMUM + "state: ca.pem\n", 'g.yaml:2:8: "state": ca.pem cannot be used: it is no folder'),
        (MINIMUM + "limits: {idle: 60}\n", 'g.yaml:2:16: "idle": write a unit: 60s'),
        (MINIMUM + "defaults: {trust: high}\n", 'g.yaml:2:19: "trust": one of datagram, network'),
        (MINIMUM + "defaults: {run: {timeuot: 1s}}\n", 'g.yaml:2:18: unknown key "timeuot" in "run"; did you mean'),
        ("sources: {Sys Log: {tcp: 1}}\n", 'g.yaml:1:11: "Sys Log" cannot be a source\'s name'),
        ("sources: {gateway: {tcp: 1}}\n", 'g.yaml:1:11: "gateway" cannot be a source\'s name'),
        (
            "sources: {s: {framing: lines}}\n",
            (
                'g.yaml:1:14: "s": a source has exactly one of tcp, tls, relp, udp, unix, ftp, sftp, files, timer; '
                "there is none"
            ),
        ),
        (
            "sources: {s: {tcp: 1, udp: 1}}\n",
            'g.yaml:1:23: "s": a source has exactly one of tcp, tls, relp, udp, unix, ftp, sftp, files, timer; it has',
        ),
        ("sources: {s: {tcp: web:514}}\n", 'g.yaml:1:20: "tcp": "web" is no IP address; a listener needs one'),
        ("sources: {s: {tcp: 70000}}\n", 'g.yaml:1:20: "tcp": an address such as 1514'),
        ('sources: {s: {tcp: "::1:514"}}\n', 'g.yaml:1:20: "tcp": an address such as 1514'),
        ('sources: {s: {tcp: "[10.0.0.1]:514"}}\n', 'g.yaml:1:20: "tcp": brackets are for IPv6 addresses'),
        ("sources: {s: {tcp: 1, framing: octett}}\n", 'g.yaml:1:32: "framing": one of lines, octet, auto, nul'),
        ("sources: {s: {tcp: 1, max_frame: 100}}\n", 'g.yaml:1:34: "max_frame": a size from 480 to'),
        (
            "sources: {s: {tcp: 1, trusted: [10.0.0.1/8]}}\n",
            'g.yaml:1:33: "10.0.0.1/8" is an address inside a network; did you mean 10.0.0.0/8?',
        ),
        ("sources: {s: {tcp: 1, time_zone: Europe/Zurick}}\n", 'did you mean "Europe/Zurich"?'),
        ("sources: {s: {udp: 1, framing: lines}}\n", 'g.yaml:1:23: unknown key "framing" in "s"; known are'),
        (f"sources: {{s: {{unix: {'x' * 200}}}}}\n", "is too long for a socket's path (at most 107 octets)"),
        (
            "sources: {s: {tls: 1, client_ca: ca.pem}}\n",
            'g.yaml:1:14: the key "certificate" is missing in "s"; `gateway init DIR` makes one',
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem}}\n",
            'g.yaml:1:14: without "client_ca" nobody could get in',
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, client_ca: no.pem}}\n",
            'g.yaml:1:59: "client_ca": no.pem does not exist; `gateway init DIR` makes certificates and keys',
        ),
        (
            "sources: {s: {tls: 1, certificate: [server.pem, rsa.pem], key: server.key, client_ca: ca.pem}}\n",
            "g.yaml:1:15: 2 certificates, but 1 key; list them in pairs",
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, client_ca: shipped}}\n",
            'g.yaml:1:59: "client_ca": shipped is a folder, not a file',
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, client_ca: ca.pem, peers: {names: ['a*.b']}}}\n",
            "a star stands for one whole label",
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, peers: {fingerprints: [AB:CD]}}}\n",
            "has 2 octets; SHA-256 has 32",
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, peers: {fingerprints: [ca.pem]}}}\n",
            "there is no PEM certificate in this file",
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, client_ca: ca.pem, peers: {}}}\n",
            "write either {names: [...]} or {fingerprints: [...]}",
        ),
        (
            "sources: {s: {tls: 1, certificate: server.pem, client_ca: ca.pem, peers: anyone}}\n",
            'g.yaml:1:74: "peers": one of certificate is wanted',
        ),
        (
            'sources:\n  a: {tcp: 1514}\n  b: {tls: "0.0.0.0:1514", certificate: server.pem, client_ca: ca.pem}\n',
            "g.yaml:3:7: b: a listens on 0.0.0.0:1514 already; choose another",
        ),
        ("sources: {s: {relp: 1, framing: lines}}\n", '"framing"'),
        ("sources: {s: {relp: 1, client_ca: ca.pem}}\n", '"certificate"'),
        ("sources:\n  a: {tcp: 1514}\n  b: {relp: 1514}\n", "b: a listens on 127.0.0.1:1514 already"),
        ("sources:\n  a: {unix: x}\n  b: {unix: x}\n", "g.yaml:3:7: b: a listens on x already"),
    ],
)
def test_an_error_names_its_place_and_what_to_write(folder: Path, text: str, error: str) -> None:
    """Each of the usual slips gets exactly one line."""
    found = errors_of(folder, text)
    assert error in found[0]
    assert len(found) == 1


def test_all_errors_are_said_at_once(folder: Path) -> None:
    """In the order of the file, one a line."""
    found = errors_of(
        folder, "state: [x]\nsources:\n  a: {tcp: x}\n  b: {udp: 1, mode: 1}\nlimits: {idle: 1}\nstate: y\n"
    )
    assert [line.split(": ")[0] for line in found] == [
        "g.yaml:1:8",
        "g.yaml:3:12",
        "g.yaml:4:15",
        "g.yaml:5:16",
        "g.yaml:6:1",
    ]


def test_ports_that_do_not_collide(folder: Path) -> None:
    """TCP and UDP, two addresses, and port 0 can stand side by side."""
    text = """
sources:
  a: {tcp: 1514}
  b: {udp: 1514}
  c: {tcp: "127.0.0.2:1514"}
  d: {tcp: 0}
  e: {tcp: 0}
"""
    assert len(load_text(folder, text).sources) == 5


@pytest.mark.parametrize(
    ("one", "other"), [("0.0.0.0:5", "127.0.0.1:5"), ("[::]:5", "0.0.0.0:5"), ("[::]:5", "[::1]:5")]
)
def test_a_listener_on_all_addresses_collides_with_each(folder: Path, one: str, other: str) -> None:
    """`::` takes IPv4 as well."""
    found = errors_of(folder, f'sources:\n  a: {{tcp: "{one}"}}\n  b: {{tcp: "{other}"}}\n')
    assert "listens on" in found[0]


def test_plain_listeners_that_face_the_network_are_warned_of(folder: Path) -> None:
    """They work, and the operator hears what that means."""
    found = load_text(folder, 'sources:\n  a: {tcp: "0.0.0.0:1514"}\n  b: {udp: "[::]:1514"}\n')
    assert [str(warning).replace(f"{folder}/", "") for warning in found.warnings] == [
        "g.yaml:2:7: a: plain TCP on 0.0.0.0:1514 takes whatever anyone sends there; prefer tls",
        "g.yaml:3:7: b: UDP on [::]:1514 can be forged by anyone; prefer tls",
    ]


def test_a_configuration_that_is_not_there(folder: Path) -> None:
    """Missing, a folder and a FIFO are told apart, and nothing waits for the FIFO's other end."""
    os.mkfifo(folder / "fifo")
    for name, words in (("none", "does not exist"), ("shipped", "is a folder"), ("fifo", "is not a regular file")):
        with pytest.raises(ConfigErrors, match=words):
            load(folder / name)


WORDS = st.sampled_from(
    [
        "sources",
        "tcp",
        "tls",
        "udp",
        "unix",
        "s",
        "1514",
        "[]",
        "{}",
        "null",
        "ca.pem",
        "rules",
        "'*'",
        "peers",
        "1h",
        "~",
    ]
)
VALUES = st.recursive(
    WORDS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(WORDS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES | st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_loads_or_says_where_it_is_wrong(folder: Path, text: str) -> None:
    """Only ConfigErrors come of it, each with file and line."""
    try:
        load_text(folder, text)
    except ConfigErrors as caught:
        errors = caught.errors
    else:
        return
    places = [error.place for error in errors]
    assert places
    assert all(place and place.file == str(folder / "g.yaml") and place.line >= 1 for place in places)
