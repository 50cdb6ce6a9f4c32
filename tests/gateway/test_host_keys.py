"""Host keys: made once for nobody else to read, and refused in the words of what is wrong with them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.host_keys import RSA_BITS, host_key_files, load_host_keys, make_host_keys
from gateway.notices.sftp import HostKeyExposed
from parsers.errors import OperatorError
from tests.gateway.told import Told


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with host keys in it."""
    folder = tmp_path_factory.mktemp("keys")
    assert make_host_keys(folder) == list(host_key_files(folder))
    return folder


def write(path: Path, key: object, secret: bytes | None = None, form: PrivateFormat = PrivateFormat.OpenSSH) -> Path:
    """Write a private key."""
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, form, encryption))  # type: ignore[attr-defined]
    path.chmod(0o600)
    return path


def test_two_keys_are_made(made: Path) -> None:
    """There is an Ed25519 and an RSA key, private to their owner, and their public halves beside them."""
    told = Told()
    keys = load_host_keys(host_key_files(made), told)
    assert {kind: key.size() for kind, key in keys.items()} == {b"ssh-ed25519": 256, b"ssh-rsa": RSA_BITS}
    assert told == []
    for file in host_key_files(made):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        public = Path(f"{file}.pub").read_bytes().split()
        assert public[0] in keys


def test_a_key_is_never_written_over(made: Path, tmp_path: Path) -> None:
    """Where one of the files is already, none is made."""
    before = {file: file.read_bytes() for file in made.iterdir()}
    with pytest.raises(OperatorError, match="ssh_host_ed25519_key: is there already"):
        make_host_keys(made)
    assert {file: file.read_bytes() for file in made.iterdir()} == before
    (tmp_path / "ssh_host_rsa_key.pub").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OperatorError, match=r"ssh_host_rsa_key\.pub: is there already"):
        make_host_keys(tmp_path)
    assert not (tmp_path / "ssh_host_ed25519_key").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """What cannot be written is said with its path."""
    with pytest.raises(OperatorError, match="missing/ssh_host_ed25519_key: cannot be written: No such file"):
        make_host_keys(tmp_path / "missing")


def test_an_exposed_key_is_told(tmp_path: Path) -> None:
    """A key that others can read serves, and a warning says so."""
    path = write(tmp_path / "key", ed25519.Ed25519PrivateKey.generate())
    path.chmod(0o640)
    told = Told()
    assert list(load_host_keys([path], told)) == [b"ssh-ed25519"]
    assert told == [HostKeyExposed(str(path))]


def test_two_of_a_type(tmp_path: Path) -> None:
    """Two keys of one type cannot both serve; the second file is named."""
    first, second = (write(tmp_path / name, ed25519.Ed25519PrivateKey.generate()) for name in ("first", "second"))
    with pytest.raises(OperatorError, match=r"second: is a second ssh-ed25519 key beside .*first"):
        load_host_keys([first, second])


def test_an_ecdsa_key_serves(tmp_path: Path) -> None:
    """The keys that an OpenSSH server had before are taken over."""
    path = write(tmp_path / "key", ec.generate_private_key(ec.SECP256R1()))
    assert list(load_host_keys([path])) == [b"ecdsa-sha2-nistp256"]


def test_a_passphrase(tmp_path: Path) -> None:
    """A key with a passphrase cannot be used, and the words say how to take it off."""
    path = write(tmp_path / "key", ed25519.Ed25519PrivateKey.generate(), b"secret")
    with pytest.raises(OperatorError, match=r"key: has a passphrase.*ssh-keygen -p"):
        load_host_keys([path])


def test_a_short_key(tmp_path: Path) -> None:
    """RSA below 2048 bits is what clients no longer take."""
    with pytest.raises(OperatorError, match="RSA key of 1024 bits"):
        load_host_keys([write(tmp_path / "rsa", rsa.generate_private_key(65537, 1024))])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ssh-ed25519 AAAAC3Nz root@host\n", "is a public key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "is PuTTY's form"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "damaged"),
        (b"hello\n", "is no private key in OpenSSH's form"),
        (b"", "is no private key in OpenSSH's form"),
    ],
)
def test_what_is_no_key(tmp_path: Path, content: bytes, words: str) -> None:
    """Whatever stands in the file, one line says what it is."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match=words):
        load_host_keys([path])


def test_a_key_in_pem(tmp_path: Path) -> None:
    """A private key in PEM is recognised, and the words say how to turn it into OpenSSH's form."""
    path = write(tmp_path / "key", ed25519.Ed25519PrivateKey.generate(), form=PrivateFormat.PKCS8)
    with pytest.raises(OperatorError, match=r"in PEM, not in OpenSSH's form; `ssh-keygen -p"):
        load_host_keys([path])


def test_no_file_and_none(tmp_path: Path) -> None:
    """A file that is missing is named, and a listener needs one key at least."""
    with pytest.raises(OperatorError, match="none: cannot be read: No such file"):
        load_host_keys([tmp_path / "none"])
    with pytest.raises(OperatorError, match="needs a host key"):
        load_host_keys([])
