"""Tests of what becomes of a file by what came with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.checks.checks import MAX_LISTS, Outcome, Verdict, covered, is_sidecar, judge
from gateway.checks.checksums import is_list, sidecars_of
from gateway.checks.signers import MAX_FILE, Signers, parse_signers, read_signers
from gateway.drop.account import Checks, Demand
from gateway.drop.budget import Budget
from gateway.notice import Notice
from gateway.notices.checks import SignersKept, SignersReloaded
from parsers.errors import OperatorError
from parsers.event import FieldValue
from tests.gateway import signature_samples as samples
from tests.gateway.signature_samples import DATA, SSH_KEYS, SSH_SIGNATURES

NOW = 1_800_000_000.0
NAME = "x.csv"
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()
WRONG = "0" * 64
OPENPGP = "7259B6A75C566F9BFF71633F2B4BAC7891DB909E Alice Example <alice@example.com>"
MINISIGN = "8B0AC23CA2E60B0"
SSH = "SHA256:1U+OKwo5x/LjK6yIn1gSLqnzRxAy5IyJh18ff6Ss1Z8 alice@example.com"
CHECKSUM = Checks(Demand.OPTIONAL)
CHECKSUM_REQUIRED = Checks(Demand.REQUIRED)


class Drop:
    """A folder with files, and the keys of all samples."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.files.mkdir()
        self.told: list[Notice] = []
        self.signers = Signers(self.told.append)
        self.keys = (folder / "openpgp", folder / "minisign", folder / "ssh")
        self.keys[0].write_bytes(samples.ALICE)
        self.keys[1].write_bytes(samples.MINISIGN_KEY)
        self.keys[2].write_text(SSH_KEYS["ED25519"])

    def signature(self, demand: Demand, checksum: Demand = Demand.OFF) -> Checks:
        """Return checks with all keys."""
        return Checks(checksum, demand, self.keys)

    def read(self, name: str) -> bytes | None:
        """Return a file's octets."""
        file = self.files / name
        return file.read_bytes() if file.exists() else None

    def data(self, name: str) -> Path | None:
        """Return where a file is."""
        file = self.files / name
        return file if file.exists() else None

    def judge(self, checks: Checks, beside: Mapping[str, bytes | str], name: str = NAME, now: float = NOW) -> Verdict:
        """Put files beside `name`, which is among them or has the samples' octets, and judge it."""
        for other, content in beside.items():
            (self.files / other).write_bytes(content if isinstance(content, bytes) else content.encode())
        path = self.files / name
        if not path.exists():
            path.write_bytes(DATA)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        verdict = judge(path, name, digest, checks, self.signers, read=self.read, data=self.data, now=now)
        assert "\n" not in verdict.problem
        return verdict


def sidecar(outcome: Outcome, fields: Mapping[str, FieldValue], problem: str = "") -> Verdict:
    """Return the verdict on a sidecar."""
    return Verdict(outcome, fields, problem, is_sidecar=True)


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    """Make an empty one."""
    return Drop(tmp_path)


def test_nothing_is_asked(drop: Drop) -> None:
    """With all checks off there is no field, whatever lies there."""
    assert drop.judge(Checks(Demand.OFF), {"x.csv.sha256": WRONG, "x.csv.asc": "rubbish"}) == Verdict(Outcome.ACCEPT)


@pytest.mark.parametrize(
    "beside",
    [
        {"x.csv.sha256": SHA256},
        {"x.csv.md5": f"{MD5} *{NAME}"},
        {"x.csv.SHA256": SHA256.upper()},
        {"SHA256SUMS": f"{SHA256}  {NAME}\n{WRONG}  other.csv\n"},
        {"SHA256SUMS": f"{SHA256}  {NAME}\n{WRONG}  ../{NAME}\n{WRONG}  sub/{NAME}\n"},
        {"sha256sum.txt": f"{SHA256}  {NAME}\n", "MD5SUMS": f"{MD5}  {NAME}", "x.csv.sha256": f"{SHA256}  /a/{NAME}"},
        {"SHA256SUMS": f"rubbish\n{SHA256}  {NAME}\n"},
        {"SHA256SUMS": f"{SHA256}  {NAME}\n", "SHA512SUMS": "rubbish"},
    ],
)
@pytest.mark.parametrize("demand", [Demand.OPTIONAL, Demand.REQUIRED])
def test_right_checksums(drop: Drop, demand: Demand, beside: dict[str, str]) -> None:
    """One right checksum or several let a file in."""
    assert drop.judge(Checks(demand), beside) == Verdict(Outcome.ACCEPT, {"file.checksum": "ok"})


@pytest.mark.parametrize(
    ("beside", "problem"),
    [
        ({"x.csv.sha256": WRONG}, f"x.csv.sha256 line 1 says sha256 {WRONG}, 'x.csv' has {SHA256}"),
        ({"x.csv.sha256": SHA256, "x.csv.md5": "0" * 32}, f"x.csv.md5 line 1 says md5 {'0' * 32}, 'x.csv' has {MD5}"),
        (
            {"x.csv.sha256": SHA256, "SHA256SUMS": f"\n{WRONG}  {NAME}"},
            f"SHA256SUMS line 2 says sha256 {WRONG}, 'x.csv' has {SHA256}",
        ),
        (
            {"SHA256SUMS": f"{SHA256}  {NAME}\n{WRONG}  {NAME}"},
            f"SHA256SUMS line 2 says sha256 {WRONG}, 'x.csv' has {SHA256}",
        ),
        ({"x.csv.sha256": "<html>"}, "x.csv.sha256 line 1: no checksum: '<html>'"),
        ({"x.csv.sha256": ""}, "x.csv.sha256 no checksum in it"),
        ({"x.csv.sha256": f"{SHA256}  y.csv"}, "x.csv.sha256 line 1: names 'y.csv', and not 'x.csv'"),
    ],
)
@pytest.mark.parametrize("demand", [Demand.OPTIONAL, Demand.REQUIRED])
def test_wrong_checksums(drop: Drop, demand: Demand, beside: dict[str, str], problem: str) -> None:
    """One wrong checksum keeps a file out, whatever the others say; so does one that cannot be read."""
    assert drop.judge(Checks(demand), beside) == Verdict(Outcome.REJECT, {"file.checksum": "failed"}, problem)


@pytest.mark.parametrize("beside", [{}, {"SHA256SUMS": f"{WRONG}  y.csv\n{SHA256}  ./sub/x.csv\n{SHA256}  /x.csv\n"}])
def test_missing_checksums(drop: Drop, beside: dict[str, str]) -> None:
    """Without one, a file comes in where it is optional, and waits where it is required."""
    assert drop.judge(CHECKSUM, beside) == Verdict(Outcome.ACCEPT, {"file.checksum": "missing"})
    held = drop.judge(CHECKSUM_REQUIRED, beside)
    words = "it waits for a checksum: x.csv.sha256, or a line in SHA256SUMS"
    assert held == Verdict(Outcome.HOLD, {"file.checksum": "missing"}, words)


def test_a_list_that_is_damaged_elsewhere_is_mentioned(drop: Drop) -> None:
    """Perhaps the line that cannot be read was meant for this file."""
    held = drop.judge(CHECKSUM_REQUIRED, {"SHA256SUMS": f"{SHA256[:9]}  {NAME}\n"})
    assert held.outcome is Outcome.HOLD
    assert held.problem.endswith("(SHA256SUMS line 1: 9 hex digits, where SHA256 has 64)")


@pytest.mark.parametrize(
    ("beside", "signer"),
    [
        ({"x.csv.asc": samples.BY_ALICE}, OPENPGP),
        ({"x.csv.gpg": samples.BY_ALICE}, OPENPGP),
        ({"x.csv.sig": samples.BY_BOTH}, OPENPGP),
        ({"x.csv.minisig": samples.MINISIGN}, MINISIGN),
        ({"x.csv.sig": samples.MINISIGN_LEGACY}, MINISIGN),
        ({"x.csv.sig": SSH_SIGNATURES["ED25519", "sha512"]}, SSH),
        ({"x.csv.sshsig": SSH_SIGNATURES["ED25519", "sha256"]}, SSH),
        ({"x.csv.asc": samples.BY_ALICE, "x.csv.minisig": samples.MINISIGN}, f"{MINISIGN}, {OPENPGP}"),
        ({"x.csv.asc": samples.BY_ALICE, "x.csv.gpg": b"\x85\x01\x0cencrypted"}, OPENPGP),
    ],
)
def test_right_signatures(drop: Drop, beside: dict[str, bytes], signer: str) -> None:
    """Each form is told by its content, under any of the names; what is no signature is passed over."""
    fields = {"file.signature": "ok", "file.signer": signer}
    for demand in (Demand.OPTIONAL, Demand.REQUIRED):
        assert drop.judge(drop.signature(demand), beside) == Verdict(Outcome.ACCEPT, fields)


@pytest.mark.parametrize(
    ("beside", "problem"),
    [
        ({"x.csv.asc": samples.BY_EXPIRED}, "x.csv.asc: it is by the OpenPGP key 935C2F1B2C90F24509382C66E07269B67"),
        ({"x.csv.sig": SSH_SIGNATURES["RSA", "sha512"]}, "x.csv.sig: it is by the SSH key SHA256:2LNZNRhYrtKajKFsXN"),
        ({"x.csv.asc": samples.BY_ALICE, "x.csv.sig": "rubbish"}, "x.csv.sig: it is no signature of OpenPGP, minisig"),
        ({NAME: b"changed", "x.csv.minisig": samples.MINISIGN}, "x.csv.minisig: it does not fit the file; it is by "),
    ],
)
def test_wrong_signatures(drop: Drop, beside: dict[str, bytes], problem: str) -> None:
    """A wrong one or a stranger's keeps a file out, also where none is asked for."""
    for demand in (Demand.OPTIONAL, Demand.REQUIRED):
        verdict = drop.judge(drop.signature(demand), beside)
        assert verdict.problem.startswith(problem)
        assert verdict == Verdict(Outcome.REJECT, {"file.signature": "failed"}, verdict.problem)


def test_missing_signatures(drop: Drop) -> None:
    """Without one, a file comes in where it is optional, and waits where it is required."""
    fields = {"file.signature": "missing"}
    assert drop.judge(drop.signature(Demand.OPTIONAL), {"x.csv.asc": "a text"}) == Verdict(Outcome.ACCEPT, fields)
    words = "it waits for a signature: x.csv.asc, x.csv.sig or x.csv.minisig"
    assert drop.judge(drop.signature(Demand.REQUIRED), {}) == Verdict(Outcome.HOLD, fields, words)


def test_both(drop: Drop) -> None:
    """A checksum and a signature are asked for one after the other, and both are told."""
    checks = drop.signature(Demand.REQUIRED, Demand.REQUIRED)
    assert drop.judge(checks, {}).fields == {"file.checksum": "missing"}
    fields = {"file.checksum": "ok", "file.signature": "missing"}
    assert drop.judge(checks, {"x.csv.md5": MD5}).fields == fields
    fields = {"file.checksum": "ok", "file.signature": "ok", "file.signer": OPENPGP}
    assert drop.judge(checks, {"x.csv.asc": samples.BY_ALICE}) == Verdict(Outcome.ACCEPT, fields)


def test_a_signed_list_signs_what_is_in_it(drop: Drop) -> None:
    """`SHA256SUMS` with a signature is how most of the world signs its files; of MD5 it is worth nothing."""
    checks = drop.signature(Demand.REQUIRED)
    weak = {"MD5SUMS": samples.MD5SUMS, "MD5SUMS.asc": samples.MD5SUMS_BY_ALICE}
    assert drop.judge(checks, weak).outcome is Outcome.HOLD
    assert drop.judge(checks, {"SHA256SUMS": samples.SHA256SUMS}).outcome is Outcome.HOLD
    ok = Verdict(Outcome.ACCEPT, {"file.signature": "ok", "file.signer": OPENPGP})
    assert drop.judge(checks, {"SHA256SUMS.asc": samples.SHA256SUMS_BY_ALICE}) == ok
    assert drop.judge(checks, {}, "SHA256SUMS") == replace(ok, is_sidecar=True)
    failed = {"file.signature": "failed"}
    wrong = drop.judge(checks, {NAME: b"changed"})
    assert (wrong.outcome, wrong.fields) == (Outcome.REJECT, failed)
    assert wrong.problem.startswith(f"SHA256SUMS line 1 says sha256 {SHA256}, 'x.csv' has ")
    forged = {NAME: DATA, "SHA256SUMS": samples.SHA256SUMS + samples.SHA256SUMS}
    for name in (NAME, "SHA256SUMS"):
        wrong = drop.judge(checks, forged, name)
        assert (wrong.outcome, wrong.fields) == (Outcome.REJECT, failed)
        assert wrong.problem.startswith("SHA256SUMS.asc: it does not fit the file; it is by the OpenPGP key ")


def test_a_checksum_file_is_judged_by_what_is_there(drop: Drop) -> None:
    """It comes in always; its event says how the files fare that it is about."""
    missing = sidecar(Outcome.ACCEPT, {"file.checksum": "missing"}, "no file that it is about is there")
    assert drop.judge(CHECKSUM, {"x.csv.sha256": SHA256}, "x.csv.sha256") == missing
    assert drop.judge(CHECKSUM, {"SHA256SUMS": f"{SHA256}  {NAME}\n"}, "SHA256SUMS") == missing
    assert drop.judge(CHECKSUM_REQUIRED, {}, "SHA256SUMS") == missing
    ok = sidecar(Outcome.ACCEPT, {"file.checksum": "ok"})
    assert drop.judge(CHECKSUM, {NAME: DATA}, "x.csv.sha256") == ok
    assert drop.judge(CHECKSUM, {"SHA256SUMS": f"{SHA256}  {NAME}\n{WRONG}  gone\n"}, "SHA256SUMS") == ok
    wrong = drop.judge(CHECKSUM, {NAME: b"changed"}, "x.csv.sha256")
    assert (wrong.outcome, wrong.fields) == (Outcome.ACCEPT, {"file.checksum": "failed"})
    assert wrong.problem.startswith(f"x.csv.sha256 line 1 says sha256 {SHA256}, 'x.csv' has ")


@pytest.mark.parametrize("name", ["x.csv.sha256", "SHA256SUMS"])
def test_a_checksum_file_that_cannot_be_read(drop: Drop, name: str) -> None:
    """It comes in where checks are optional; where one is required, nothing comes in that only has the name."""
    verdict = drop.judge(CHECKSUM, {name: "#!/bin/sh\nrm -rf /\n"}, name)
    words = f"{name} line 2: no checksum: 'rm -rf /'"
    assert verdict == sidecar(Outcome.ACCEPT, {"file.checksum": "failed"}, words)
    assert verdict.speaks_against
    rejected = drop.judge(CHECKSUM_REQUIRED, {}, name)
    assert rejected == sidecar(Outcome.REJECT, {"file.checksum": "failed"}, words)
    rejected = drop.judge(drop.signature(Demand.REQUIRED), {}, name)
    assert rejected == sidecar(Outcome.REJECT, {"file.signature": "failed"}, words)


def test_a_signature_file_is_judged_by_what_is_there(drop: Drop) -> None:
    """It comes in always; its event says how its file fares."""
    checks = drop.signature(Demand.REQUIRED, Demand.REQUIRED)
    missing = {"file.checksum": "missing", "file.signature": "missing"}
    verdict = drop.judge(checks, {"x.csv.asc": samples.BY_ALICE}, "x.csv.asc")
    assert verdict == sidecar(Outcome.ACCEPT, missing, "the file that it is about is not there")
    verdict = drop.judge(checks, {NAME: DATA}, "x.csv.asc")
    fields = {"file.checksum": "missing", "file.signature": "ok", "file.signer": OPENPGP}
    assert verdict == sidecar(Outcome.ACCEPT, fields)
    assert not verdict.speaks_against
    verdict = drop.judge(checks, {NAME: b"changed"}, "x.csv.asc")
    assert (verdict.outcome, verdict.fields["file.signature"]) == (Outcome.ACCEPT, "failed")
    assert verdict.speaks_against
    verdict = drop.judge(checks, {"SHA256SUMS": f"{WRONG}  x.csv.asc\n"}, "x.csv.asc")
    assert (verdict.outcome, verdict.fields) == (Outcome.REJECT, {"file.checksum": "failed"})


@pytest.mark.parametrize("name", ["report.csv.gpg", "report.asc", "report.csv.pgp"])
def test_what_is_only_called_like_a_signature_is_a_file(drop: Drop, name: str) -> None:
    """An encrypted file does not come in unchecked because of its name."""
    encrypted = {name: b"\x85\x01\x0c" + bytes(3000)}
    assert drop.judge(drop.signature(Demand.REQUIRED), encrypted, name).outcome is Outcome.HOLD
    assert drop.judge(CHECKSUM_REQUIRED, encrypted, name).outcome is Outcome.HOLD
    rejected = drop.judge(CHECKSUM_REQUIRED, {"x.sig": "rubbish"}, "x.sig")
    words = "x.sig is no signature that can be read"
    assert rejected == sidecar(Outcome.REJECT, {"file.checksum": "failed"}, words)


@pytest.mark.parametrize(
    ("name", "content", "checks"),
    [
        ("x.csv.sha256", SHA256, {"file.checksum": True, "file.signature": False, "required signature": True}),
        ("SHA256SUMS", f"{SHA256}  x.csv", {"file.checksum": True, "file.signature": True, "required signature": True}),
        ("x.csv.sig", "rubbish", {"file.checksum": False, "file.signature": True}),
        ("x.csv.asc", samples.BY_ALICE, {"file.checksum": False, "file.signature": True, "required checksum": True}),
        ("x.csv.asc", "a key", {"file.checksum": False, "file.signature": False}),
        ("x.csv.gpg", b"\x85\x01\x0c", {"file.checksum": False, "file.signature": False}),
        (NAME, DATA, {"file.checksum": False, "file.signature": False}),
    ],
)
def test_what_no_check_makes_use_of_is_a_file(
    drop: Drop, name: str, content: bytes | str, checks: dict[str, bool]
) -> None:
    """A sidecar is one by what is in it, where its own check is on or where only that lets it in unchecked itself."""
    kinds = {
        "file.checksum": CHECKSUM,
        "file.signature": drop.signature(Demand.OPTIONAL),
        "required checksum": CHECKSUM_REQUIRED,
        "required signature": drop.signature(Demand.REQUIRED),
    }
    found = {kind: drop.judge(kinds[kind], {name: content}, name).is_sidecar for kind in checks}
    assert found == checks
    assert not drop.judge(Checks(Demand.OFF), {}, name).is_sidecar


@pytest.mark.parametrize(
    "content",
    [
        b"untrusted comment: x\nanything\n",
        b"-----BEGIN SSH SIGNATURE-----\nanything\n",
        b"-----BEGIN PGP SIGNATURE-----\nanything\n",
        samples.BY_ALICE + b"anything\n",
    ],
)
def test_what_only_begins_like_a_signature_does_not_come_in(drop: Drop, content: bytes) -> None:
    """Where one is required, a signature is nothing else from its beginning to its end."""
    assert drop.judge(drop.signature(Demand.REQUIRED), {"x.asc": content}, "x.asc").outcome is Outcome.REJECT


def test_no_more_than_some_lists_are_read(drop: Drop) -> None:
    """Each costs time for each file that comes."""
    lists = [name for name in sidecars_of(NAME) if is_list(name)]
    for name in lists:
        (drop.files / name).write_text("")
    asked: list[str] = []

    def read(name: str) -> bytes | None:
        asked.append(name)
        return drop.read(name)

    path = drop.files / NAME
    path.write_bytes(DATA)
    judge(path, NAME, SHA256, CHECKSUM, drop.signers, read=read, data=drop.data, now=NOW)
    assert [name for name in asked if name in lists] == lists[:MAX_LISTS]


def test_what_a_late_sidecar_makes_us_read_is_bounded() -> None:
    """So much in each minute, also when the clock is set back."""
    times = [0.0]
    budget = Budget(lambda: times[0], 100, 60.0)
    assert [budget.take(60), budget.take(60), budget.take(40), budget.take(1)] == [True, False, True, False]
    for times[0] in (60.0, 30.0):
        assert [budget.take(100), budget.take(1)] == [True, False]


def test_who_is_covered() -> None:
    """A sidecar says which files wait for it."""
    sums = f"{SHA256}  a\n{SHA256}  ../b\n{SHA256}  c\n".encode()
    assert covered("x.csv.sha256", b"rubbish") == covered("x.csv.md5", None) == ("x.csv",)
    assert covered("SHA256SUMS", sums) == ("a", "c")
    assert covered("SHA256SUMS", None) == ()
    assert covered("x.csv.asc", samples.BY_ALICE) == covered("x.csv.asc", None) == ("x.csv",)
    assert covered("x.csv.asc", b"a text") == covered("x.csv", DATA) == ()
    assert covered("SHA256SUMS.asc", samples.BY_ALICE) == ("SHA256SUMS",)
    assert covered("SHA256SUMS.asc", samples.BY_ALICE, lambda _: sums) == ("SHA256SUMS", "a", "c")
    assert [is_sidecar(name) for name in ("a.sha256", "MD5SUMS", "a.sig", "a.gpg", "a.csv", ".sig")] == [True] * 4 + [
        False,
        False,
    ]


@pytest.mark.parametrize("demand", [Demand.OPTIONAL, Demand.REQUIRED])
def test_keys_that_cannot_be_read_let_nobody_in(drop: Drop, demand: Demand) -> None:
    """It is the operator's fault: the file waits, and the words say whose it is."""
    drop.keys[0].write_text("rubbish")
    verdict = drop.judge(drop.signature(demand), {"x.csv.asc": samples.BY_ALICE})
    assert verdict.outcome is Outcome.HOLD
    assert verdict.problem.startswith(f"its signature cannot be checked: {drop.keys[0]}: no public key in it;")
    assert drop.judge(drop.signature(demand), {}, "x.csv.asc").outcome is Outcome.ACCEPT
    assert drop.judge(drop.signature(demand), {"SHA256SUMS": ""}, "SHA256SUMS").outcome is Outcome.ACCEPT


def test_keys_are_read_again_when_they_change(drop: Drop) -> None:
    """A changed file holds from the next check on; a broken one changes nothing and is said once."""
    assert len(drop.signers.keys(drop.keys)) == 3
    os.utime(drop.keys[0], (1, 1))
    assert len(drop.signers.keys(drop.keys)) == 3
    assert drop.told.pop() == SignersReloaded(str(drop.keys[0]), 1)
    drop.keys[0].write_bytes(samples.ALICE + samples.SUB)
    assert len(drop.signers.keys(drop.keys)) == 4
    assert drop.told.pop() == SignersReloaded(str(drop.keys[0]), 2)
    drop.keys[0].write_bytes(samples.ALICE[:300])
    assert [len(drop.signers.keys(drop.keys)) for _ in range(2)] == [4, 4]
    kept = drop.told.pop()
    assert isinstance(kept, SignersKept)
    assert "damaged" in kept.problem
    drop.keys[0].unlink()
    assert len(drop.signers.keys(drop.keys)) == 4
    assert isinstance(drop.told.pop(), SignersKept)
    assert not drop.told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no public key in it"),
        (b"# nothing yet\n", "no public key in it"),
        (b"\xff\xfe\x00", "no public key in it"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "it is a secret key"),
        (b"untrusted comment: minisign encrypted secret key\nRWRT\n", "it is a secret key"),
        (b"untrusted comment: minisign public key\nRWRT\n", "line 2 is no public key of minisign"),
        (f'command="x" {SSH_KEYS["ED25519"]}'.encode(), "line 1: the option command cannot be honoured"),
        (samples.BY_ALICE, "no public key in it"),
        (bytes(MAX_FILE + 1), "more than 16777216 octets"),
    ],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    """The words say which file, and what it should be."""
    file = tmp_path / "signers"
    file.write_bytes(content)
    with pytest.raises(OperatorError) as raised:
        read_signers(file)
    assert str(raised.value).startswith(f"{file}: {problem}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The words are the system's."""
    with pytest.raises(OperatorError, match="cannot be read: No such file"):
        Signers(lambda _notice: None).keys([tmp_path / "signers"])


@given(st.binary(max_size=200))
def test_any_octets_are_keys_or_refused(content: bytes) -> None:
    """A signers' file is read or refused with words."""
    with pytest.raises(ValueError, match=r"."):
        parse_signers(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["x.csv.sha256", "SHA256SUMS", "x.csv.sig", "x.csv.asc"]), st.binary(max_size=200))
def test_no_octets_make_a_sidecar_right(drop: Drop, beside: str, content: bytes) -> None:
    """Whatever lies beside a file, it never passes for what was required, and neither does it come in itself."""
    for checks in (CHECKSUM_REQUIRED, drop.signature(Demand.REQUIRED)):
        for name in (NAME, beside):
            verdict = drop.judge(checks, {beside: content}, name)
            assert "ok" not in verdict.fields.values()
            assert name != NAME or verdict.outcome is not Outcome.ACCEPT
