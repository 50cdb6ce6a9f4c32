"""Tests of SSH signatures, and of the files that say who may make them."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checks import sshsig
from gateway.checks.signatures import BadSignature, Data
from tests.end_to_end.programs import require
from tests.gateway.signature_samples import DATA, SSH_KEYS, SSH_SIGNATURES

NOW = 1_800_000_000.0  # 2027-01-15
KEYS = sshsig.parse_keys("\n".join(SSH_KEYS.values()))
ED25519 = SSH_SIGNATURES["ED25519", "sha512"]
PRINT = "SHA256:1U+OKwo5x/LjK6yIn1gSLqnzRxAy5IyJh18ff6Ss1Z8"


def armored(octets: bytes) -> bytes:
    """Write a signature as ssh-keygen does."""
    body = base64.b64encode(octets)
    lines = [body[place : place + 70] for place in range(0, len(body), 70)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b""])


def unarmored(content: bytes) -> bytes:
    """Return what is in the armor."""
    return base64.b64decode(b"".join(content.split(b"\n")[1:-2]))


def verify(signature: bytes, signers: str, *, data: bytes = DATA, now: float = NOW) -> str:
    """Verify with the lines of a signers' file."""
    return sshsig.verify(signature, Data(content=data), sshsig.parse_keys(signers), now)


@pytest.mark.parametrize(("kind", "digest"), SSH_SIGNATURES)
def test_a_right_signature_names_its_signer(kind: str, digest: str) -> None:
    """Each type of key, with both digests; the answer is the fingerprint and what its line says of it."""
    assert armored(unarmored(ED25519)) == ED25519
    named = verify(SSH_SIGNATURES[kind, digest], SSH_KEYS[kind])
    assert named.startswith("SHA256:")
    assert named.endswith(" alice@example.com")


@pytest.mark.parametrize(("kind", "digest"), SSH_SIGNATURES)
def test_other_data_are_not_signed(kind: str, digest: str) -> None:
    """One octet more, and it is wrong."""
    with pytest.raises(BadSignature, match=r"does not fit the file; it is by the SSH key SHA256:.* alice"):
        verify(SSH_SIGNATURES[kind, digest], SSH_KEYS[kind], data=DATA + b"x")


def test_a_stranger_is_named() -> None:
    """The words have the fingerprint, as ssh-keygen -l prints it."""
    with pytest.raises(BadSignature) as raised:
        verify(ED25519, SSH_KEYS["P256"])
    assert str(raised.value) == f"it is by the SSH key {PRINT}, which may not sign here"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"\0\0\0\4file", b"\0\0\0\3git", "made for 'git' and not for a file"),
        (b"\0\0\0\6sha512", b"\0\0\0\4sha1", "a digest other than"),
        (b"\0\0\0\6sha512", b"\0\0\0\6sha256", "does not fit"),
        (b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2", "no SSH signature of version 1"),
        (b"SSHSIG", b"SSHSIX", "no SSH signature of version 1"),
        (b"\0\0\0\4file\0\0\0\0", b"\0\0\0\4file\0\0\0\1x", "does not fit"),
        (b"\0\0\0\4file", b"\xff\xff\xff\xfffile", "cut off"),
    ],
)
def test_what_is_signed_is_more_than_the_data(old: bytes, new: bytes, problem: str) -> None:
    """Namespace, digest and all else in it are part of what is signed."""
    octets = unarmored(ED25519)
    assert old in octets
    with pytest.raises(BadSignature, match=problem):
        verify(armored(octets.replace(old, new)), SSH_KEYS["ED25519"])


def test_nothing_may_stand_behind_it() -> None:
    """Octets that nobody signed are not passed over."""
    with pytest.raises(BadSignature, match="behind its end"):
        verify(armored(unarmored(ED25519) + b"x"), SSH_KEYS["ED25519"])


def test_rsa_with_sha1_is_refused() -> None:
    """The algorithm `ssh-rsa` signs a SHA-1 digest."""
    octets = unarmored(SSH_SIGNATURES["RSA", "sha512"])
    head, _, tail = octets.rpartition(b"\0\0\0\x0crsa-sha2-512")
    length = int.from_bytes(head[-4:]) - 5
    weak = head[:-4] + length.to_bytes(4) + b"\0\0\0\x07ssh-rsa" + tail
    with pytest.raises(BadSignature, match="may use today"):
        verify(armored(weak), SSH_KEYS["RSA"])


KEY = " ".join(SSH_KEYS["ED25519"].split()[:2])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (KEY, ""),
        (f"{KEY} Alice's laptop", " Alice's laptop"),
        (f"alice@example.com {KEY}", " alice@example.com"),
        (f"alice@example.com,*@ops {KEY} laptop", " alice@example.com,*@ops"),
        (f'"alice@example.com" {KEY}', " alice@example.com"),
        (f'alice namespaces="git,file" {KEY}', " alice"),
        (f'namespaces="f*" {KEY} laptop', " laptop"),
        (f'alice valid-after="20260101",valid-before="20280101Z" {KEY}', " alice"),
        (f'expiry-time="202801010000" {KEY}', ""),
    ],
)
def test_forms_of_lines(line: str, words: str) -> None:
    """Lines of allowed_signers and of authorized_keys, with the options that are honoured."""
    assert verify(ED25519, f"# ours\n\n{line}\n") == PRINT + words


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ('namespaces="git"', "may not sign files, only git"),
        ('valid-after="20280101"', "may not sign yet"),
        ('valid-before="20260101"', "may not sign any more"),
        ('valid-before="20280101",expiry-time="20260101"', "may not sign any more"),
        ('valid-before="20270115080000Z"', "may not sign any more"),
    ],
)
def test_options_are_honoured(options: str, problem: str) -> None:
    """A key signs only for what and while its line says."""
    with pytest.raises(BadSignature, match=problem):
        verify(ED25519, f"alice {options} {KEY}")


def test_a_key_may_stand_on_several_lines() -> None:
    """One line that lets it sign is enough."""
    assert verify(ED25519, f'old valid-before="2026010112" {KEY}\nalice {KEY}'.replace("2026010112", "202601011200"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"cert-authority {KEY}", "the option cert-authority cannot be honoured here"),
        (f"alice cert-authority {KEY}", "the option cert-authority cannot be honoured here"),
        (f'command="ls -l" {KEY}', "the option command cannot be honoured here"),
        (f'alice namespaces="" {KEY}', "the option namespaces is empty"),
        (f'alice namespaces="file",namespaces="git" {KEY}', "each may stand once"),
        (f"alice namespaces=file {KEY}", "NAME="),
        (f'alice valid-before="tomorrow" {KEY}', "is no time"),
        (f'alice valid-before="20261399" {KEY}', "there is no such time"),
        ("alice ssh-dss AAAA", "no public key of a type that can be used"),
        ("ssh-ed25519 AAAA", "line 2: "),
        ("rubbish", "no public key"),
    ],
)
def test_a_line_that_is_not_understood_is_refused(line: str, problem: str) -> None:
    """Nothing is passed over: it might have been a restriction."""
    with pytest.raises(ValueError, match=problem) as raised:
        sshsig.parse_keys(f"\n{line}\n")
    assert str(raised.value).startswith("line 2: ")


@given(st.binary(max_size=400))
def test_any_octets_are_refused(content: bytes) -> None:
    """Whatever comes, in an armor or not, is a wrong signature at worst."""
    for each in (content, armored(content), armored(b"SSHSIG\0\0\0\1" + content)):
        with pytest.raises(BadSignature):
            sshsig.verify(each, Data(content=DATA), KEYS, NOW)


@given(st.sampled_from(sorted(SSH_SIGNATURES)), st.integers(0, 10_000), st.integers(1, 255))
def test_no_octet_of_a_signature_can_be_another(which: tuple[str, str], place: int, change: int) -> None:
    """A signature with any octet changed is refused, and nothing else happens."""
    octets = bytearray(unarmored(SSH_SIGNATURES[which]))
    octets[place % len(octets)] ^= change
    with pytest.raises(BadSignature):
        sshsig.verify(armored(bytes(octets)), Data(content=DATA), KEYS, NOW)


@pytest.mark.parametrize("piece", [b" ", b"A", b"-----BEGIN SSH SIGNATURE-----", b"\n="])
def test_a_hostile_armor_costs_no_more_than_its_length(piece: bytes) -> None:
    """No pattern goes over it again and again."""
    began = time.perf_counter()
    with pytest.raises(BadSignature):
        sshsig.parse_signature(b"-----BEGIN SSH SIGNATURE-----" + piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - began < 1


@given(st.text())
def test_any_line_is_a_key_or_refused(text: str) -> None:
    """A signers' file is read or refused with words."""
    with contextlib.suppress(ValueError):
        assert len(sshsig.parse_keys(text)) <= len(text.splitlines())


def test_what_ssh_keygen_writes(tmp_path: Path) -> None:
    """The real program's key and signature are read."""
    program = require("ssh-keygen")
    (tmp_path / "data").write_bytes(DATA * 1000)
    made = {"cwd": tmp_path, "check": True, "capture_output": True}
    key = ["-q", "-t", "ed25519", "-N", "", "-C", "bob@example.com", "-f", "key"]
    subprocess.run([program, *key], **made)  # type: ignore[call-overload]
    subprocess.run([program, "-Y", "sign", "-f", "key", "-n", "file", "data"], **made)  # type: ignore[call-overload]
    keys = sshsig.parse_keys((tmp_path / "key.pub").read_text())
    signature = (tmp_path / "data.sig").read_bytes()
    assert sshsig.verify(signature, Data(tmp_path / "data"), keys, NOW).endswith(" bob@example.com")
