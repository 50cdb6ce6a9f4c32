"""A gateway with a drop box for tests: FTP and SFTP on free ports, accounts, and a look at what came."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.drop.account import OWN_FOLDER
from gateway.host_keys import host_key_files, make_host_keys
from gateway.jobs.blocks import Entry
from gateway.jobs.database import Database
from rules.own_events import DROP, FILES
from tests.end_to_end.certificates import Authority
from tests.end_to_end.gateway_process import GatewayProcess, Rule, Source
from tests.end_to_end.upload_clients import Server

PASSWORD = "correct horse battery staple"
CHEAP_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A password is hashed by what is usual for the gateway elsewhere; here a login is to take no time."""

Event = dict[str, Any]
Accounts = Mapping[str, Mapping[str, object]]


class DropFiles:
    """What a drop box needs in the folder of a gateway, and what comes to stand there.

    Args:
        folder: the gateway's.
        authority: issues the certificate.
        accounts: what each account has beside a password (PASSWORD) and a key, which are everybody's.

    Attributes:
        sources: `ftp`, `ftp6` (where there is IPv6) and `sftp`, on loopback.
        drop: what `drop:` holds in the configuration.
        identity: the file of the private SSH key.
        known_hosts: what OpenSSH wants to know of the host keys.
    """

    def __init__(self, folder: Path, authority: Authority, accounts: Accounts) -> None:
        """Write certificate, keys and accounts."""
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = authority.certificate
        self.identity, public = _write_identity(folder)
        keys = folder / "ssh"
        keys.mkdir()
        make_host_keys(keys)
        host_keys = host_key_files(keys)
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text("".join(f"* {key.with_suffix('.pub').read_text()}" for key in host_keys))
        password = CHEAP_HASHER.hash(PASSWORD)
        self._accounts = folder / "accounts.yaml"
        self._accounts.touch(0o600)
        self._accounts.write_text(
            json.dumps({name: {"password": password, "keys": [public], **more} for name, more in accounts.items()})
        )
        server = authority.issue("localhost", "127.0.0.1", "::1")
        certificate: Source = {"certificate": str(server.certificate), "key": str(server.key)}
        self.sources: dict[str, Source] = {
            "ftp": {"ftp": "127.0.0.1:0", **certificate},
            "ftp6": {"ftp": "[::1]:0", **certificate},
            "sftp": {"sftp": "127.0.0.1:0", "host_key": [str(key) for key in host_keys]},
        }
        if not _has_ipv6():
            del self.sources["ftp6"]
        self.drop = {"login": {"tries": 3, "delay": "20ms"}}
        self._folder = folder / "state" / "drop"
        self._journal = folder / "state" / "journal"

    def server(self, gateway: GatewayProcess, account: str) -> Server:
        """Return what a client of this account needs to know, now that the gateway listens."""
        return Server(
            gateway.port("ftp"),
            gateway.port("ftp6") if "ftp6" in self.sources else None,
            gateway.port("sftp"),
            account,
            PASSWORD,
            self.authority,
            self.identity,
            self.known_hosts,
        )

    def visible(self, account: str) -> dict[str, Path]:
        """Return the files in an account's folder by their path in it; the gateway's own folder is left out."""
        folder = self._folder / account
        found: dict[str, Path] = {}
        for parent, folders, names in os.walk(folder):
            if Path(parent) == folder and OWN_FOLDER in folders:
                folders.remove(OWN_FOLDER)
            found |= {str((Path(parent) / name).relative_to(folder)): Path(parent) / name for name in names}
        return found

    def parts(self, account: str) -> list[str]:
        """Return what is in the folder of uploads under way."""
        folder = self._folder / account / OWN_FOLDER / "parts"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def quarantined(self, account: str) -> list[Path]:
        """Return the files of an account that are in quarantine."""
        folder = self._folder / "quarantine" / account
        return sorted(path for path in folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode))

    def events(self, since: int = 1) -> list[tuple[int, Event]]:
        """Return what the journal says of files and logins from a number on, each with its number in the journal."""
        database = Database.open(self._journal, readonly=True)
        try:
            entries = list(database.entries(since))
        finally:
            database.close()
        found = []
        for entry in entries:
            assert isinstance(entry, Entry), entry
            dataset = entry.message.origin.dataset
            if dataset in {DROP, FILES}:
                found.append((entry.number, {"event.dataset": dataset, **json.loads(entry.message.frame)}))
        return found

    def uploads(self) -> list[Event]:
        """Return the events of uploads that are complete."""
        return [event for _, event in self.events() if event["event.action"] == "upload-complete"]

    def uploads_by_name(self) -> dict[str, list[Event]]:
        """Return the same by the name of the file, without its folder."""
        found: dict[str, list[Event]] = {}
        for event in self.uploads():
            found.setdefault(event["file.name"], []).append(event)
        return found


class DropBox(GatewayProcess):
    """A gateway with a drop box.

    Args:
        folder: an empty folder.
        authority: issues its certificate.
        accounts: as `DropFiles`.
        rules: as `GatewayProcess`.
        sources: more sources.
        settings: other keys of the configuration.

    Attributes:
        files: what stands on disk.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        accounts: Accounts,
        rules: Sequence[Rule] = (),
        *,
        sources: Mapping[str, Source] | None = None,
        **settings: object,
    ) -> None:
        """Write the configuration."""
        self.files = DropFiles(folder, authority, accounts)
        super().__init__(folder, {**self.files.sources, **(sources or {})}, rules, drop=self.files.drop, **settings)

    def server(self, account: str) -> Server:
        """Return what a client of this account needs to know."""
        return self.files.server(self, account)

    def wait_for_upload(self, name: str) -> Event:
        """Wait for the event of a file, and return it.

        Raises:
            AssertionError: it did not come, or there are several.
        """
        self.wait_until(lambda: name in self.files.uploads_by_name(), f"the event of {name}")
        (event,) = self.files.uploads_by_name()[name]
        return event


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some octets, in hex."""
    return hashlib.sha256(content).hexdigest()


def _write_identity(folder: Path) -> tuple[Path, str]:
    """Make an SSH key; return the file of its private half, and the line that is its public half."""
    key = Ed25519PrivateKey.generate()
    file = folder / "id_ed25519"
    file.touch(0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return file, f"{key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} tests"


def _has_ipv6() -> bool:
    """Tell whether this machine has the address ::1; a container may be without."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
