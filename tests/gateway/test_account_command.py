"""`gateway account`: what each verb writes, that the rest of the file stays as it is, and what is refused."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gateway.accounts import accounts_change, accounts_edit, passwords
from gateway.accounts.accounts_file import read_accounts
from gateway.drop.account import Account
from gateway.drop_config import usual_drop
from gateway.zone import local_zone
from parsers.errors import OperatorError
from tests.gateway.online import Ran, run
from tests.gateway.test_accounts import BLOB, HASH, KEY, OPENSSH, rsa_line
from tests.gateway.test_passwords import CHEAP

OTHER = rsa_line(2048)

FILE = f"""\
# Ours.

alice:                # accounting
  password: "{HASH}"
  folder: acc         # old name

  # her machines
  keys:
    - "{KEY} alice@pc"   # the new one
    - {OTHER} alice@old

# The tills.
till: {{password: '{HASH}', keys: ["{KEY}"]}}
carol:
  disabled: true  # until she is back
  password: "{HASH}"
# The end.
"""


class House:
    """A configuration folder, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "accounts.yaml"
        (folder / "gateway.yaml").write_text("sources: {syslog: {tcp: 1514}}\n")

    def write(self, text: str) -> None:
        """Write the accounts file."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    def command(self, *words: str) -> Ran:
        """Run it."""
        return run("account", *words, "--dir", str(self.folder))

    def done(self, *words: str) -> str:
        """Run it; it must succeed, and what it wrote must load."""
        ran = self.command(*words)
        assert ran.code == 0, ran.err
        assert [entry.name for entry in self.folder.iterdir() if entry.name.startswith(".")] == []
        return ran.out

    def refused(self, *words: str) -> str:
        """Run it; it must fail and change nothing."""
        before = self.file.read_bytes() if self.file.exists() else None
        ran = self.command(*words)
        assert ran.code == 1, ran.out
        assert before == (self.file.read_bytes() if self.file.exists() else None)
        return ran.err

    def accounts(self) -> dict[str, Account]:
        """Return the accounts."""
        found = read_accounts(usual_drop(self.folder, self.folder / "state"), local_zone())
        assert not found.errors
        return dict(found.accounts)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a house in which hashing costs nothing."""
    monkeypatch.setattr(passwords, "usual_hasher", lambda: CHEAP)
    return House(tmp_path)


Type = Callable[[str], None]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Return a function that puts text on standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def is_password(account: Account, password: str) -> bool:
    """Tell whether it is the account's."""
    assert account.password is not None
    return PasswordHasher().verify(account.password, password)


def test_a_first_account(house: House, type_in: Type) -> None:
    """The file is made, for its owner only; the advice says how to upload, and when it works."""
    type_in("a long password of mine\n")
    out = house.done("add", "alice", "--password-stdin", "--key", f"{KEY} me@pc", "--network", "192.0.2.0/24")
    alice = house.accounts()["alice"]
    assert is_password(alice, "a long password of mine")
    assert alice.keys == {BLOB: "me@pc"}
    assert [str(network) for network in alice.networks] == ["192.0.2.0/24"]
    assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
    assert house.file.read_text().startswith("# Who may come into the drop box.")
    assert "within ten seconds" in out
    assert "sftp" in out


def test_a_generated_password_is_shown_once(house: House) -> None:
    """And it is the account's."""
    more = ["--expires", "2027-01-31", "--content", "syslog", "--quota", "10MiB"]
    out = house.done("add", "bob", "--generate", "--folder", "/data/in", *more)
    password = next(line.partition(": ")[2] for line in out.splitlines() if line.startswith("password: "))
    bob = house.accounts()["bob"]
    assert len(password) == 24
    assert is_password(bob, password)
    assert (bob.folder, bob.terms.content.value) == (Path("/data/in"), "syslog")
    assert bob.terms.quota.octets == 10 * 1024**2
    out = house.done("password", "bob", "--generate")
    assert password not in out
    assert not is_right(house.accounts()["bob"], password)


def is_right(account: Account, password: str) -> bool:
    """Tell whether it is the account's, without an exception."""
    try:
        return is_password(account, password)
    except Exception:  # noqa: BLE001 -- argon2's own
        return False


def test_a_password_is_asked_for_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal; two that differ change nothing, and a short one is warned of."""
    answers = ["one password", "another password", "", "short", "short"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: answers.pop(0))
    assert "two different passwords" in house.refused("add", "alice")
    assert "the password is empty" in house.refused("add", "alice")
    ran = house.command("add", "alice")
    assert ran.code == 0
    assert "5 characters are soon guessed" in ran.err
    assert not answers


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that are gone and those that are new."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_the_rest_of_the_file_stays(house: House, type_in: Type) -> None:
    """Comments, order, quotes and blank lines; only the line that changes does."""
    house.write(FILE)
    type_in("a new password\n")
    house.done("password", "alice", "--password-stdin")
    text = house.file.read_text()
    gone, new = changed(FILE, text)
    assert (len(gone), len(new)) == (0 if HASH in text else 1, 1)
    assert is_password(house.accounts()["alice"], "a new password")
    assert is_password(house.accounts()["carol"], "correct horse")

    house.write(FILE)
    house.done("disable", "alice")
    assert changed(FILE, house.file.read_text()) == ([], ["  disabled: true"])
    house.done("enable", "alice")
    assert house.file.read_text() == FILE
    house.done("enable", "carol")
    assert changed(FILE, house.file.read_text()) == (["  disabled: true  # until she is back"], [])

    house.write(FILE)
    house.done("disable", "till")
    assert "till: {disabled: true, password: '" in house.file.read_text()
    house.done("enable", "till")
    assert "till: {disabled: false, password: '" in house.file.read_text()

    house.write(FILE)
    house.done("add", "dave", "--key", KEY)
    assert house.file.read_text() == FILE + f'dave:\n  keys:\n    - "{KEY}"\n'
    house.done("remove", "dave")
    assert house.file.read_text() == FILE


def test_keys_come_and_go(house: House, tmp_path: Path) -> None:
    """By file or line; they are taken away by file, line, fingerprint or comment; comments beside them stay."""
    house.write(FILE)
    extra = rsa_line(3072)
    (tmp_path / "new.pub").write_text(f"{extra} new@pc\n")
    house.done("key", "alice", str(tmp_path / "new.pub"))
    assert changed(FILE, house.file.read_text()) == ([], [f'    - "{extra} new@pc"'])
    house.done("key", "alice", "alice@old", "--remove")
    house.done("key", "alice", str(tmp_path / "new.pub"), "--remove")
    assert changed(FILE, house.file.read_text()) == ([f"    - {OTHER} alice@old"], [])
    house.done("key", "alice", KEY, "--remove")
    assert not house.accounts()["alice"].keys
    house.done("key", "alice", f'{extra} a "quoted" one')
    assert list(house.accounts()["alice"].keys.values()) == ['a "quoted" one']
    house.done("key", "till", extra)
    assert f'keys: ["{KEY}", "{extra}"]}}' in house.file.read_text()
    house.done("key", "till", KEY, "--remove")
    assert f'keys: ["{extra}"]}}' in house.file.read_text()
    house.done("key", "carol", extra)
    assert len(house.accounts()["carol"].keys) == 1


def test_an_account_is_removed(house: House) -> None:
    """With what stands in it; the others, and the comments between them, stay; its files too."""
    house.write(FILE)
    assert "its files stay in" in house.done("remove", "alice")
    assert house.file.read_text() == "# Ours.\n\n" + FILE[FILE.index("\n# The tills.") :]
    house.done("remove", "till")
    house.done("remove", "carol")
    assert house.file.read_text() == "# Ours.\n\n\n# The tills.\n# The end.\n"
    house.done("add", "alice", "--key", KEY)
    assert list(house.accounts()) == ["alice"]


def test_the_list(house: House) -> None:
    """A table for people and lines of JSON for programs; no hash is shown."""
    assert "there are no accounts" in house.done("list")
    eve = "eve: {rights: [upload, read], expires: 2099-12-31T18:00}\n"
    house.write(FILE + f"dave: {{keys: [{KEY}], expires: 2020-01-01}}\n{eve}")
    out = house.done("list")
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "alice", "till", "carol", "dave", "eve"]
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["active", "active", "disabled", "expired", "login"]
    assert "password, 2 keys" in out
    assert "  2020-01-01  " in out
    assert "  2099-12-31 18:00:00  " in out
    assert "argon2" not in out
    found = [json.loads(line) for line in house.done("list", "--json").splitlines()]
    assert [one["state"] for one in found] == ["active", "active", "disabled", "expired", "no login"]
    assert found[0]["keys"][0]["comment"] == "alice@pc"
    assert found[4]["rights"] == ["upload", "read"]
    assert "argon2" not in json.dumps(found)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["add", "alice", "--key", KEY], "there is an account alice already"),
        (["add", "Bob", "--key", KEY], "cannot be an account's name"),
        (["add", "bob"], "there is no terminal to ask for a password"),
        (["add", "bob", "--key", KEY, "--folder", "../x"], "nothing was changed, for the accounts file would not load"),
        (["add", "bob", "--key", KEY, "--folder", "acc/sub"], "are inside one another"),
        (["add", "bob", "--key", KEY, "--expires", "soon"], "a date such as 2027-01-31"),
        (["add", "bob", "--key", KEY, "--network", "10.0.0.1/8"], "did you mean 10.0.0.0/8?"),
        (["add", "bob", "--key", "nowhere.pub"], "is no key of a known type and no file that is there"),
        (["password", "alcie", "--generate"], 'there is no account alcie; did you mean "alice"?'),
        (["key", "alice", KEY], "alice has this key already"),
        (["key", "alice", "nobody@pc", "--remove"], "is no key of it, no fingerprint, no file that is there"),
        (["key", "alice", rsa_line(4096), "--remove"], "it has no such key; there are: SHA256:"),
        (["enable", "alice"], "alice is not disabled"),
        (["disable", "carol"], "carol is disabled already"),
        (["remove", "zoe"], "there is no account zoe"),
    ],
)
def test_refusals(house: House, type_in: Type, words: list[str], problem: str) -> None:
    """Each says what is wrong and changes nothing."""
    house.write(FILE)
    type_in("")
    assert problem in house.refused(*words)


def test_a_private_key_is_refused(house: House, tmp_path: Path) -> None:
    """With the file that is meant, where it is there."""
    house.write(FILE)
    (tmp_path / "id").write_text(OPENSSH)
    assert "this is a private key" in house.refused("key", "carol", str(tmp_path / "id"))
    (tmp_path / "id.pub").write_text(KEY)
    assert f"{tmp_path / 'id.pub'} is there" in house.refused("key", "carol", str(tmp_path / "id"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alice: [", "this is no YAML"),
        ("alice: {password: secret}\n", "a password does not stand here as it is"),
        (f"{{alice: {{password: '{HASH}'}}}}\n", "the accounts stand within { }"),
        (f"alice: &a {{password: '{HASH}', folder: a}}\nbob: *a\n", "that would change other accounts too"),
    ],
)
def test_files_that_a_person_must_change(house: House, text: str, problem: str) -> None:
    """What would not load before or after, or reaches other accounts, is left alone."""
    house.write(text)
    assert problem in house.refused("remove" if text.startswith("{") else "disable", "alice")


def test_a_plain_password_is_mended(house: House) -> None:
    """The error says to call `gateway account password`; that works, unless something else is wrong too."""
    house.write("alice: {password: secret}\n")
    house.done("password", "alice", "--generate")
    assert house.accounts()["alice"].password is not None
    house.write("alice: {password: secret}\nbob: {password: secret}\n")
    problem = house.refused("password", "alice", "--generate")
    assert "for the accounts file does not load; mend this first:\n" in problem
    assert "yaml:2:17" in problem


def test_an_alias_is_left_alone(house: House) -> None:
    """An account, or a value of it, that repeats another has no text of its own."""
    house.write(f"alice: &a {{password: '{HASH}', folder: a}}\nbob: *a\ncarol:\n  keys: &k [{KEY}]\n  folder: c\n")
    assert '"bob" repeats what stands elsewhere' in house.refused("disable", "bob")
    house.write(f"alice:\n  password: &p '{HASH}'\nbob:\n  password: *p\n")
    assert '"password" repeats what stands elsewhere' in house.refused("password", "bob", "--generate")
    assert "no anchor &p comes before this" in house.refused("password", "alice", "--generate")


def test_mode_owner_and_link_stay(house: House) -> None:
    """The file is replaced where it is, behind a link too; nobody else may read it afterwards who could not before."""
    real = house.folder / "real.yaml"
    real.write_text(FILE)
    real.chmod(0o640)
    house.file.symlink_to("real.yaml")
    before = real.stat()
    house.done("disable", "alice")
    after = real.stat()
    assert house.file.is_symlink()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_gateway(house: House) -> None:
    """A new file belongs to the owner of the state folder, who reads it; an old one to whom it did."""
    (house.folder / "state").mkdir()
    os.chown(house.folder / "state", 12345, 12346)
    house.done("add", "alice", "--key", KEY)
    assert (house.file.stat().st_uid, house.file.stat().st_gid) == (12345, 12346)
    os.chown(house.file, 54321, 54322)
    house.done("disable", "alice")
    assert (house.file.stat().st_uid, house.file.stat().st_gid) == (54321, 54322)


def test_a_change_by_somebody_else_is_seen(house: House) -> None:
    """Between reading and writing the file was changed: nothing is written over."""
    house.write(FILE)
    settings = usual_drop(house.folder, house.folder / "state")

    def edit(text: str) -> str:
        house.file.write_text(f"{text}# theirs\n")
        return accounts_edit.set_value(text, "alice", "disabled", value=True)

    with pytest.raises(OperatorError, match="changed by somebody else just now"):
        accounts_change.change_accounts(settings, house.folder / "state", "alice", edit, local_zone())
    assert house.file.read_text() == f"{FILE}# theirs\n"
    assert sorted(entry.name for entry in house.folder.iterdir()) == ["accounts.yaml", "gateway.yaml"]


@pytest.mark.parametrize("form", ["\ufeff{}", "{}"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_what_an_editor_of_windows_saves(house: House, form: str, end: str) -> None:
    """A byte order mark and its line ends stay as they are."""
    before = form.format(FILE).replace("\n", end)
    house.file.write_bytes(before.encode())
    house.file.chmod(0o600)
    house.done("disable", "alice")
    house.done("enable", "alice")
    assert house.file.read_bytes().decode() == before


def test_changes_at_the_same_time(house: House) -> None:
    """Each waits for the other, and none is lost."""
    settings = usual_drop(house.folder, house.folder / "state")

    def add(number: int) -> None:
        name = f"a{number}"

        def edit(text: str) -> str:
            return accounts_edit.add_account(text, name, {"disabled": True})

        accounts_change.change_accounts(settings, house.folder / "state", name, edit, local_zone())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    assert len(house.accounts()) == 16


def test_odd_layouts() -> None:
    """No newline at the end, an indented file, empty entries, scalars for lists, blocks at the end."""
    assert accounts_edit.add_account("a:\n  x: 1", "b", {"y": True}) == "a:\n  x: 1\nb:\n  y: true\n"
    assert accounts_edit.add_account("  a:\n    x: 1\n", "b", {"y": "no"}) == '  a:\n    x: 1\n  b:\n    y: "no"\n'
    assert accounts_edit.add_to_list("a:\n  k: one", "a", "k", "two") == "a:\n  k: [one, two]"
    assert accounts_edit.add_to_list("a:\n  k:\n  - one", "a", "k", "two") == "a:\n  k:\n  - one\n  - two\n"
    assert accounts_edit.add_to_list("a: {k: []}", "a", "k", "x y") == 'a: {k: ["x y"]}'
    assert accounts_edit.remove_from_list("a:\n  k: one # c\n", "a", "k", 0) == "a:\n  k: [] # c\n"
    assert accounts_edit.remove_from_list("a:\n  k:\n    # c\n    - one # d\n", "a", "k", 0) == "a:\n  k: [] # d\n"
    assert accounts_edit.remove_value("a:\n  k: true\n", "a", "k") == "a:\n  k: false\n"
    assert accounts_edit.remove_value("a:\n  k: true\n", "a", "z") == "a:\n  k: true\n"
    assert accounts_edit.set_value("a:\n  k:\n  z: 1\n", "a", "k", "v") == "a:\n  k: v\n  z: 1\n"
    assert accounts_edit.remove_account("a:\n  x: 1\n  # in a\n\n  # too\n# not\nb: {}\n", "a") == "# not\nb: {}\n"
    for text in ("- a", "a: 1", "a: [1]", "b: {}", "", "a:\n\tb: 1", "a: {}\n---\n"):
        with pytest.raises(OperatorError):
            accounts_edit.set_value(text, "a", "k", "v")
    with pytest.raises(OperatorError, match="cannot be changed here"):
        accounts_edit.set_value("a:\n  k: |\n    x\n", "a", "k", "v")
