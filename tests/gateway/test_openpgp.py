"""Tests of OpenPGP signatures: whose are believed, and when not any more."""

from __future__ import annotations

import base64
import subprocess
import time
from pathlib import Path

import pysequoia
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checks import openpgp
from gateway.checks.signatures import BadSignature, Data, Form, form, openpgp_packets, openpgp_signatures
from tests.end_to_end.programs import require
from tests.gateway import signature_samples as samples
from tests.gateway.signature_samples import DATA

NOW = 1_800_000_000.0  # 2027-01-15
IN_2024 = 1_707_000_000.0
ALICE = openpgp.parse_keys(samples.ALICE)
EXPIRED = openpgp.parse_keys(samples.EXPIRED)
REVOKED = openpgp.parse_keys(samples.REVOKED)
SUB = openpgp.parse_keys(samples.SUB)
NAMED = "7259B6A75C566F9BFF71633F2B4BAC7891DB909E Alice Example <alice@example.com>"
BINARY = openpgp_signatures(samples.BY_ALICE)[0]


@pytest.mark.parametrize(
    "signature", [samples.BY_ALICE, BINARY, samples.TEXT_BY_ALICE, b"\r\n" + samples.BY_ALICE.replace(b"\n", b"\r\n")]
)
def test_a_right_signature_names_its_signer(signature: bytes) -> None:
    """Armored or binary; the answer is the certificate's fingerprint and its user id."""
    assert form(signature) is Form.OPENPGP
    assert openpgp.verify(signature, Data(content=DATA), EXPIRED + ALICE, NOW) == NAMED


def test_other_data_are_not_signed() -> None:
    """One octet more, and it is wrong; the words say by whom it is."""
    with pytest.raises(BadSignature) as raised:
        openpgp.verify(samples.BY_ALICE, Data(content=DATA + b"x"), ALICE, NOW)
    assert str(raised.value) == f"it does not fit the file; it is by the OpenPGP key {NAMED}"


def test_a_stranger_is_named() -> None:
    """The words say which key it was, so that the operator can add it."""
    with pytest.raises(BadSignature, match=f"by the OpenPGP key {NAMED[:40]}, which may not sign here"):
        openpgp.verify(samples.BY_ALICE, Data(content=DATA), SUB, NOW)


@pytest.mark.parametrize(
    ("signature", "keys", "problem"),
    [
        (samples.BY_EXPIRED, EXPIRED, "its key expired on 2024-12-31: .* Expired <expired@example.com>"),
        (samples.BY_SUB, SUB, "its key expired on 2024-12-31: .* Sub <sub@example.com>"),
        (samples.BY_REVOKED, REVOKED, "its key was revoked: .* Revoked <revoked@example.com>"),
        (samples.ENDED_BY_ALICE, ALICE, "it ended on 2024-02-02; it is by .* Alice"),
        (samples.SHA1_BY_ALICE, ALICE, "it uses MD5 or SHA-1"),
    ],
)
def test_what_was_good_once_is_not_any_more(signature: bytes, keys: list[openpgp.Key], problem: str) -> None:
    """Whoever has an old key can date a signature back; so what has ended is refused, though it was made before."""
    with pytest.raises(BadSignature, match=problem):
        openpgp.verify(signature, Data(content=DATA), keys, NOW)


@pytest.mark.parametrize(("signature", "keys"), [(samples.BY_EXPIRED, EXPIRED), (samples.BY_SUB, SUB)])
def test_what_is_not_over_yet_is_good(signature: bytes, keys: list[openpgp.Key]) -> None:
    """The same signatures while certificate and subkey were alive."""
    assert openpgp.verify(signature, Data(content=DATA), keys, IN_2024) == keys[0].name


def test_a_file_with_several_signatures() -> None:
    """One right signature by somebody who may sign is enough, wherever it stands; strangers do not matter."""
    one, other = openpgp_signatures(samples.BY_BOTH)
    for signature in (samples.BY_BOTH, other + one, samples.BY_EXPIRED + samples.BY_ALICE):
        assert openpgp.verify(signature, Data(content=DATA), ALICE, NOW) == NAMED
    with pytest.raises(BadSignature, match="its key expired"):  # and not that the other is by a stranger
        openpgp.verify(samples.BY_BOTH, Data(content=DATA), EXPIRED, NOW)
    with pytest.raises(BadSignature, match="more than 16 signatures"):
        openpgp.verify(BINARY * 17, Data(content=DATA), ALICE, NOW)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        samples.ALICE,
        samples.BY_ALICE[:100],
        BINARY[:-1],
        BINARY + b"x",
        BINARY + b"\xcb\x02b\0",
        samples.BY_ALICE.replace(b"\n\n", b"\n\n!"),
        samples.BY_ALICE.replace(b"-----END", b"=====END"),
    ],
)
def test_what_is_no_signature(content: bytes) -> None:
    """Keys, messages, and what is cut off or has something behind it are no detached signatures."""
    with pytest.raises(BadSignature):
        openpgp.verify(content, Data(content=DATA), ALICE, NOW)


def test_packets_of_every_length() -> None:
    """Old and new lengths are understood (RFC 9580 sections 4.2.1 and 4.2.2); partial ones are no signature's."""
    for size, heads in {
        5: [b"\xc2\x05", b"\x88\x05", b"\x89\0\x05", b"\x8a\0\0\0\x05", b"\xc2\xff\0\0\0\x05"],
        200: [b"\xc2\xc0\x08", b"\x88\xc8"],
        8383: [b"\xc2\xdf\xff"],
    }.items():
        for head in heads:
            packet = head + bytes(size)
            assert openpgp_packets(packet) == [packet]
            assert openpgp_packets(packet * 2) == [packet, packet]
            assert openpgp_packets(packet[:-1]) == []
    for head in (b"\xc2\xe1", b"\x8b", b"\xc2", b"\xc2\xff\0", b"\xc4\x05", b"\x85\0\x05"):
        assert openpgp_packets(head + bytes(5)) == []


def test_keys_of_several_files_in_one() -> None:
    """Armored blocks after one another, and a binary keyring."""
    assert [key.words for key in openpgp.parse_keys(samples.ALICE + b"\n" + samples.SUB)] == [
        "Alice Example <alice@example.com>",
        "Sub <sub@example.com>",
    ]
    assert openpgp.parse_keys(ALICE[0].octets + SUB[0].octets) == ALICE + SUB
    assert openpgp.is_certificate(samples.ALICE)
    assert openpgp.is_certificate(ALICE[0].octets)
    assert not openpgp.is_certificate(samples.MINISIGN_KEY)


@pytest.mark.parametrize("armor", [True, False])
def test_a_secret_key_is_refused(armor: bool) -> None:
    """Secret keys stay with their owners."""
    secret = pysequoia.Tsk.generate("Carol <carol@example.com>")
    with pytest.raises(ValueError, match="secret key, which has no business here"):
        openpgp.parse_keys(str(secret).encode() if armor else bytes(secret))


def test_a_damaged_certificate_is_said() -> None:
    """The words are one line."""
    with pytest.raises(ValueError, match="damaged") as raised:
        openpgp.parse_keys(ALICE[0].octets[:-5])
    assert "\n" not in str(raised.value)


def test_an_old_copy_of_a_renewed_key_does_no_harm() -> None:
    """Of the copies of a certificate the one that is alive counts."""
    key = ALICE[0]
    old = openpgp.Key(key.fingerprint, key.octets, key.words, {key.fingerprint: openpgp.Subkey(IN_2024, False)})
    assert openpgp.verify(samples.BY_ALICE, Data(content=DATA), [old, key], NOW) == NAMED
    with pytest.raises(BadSignature, match="expired on 2024-02-03"):
        openpgp.verify(samples.BY_ALICE, Data(content=DATA), [old], NOW)


def test_a_revoked_subkey_signs_nothing() -> None:
    """A revocation of a subkey, for whatever reason, ends it."""
    key = SUB[0]
    name = next(name for name in key.subkeys if name != key.fingerprint)
    gone = openpgp.Key(key.fingerprint, key.octets, key.words, {**key.subkeys, name: openpgp.Subkey(None, True)})
    with pytest.raises(BadSignature, match="revoked"):
        openpgp.verify(samples.BY_SUB, Data(content=DATA), [gone], IN_2024)


def test_a_large_file_is_verified_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same answers; a file that is gone is no wrong signature."""
    monkeypatch.setattr(openpgp, "SMALL", 4)
    file = tmp_path / "d\udcffta 'x'"
    file.write_bytes(DATA)
    assert openpgp.verify(samples.BY_ALICE, Data(file), SUB + ALICE, NOW) == NAMED
    file.write_bytes(DATA + b"x")
    with pytest.raises(BadSignature, match="does not fit"):
        openpgp.verify(samples.BY_ALICE, Data(file), ALICE, NOW)
    with monkeypatch.context() as context:
        context.setattr("sys.executable", "/bin/false")
        with pytest.raises(OSError, match=r"the process that verifies OpenPGP signatures failed: .* exit status 1"):
            openpgp.verify(samples.BY_ALICE, Data(file), ALICE, NOW)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        openpgp.verify(samples.BY_ALICE, Data(file), ALICE, NOW)
    with pytest.raises(FileNotFoundError):
        openpgp.check(BINARY, [ALICE[0].octets], path=str(file))


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda body: b"\xc2\xff" + bytes(4) + body)))
def test_any_octets_are_refused(content: bytes) -> None:
    """Whatever comes is a wrong signature at worst."""
    with pytest.raises(BadSignature):
        openpgp.verify(content, Data(content=DATA), ALICE, NOW)


@given(st.integers(0, len(BINARY) - 1), st.integers(1, 255))
def test_no_octet_of_a_signature_can_be_another(place: int, change: int) -> None:
    """A changed signature is refused, or still by the same key: its unsigned part is no part of it."""
    octets = bytearray(BINARY)
    octets[place] ^= change
    try:
        assert openpgp.verify(bytes(octets), Data(content=DATA), ALICE, NOW) == NAMED
    except BadSignature:
        return
    with pytest.raises(BadSignature):
        openpgp.verify(bytes(octets), Data(content=DATA + b"x"), ALICE, NOW)


@given(st.binary(max_size=300), st.integers(0, len(ALICE[0].octets)))
def test_any_octets_are_certificates_or_refused(content: bytes, place: int) -> None:
    """A keys file is read or refused with words."""
    octets = ALICE[0].octets
    for each in (content, octets[:place] + content, octets[:place] + content + octets[place:]):
        try:
            openpgp.parse_keys(each)
        except ValueError:
            continue


@pytest.mark.parametrize("piece", [b"-----BEGIN PGP SIGNATURE-----\n", b"\n", b"=", b"\xc2\0", b"\x88\0"])
def test_a_hostile_file_costs_no_more_than_its_length(piece: bytes) -> None:
    """Nothing goes over it again and again."""
    began = time.perf_counter()
    for content in (piece * (200_000 // len(piece)), b"-----BEGIN PGP SIGNATURE-----\n" + piece * 50_000):
        with pytest.raises(BadSignature):
            openpgp.verify(content, Data(content=DATA), ALICE, NOW)
    assert time.perf_counter() - began < 1


def test_what_gpg_writes(tmp_path: Path) -> None:
    """The real program's key and signatures are read, an RSA key with a signing subkey among them."""
    program = require("gpg")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    run = [program, "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    made = {"cwd": tmp_path, "check": True, "capture_output": True}
    (tmp_path / "data").write_bytes(DATA)
    try:
        subprocess.run([*run, "--quick-gen-key", "Bob <bob@example.com>", "ed25519"], **made)  # type: ignore[call-overload]
        subprocess.run([*run, "--detach-sign", "data"], **made)  # type: ignore[call-overload]
        exported = subprocess.run([*run, "--export"], **made).stdout  # type: ignore[call-overload]
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    signature = (tmp_path / "data.sig").read_bytes()
    keys = openpgp.parse_keys(exported)
    assert openpgp.verify(signature, Data(tmp_path / "data"), keys, 0.0).endswith(" Bob <bob@example.com>")
    assert base64.b16encode(bytes.fromhex(keys[0].fingerprint)).decode() in keys[0].name
