"""The files that a configuration names beside rules: certificates, keys, accounts; what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.commands.findings import Finding, finding_of
from gateway.config import Config
from parsers.errors import OperatorError, Place


def files_beside(config: Config) -> Iterator[Finding]:
    """Yield what would keep a source, a mail or a login from working, and what others than the owner can reach."""
    yield from _broken_tls(config)
    yield from _broken_drop_box(config)
    yield from _broken_outgoing(config)
    yield from _open_files(config)


def _broken_tls(config: Config) -> Iterator[Finding]:
    """Yield why a listener with TLS could not start: a key of another certificate, an expired certificate."""
    from gateway import clock
    from gateway.drop_source_config import FtpSource
    from gateway.source_config import TlsSource
    from gateway.tls_context import server_context
    from gateway.trust import PolicyKind

    for source in config.sources:
        if not isinstance(source, TlsSource | FtpSource) or not source.certificates:
            continue
        try:
            if isinstance(source, FtpSource):
                server_context(source.certificates, None, now=clock.now(), clients=False)
            else:
                pinned = source.peers.pins_certificate if source.peers.kind is PolicyKind.FINGERPRINT else None
                server_context(source.certificates, source.client_ca, now=clock.now(), pinned=pinned)
        except OperatorError as error:
            file = error.place.file if error.place else ""
            problem = f"{file}: {error.problem}" if file else error.problem
            if (
                error.problem.startswith("there is no usable PEM key")
                and (Path(file), Path(file)) in source.certificates
            ):
                problem = f'the key "key" is missing, and {file} holds no private key itself'
            yield Finding("error", f"{source.name}: {problem}", source.place)


def _broken_drop_box(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with host keys, with accounts, and with the keys of those who sign."""
    from gateway.accounts.accounts_file import read_accounts
    from gateway.checks.signers import read_signers
    from gateway.drop_source_config import FtpSource, SftpSource
    from gateway.file_source_config import FilesSource
    from gateway.host_keys import load_host_keys
    from gateway.zone import local_zone

    signers = [file for source in config.sources if isinstance(source, FilesSource) for file in source.checks.signers]
    for source in config.sources:
        if isinstance(source, SftpSource):
            try:
                load_host_keys(source.host_keys)
            except OperatorError as error:
                yield Finding("error", f"{source.name}: {error}", source.place)
    if any(isinstance(source, FtpSource | SftpSource) for source in config.sources):
        accounts = read_accounts(config.drop, local_zone())
        yield from (finding_of("error", error, config.folder) for error in accounts.errors)
        yield from (finding_of("warning", warning, config.folder) for warning in accounts.warnings)
        if not accounts.accounts and not accounts.errors:
            words = "there is no account yet, so that nobody can upload; `gateway account add NAME` makes one"
            yield Finding("note", words, Place(str(config.drop.accounts)))
        signers += [file for account in accounts.accounts.values() for file in account.terms.checks.signers]
    for file in dict.fromkeys(signers):
        try:
            read_signers(file)
        except OperatorError as error:
            yield finding_of("error", error, config.folder)


def _broken_outgoing(config: Config) -> Iterator[Finding]:
    """Say which mail server or destination every mail or message would fail at."""
    from gateway.outgoing.service import flaws

    for flaw in flaws(config.mail, config.destinations):
        yield finding_of("error", flaw, config.folder)


def _open_files(config: Config) -> Iterator[Finding]:
    """Yield the secrets that others than their owner can reach, and the files by which others could start processes."""
    from gateway.drop_source_config import FtpSource, SftpSource
    from gateway.source_config import TlsSource

    encrypted = (source for source in config.sources if isinstance(source, TlsSource | FtpSource))
    keys = [key for source in encrypted for _, key in source.certificates]
    keys += [key for source in config.sources if isinstance(source, SftpSource) for key in source.host_keys]
    for key in dict.fromkeys(keys):
        if _mode(key) & 0o077 and _holds_key(key):
            problem = f"others than its owner can reach this private key (mode {_mode(key):04o}); chmod 0600"
            yield Finding("warning", problem, Place(str(key)))
    for file in (config.path, *config.rules):
        if _mode(file) & 0o022:
            problem = (
                f"others than its owner can write this file (mode {_mode(file):04o}), and whoever writes it starts "
                "processes as the gateway's user; chmod go-w"
            )
            yield Finding("warning", problem, Place(str(file)))


def _holds_key(file: Path) -> bool:
    # without `key`, the certificate's own file is the key's, and may hold none
    try:
        return b"PRIVATE KEY" in file.read_bytes()
    except OSError:
        return True


def _mode(file: Path) -> int:
    try:
        return file.stat().st_mode & 0o7777
    except OSError:
        return 0  # whoever has to read it says that it is not there
