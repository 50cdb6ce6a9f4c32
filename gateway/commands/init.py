"""`gateway init DIR`: makes a configuration, a private authority with certificates, and the state folder."""

from __future__ import annotations

import argparse
import shlex
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from parsers.errors import OperatorError, Place

HELP = "make a configuration, certificates and the state folder; never overwrites"

FIRST_CLIENT = "client1"
FIRST_ACCOUNT = "account1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names that only this machine can mean; every server certificate carries them, so that it can be tried out here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="where everything belongs, e.g. /etc/gateway")
    parser.add_argument(
        "--name",
        dest="names",
        metavar="HOST",
        nargs="+",
        action="extend",
        help="what clients call this server, the usual name first (default: this machine's names and addresses)",
    )
    parser.add_argument(
        "--client", metavar="NAME", help=f"the client whose certificate is made at once (default: {FIRST_CLIENT})"
    )


def run(args: argparse.Namespace) -> int:
    """Make what is missing and say what to do next; 1 when something could not be made."""
    making = _Making(args.folder)
    making.all(args.names, args.client)
    for words in making.problems:
        print(f"gateway init: {words}", file=sys.stderr)
    if making.problems:
        return 1
    _advise(args.folder)
    return 0


class _Making:
    """One run: what is made, what was there already, what could not be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tls = folder / "tls"
        self.problems: list[str] = []

    def all(self, names: list[str] | None, client: str | None) -> None:
        """Make everything; a part that fails does not keep the others from being made."""
        try:
            check_names(self.tls, [*(names or ()), *([client] if client else ())])
            _make_folder(self.folder)
        except OperatorError as error:
            self.problems.append(str(error))
            return
        self._attempt(self._configuration)
        self._attempt(self._rules)
        self._attempt(self._schemas)
        if self._attempt(self._authority):
            self._attempt(lambda: self._server(names))
            self._attempt(lambda: self._client(client))
        self._attempt(self._host_keys)
        self._attempt(self._state)
        self._attempt(self._account)

    def _attempt(self, make: Callable[[], None]) -> bool:
        try:
            make()
        except OperatorError as error:
            self.problems.append(str(error))
            return False
        return True

    def _configuration(self) -> None:
        from gateway import authority, sample

        file = self.folder / "gateway.yaml"
        if _there(file):
            return
        authority.write_new(file, sample.config_text(network=True).encode(), 0o644)
        _made(file, "the configuration, with a comment for each setting")

    def _rules(self) -> None:
        """Make the example rules, unless there is a folder for rules: whoever emptied it did not want them."""
        from gateway import authority, sample

        folder = self.folder / "rules"
        if _there(folder):
            return
        _make_folder(folder)
        for name, text in sample.rule_texts().items():
            authority.write_new(folder / name, text.encode(), 0o644)
            _made(folder / name, "an example to change")

    def _schemas(self) -> None:
        from gateway import authority, schema

        folder = self.folder / schema.FOLDER
        for name in schema.NAMES:
            file = folder / schema.file_name(name)
            if _there(file):
                continue
            _make_folder(folder)
            authority.write_new(file, schema.schema_text(name).encode(), 0o644)
            _made(file, "by this your editor completes and checks what you write")

    def _authority(self) -> None:
        from gateway import authority, clock

        file = self.tls / "ca.pem"
        if _there(file):
            return
        made = authority.create_authority(self.tls, f"event gateway on {socket.gethostname()}", clock.now())
        _made(made.certificate, "your own authority: clients know the server by it, and the server its clients")
        _made(made.key, "its key makes new certificates: keep it secret, and a copy in a safe place")

    def _server(self, names: list[str] | None) -> None:
        from gateway import authority, clock

        files = [self.tls / name for name in ("server.pem", "server-rsa.pem")]
        if all(map(_exists, files)):
            for file in files:
                _there(file)
            if names:
                print(
                    f"        --name was not used: for other names, move {self.tls}/server*.pem and .key away"
                    f" and type this again"
                )
            return
        names = list(dict.fromkeys([*(names or names_of_this_machine(self.tls)), *LOOPBACK]))
        for issued in authority.issue_server(self.tls, names, clock.now()):
            _made(issued.certificate, f"for {', '.join(names)}")

    def _client(self, name: str | None) -> None:
        from gateway import authority, clock

        others = sorted((self.tls / "clients").glob("*.pem"))
        if name is None and others:
            _there(others[0])
            return
        if _there(authority.client_files(self.tls, name or FIRST_CLIENT).certificate):
            return
        made = authority.issue_client(self.tls, name or FIRST_CLIENT, clock.now())
        _made(made.certificate, "a first client; `gateway onboard` makes those of your machines")

    def _host_keys(self) -> None:
        from gateway.host_keys import host_key_files, make_host_keys

        folder = self.folder / "ssh"
        files = host_key_files(folder)
        if True in list(map(_there, files)):
            return
        _make_folder(folder)
        for file in make_host_keys(folder):
            _made(file, "by this key SFTP clients know the server")

    def _account(self) -> None:
        """Make a first account of the drop box, unless there is a file of accounts, or no drop box."""
        from gateway.commands import main
        from gateway.config import load
        from gateway.drop_source_config import FtpSource, SftpSource

        file = self.folder / "gateway.yaml"
        try:
            config = load(file)
        except OperatorError:
            return  # `gateway check` tells why
        if not any(isinstance(source, FtpSource | SftpSource) for source in config.sources):
            return
        if _there(config.drop.accounts):
            return
        main(["account", "add", FIRST_ACCOUNT, "--generate", "--config", str(file)])

    def _state(self) -> None:
        folder = self.folder / "state"
        if _there(folder):
            return
        _make_folder(folder, 0o700)
        _made(folder, "what the gateway keeps")


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _there(path: Path) -> bool:
    """Tell whether a file is there already, and say so."""
    if _exists(path):
        print(f"kept    {path}")
        return True
    return False


def _made(path: Path, what: str) -> None:
    print(f"made    {path}  ({what})")


def _make_folder(folder: Path, mode: int = 0o755) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OperatorError("this is a file; name a folder", Place(str(folder))) from error
    except OSError as error:
        raise OperatorError(f"the folder cannot be made: {error.strerror}", Place(str(folder))) from error


def check_names(tls: Path, names: Iterable[str]) -> None:
    """Check the names that certificates are to carry, before anything is made.

    Raises:
        OperatorError: one is no host name and no IP address.
    """
    from gateway.authority import client_files

    for name in names:
        client_files(tls, name)


def names_of_this_machine(tls: Path) -> list[str]:
    """Return what clients may call this machine: its full name, its name, and the addresses it sends from."""
    host = socket.gethostname()
    candidates = [_full_name(host), host, *_addresses()]
    names: list[str] = []
    for name in candidates:
        try:
            check_names(tls, [name])
        except OperatorError:
            continue  # a name that no certificate can carry: my_host
        names.append(name.lower())
    # a full name first: `gateway onboard` gives clients the first one
    return list(dict.fromkeys(names))


def _full_name(host: str) -> str:
    """Return the name that the resolver gives this machine, its own name where it gives none."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)[0][3]
    except OSError:
        return host
    return found if "." in found and not found.startswith("localhost") else host


def _addresses() -> list[str]:
    """Return the addresses that this machine sends from, by asking for a route; nothing is sent."""
    found = []
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):  # RFC 5737, RFC 3849
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((anywhere, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue  # no network of this kind
    return found


def _advise(folder: Path) -> None:
    file = shlex.quote(str(folder / "gateway.yaml"))
    print(
        f"\nNext:\n"
        f"  gateway check {file}\n"
        f"  twistd -n --pidfile= gateway --config {file}\n"
        f"  gateway onboard web1 --for rsyslog --dir {shlex.quote(str(folder))}"
        f"    (web1 stands for a machine that is to send its log)"
    )
    if not _listens_with_tls(folder / "gateway.yaml"):
        print(
            f"\nThis configuration has no TLS listener yet, so that other machines cannot send. Under `sources:` of "
            f"{folder / 'gateway.yaml'} write:\n"
            "  syslog-tls:\n"
            '    tls: "0.0.0.0:6514"\n'
            "    certificate: [tls/server.pem, tls/server-rsa.pem]\n"
            "    key: [tls/server.key, tls/server-rsa.key]\n"
            "    client_ca: tls/ca.pem"
        )


def _listens_with_tls(file: Path) -> bool:
    """Tell whether a configuration has a TLS listener; one that does not load is for `gateway check` to tell of."""
    from gateway.config import load
    from gateway.source_config import TlsSource

    try:
        return any(isinstance(source, TlsSource) for source in load(file).sources)
    except OperatorError:
        return True
