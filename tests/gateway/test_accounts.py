"""The accounts file: what an entry means, what is refused with which words, and when it is read again."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.python.threadpool import ThreadPool

from gateway.accounts.accounts import Accounts
from gateway.accounts.accounts_file import AccountsFile, read_accounts, read_accounts_text
from gateway.accounts.public_keys import PublicKeyError, fingerprint, key_line, parse_public_key, parse_public_keys
from gateway.drop.account import Account, Checks, Content, Demand, Quota, Right, Terms
from gateway.drop_config import CHECKER, DropSettings
from gateway.notices.logins import AccountsDoubtful, AccountsGone, AccountsKept, AccountsRead, NoAccounts
from rules.step import Task
from tests.gateway.test_passwords import Threads
from tests.gateway.told import Told

ZONE = timezone(timedelta(hours=2))
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse", salt=b"salt of a test..")
SETTINGS = DropSettings(Path("/srv/drop"), Path("/etc/gateway/accounts.yaml"))

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
KEY = PRIVATE.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
BLOB = base64.b64decode(KEY.split()[1])


def read(text: str, settings: DropSettings = SETTINGS) -> AccountsFile:
    """Read an accounts file."""
    return read_accounts_text(text, settings, ZONE)


def account(text: str, settings: DropSettings = SETTINGS) -> Account:
    """Return the one account of a file without errors."""
    found = read(text, settings)
    assert not found.errors
    (only,) = found.accounts.values()
    return only


def test_an_account_with_everything() -> None:
    """Its own keys, and the terms that others have from `drop:`."""
    settings = DropSettings(
        Path("/srv/drop"), SETTINGS.accounts, terms=Terms(speed=4096, checks=Checks(Demand.REQUIRED))
    )
    found = account(
        f"""
shop-7:
  password: "{HASH}"
  keys: ["{KEY} shop@till"]
  folder: shops/7
  networks: [192.0.2.0/24, "2001:db8::1"]
  expires: 2027-01-31
  disabled: true
  rights: [upload, list]
  content: syslog
  quota: {{files: 10}}
""",
        settings,
    )
    assert found == Account(
        "shop-7",
        Path("/srv/drop/shops/7"),
        HASH,
        keys={BLOB: "shop@till"},
        networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::1")),
        expires=datetime(2027, 2, 1, tzinfo=ZONE).timestamp(),
        disabled=True,
        terms=Terms(
            rights=frozenset({Right.UPLOAD, Right.LIST}),
            content=Content.SYSLOG,
            quota=Quota(files=10),
            speed=4096,
            checks=Checks(Demand.REQUIRED),
        ),
    )
    assert HASH not in repr(found)


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("in", "/srv/drop/in"),
        ("/data/in", "/data/in"),
        ("a//b/./c/", "/srv/drop/a/b/c"),
        ("/srv/drop/x", "/srv/drop/x"),
    ],
)
def test_folders(folder: str, path: str) -> None:
    """A folder stands below the drop box's, or is named in full."""
    assert account(f"alice: {{folder: {folder}, keys: [{KEY}]}}").folder == Path(path)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", datetime(2027, 1, 31, 22, tzinfo=UTC)),
        ('"2027-01-31"', datetime(2027, 1, 31, 22, tzinfo=UTC)),
        ("2027-01-31T18:00", datetime(2027, 1, 31, 16, tzinfo=UTC)),
        ("2027-01-31T18:00:30Z", datetime(2027, 1, 31, 18, 0, 30, tzinfo=UTC)),
        ("2027-01-31 18:00+05:00", datetime(2027, 1, 31, 13, tzinfo=UTC)),
    ],
)
def test_an_account_ends(text: str, moment: datetime) -> None:
    """A date's whole day still counts, by this machine's clocks; a time may have a zone of its own."""
    assert account(f"alice: {{expires: {text}, keys: [{KEY}]}}").expires == moment.timestamp()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[alice]", "a mapping is wanted: the account's name"),
        ("Alice: {}", '"Alice" cannot be an account\'s name; use a-z'),
        ("../x: {}", "cannot be an account's name"),
        ("alice: {passwort: x}", 'unknown key "passwort" in "alice"; did you mean "password"?'),
        ("alice: {password: s3cret}", "`gateway account password alice` asks for one and writes it"),
        ("alice: s3cret", "what the account has is wanted here: key: value"),
        ("alice: {password: 1234}", "a password does not stand here as it is, but as a hash"),
        ("alice: {password: $2b$12$abc}", "this is a hash of bcrypt, and only those of argon2 are read"),
        ("alice: {password: $6$abc$def}", "this is a hash of crypt(5)"),
        ("alice: {password: $argon2id$v=19$m=8}", "this hash of argon2 is damaged"),
        (f'alice: {{password: "{HASH.replace("m=8", "m=8388608")}"}}', "would need too much memory or time"),
        ("alice: {folder: ../other}", '".." leads out of the folder'),
        ("alice: {folder: quarantine/alice}", "which belongs to all accounts, are not apart"),
        ("alice: {folder: /srv}", "which belongs to all accounts, are not apart"),
        ("alice: {folder: .}", "which belongs to all accounts, are not apart"),
        ("processed: {}", "has files of all of them; write another one under `folder`"),
        ("alice: {folder: a}\nbob: {folder: a/b}", "bob: the folders /srv/drop/a/b and /srv/drop/a (of alice)"),
        ("alice: {folder: a/b}\nbob: {folder: /srv/drop/a}", "bob: the folders /srv/drop/a and /srv/drop/a/b"),
        ("alice: {networks: 10.0.0.1/8}", "did you mean 10.0.0.0/8?"),
        ("alice: {expires: 30d}", "a date such as 2027-01-31"),
        ("alice: {expires: 2027-02-30}", "a date such as 2027-01-31"),
        ("alice: {expires: 9999-12-31}", "a date such as 2027-01-31"),
        ("alice: {external: true}", "nothing judges its password"),
        ("alice: {anonymous: true, external: true}", '"external" and "anonymous" exclude each other'),
        (f"alice: {{keys: [{KEY}, {KEY} again]}}", "stands here twice"),
        ("alice: {keys: [ssh-dss AAAAB3NzaC1kc3M=]}", "DSA keys are too weak"),
        ("alice:\n  disabled: true\nalice:\n  disabled: true", 'the key "alice" stands twice'),
        ("alice: {rights: [all]}", "one of upload, folders, list"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    """Each refuses the file with its place and what to do; a password that stands there is never shown."""
    said = [str(error) for error in read(text).errors]
    assert any(words in line for line in said), said
    assert all(line.startswith("/etc/gateway/accounts.yaml:") for line in said)
    assert "s3cret" not in "".join(said)


def test_the_same_folder_may_be_shared() -> None:
    """Two accounts may have one folder: one that uploads and one that fetches."""
    assert len(read("alice: {folder: a}\nbob: {folder: a/}").accounts) == 2
    assert len(read("alice: {folder: a}\nbob: {folder: a-b}\ncarol: {folder: ab}").accounts) == 3


def test_links_do_not_hide_whose_folder_it_is(tmp_path: Path) -> None:
    """Folders are compared by where they are: inside one another is refused, and so is one folder by two names."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    settings = DropSettings(tmp_path, tmp_path / "accounts.yaml")
    for text, words in (
        ("alice: {folder: a}\nbob: {folder: link/b}", "are inside one another"),
        ("alice: {folder: a}\nbob: {folder: link}", "is the folder of alice by another name"),
    ):
        (error,) = read(text, settings).errors
        assert words in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alice: {content: files}", "nobody can log in as alice: `gateway account password alice`"),
        ("alice: {anonymous: true, rights: [upload, read]}", "strangers may upload and download here"),
        (f"alice: {{keys: [{KEY}], after: delete}}", '"after" is about logs'),
    ],
)
def test_doubts_are_told(text: str, words: str) -> None:
    """What works, but probably is not meant, is a warning."""
    found = read(text)
    assert not found.errors
    (warning,) = found.warnings
    assert words in warning.problem
    assert len(found.accounts) == 1


def test_an_external_account_has_a_checker() -> None:
    """With a checker it may be."""
    settings = DropSettings(Path("/srv/drop"), SETTINGS.accounts, checker=Task(CHECKER, ("check",)))
    assert account("alice: {external: true}", settings).external


def rsa_line(bits: int) -> str:
    """Return the line of an RSA key; its modulus is no product of primes, which nobody sees."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1)
    return numbers.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_keys_of_each_type() -> None:
    """Ed25519, ECDSA and RSA keys are read, and written as they were."""
    lines = [f"{KEY} me@pc with words", rsa_line(2048), rsa_line(4096)]
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        public = ec.derive_private_key(7, curve).public_key()
        lines.append(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
    for line in lines:
        assert key_line(*parse_public_key(f"  {line}\n")) == line
    assert fingerprint(BLOB).startswith("SHA256:")
    text = "# my keys\n\n" + "\n".join(lines)
    assert [key_line(*key) for key in parse_public_keys(text)] == lines


def test_a_key_as_putty_exports_it() -> None:
    """The form of RFC 4716 is read too, its comment and broken lines included."""
    encoded = KEY.split()[1]
    text = (
        '---- BEGIN SSH2 PUBLIC KEY ----\nComment: "me@windows"\nx-long: a\\\nb\n'
        f"{encoded[:40]}\n{encoded[40:]}\n---- END SSH2 PUBLIC KEY ----\n"
    )
    assert parse_public_keys(text) == [(BLOB, "me@windows")]


OPENSSH = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no public key in it"),
        ("# nothing", "there is no public key in it"),
        (OPENSSH, "this is a private key: keep it secret; the public one is wanted (it ends with .pub)"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTYgen shows it as text to copy"),
        ("-----BEGIN PUBLIC KEY-----\nMCow\n", "this is PEM; `ssh-keygen -i -m PKCS8 -f FILE`"),
        ("ssh-ed25519", "is not base64"),
        ("ssh-ed25519 AAAA!", "is not base64"),
        (KEY[:-8], "the key is damaged; copy the whole line"),
        (KEY.replace("ssh-ed25519", "ssh-rsa"), "the line says ssh-rsa, and the key in it is another"),
        (KEY.split()[1], "the type is missing before the key"),
        (f'from="192.0.2.7" {KEY}', "options before a key are not read; say under `networks`"),
        ("ssh-ed25518 AAAA", 'did you mean "ssh-ed25519"?'),
        ("sk-ssh-ed25519@openssh.com AAAA", "keys on a security token"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "this is a certificate"),
        ("ssh-dss AAAA", "DSA keys are too weak"),
        (rsa_line(1024), "an RSA key of 1024 bits is not taken"),
        (f"{KEY} \x1b[2J", "characters in it that cannot be seen"),
        (f"{KEY} {'x' * 20_000}", "is it the right file?"),
    ],
)
def test_what_is_no_key(text: str, words: str) -> None:
    """What people paste instead is named, with what to do; nothing of a private key is shown."""
    with pytest.raises(PublicKeyError) as caught:
        parse_public_keys(text)
    assert words in str(caught.value)
    assert "b3BlbnNzaC1" not in str(caught.value)


# The file in use


class House:
    """An accounts file and who reads it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "accounts.yaml"
        self.told = Told()
        self.accounts = Accounts(DropSettings(folder / "drop", self.file), self.told, lambda: ZONE)

    def write(self, text: str) -> frozenset[str]:
        """Write the file and let it be read."""
        self.file.write_text(text)
        self.file.chmod(0o600)
        return self.accounts.poll()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house without accounts."""
    return House(tmp_path)


def test_a_changed_file_is_read_again(house: House) -> None:
    """New accounts come, others go, and who changed is told; nothing happens while the file is the same."""
    assert house.accounts.poll() == frozenset()
    assert house.told == [NoAccounts(str(house.file))]
    assert house.accounts.poll() == frozenset()
    assert house.write(f"alice: {{keys: [{KEY}]}}\nbob: {{keys: [{KEY}]}}\n") == frozenset()
    assert [one.name for one in house.accounts.all()] == ["alice", "bob"]
    assert house.told[1:] == [AccountsRead(str(house.file), 2)]
    assert house.write(f"alice: {{keys: [{KEY}]}}\ncarol: {{keys: [{KEY}]}}\n") == {"bob"}
    assert house.accounts.find("bob") is None
    assert house.write(f"alice: {{keys: [{KEY}], disabled: true}}\ncarol: {{keys: [{KEY}]}}\n") == {"alice"}
    house.file.unlink()
    assert house.accounts.poll() == {"alice", "carol"}
    house.write("")
    assert house.told[-2:] == [AccountsGone(str(house.file)), NoAccounts(str(house.file))]


def test_a_broken_file_keeps_the_accounts(house: House) -> None:
    """Each error is said once, however often the file is saved; when it is mended, it is read."""
    house.write(f"alice: {{keys: [{KEY}]}}\n")
    house.told.clear()
    for text in (
        "alice: [",
        "alice: [ ",
        "alice: {password: x}\nbob: {folder: ..}\n",
        "\ud800".encode("utf-8", "surrogatepass"),
    ):
        if isinstance(text, bytes):
            house.file.write_bytes(text)
            assert house.accounts.poll() == frozenset()
        else:
            assert house.write(text) == frozenset()
    assert house.accounts.find("alice") is not None
    assert len(house.told.of(AccountsKept)) == 4
    assert len(house.told) == 4
    house.write(f"bob: {{keys: [{KEY}]}}\n")
    assert house.accounts.find("alice") is None


def test_a_file_that_others_can_read_is_doubtful(house: House) -> None:
    """It is said, once, and the accounts work."""
    house.file.write_text(f"alice: {{keys: [{KEY}]}}\n")
    house.file.chmod(0o640)
    house.accounts.poll()
    os.utime(house.file, (1, 1))
    house.accounts.poll()
    (doubt,) = house.told.of(AccountsDoubtful)
    assert "chmod 0600" in doubt.problem
    assert house.accounts.find("alice") is not None


def test_other_settings_change_the_accounts(house: House) -> None:
    """A reload of the configuration changes what accounts inherit, and where their folders are."""
    house.write(f"alice: {{keys: [{KEY}]}}\n")
    assert house.accounts.follow(house.accounts.settings) == frozenset()
    settings = DropSettings(Path("/srv/drop"), house.file, terms=Terms(sessions=2))
    assert house.accounts.follow(settings) == {"alice"}
    found = house.accounts.find("alice")
    assert found is not None
    assert (found.folder, found.terms.sessions) == (Path("/srv/drop/alice"), 2)
    assert house.accounts.settings is settings


def test_the_file_is_read_in_a_thread(house: House) -> None:
    """The reactor does not wait; what was read for settings that are no more is not taken."""
    house.file.write_text(f"alice: {{keys: [{KEY}]}}\n")
    house.file.chmod(0o600)
    threads = Threads()
    polled: list[frozenset[str]] = []

    def poll() -> None:
        house.accounts.poll_in_thread(threads, cast("ThreadPool", threads)).addCallback(polled.append)

    poll()
    assert not house.accounts.all()
    threads.run()
    assert [one.name for one in house.accounts.all()] == ["alice"]
    house.file.write_text(f"bob: {{keys: [{KEY}], folder: b}}\n")
    poll()
    threads.run()
    house.file.write_text("")
    poll()
    house.accounts.follow(DropSettings(Path("/srv/drop"), house.file.with_name("other.yaml")))
    house.accounts.follow(DropSettings(Path("/srv/drop"), house.file))
    house.file.write_text(f"bob: {{keys: [{KEY}], folder: bb}}\n")
    threads.run()
    assert polled == [frozenset(), {"alice"}, frozenset()]


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    """It is said what stands there."""
    found = read_accounts(DropSettings(tmp_path / "drop", tmp_path), ZONE)
    assert [error.problem for error in found.errors] == ["the accounts file is a folder, not a file"]
