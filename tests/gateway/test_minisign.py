"""Tests of minisign's signatures."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checks import minisign
from gateway.checks.signatures import BadSignature, Data
from tests.end_to_end.programs import require
from tests.gateway.signature_samples import DATA, MINISIGN, MINISIGN_KEY, MINISIGN_LEGACY

KEYS = minisign.parse_keys(MINISIGN_KEY.decode())
SIGNER = "8B0AC23CA2E60B0"


@pytest.mark.parametrize("signature", [MINISIGN, MINISIGN_LEGACY, MINISIGN.replace(b"\n", b"\r\n")])
def test_a_right_signature_names_its_signer(signature: bytes) -> None:
    """Prehashed or not, the answer is the key's id as minisign prints it."""
    assert minisign.verify(signature, Data(content=DATA), KEYS) == SIGNER


@pytest.mark.parametrize("signature", [MINISIGN, MINISIGN_LEGACY])
def test_other_data_are_not_signed(signature: bytes) -> None:
    """One octet more, and it is wrong."""
    with pytest.raises(BadSignature, match=f"does not fit the file; it is by the minisign key {SIGNER}"):
        minisign.verify(signature, Data(content=DATA + b"x"), KEYS)


def test_the_trusted_comment_is_signed_too() -> None:
    """A changed comment makes the signature a wrong one."""
    with pytest.raises(BadSignature, match="trusted comment was changed"):
        minisign.verify(MINISIGN.replace(b"file:data", b"file:dato"), Data(content=DATA), KEYS)


def test_a_hashed_signature_does_not_pass_for_one_of_the_digest() -> None:
    """A prehashed signature says so in octets that are not signed: called a pure one, it fits no file."""
    lines = MINISIGN.split(b"\n")
    lines[1] = base64.b64encode(b"Ed" + base64.b64decode(lines[1])[2:])
    with pytest.raises(BadSignature, match="does not fit"):
        minisign.verify(b"\n".join(lines), Data(content=DATA), KEYS)


def test_a_stranger_is_named() -> None:
    """The words say which key it was, so that the operator can add it."""
    with pytest.raises(BadSignature, match=f"by the minisign key {SIGNER}, which may not sign here"):
        minisign.verify(MINISIGN, Data(content=DATA), [])


def test_another_key_of_the_same_id_is_none() -> None:
    """An id is not the key."""
    other = minisign.Key(KEYS[0].number, bytes(32))
    with pytest.raises(BadSignature, match="does not fit"):
        minisign.verify(MINISIGN, Data(content=DATA), [other])
    assert minisign.verify(MINISIGN, Data(content=DATA), [other, *KEYS]) == SIGNER


def test_a_large_file_must_be_prehashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A legacy signature would need all of the file in memory."""
    monkeypatch.setattr(minisign, "MAX_LEGACY", 3)
    with pytest.raises(BadSignature, match="must be prehashed"):
        minisign.verify(MINISIGN_LEGACY, Data(content=DATA), KEYS)


@pytest.mark.parametrize(
    ("signature", "problem"),
    [
        (b"", "does not have the four lines"),
        (b"\xff\xfe", "no text"),
        (b"\n".join(MINISIGN.split(b"\n")[:2]), "signatures of signify are not read"),
        (MINISIGN.replace(b"RUSw", b"RVSw"), "line 2"),
        (MINISIGN.replace(b"RUSw", b"R!Sw"), "line 2"),
        (MINISIGN.replace(b"LtXk", b"LtXkAAAA"), "line 4"),
    ],
)
def test_what_is_no_signature_is_said(signature: bytes, problem: str) -> None:
    """The words say which line it is."""
    with pytest.raises(BadSignature, match=problem):
        minisign.parse_signature(signature)


def test_keys() -> None:
    """A key is read with its comment, or as the one line that stands on web pages."""
    line = MINISIGN_KEY.decode().splitlines()[1]
    assert minisign.parse_keys(line) == KEYS
    named = minisign.parse_keys(f"# ours\nuntrusted comment: release key\n{line}\n\n{line}\n")
    assert [key.name for key in named] == [f"{SIGNER} release key", SIGNER]
    with pytest.raises(ValueError, match="line 2 is no public key of minisign"):
        minisign.parse_keys(f"\n{line[:-4]}\n")


@given(st.one_of(st.binary(max_size=300), st.integers(0, len(MINISIGN) - 1).map(lambda end: MINISIGN[:end])))
def test_any_octets_are_read_or_refused(content: bytes) -> None:
    """Whatever comes is a wrong signature at worst."""
    with pytest.raises(BadSignature):
        minisign.verify(content, Data(content=b"other"), KEYS)


def test_what_minisign_writes(tmp_path: Path) -> None:
    """The real program's key and signatures are read."""
    program = require("minisign")
    (tmp_path / "data").write_bytes(DATA * 1000)
    run = {"cwd": tmp_path, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([program, "-G", "-W", "-p", "key.pub", "-s", "key"], **run)  # type: ignore[call-overload]
    subprocess.run([program, "-S", "-s", "key", "-m", "data"], **run)  # type: ignore[call-overload]
    keys = minisign.parse_keys((tmp_path / "key.pub").read_text())
    signature = (tmp_path / "data.minisig").read_bytes()
    assert minisign.verify(signature, Data(tmp_path / "data"), keys) == keys[0].name
