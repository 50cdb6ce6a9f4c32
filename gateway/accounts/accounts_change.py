"""Changes to the accounts file that either happen as a whole and as meant, or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from pathlib import Path

from gateway.accounts.accounts_file import AccountsFile, read_accounts, read_accounts_text
from gateway.drop_config import DropSettings
from gateway.files import stamp_of
from parsers.errors import OperatorError, Place

BYTE_ORDER_MARK = "\ufeff"


def change_accounts(
    settings: DropSettings, state: Path, name: str, edit: Callable[[str], str], zone: tzinfo
) -> tuple[OperatorError, ...]:
    """Change what the accounts file says of one account; return what is doubtful in it since.

    Args:
        settings: says where the file is, and what accounts have that do not say otherwise.
        state: the gateway's state folder; a file that root makes is to belong to that folder's owner, who reads it.
        name: the account's.
        edit: takes the file's text and returns the new one.
        zone: in which dates are meant.

    Raises:
        OperatorError: the file would not load after the change, or the change would reach other accounts, or the file
            cannot be written; nothing is changed then.
    """
    file = settings.accounts.resolve()  # a link stays one
    try:
        with _alone(file.parent):
            return _change(file, settings, state, name, edit, zone)
    except OSError as error:
        advice = "; be root, or whom it belongs to" if isinstance(error, PermissionError) else ""
        problem = f"the accounts file cannot be written: {error.strerror}{advice}"
        raise OperatorError(problem, Place(str(settings.accounts))) from None


def _change(
    file: Path, settings: DropSettings, state: Path, name: str, edit: Callable[[str], str], zone: tzinfo
) -> tuple[OperatorError, ...]:
    place = Place(str(settings.accounts))
    stamp = stamp_of(file)
    before = read_accounts(settings, zone)
    text = _edited(b"" if before.missing else file.read_bytes(), edit)
    try:
        after = read_accounts_text(text, settings, zone)
    except OperatorError as error:
        after = AccountsFile({}, (error,))
    if after.errors:
        words = "does not load; mend this first" if before.errors else "would not load any more"
        problem = f"nothing was changed, for the accounts file {words}:\n"
        raise OperatorError(problem + "\n".join(map(str, after.errors)))
    others = {key: value for key, value in before.accounts.items() if key != name}
    if others != {key: value for key, value in after.accounts.items() if key != name}:
        raise OperatorError("nothing was changed, for that would change other accounts too; do it by hand", place)
    _replace(file, text.encode(), state, stamp)
    known = {warning.problem for warning in before.warnings}
    return tuple(warning for warning in after.warnings if warning.problem not in known)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let other such changes wait."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _edited(data: bytes, edit: Callable[[str], str]) -> str:
    """Edit a text; a byte order mark and the line ends of Windows stay where they were."""
    text = data.decode()
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    windows = "\r\n" in text
    edited = edit(text.removeprefix(mark).replace("\r\n", "\n"))
    return mark + (edited.replace("\n", "\r\n") if windows else edited)


def _replace(file: Path, data: bytes, state: Path, stamp: tuple[int, int, int]) -> None:
    """Put a file in the place of another, whole and on disk; it keeps its owner and mode, and never gets wider."""
    there = file.stat() if file.exists() else None
    owner = there or next((folder.stat() for folder in (state, file.parent) if folder.is_dir()), None)
    mode = stat.S_IMODE(there.st_mode) if there else 0o600
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if owner is not None and (owner.st_uid, owner.st_gid) != _ids(descriptor):
                _give(descriptor, owner, must=there is not None)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if stamp_of(file) != stamp:
            raise OperatorError("the accounts file was changed by somebody else just now; try again", Place(str(file)))
        part.replace(file)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _ids(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_uid, found.st_gid


def _give(descriptor: int, owner: os.stat_result, *, must: bool) -> None:
    """Give a file to whom the one before belonged; a new one only where we may."""
    try:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except PermissionError:
        if must:
            raise
