"""The accounts file: who may come into the drop box, as the operator and `gateway account` write it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from pathlib import Path

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError

from gateway.accounts.public_keys import PublicKeyError, fingerprint, parse_public_key
from gateway.drop.account import NAME, Account, Content, Demand, Right
from gateway.drop_config import DropSettings
from gateway.files import FileKind, file_kind
from gateway.terms_config import terms
from parsers.errors import OperatorError, Place
from rules.schema import Fields, Problems, Reader, as_one_or_more, mapping_of, scalar_of
from rules.strict_yaml import Node, ScalarNode, SequenceNode, parse, shown
from rules.values import as_bool, as_network, as_text

MAX_FILE = 16 * 1024**2
"""Octets: tens of thousands of accounts; more is the wrong file."""

MAX_MEMORY = 1024 * 1024
"""KiB that checking a password may need; a greater hash would let a login exhaust the machine."""

MAX_PASSES = 100

SHARED = ("quarantine", "processed")
"""Folders of the drop box that are no account's."""

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AccountsFile:
    """What an accounts file says, in the order of the file.

    Attributes:
        accounts: those that could be read; none of them counts as long as there are errors.
        missing: there is no such file.
        errors: each of them refuses the whole file.
        warnings: what works but probably is not meant.
    """

    accounts: Mapping[str, Account]
    errors: tuple[OperatorError, ...] = ()
    warnings: tuple[OperatorError, ...] = ()
    missing: bool = False


def read_accounts(settings: DropSettings, zone: tzinfo) -> AccountsFile:
    """Read the accounts file; one that is not there has no accounts.

    Args:
        settings: says where it is, and what accounts have that do not say otherwise.
        zone: in which `expires: 2027-01-31` is meant.
    """
    file = settings.accounts
    kind = file_kind(file)
    if kind is FileKind.MISSING:
        return AccountsFile({}, missing=True)
    try:
        if kind is not FileKind.REGULAR:
            raise OperatorError(f"the accounts file {kind.value}", Place(str(file)))
        return read_accounts_text(_text(file), settings, zone, mode=file.stat().st_mode)
    except OSError as error:
        problem = f"the accounts file cannot be read: {error.strerror}"
        return AccountsFile({}, (OperatorError(problem, Place(str(file))),))
    except OperatorError as error:
        return AccountsFile({}, (error,))


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OperatorError(f"this is larger than {MAX_FILE:,} octets; is it the accounts file?", Place(str(file)))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"the octet 0x{data[error.start]:02X} is no UTF-8; save the file as UTF-8"
        raise OperatorError(problem, Place(str(file), line, 1)) from None


def read_accounts_text(text: str, settings: DropSettings, zone: tzinfo, *, mode: int = 0o600) -> AccountsFile:
    """Read what stands in an accounts file; `mode` are the permission bits of the file that it stands in.

    Raises:
        OperatorError: it is no YAML, so that nothing else can be said.
    """
    file = str(settings.accounts)
    problems = Problems()
    root = parse(text, file)
    accounts = None if root is None else problems.attempt(root, _as_accounts(settings, zone))
    if mode & 0o044:
        problems.warn(
            f"others than its owner can read the passwords' hashes in it (mode {mode & 0o7777:04o}); chmod 0600",
            Place(file),
        )
    return AccountsFile(accounts or {}, problems.errors, problems.warnings)


def _as_accounts(settings: DropSettings, zone: tzinfo) -> Reader[dict[str, Account]]:
    def read(node: Node, problems: Problems) -> dict[str, Account]:
        if isinstance(node, SequenceNode):
            raise OperatorError("a mapping is wanted: the account's name, a colon, and below what it has", node.place)
        shared = {folder: _real(folder) for folder in (settings.folder / name for name in SHARED)}
        found: dict[str, Account] = {}
        places: dict[str, Place] = {}
        for entry in mapping_of(node).entries:
            if not NAME.fullmatch(entry.key):
                problems.error(
                    f"{shown(entry.key)} cannot be an account's name; use a-z, 0-9, - _ . and at most 64 of them",
                    entry.place,
                )
                continue
            reader = _AccountReader(entry.key, entry.place, settings, shared, zone)
            account = problems.attempt(entry.value, reader.read, entry.key)
            if account is not None:
                found[entry.key] = account
                places[entry.key] = reader.folder_place
        _refuse_nested(found, places, problems)
        return found

    return read


class _AccountReader:
    """Reads one entry; afterwards `folder_place` says where its folder stands."""

    def __init__(
        self, name: str, place: Place, settings: DropSettings, shared: Mapping[Path, Path], zone: tzinfo
    ) -> None:
        self.folder_place = place
        self._name = name
        self._place = place
        self._settings = settings
        self._shared = shared
        self._zone = zone

    def read(self, node: Node, problems: Problems) -> Account:
        settings = self._settings
        if isinstance(node, ScalarNode):  # it may be a password: an error must not show it
            raise OperatorError("what the account has is wanted here: key: value, each on its own line", node.place)
        with Fields(node, problems, self._name) as fields:
            if "folder" in fields:
                self.folder_place = fields.place_of("folder")
            given = {key: fields.place_of(key) for key in fields.left()}
            account = Account(
                name=self._name,
                folder=fields.take("folder", self._given_folder, None) or self._folder(self._name),
                password=fields.take("password", self._password, None),
                external=fields.take("external", as_bool(), default=False),
                keys=fields.take("keys", _keys, {}),
                networks=fields.take("networks", as_one_or_more(as_network()), ()),
                expires=fields.take("expires", self._expires, None),
                disabled=fields.take("disabled", as_bool(), default=False),
                anonymous=fields.take("anonymous", as_bool(), default=False),
                terms=terms(fields, settings.terms, settings.accounts.parent),
            )
        self._contradictions(account, given, problems)
        self._doubts(account, given, problems)
        return account

    def _given_folder(self, node: Node, problems: Problems) -> Path:
        text = as_text(r"(?s).+", "a folder")(node, problems)
        if ".." in Path(text).parts:
            raise OperatorError('".." leads out of the folder; write the whole path', node.place)
        if not text.isprintable():
            raise OperatorError(f"{shown(text)} has characters that cannot be seen", node.place)
        return self._folder(text)

    def _folder(self, path: str) -> Path:
        folder = Path(os.path.normpath(self._settings.folder / path))
        if file_kind(folder) not in {FileKind.MISSING, FileKind.FOLDER}:
            raise OperatorError(f"{folder} cannot be used: it is no folder, or cannot be reached", self.folder_place)
        real = _real(folder)
        for shared, real_shared in self._shared.items():
            if _overlap(real, real_shared):
                problem = (
                    f"{folder} is not one account's, but has files of all of them; write another one under `folder`"
                    if folder == shared
                    else f"{folder} and {shared}, which belongs to all accounts, are not apart"
                )
                raise OperatorError(problem, self.folder_place)
        return folder

    def _password(self, node: Node, problems: Problems) -> str:
        text = as_text(r"(?s).*", "a password's hash")(node, problems)
        advice = f"`gateway account password {self._name}` asks for one and writes it"
        if not text.startswith("$argon2"):
            known = next((name for begin, name in _OTHER_HASHES.items() if text.startswith(begin)), None)
            what = f"this is a hash of {known}, and only those of argon2 are read" if known else _PLAIN_PASSWORD
            raise OperatorError(f"{what}; {advice}", node.place)
        try:
            parameters = extract_parameters(text)
        except (InvalidHashError, ValueError):
            raise OperatorError(f"this hash of argon2 is damaged; {advice}", node.place) from None
        if parameters.memory_cost > MAX_MEMORY or parameters.time_cost > MAX_PASSES:
            raise OperatorError(f"each login with this hash would need too much memory or time; {advice}", node.place)
        return text

    def _expires(self, node: Node, problems: Problems) -> float:  # noqa: ARG002 -- a reader's signature
        return parse_expiry(scalar_of(node, "a date such as 2027-01-31").text, self._zone, node.place)

    def _contradictions(self, account: Account, given: Mapping[str, Place], problems: Problems) -> None:
        ways = [
            key
            for key, there in (
                ("password", "password" in given),
                ("external", account.external),
                ("anonymous", account.anonymous),
            )
            if there
        ]
        if len(ways) > 1:
            problems.error(
                f'"{ways[0]}" and "{ways[1]}" exclude each other: a password is judged in one way', given[ways[1]]
            )
        if account.external and self._settings.checker is None:
            problems.error(
                '"external": nothing judges its password; the configuration names a program under "checker" of "drop"',
                given["external"],
            )

    def _doubts(self, account: Account, given: Mapping[str, Place], problems: Problems) -> None:
        name = self._name
        can_log_in = account.external or account.anonymous or account.keys or "password" in given or "keys" in given
        if not can_log_in and not account.disabled:
            problems.warn(
                f"nobody can log in as {name}: `gateway account password {name}` or `gateway account key {name} FILE`",
                self._place,
            )
        rights = account.terms.rights
        if account.anonymous and Right.UPLOAD in rights and Right.READ in rights:
            problems.warn(
                f"{name}: strangers may upload and download here, and so exchange files through this machine",
                given["anonymous"],
            )
        if account.terms.content is Content.FILES:
            for key in ("after", "unpack"):
                if key in given:
                    problems.warn(
                        f'{name}: "{key}" is about logs, and means nothing without content: syslog', given[key]
                    )
        if "signers" in given and account.terms.checks.signature is Demand.OFF:
            problems.warn(f"{name}: signatures are not looked at; write signature: required", given["signers"])


_PLAIN_PASSWORD = "a password does not stand here as it is, but as a hash"  # noqa: S105 -- words about one

_OTHER_HASHES = {
    "$2": "bcrypt",
    "$1$": "crypt(5)",
    "$5$": "crypt(5)",
    "$6$": "crypt(5)",
    "$y$": "yescrypt",
    "$7$": "scrypt",
    "$scrypt$": "scrypt",
    "{SSHA": "an LDAP server",
}


def _keys(node: Node, problems: Problems) -> dict[bytes, str]:
    found: dict[bytes, str] = {}

    def read(item: Node, problems: Problems) -> None:
        line = as_text(r"(?s).*", "the line of a .pub file")(item, problems)
        try:
            blob, comment = parse_public_key(line)
        except PublicKeyError as error:
            raise OperatorError(str(error), item.place) from None
        if blob in found:
            raise OperatorError(f"this key ({fingerprint(blob)}) stands here twice", item.place)
        found[blob] = comment

    if isinstance(node, SequenceNode) and not node.items:
        return found
    for item in node.items if isinstance(node, SequenceNode) else (node,):
        problems.attempt(item, read)
    return found


def parse_expiry(text: str, zone: tzinfo, place: Place | None = None) -> float:
    """Read a date, whose whole day still counts, or a time as ISO 8601 writes it; in seconds since 1970.

    Raises:
        OperatorError: it is neither.
    """
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone).date()
            return datetime.combine(day + _ONE_DAY, time(), zone).timestamp()
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", text, re.ASCII):
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        pass
    raise OperatorError(
        f"a date such as 2027-01-31 or a time such as 2027-01-31T18:00 is wanted, not {shown(text)}", place
    )


def _refuse_nested(accounts: Mapping[str, Account], places: Mapping[str, Place], problems: Problems) -> None:
    """Refuse folders inside one another: one account would see, fill and be charged for what is another's.

    One folder for several accounts is fine, but by one name: what is done in it is kept apart by that. Sorted by their
    parts, a folder is followed by all that is below it, so that each is compared with few others.
    """
    real = {account.name: _real(account.folder) for account in accounts.values()}
    above: list[Account] = []
    for account in sorted(accounts.values(), key=lambda each: real[each.name].parts):
        while above and not _overlap(real[above[-1].name], real[account.name]):
            above.pop()
        if above and above[-1].folder != account.folder:
            other = above[-1]
            if real[other.name] == real[account.name]:
                problems.error(
                    f"{account.name}: {account.folder} is the folder of {other.name} by another name; "
                    f"write {other.folder}",
                    places[account.name],
                )
                continue
            inner, outer = sorted((account, other), key=lambda each: list(accounts).index(each.name), reverse=True)
            problems.error(
                f"{inner.name}: the folders {inner.folder} and {outer.folder} (of {outer.name}) are inside one another",
                places[inner.name],
            )
        above.append(account)


def _real(folder: Path) -> Path:
    """Return where a folder is when all links are followed."""
    return Path(os.path.realpath(folder))


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
