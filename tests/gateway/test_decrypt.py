"""The program that decrypts: what it takes for keys and files, and with which words and code it refuses the others."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pysequoia
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway import decrypt
from gateway.decrypt import PART, Scheme, main, scheme_of

TEXT = b"the plain text\n" * 100
PASSPHRASE = "correct horse"
PROGRAM = Path(decrypt.__file__)

AGE = pyrage.x25519.Identity.generate()
OTHER_AGE = pyrage.x25519.Identity.generate()
PGP = pysequoia.Tsk.generate(user_id="acme <acme@example.com>")
OTHER_PGP = pysequoia.Tsk.generate(user_id="other <other@example.com>")
SSH = ed25519.Ed25519PrivateKey.generate()
SSH_PUBLIC = SSH.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
SSH_RECIPIENT = pyrage.ssh.Recipient.from_str(SSH_PUBLIC.decode())


def ssh_key(passphrase: str | None = None) -> bytes:
    """Write the SSH key as ssh-keygen does."""
    protection = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return SSH.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, protection)


def to_age(*recipients: object, armored: bool = False) -> bytes:
    """Encrypt with age."""
    sealed: bytes = pyrage.encrypt(TEXT, list(recipients) or [AGE.to_public()], armored=armored)
    return sealed


def with_passphrase(text: bytes, passphrase: str) -> bytes:
    """Encrypt with age and a passphrase (C2SP age: scrypt), at a cost of next to nothing; `age -p` takes a second."""
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrap = Scrypt(b"age-encryption.org/v1/scrypt" + salt, 32, 2, 8, 1).derive(passphrase.encode())
    body = _base64(ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key, None))
    header = f"age-encryption.org/v1\n-> scrypt {_base64(salt)} 1\n{body}\n---".encode()
    sealed = HMAC(_derived(file_key, b"", b"header"), SHA256())
    sealed.update(header)
    last = bytes(11) + b"\1"
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(last, text, None)
    return header + f" {_base64(sealed.finalize())}\n".encode() + nonce + payload


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def to_pgp(tsk: pysequoia.Tsk = PGP, *, armor: bool = False) -> bytes:
    """Encrypt with OpenPGP."""
    return pysequoia.encrypt(TEXT, recipients=[tsk.extract_certificate()], armor=armor)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, as the program does, with some keys beside it."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    Path("age").write_text(f"# created: today\n# public key: {AGE.to_public()}\n{OTHER_AGE}\n{AGE}\n")
    Path("pgp").write_bytes(bytes(PGP))
    Path("pw").write_text(f"{PASSPHRASE}\nnot this\n")
    monkeypatch.setenv("RUST_BACKTRACE", "1")
    return tmp_path


def run(content: bytes | None, *options: str) -> int:
    """Decrypt a file with this content."""
    if content is not None:
        Path("in").write_bytes(content)
    return main([*options, "--", "in", "./out/plain"])


def refused(content: bytes | None, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Fail to decrypt; nothing is left, and one line says why."""
    code = run(content, *options)
    assert os.listdir("out") == []  # noqa: PTH208 -- names are wanted
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return code, said


@pytest.mark.parametrize("content", [to_age(), to_age(armored=True), to_pgp(), to_pgp(armor=True)])
def test_files_of_both_kinds(content: bytes) -> None:
    """What a file is, its content tells: binary or armored, age or OpenPGP. Only we can read what comes of it."""
    key = "age" if scheme_of(content) is Scheme.AGE else "pgp"
    assert run(content, "--key", key) == os.EX_OK
    found = Path("out/plain")
    assert found.read_bytes() == TEXT
    assert found.stat().st_mode & 0o777 == 0o600
    assert os.listdir("out") == ["plain"]  # noqa: PTH208 -- names are wanted


def test_armored_and_signed() -> None:
    """An armored secret key; a message that is signed inside is decrypted, and its signature is not looked at here."""
    Path("key").write_text(str(PGP))
    sealed = pysequoia.encrypt(TEXT, recipients=[PGP.extract_certificate()], signer=OTHER_PGP.signer())
    assert run(sealed, "--key", "key") == os.EX_OK
    assert Path("out/plain").read_bytes() == TEXT


def test_ssh_keys() -> None:
    """Those that age encrypts for, protected or not."""
    for passphrase, options in ((None, ()), (PASSPHRASE, ("--passphrase-file", "pw"))):
        Path("ssh").write_bytes(ssh_key(passphrase))
        assert run(to_age(SSH_RECIPIENT), "--key", "ssh", *options) == os.EX_OK
        assert Path("out/plain").read_bytes() == TEXT


def test_passphrases() -> None:
    """A passphrase alone opens what was encrypted with it, of both kinds; and a file of identities (`age -p`)."""
    for content in (with_passphrase(TEXT, PASSPHRASE), pysequoia.encrypt(TEXT, passwords=[PASSPHRASE])):
        assert run(content, "--passphrase-file", "pw") == os.EX_OK
        assert Path("out/plain").read_bytes() == TEXT
    Path("identities").write_bytes(with_passphrase(str(AGE).encode(), PASSPHRASE))
    assert run(to_age(), "--key", "identities", "--passphrase-file", "pw") == os.EX_OK


def damaged(sealed: bytes) -> bytes:
    """Flip a bit near the end."""
    return sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:]


def unmade(value: object) -> str | None:
    """Name what was made just now, for it is another each time, and a test's name is not."""
    return "octets" if isinstance(value, bytes) else None


@pytest.mark.parametrize(
    ("content", "key", "code", "words"),
    [
        (None, "age", os.EX_NOINPUT, "in: it cannot be read"),
        (b"", "age", os.EX_DATAERR, "neither age nor OpenPGP"),
        (TEXT, "pgp", os.EX_DATAERR, "neither age nor OpenPGP"),
        (pysequoia.sign(PGP.signer(), TEXT), "pgp", os.EX_DATAERR, "neither age nor OpenPGP"),
        (to_age(OTHER_AGE.to_public())[:100], "age", os.EX_DATAERR, "in: "),
        (to_age(SSH_RECIPIENT), "age", os.EX_DATAERR, "not encrypted for age"),
        (to_pgp(OTHER_PGP), "pgp", os.EX_DATAERR, "not encrypted for pgp"),
        (to_pgp(), "age", os.EX_DATAERR, "encrypted with OpenPGP, and age is a key of age"),
        (to_age(), "pgp", os.EX_DATAERR, "encrypted with age, and pgp is a key of OpenPGP"),
        (damaged(to_age()), "age", os.EX_DATAERR, "damaged, or cut off"),
        (damaged(to_pgp()), "pgp", os.EX_DATAERR, "damaged, or cut off"),
        (to_age()[:-30], "age", os.EX_DATAERR, "damaged, or cut off"),
        (to_pgp()[:-30], "pgp", os.EX_DATAERR, "damaged, or cut off"),
        (with_passphrase(TEXT, "x"), "age", os.EX_DATAERR, "not encrypted for age"),
    ],
    ids=unmade,
)
def test_files_that_are_refused(
    content: bytes | None, key: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of a file is there that is not whole, whatever was decrypted before that was seen."""
    found, said = refused(content, "--key", key, capsys=capsys)
    assert (found, words in said) == (code, True), said


@pytest.mark.parametrize(
    ("key", "passphrase", "words"),
    [
        (None, "", "there is no passphrase in its first line"),
        (b"", None, "is no secret key"),
        (b"AGE-SECRET-KEY-1XXX\n", None, "key:1: this is no age identity"),
        (b"AGE-PLUGIN-YUBIKEY-1XXX\n", None, "only X25519"),
        (str(AGE.to_public()).encode(), None, "is a public key"),
        (SSH_PUBLIC, None, "is a public key"),
        (str(PGP.extract_certificate()).encode(), None, "is a public key"),
        (bytes(PGP)[:200], None, "is no OpenPGP secret key"),
        (bytes(PGP) + bytes(OTHER_PGP), None, "several keys"),
        (ssh_key(PASSPHRASE), None, "passphrase_file"),
        (ssh_key(PASSPHRASE), "wrong", "not opened by this passphrase"),
        (with_passphrase(str(AGE).encode(), "x"), None, "protected by a passphrase"),
        (with_passphrase(str(AGE).encode(), "x"), "wrong", "not opened by this passphrase"),
        (b"x" * (decrypt.MAX_KEY + 1), None, "larger than"),
    ],
    ids=unmade,
)
def test_keys_that_are_refused(
    key: bytes | None, passphrase: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that cannot be used is the operator's fault, and each says what to do; nothing of it is ever shown."""
    options = []
    if key is not None:
        Path("key").write_bytes(key)
        options += ["--key", "key"]
    if passphrase is not None:
        Path("wrong").write_text(passphrase)
        options += ["--passphrase-file", "wrong"]
    found, said = refused(to_age(), *options, capsys=capsys)
    assert (found, words in said) == (os.EX_CONFIG, True), said
    assert "XXX" not in said


def test_a_key_that_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One that is missing, a FIFO that nobody writes to, and none at all."""
    os.mkfifo("fifo")
    assert refused(to_age(), "--key", "no", capsys=capsys)[0] == os.EX_CONFIG
    assert refused(to_age(), "--key", "fifo", capsys=capsys)[0] == os.EX_CONFIG
    assert refused(to_age(), capsys=capsys)[0] == os.EX_USAGE


def test_inputs_that_are_no_files(capsys: pytest.CaptureFixture[str]) -> None:
    """No link is followed, and no FIFO waited for."""
    Path("real").write_bytes(to_age())
    Path("in").symlink_to("real")
    assert "it is a link" in refused(None, "--key", "age", capsys=capsys)[1]
    Path("in").unlink()
    os.mkfifo("in")
    assert "no regular file" in refused(None, "--key", "age", capsys=capsys)[1]


def test_an_earlier_try_gives_way_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Its part and its result; a link in their place is not followed, another's file stays."""
    Path("out/plain").write_text("of an earlier try")
    Path("out", PART).symlink_to("/nowhere")
    assert run(to_age(), "--key", "age") == os.EX_OK
    assert Path("out/plain").read_bytes() == TEXT
    Path("out/plain").unlink()
    Path("out/plain").symlink_to("/etc/passwd")
    assert run(to_age(), "--key", "age") == os.EX_CANTCREAT
    assert "was not written by" in capsys.readouterr().err
    assert Path("out/plain").is_symlink()


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, os.EX_TEMPFAIL), (errno.EIO, os.EX_TEMPFAIL), (errno.EACCES, os.EX_CANTCREAT)],
)
def test_a_disk_that_does_not_take_it(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk asks for another try."""

    def broken(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", broken)
    found, said = refused(to_age(), "--key", "age", capsys=capsys)
    assert (found, os.strerror(number) in said) == (code, True)


def test_a_full_disk_as_the_libraries_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both pass it on as what it is."""
    for content, key in ((to_age(), "age"), (to_pgp(), "pgp")):
        Path("in").write_bytes(content)
        source, full = os.open("in", os.O_RDONLY), os.open("/dev/full", os.O_WRONLY)
        try:
            with pytest.raises(OSError, match="No space") as caught:
                decrypt.decrypt(decrypt.read_keys(Path(key), None), source, full)
        finally:
            os.close(source)
            os.close(full)
        assert caught.value.errno == errno.ENOSPC


def test_a_message_that_becomes_huge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compressed inside is bounded; a limit of the task's own would count instead."""
    monkeypatch.setattr(decrypt, "LEAST_LIMIT", 100)
    monkeypatch.setattr(decrypt, "RATIO", 0)
    for content, key in ((to_age(), "age"), (to_pgp(), "pgp")):
        found, said = refused(content, "--key", key, capsys=capsys)
        assert (found, "it becomes larger" in said) == (os.EX_DATAERR, True)


def test_a_large_file_with_a_passphrase(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes such a one as a whole, so that its size is bounded."""
    monkeypatch.setattr(decrypt, "IN_MEMORY", 100)
    sealed = with_passphrase(TEXT, PASSPHRASE)
    found, said = refused(sealed, "--passphrase-file", "pw", capsys=capsys)
    assert (found, "age -r" in said) == (os.EX_DATAERR, True)


def test_later_steps_must_reach_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The program looks itself, as their user, whether the path that they are given leads to the file."""
    options = ["--key", "age", "--seen-as"]
    assert run(to_age(), *options, str(here / "out" / "plain")) == os.EX_OK
    assert run(None, *options, str(here / "in")) == os.EX_CONFIG
    assert run(None, *options, str(here / "no")) == os.EX_CONFIG
    assert "chmod o+x" in capsys.readouterr().err


def test_a_panic_of_a_library(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no Exception, and a file that brings it about is refused like any that is damaged."""

    class Panic(BaseException):
        """As PyO3 has it."""

    def panic(*_: object) -> None:
        raise Panic("index out of bounds")

    monkeypatch.setattr(pyrage, "decrypt_io", panic)
    found, said = refused(to_age(), "--key", "age", capsys=capsys)
    assert (found, "index out of bounds" in said) == (os.EX_DATAERR, True)


def program(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program as the runner does."""
    return subprocess.run(
        [sys.executable, "-I", str(PROGRAM), *words], env={}, capture_output=True, check=False, cwd="out"
    )


Tool = Callable[..., bytes]


@pytest.fixture
def tool() -> Tool:
    """Return a function that runs somebody else's program, or skips the test."""

    def call(*argv: str, **more: str) -> bytes:
        if shutil.which(argv[0]) is None:
            pytest.skip(f"{argv[0]} is not installed")
        return subprocess.run(argv, env={**os.environ, **more}, capture_output=True, check=True).stdout

    return call


def test_what_age_encrypts(tool: Tool, here: Path) -> None:
    """A key of age-keygen, a file of age; the program by itself, with nothing of the gateway to import."""
    tool("age-keygen", "-o", "key")
    Path("in").write_bytes(TEXT)
    Path("in.age").write_bytes(tool("age", "-r", tool("age-keygen", "-y", "key").decode().strip(), "in"))
    done = program("--key", str(here / "key"), "--", str(here / "in.age"), "./in")
    assert (done.returncode, done.stderr, Path("out/in").read_bytes()) == (0, b"", TEXT)
    wrong = program("--key", str(here / "age"), "--", str(here / "in.age"), "./other")
    assert wrong.returncode == os.EX_DATAERR
    assert wrong.stderr.endswith(b"No matching keys found\n")


def test_what_gpg_encrypts(tool: Tool, here: Path) -> None:
    """Its keys, protected as it exports them, and its compressed messages, for a key or with a passphrase."""
    home = here / "gnupg"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")  # else it makes each passphrase cost as much as it can
    gpg = [
        "gpg",
        "--batch",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        "--passphrase-file",
        "pw",
        "--s2k-count",
        "65536",
    ]
    try:
        tool(*gpg, "--quick-gen-key", "acme", "default", "default", "never", GNUPGHOME=str(home))
        Path("key").write_bytes(tool(*gpg, "--export-secret-keys", GNUPGHOME=str(home)))
        Path("plain").write_bytes(TEXT)
        for how in (["--trust-model", "always", "-r", "acme", "-e"], ["-c"]):
            sealed = tool(*gpg, "-o", "-", *how, "plain", GNUPGHOME=str(home))
            key = ["--key", "key"] if "-e" in how else []
            assert run(sealed, *key, "--passphrase-file", "pw") == os.EX_OK
            assert Path("out/plain").read_bytes() == TEXT
    finally:
        tool("gpgconf", "--kill", "all", GNUPGHOME=str(home))
