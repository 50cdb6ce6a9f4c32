"""A private CA in a folder, whose certificates real programs load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway import clock
from tests.made_certificates import CLIENT, SERVER, make


@dataclass(frozen=True)
class Certificate:
    """The files of one certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A CA whose files stand in `folder`: `ca.pem` for those who trust it."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        """Make the CA."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._root = make(clock.now(), common_name=name, authority=True)
        self.certificate, _ = self._root.write(folder, "ca")

    def issue(self, name: str, *names: str, days: tuple[float, float] = (-1, 30)) -> Certificate:
        """Issue a certificate for clients and servers; the files are called `name`.

        Args:
            name: the common name, and an alternative name too.
            names: more alternative names, DNS names and addresses.
            days: from when to when it is valid, counted from now.
        """
        made = make(
            clock.now(), common_name=name, names=[name, *names], usage=[CLIENT, SERVER], issuer=self._root, days=days
        )
        return Certificate(*made.write(self._folder, name))
