"""Decrypt one file with age or OpenPGP: the program that a `decrypt` step runs, as the user of the step.

    python -I gateway/decrypt.py [--key FILE] [--passphrase-file FILE] [--seen-as PATH] -- INPUT OUTPUT

What the input is encrypted with, and what kind of key there is, is told by their contents. The output is there whole
or not at all. It exits with the codes of sysexits.h and says in one line what is wrong.

It imports nothing of the gateway, so that it starts fast: it is started once for each file.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import errno
import os
import re
import resource
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

MAX_KEY = 1024**2
"""Octets of a file with a key or a passphrase: a keyring of thousands."""

IN_MEMORY = 256 * 1024**2
"""Octets of a file that is encrypted with age and a passphrase: the library takes such a one as a whole."""

READ_SIZE = 1024**2
"""Octets of one read or write."""

HEAD_SIZE = 4096
"""Octets in which it is seen what a file is; an OpenPGP armor may begin with some lines of headers."""

PART = ".gateway-part"
"""What the output is called until it is whole."""

RATIO = 250
LEAST_LIMIT = 16 * 1024**2
"""What is compressed inside the encryption may become so many times the input's size, or so many octets, unless the
task has a `file_size` limit of its own: a message of 1 MB must not fill the disk."""

AGE = b"age-encryption.org/"
AGE_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
PGP_ARMOR = b"-----BEGIN PGP MESSAGE-----"


class Failure(Exception):  # noqa: N818 -- it is how the program ends
    """It cannot be done; `code` is the exit code, the words go to standard error."""

    def __init__(self, code: int, words: str) -> None:
        self.code = code
        super().__init__(words)


class Scheme(Enum):
    """How a file is encrypted."""

    AGE = "age"
    OPENPGP = "OpenPGP"


@dataclass(frozen=True, slots=True)
class Keys:
    """What may open a file.

    Attributes:
        scheme: of the secret keys; None: there are none, a passphrase is all.
        secrets: age identities, or one OpenPGP decryptor.
        passphrase: that of the files themselves; it is not tried on them where it opens a key.
    """

    scheme: Scheme | None
    secrets: tuple[Any, ...]
    passphrase: str | None
    name: str


# -- keys --


def read_keys(key: Path | None, passphrase_file: Path | None) -> Keys:
    """Read a key, and the passphrase that opens it.

    Raises:
        Failure: there is no key in there that can be used.
    """
    passphrase = None
    if passphrase_file is not None:
        passphrase = _read_small(passphrase_file).split(b"\n")[0].rstrip(b"\r").decode("utf-8", "surrogateescape")
        if not passphrase:
            raise Failure(os.EX_CONFIG, f"{passphrase_file}: there is no passphrase in its first line")
    if key is None:
        return Keys(None, (), passphrase, str(passphrase_file))
    content = _read_small(key)
    if content.startswith((AGE, AGE_ARMOR)):
        content = _opened_identities(content, passphrase, key)
    text = content.lstrip()
    if text.startswith(b"-----BEGIN PGP PRIVATE KEY BLOCK-----") or _is_secret_packet(content):
        return Keys(Scheme.OPENPGP, (_openpgp_decryptor(content, passphrase, key),), None, str(key))
    if re.match(rb"-----BEGIN (OPENSSH|RSA) PRIVATE KEY-----", text):
        return Keys(Scheme.AGE, (_ssh_identity(content, passphrase, key),), None, str(key))
    if re.search(rb"^AGE-(SECRET-KEY|PLUGIN)-", content, re.MULTILINE):
        return Keys(Scheme.AGE, tuple(_age_identities(content, key)), None, str(key))
    if text.startswith((b"age1", b"ssh-", b"ecdsa-", b"-----BEGIN PGP PUBLIC")):
        raise Failure(os.EX_CONFIG, f"{key} is a public key; the secret one is wanted")
    kinds = "an age identity, an SSH private key or an OpenPGP secret key"
    raise Failure(os.EX_CONFIG, f"{key} is no secret key: {kinds} is wanted")


def _read_small(path: Path) -> bytes:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Failure(os.EX_CONFIG, f"{path} is no regular file")
            content = file.read(MAX_KEY + 1)
    except OSError as error:
        raise Failure(os.EX_CONFIG, f"{path} cannot be read by {_user()}: {error.strerror}") from None
    if len(content) > MAX_KEY:
        raise Failure(os.EX_CONFIG, f"{path} is larger than {MAX_KEY} octets; is it a key?")
    return content


def _user() -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"user {os.geteuid()}"


def _is_secret_packet(content: bytes) -> bool:
    """Tell whether it begins with an OpenPGP secret key packet (RFC 9580 section 4.2: type 5)."""
    return _packet_type(content) == 5


def _packet_type(content: bytes) -> int | None:
    if not content or not content[0] & 0x80:
        return None
    return content[0] & 0x3F if content[0] & 0x40 else content[0] >> 2 & 0x0F


def _opened_identities(content: bytes, passphrase: str | None, key: Path) -> bytes:
    """Open a file of identities that is encrypted itself (`age -p`)."""
    import pyrage  # type: ignore[import-untyped]

    if passphrase is None:
        raise Failure(os.EX_CONFIG, f"{key} is protected by a passphrase; name the file that holds it: passphrase_file")
    try:
        opened: bytes = pyrage.passphrase.decrypt(content, passphrase)
    except (pyrage.DecryptError, OSError, ValueError) as error:
        raise Failure(os.EX_CONFIG, f"{key} is not opened by this passphrase: {_words(error)}") from None
    return opened


def _age_identities(content: bytes, key: Path) -> Iterator[Any]:
    import pyrage

    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            yield pyrage.x25519.Identity.from_str(text)
        except (pyrage.IdentityError, ValueError):
            known = "only X25519 identities (AGE-SECRET-KEY-1...) can be used"
            raise Failure(os.EX_CONFIG, f"{key}:{number}: this is no age identity; {known}") from None


def _ssh_identity(content: bytes, passphrase: str | None, key: Path) -> Any:
    import pyrage

    try:
        return pyrage.ssh.Identity.from_buffer(_opened_ssh(content, passphrase, key))
    except (pyrage.IdentityError, ValueError) as error:
        raise Failure(os.EX_CONFIG, f"{key} cannot be used: {_words(error)}; ed25519 and RSA keys can") from None


def _opened_ssh(content: bytes, passphrase: str | None, key: Path) -> bytes:
    """Return an SSH key without its protection, which the age library does not know how to open; it stays in memory."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
        load_ssh_private_key,
    )

    load = load_ssh_private_key if b"OPENSSH" in content[:64] else load_pem_private_key
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        load(content, None)
        return content
    if passphrase is None:
        raise Failure(os.EX_CONFIG, f"{key} is damaged, or protected by a passphrase: name its file, passphrase_file")
    try:
        opened = load(content, passphrase.encode("utf-8", "surrogateescape"))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Failure(os.EX_CONFIG, f"{key} is not opened by this passphrase: {_words(error)}") from None
    return opened.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _openpgp_decryptor(content: bytes, passphrase: str | None, key: Path) -> Any:
    import pysequoia

    try:
        if len(pysequoia.Cert.split_bytes(content)) > 1:
            raise Failure(os.EX_CONFIG, f"{key} holds several keys; export the one that is meant")
        secret = pysequoia.Tsk.from_bytes(content)
    except RuntimeError as error:
        raise Failure(os.EX_CONFIG, f"{key} is no OpenPGP secret key: {_words(error)}") from None
    try:
        with suppress(RuntimeError):  # the usual one is not protected, and takes no passphrase then
            return secret.decryptor()
        return secret.decryptor(passphrase)
    except RuntimeError as error:
        hint = "by this passphrase" if passphrase is not None else "without a passphrase (passphrase_file)"
        raise Failure(os.EX_CONFIG, f"{key} is not opened {hint}: {_words(error)}") from None


# -- files --


def scheme_of(head: bytes) -> Scheme | None:
    """Tell by a file's first octets how it is encrypted; None: it is not, or in no way that is known here."""
    text = head.lstrip()
    if head.startswith(AGE) or text.startswith(AGE_ARMOR):
        return Scheme.AGE
    packets = _dearmored(text) if text.startswith(PGP_ARMOR) else head
    # RFC 9580 section 10.3: a session key for a key or a passphrase, or encrypted data alone; a marker may precede
    return Scheme.OPENPGP if _packet_type(packets) in (1, 3, 9, 10, 18, 20) else None


def _dearmored(text: bytes) -> bytes:
    """Return the first octets of what is in an armor (RFC 9580 section 6.2)."""
    _, _, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    with suppress(binascii.Error):
        return base64.b64decode(body[:4])
    return b""


def decrypt(keys: Keys, source: int, target: int) -> None:
    """Decrypt one open file into another.

    Raises:
        Failure: it is not encrypted for these keys, or damaged.
        OSError: the disk is full, and the like.
    """
    scheme = scheme_of(os.pread(source, HEAD_SIZE, 0))
    if scheme is None:
        raise Failure(os.EX_DATAERR, "it is encrypted with neither age nor OpenPGP")
    if keys.scheme is not None and keys.scheme is not scheme:
        kind = keys.scheme.value
        raise Failure(os.EX_DATAERR, f"it is encrypted with {scheme.value}, and {keys.name} is a key of {kind}")
    with _bounded(os.fstat(source).st_size):
        (_decrypt_age if scheme is Scheme.AGE else _decrypt_openpgp)(keys, source, target)


def _decrypt_age(keys: Keys, source: int, target: int) -> None:
    import pyrage

    with open(source, "rb", READ_SIZE, closefd=False) as reader, open(target, "wb", READ_SIZE, closefd=False) as writer:
        try:
            if keys.secrets:
                pyrage.decrypt_io(reader, writer, list(keys.secrets))
            elif os.fstat(source).st_size > IN_MEMORY:
                problem = f"more than {IN_MEMORY // 1024**2} MiB that are encrypted with a passphrase"
                raise Failure(os.EX_DATAERR, f"these are {problem}; let the sender encrypt for a key (age -r)")
            else:
                writer.write(pyrage.passphrase.decrypt(reader.read(), keys.passphrase))
        except pyrage.DecryptError as error:
            raise _not_for(keys, error) from None
        except OSError as error:
            if error.errno is None:
                raise _damaged(error) from None
            raise


def _decrypt_openpgp(keys: Keys, source: int, target: int) -> None:
    import pysequoia

    way: dict[str, Any] = {"decryptor": keys.secrets[0]} if keys.secrets else {"passwords": [keys.passphrase]}
    with _fed(source) as pipe:
        try:
            pysequoia.decrypt_file(f"/proc/self/fd/{pipe}", f"/proc/self/fd/{target}", **way)
        except (OSError, RuntimeError) as error:
            if (number := _errno(error)) is not None:
                raise OSError(number, os.strerror(number)) from None
            if re.search("no key|password", _words(error), re.IGNORECASE):
                raise _not_for(keys, error) from None
            raise _damaged(error) from None  # "Missing session key" too: one was found, and did not fit


@contextmanager
def _fed(source: int) -> Iterator[int]:
    """Give a pipe that a process of its own fills with the file from its beginning.

    The library would map the file into memory: whoever cut it meanwhile would kill us, and `limits: address_space`
    would have to allow for all of it.
    """
    read, write = os.pipe()
    feeder = os.fork()
    if feeder == 0:
        try:
            os.close(read)
            place = 0
            while count := os.splice(source, write, READ_SIZE, offset_src=place):
                place += count
        finally:
            os._exit(0)  # a file that cannot be read to its end is damaged for whoever decrypts it
    os.close(write)
    try:
        yield read
    finally:
        os.close(read)
        os.waitpid(feeder, 0)


@contextmanager
def _bounded(size: int) -> Iterator[None]:
    """Bound what is written, unless that is bounded already; more is EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if soft == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(LEAST_LIMIT, RATIO * size), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _not_for(keys: Keys, error: BaseException) -> Failure:
    words = _words(error)
    return Failure(os.EX_DATAERR, f"it is not encrypted for {keys.name}, or no encrypted file at all: {words}")


def _damaged(error: BaseException) -> Failure:
    return Failure(os.EX_DATAERR, f"it is damaged, or cut off: {_words(error)}")


def _words(error: BaseException) -> str:
    """Return the first line: the library for OpenPGP says where in itself it was."""
    return str(error).split("\n")[0] or type(error).__name__


def _errno(error: BaseException) -> int | None:
    """Return the error of the system that made a library fail: both libraries show it as Rust does."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


# -- the program --


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        source = os.open(path, flags)
    except OSError as error:
        words = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise Failure(os.EX_NOINPUT, f"it cannot be read by {_user()}: {words}") from None
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise Failure(os.EX_NOINPUT, "it is no regular file")
        yield source
    finally:
        os.close(source)


def write_whole(output: Path, write: Callable[[int], None]) -> None:
    """Let a file be written under another name, and give it its own once it is whole and on the disk.

    A file that is there already is of an earlier try of ours, and gives way.

    Raises:
        Failure: somebody else's file is there.
        OSError: it cannot be written.
    """
    folder = os.open(output.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            found = os.stat(output.name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise Failure(os.EX_CANTCREAT, f"{output} is there, and was not written by {_user()}")
        with suppress(FileNotFoundError):
            os.unlink(PART, dir_fd=folder)
        target = os.open(PART, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            write(target)
            os.fsync(target)
            os.rename(PART, output.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(PART, dir_fd=folder)
            raise
        finally:
            os.close(target)
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_seen(output: Path, seen_as: Path) -> None:
    """See that the steps to come reach the file under the name that they are given."""
    try:
        seen = seen_as.stat()
    except OSError as error:
        words = f"{seen_as} cannot be reached by {_user()}: {error.strerror}"
        raise Failure(os.EX_CONFIG, f"{words}; each folder above it must be open to that user (chmod o+x)") from None
    if not os.path.samestat(seen, output.stat()):
        raise Failure(os.EX_CONFIG, f"{seen_as} is another file than the one that was written; who moved its folder?")


def main(arguments: list[str] | None = None) -> int:
    """Decrypt a file; returns the exit code."""
    options = argparse.ArgumentParser(prog="decrypt", description="Decrypt one file with age or OpenPGP.")
    options.add_argument("--key", type=Path, help="an age identity, an SSH private key or an OpenPGP secret key")
    options.add_argument("--passphrase-file", type=Path, help="its first line opens the key, or else the file")
    options.add_argument("--seen-as", type=Path, help="the name by which others reach the output")
    options.add_argument("input", type=Path)
    options.add_argument("output", type=Path)
    chosen = options.parse_args(arguments)
    os.environ["RUST_BACKTRACE"] = os.environ["RUST_LIB_BACKTRACE"] = "0"  # they would stand in the errors' words
    try:
        if chosen.key is None and chosen.passphrase_file is None:
            raise Failure(os.EX_USAGE, "neither a key nor a passphrase was given")
        with _opened(chosen.input) as source:
            keys = read_keys(chosen.key, chosen.passphrase_file)
            write_whole(chosen.output, partial(decrypt, keys, source))
        if chosen.seen_as is not None:
            _check_seen(chosen.output, chosen.seen_as)
    except Failure as failure:
        subject = f"{chosen.input}: " if failure.code in (os.EX_DATAERR, os.EX_NOINPUT) else ""
        return _end(failure.code, f"{subject}{failure}")
    except OSError as error:
        return _end(*_of_system(error, chosen.input, chosen.output))
    except MemoryError:
        return _end(os.EX_TEMPFAIL, f"{chosen.input}: there is not enough memory; see `limits: address_space`")
    except BaseException as error:  # a panic of a library is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return _end(os.EX_DATAERR, f"{chosen.input}: it is damaged: {_words(error)}")
    return os.EX_OK


def _of_system(error: OSError, source: Path, target: Path) -> tuple[int, str]:
    if error.errno == errno.EFBIG:
        words = "it becomes larger than its `limits: file_size` (if there is none: 250 times its own size)"
        return os.EX_DATAERR, f"{source}: {words}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM):
        return os.EX_TEMPFAIL, f"{target} cannot be written: {error.strerror}"
    return os.EX_CANTCREAT, f"{target} cannot be written by {_user()}: {error.strerror}"


def _end(code: int, words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
