"""Tests of peer identity: whom a policy lets in, and above all whom it does not."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.trust import (
    Networks,
    PeerPolicy,
    certificate_names,
    fingerprints,
    judge,
    parse_fingerprint,
    parse_pattern,
)
from parsers.errors import OperatorError, RemoteError
from tests.made_certificates import CLIENT, SERVER, Made, make

NOW = 1_800_000_000.0


def refusal(made: Made, policy: PeerPolicy) -> str:
    """Return why a certificate is refused; fails when it is not."""
    with pytest.raises(RemoteError) as caught:
        judge(made.der, policy, NOW)
    return str(caught.value)


def test_a_permitted_name_in_the_san_is_the_peers_identity() -> None:
    """The accepted name comes back in lower case, with subject and SHA-256 fingerprint."""
    made = make(NOW, common_name="other", names=["a.example", "WEB1.Example.COM"])
    peer = judge(made.der, PeerPolicy.names(["web1.example.com"]), NOW)
    assert peer.identity == "web1.example.com"
    assert peer.subject == "CN=other"
    assert peer.fingerprint == hashlib.sha256(made.der).hexdigest()


@pytest.mark.parametrize(
    "names",
    [
        ["other.example.com"],
        ["web1.example.com.evil.test"],
        ["evilweb1.example.com"],
        ["*.example.com"],
        ["web1.example.com\0.evil.test"],
        [" web1.example.com"],
        [],
    ],
)
def test_any_other_name_is_refused(names: list[str]) -> None:
    """Look-alikes, wildcards in the client's own certificate, NULs and blanks do not match."""
    refusal(make(NOW, names=names), PeerPolicy.names(["web1.example.com"]))


@pytest.mark.parametrize(
    ("name", "in_"),
    [
        ("web1.example.com", True),
        ("WEB1.EXAMPLE.COM", True),
        ("example.com", False),
        ("a.b.example.com", False),
        ("web1.notexample.com", False),
        ("web1.example.com.evil.test", False),
        (".example.com", False),
        ("*.example.com", False),
    ],
)
def test_a_star_in_a_pattern_is_exactly_one_label(name: str, in_: bool) -> None:
    """RFC 5425 section 5.2: *.example.com matches neither example.com nor a.b.example.com."""
    made = make(NOW, names=[name])
    policy = PeerPolicy.names(["*.example.com"])
    if in_:
        assert judge(made.der, policy, NOW).identity == name.lower()
    else:
        refusal(made, policy)


def test_a_common_name_counts_only_when_asked_for_and_without_a_san() -> None:
    """CN is not looked at by default, never beside a SAN, and never when there are two."""
    policy, asked = PeerPolicy.names(["web1.example"]), PeerPolicy.names(["web1.example"], common_name=True)
    only = make(NOW, common_name="web1.example")
    refusal(only, policy)
    assert judge(only.der, asked, NOW).identity == "web1.example"
    refusal(make(NOW, common_name="web1.example", names=["other.example"]), asked)
    refusal(make(NOW, common_name="*.example"), asked)
    refusal(make(NOW, common_name=["web1.example", "other.example"]), asked)


def test_an_address_matches_an_address_and_no_text() -> None:
    """A dNSName or CN that spells an address is no iPAddress."""
    policy = PeerPolicy.names(["192.0.2.1", "2001:DB8::1"], common_name=True)
    assert judge(make(NOW, names=["192.0.2.1"]).der, policy, NOW).identity == "192.0.2.1"
    assert judge(make(NOW, names=["2001:db8:0::1"]).der, policy, NOW).identity == "2001:db8::1"
    refusal(make(NOW, names=["192.0.2.2"]), policy)
    refusal(make(NOW, common_name="192.0.2.1"), policy)
    refusal(make(NOW, names=[x509.DNSName("192.0.2.1")]), policy)


def test_a_certificate_has_its_time() -> None:
    """Before and after it, the certificate is refused, and the refusal says when."""
    policy = PeerPolicy.any_certificate()
    assert "expired on" in refusal(make(NOW, days=(-10, -1)), policy)
    assert "not valid before" in refusal(make(NOW, days=(1, 10)), policy)


def test_a_servers_certificate_is_no_clients() -> None:
    """An extended key usage without clientAuth refuses; no such extension does not."""
    policy = PeerPolicy.any_certificate()
    assert "clientAuth" in refusal(make(NOW, usage=[SERVER]), policy)
    judge(make(NOW, usage=[SERVER, CLIENT]).der, policy, NOW)
    judge(make(NOW, usage=None).der, policy, NOW)


def test_a_pin_is_the_very_certificate() -> None:
    """SHA-256 and SHA-1 pins let exactly one certificate in, whatever it is called."""
    made, other = make(NOW, names=["a.example"]), make(NOW, names=["a.example"])
    for pin in map(str, fingerprints(made.der)):
        policy = PeerPolicy.pinned([pin])
        assert judge(made.der, policy, NOW).identity == "a.example"
        assert "pinned" in refusal(other, policy)
    assert judge(make(NOW, common_name="cn.example").der, PeerPolicy.any_certificate(), NOW).identity is None
    named = make(NOW, common_name="cn.example")
    assert judge(named.der, PeerPolicy.pinned([str(fingerprints(named.der)[0])]), NOW).identity == "cn.example"


def test_a_pin_may_be_a_file(tmp_path: Path) -> None:
    """A PEM file pins the certificates in it; one that is missing is the operator's error."""
    made = make(NOW)
    made.write(tmp_path, "web1")
    judge(made.der, PeerPolicy.pinned(["web1.pem"], tmp_path), NOW)
    with pytest.raises(OperatorError, match=r"web2\.pem: the certificate cannot be read: No such file"):
        PeerPolicy.pinned(["web2.pem"], tmp_path)
    with pytest.raises(OperatorError, match="no PEM certificate"):
        PeerPolicy.pinned(["./web1.key"], tmp_path)


@given(st.binary(max_size=200))
def test_octets_that_are_no_certificate_are_refused(der: bytes) -> None:
    """Whatever breaks the judge refuses the peer."""
    with pytest.raises(RemoteError):
        judge(der, PeerPolicy.any_certificate(), NOW)


@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_never_breaks_the_judge(at: int, bit: int) -> None:
    """A damaged certificate is judged or refused, and no other exception comes out."""
    der = bytearray(SAMPLE.der)
    der[at % len(der)] ^= 1 << bit
    with contextlib.suppress(RemoteError):
        judge(bytes(der), PeerPolicy.names(["web1.example.com"]), NOW)


SAMPLE = make(NOW, names=["web1.example.com"])


def test_no_certificate_is_refused() -> None:
    """A peer that shows none is nobody."""
    with pytest.raises(RemoteError, match="no certificate"):
        judge(None, PeerPolicy.any_certificate(), NOW)


@pytest.mark.parametrize(
    "text",
    ["sha-256:{colons}", "SHA256:{hex}", "{hex}", "{colons}", "sha256={hex}", " SHA-256: {upper} "],
)
def test_fingerprints_are_read_as_people_write_them(text: str) -> None:
    """RFC 5425's, OpenSSL's and rsyslog's spellings are the same fingerprint."""
    expected = hashlib.sha256(b"x").hexdigest()
    colons = ":".join(expected[at : at + 2] for at in range(0, 64, 2))
    found = parse_fingerprint(text.format(hex=expected, colons=colons, upper=colons.upper()))
    assert (found.algorithm, found.digest) == ("sha256", expected)
    assert parse_fingerprint(str(found)) == found


def test_sha1_is_known_by_its_label_or_its_length() -> None:
    """RFC 5425 section 4.2.2 makes every receiver support sha-1."""
    digest = hashlib.sha1(b"x").hexdigest()
    assert parse_fingerprint("sha-1:" + digest) == parse_fingerprint(digest)


@pytest.mark.parametrize("text", ["", "sha-256:", "sha-1:" + "00" * 32, "00" * 31, "md5:" + "00" * 16, "zz" * 32])
def test_a_wrong_fingerprint_is_said(text: str) -> None:
    """Cut, mislabelled and foreign fingerprints are errors, not pins that never match."""
    with pytest.raises(ValueError, match="fingerprint"):
        parse_fingerprint(text)


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "a.*.b", "w*.example.com", "-a.example", "a..b", "bücher.example", "a/b"]
)
def test_a_wrong_pattern_is_said(text: str) -> None:
    """A star anywhere but for the whole first label, and what is no host name, are errors."""
    with pytest.raises(ValueError, match=r"host name|star|ASCII"):
        parse_pattern(text)


def test_a_policy_that_permits_nobody_is_an_error() -> None:
    """An empty list is a mistake, not a policy."""
    with pytest.raises(ValueError, match="no name is permitted"):
        PeerPolicy.names([])
    with pytest.raises(ValueError, match="no fingerprint is permitted"):
        PeerPolicy.pinned([])


def test_all_names_of_a_certificate() -> None:
    """For `hostname: must-agree`: SANs, then the CN where it is asked for and there is no SAN; wildcards are none."""
    made = make(NOW, common_name="cn.example", names=["A.example", "192.0.2.1", "*.example"])
    assert certificate_names(made.der) == ("a.example", "192.0.2.1")
    assert certificate_names(make(NOW, common_name="cn.example").der) == ()
    assert certificate_names(make(NOW, common_name="cn.example").der, common_name=True) == ("cn.example",)


def test_networks_hold_addresses() -> None:
    """IPv4 in either spelling, IPv6 with a scope; a socket's path is in no network."""
    networks = Networks(["192.0.2.0/24", "2001:db8::/32", "::ffff:198.51.100.0/120", "fe80::/10", "203.0.113.7"])
    for address in ("192.0.2.255", "::ffff:192.0.2.1", "2001:db8::1", "198.51.100.9", "fe80::1%eth0", "203.0.113.7"):
        assert address in networks
    for other in ("192.0.3.0", "2001:db9::1", "203.0.113.8", "/run/x.sock", "", None, "::192.0.2.1"):
        assert other not in networks
    assert "192.0.2.1" not in Networks([])
    assert "192.0.2.1" in Networks(["0.0.0.0/0"])


@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2.0/33", "example.com", "", "2001:db8::1/32"])
def test_a_wrong_network_is_said(text: str) -> None:
    """Host bits beyond the prefix are a question to the operator, not rounded away."""
    with pytest.raises(ValueError, match="network"):
        Networks([text])
