"""The configuration that a new installation begins with."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gateway.config import PROCESSES, Config, Limits, load, read_rules
from gateway.drop_config import usual_drop
from gateway.jobs.retention import Retention
from gateway.listen_address import Address
from gateway.loading import parser_of
from gateway.outgoing_config import SendmailSettings
from gateway.sample import config_text, rule_texts
from gateway.source_config import TlsSource, place_of
from gateway.trust import PolicyKind
from parsers.grammars.sshd import GRAMMAR
from parsers.parse import Parser
from rules.examples import run_tests
from rules.load import Defaults, load_rules

CONF = Path(__file__).parents[2] / "conf"
MADE = (
    *(f"tls/{name}" for name in ("ca.pem", "server.pem", "server.key", "server-rsa.pem", "server-rsa.key")),
    *(f"ssh/ssh_host_{kind}_key" for kind in ("ed25519", "rsa")),
)


def made_up_certificates(folder: Path) -> None:
    """Put files where the certificates and host keys belong."""
    for name in MADE:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("made up")


def install(folder: Path, text: str) -> Config:
    """Write a configuration, its rules and made-up certificates into a folder and load it, without the library."""
    text = re.sub(r"(?m)^library: .*", "library: []", text)
    (folder / "rules").mkdir(parents=True)
    for name, rules in rule_texts().items():
        (folder / "rules" / name).write_text(rules)
    made_up_certificates(folder)
    (folder / "gateway.yaml").write_text(text)
    return load(folder / "gateway.yaml")


def test_the_sources_hold_the_same_files() -> None:
    """What `conf/` shows is what is installed."""
    assert (CONF / "gateway.yaml").read_text() == config_text()
    assert {path.name: path.read_text() for path in (CONF / "rules").iterdir()} == rule_texts()


def test_the_checkouts_configuration_loads_without_a_word(tmp_path: Path) -> None:
    """No error and no warning, in it and in all rules that it names, once `gateway init` has made certificates."""
    copy = tmp_path / "conf"
    shutil.copytree(CONF, copy, ignore=shutil.ignore_patterns("tls", "ssh", "state", "accounts.yaml"))
    made_up_certificates(copy)
    found = load(copy / "gateway.yaml")
    assert not found.warnings
    assert all(place_of(source).startswith(("127.0.0.1:", str(copy))) for source in found.sources)
    for file in read_rules(found, parser_of(found).grammars):
        assert file.rules
        assert not file.errors
        assert not file.warnings


def test_the_listeners_of_an_installation_that_encrypt_face_the_network(tmp_path: Path) -> None:
    """Only these do, and their files are those that the authority makes."""
    found = install(tmp_path, config_text(network=True))
    (tls,) = (source for source in found.sources if isinstance(source, TlsSource))
    assert tls.address == Address("0.0.0.0", 6514)
    assert tls.peers.kind is PolicyKind.CERTIFICATE
    assert len(tls.certificates) == 2
    facing = [source.name for source in found.sources if not place_of(source).startswith(("127.0.0.1:", "/"))]
    assert facing == ["syslog-tls", "ftp", "sftp"]
    assert not found.warnings


def test_commented_settings_are_right_and_are_the_defaults(tmp_path: Path) -> None:
    """Taking every # away gives a configuration that loads, and what the comments show is what would be used."""
    text = re.sub(r"(?m)^( *)#(?! \S)", r"\1", config_text())
    assert text.count("\nlimits:") == text.count("\n  run:") == 1
    found = install(tmp_path, text)
    assert found.limits == Limits()
    assert found.processes == PROCESSES
    assert found.drop == usual_drop(found.folder, found.state)
    assert (found.mail, found.destinations, found.journal) == (SendmailSettings(), (), Retention())
    run, usual = found.defaults.run, Defaults().run
    for name in (
        "timeout",
        "grace",
        "cwd",
        "umask",
        "nice",
        "environment",
        "stdin",
        "output",
        "concurrency",
        "options",
    ):
        assert getattr(run, name) == getattr(usual, name), name
    plain = install(tmp_path / "plain", config_text())
    for one, other in zip(plain.sources, found.sources, strict=True):
        names = set(one.__dataclass_fields__) - {"place", "path", "zone", "certificates", "client_ca", "host_keys"}
        assert {name: getattr(one, name) for name in names} == {name: getattr(other, name) for name in names}


@pytest.mark.parametrize("name", sorted(rule_texts()))
def test_examples_carry_tests_that_hold(name: str) -> None:
    """An example rule that does not do what it says would teach the wrong thing."""
    parser = Parser([GRAMMAR])
    for rule in load_rules(rule_texts()[name], name, Defaults()).rules:
        assert rule.tests
        assert not run_tests(rule, parser)
