"""Ask a running gateway at its control socket; plain blocking sockets, for commands."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gateway.control.standings import standings_from
from gateway.control.values import (
    Change,
    Choice,
    EntryPage,
    EntryQuery,
    JobDetails,
    JobPage,
    JobQuery,
    OpenPage,
    OpenQuery,
)
from gateway.control.wire import MAX_ANSWER, SOCKET, WireError, line, read_line, short_way
from parsers.errors import OperatorError
from rules.standing import Standing

PATIENCE = 60.0
"""Seconds to wait for an answer: a change waits for the disk, which may be full for a while."""


_NOT_UNDERSTOOD = "the gateway's answer is not to be understood; is it another version?"

T = TypeVar("T")


class NotRunningError(Exception):
    """Nobody listens at the control socket."""


class GoneError(OperatorError):
    """The gateway ended the connection before it had answered."""


class Running:
    """The gateway that runs on a state folder.

    Raises:
        NotRunningError: none does, as far as the socket says.
        OperatorError: whoever asks may not, or the gateway does not answer.
    """

    running = True

    def __init__(self, state: Path) -> None:
        self._path = state / SOCKET
        self._rest = bytearray()
        self._asked = False
        self._socket = self._connect()

    def jobs(self, query: JobQuery) -> JobPage:
        """Return some jobs, the newest first."""
        return self._ask("jobs", JobPage.from_dict, query=query.to_dict())

    def job(self, prefix: str) -> JobDetails:
        """Return everything about the job whose id begins so."""
        return self._ask("job", JobDetails.from_dict, id=prefix)

    def retry(self, choice: Choice) -> list[Change]:
        """Do jobs again."""
        return self._ask("retry", _changes, once=True, choice=choice.to_dict())

    def cancel(self, choice: Choice) -> list[Change]:
        """End jobs, or take them from those that wait."""
        return self._ask("cancel", _changes, once=True, choice=choice.to_dict())

    def open_states(self, query: OpenQuery) -> OpenPage:
        """Return some open states, the newest first."""
        return self._ask("open", OpenPage.from_dict, query=query.to_dict())

    def close_state(self, rule: str | None, key: tuple[str, ...]) -> Change:
        """Undo an open state now."""
        return self._ask("close", Change.from_dict, once=True, rule=rule, key=list(key))

    def hold(self, rule: str, *, paused: bool) -> Change:
        """Let the jobs of a rule wait from now on, or go on."""
        return self._ask("hold", Change.from_dict, once=True, rule=rule, paused=paused)

    def entries(self, query: EntryQuery) -> EntryPage:
        """Return some of the journal."""
        return self._ask("entries", EntryPage.from_dict, query=query.to_dict())

    def wait(self, upcoming: int) -> int:
        """Return the number of the next message to come, once it is greater than `upcoming`; as long as that takes."""
        return self._ask("wait", int, forever=True, upcoming=upcoming)

    def status(self) -> Mapping[str, Any]:
        """Return what runs and waits."""
        return self._ask("status", dict)

    def standings(self, questions: Sequence[Mapping[str, Any]]) -> list[Standing]:
        """Return how rules stand for keys, in the order of the questions (`gateway.control.standings.portions`)."""
        found = self._ask("standings", lambda values: standings_from(values["standings"]), questions=questions)
        if len(found) != len(questions):
            raise OperatorError(f"{_NOT_UNDERSTOOD} ({len(found)} answers to {len(questions)} questions)")
        return found

    def end(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.settimeout(PATIENCE)
        try:
            with short_way(self._path) as way:
                connection.connect(way)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            connection.close()
            raise NotRunningError from None
        except PermissionError:
            connection.close()
            raise OperatorError(not_allowed(self._path)) from None
        except OSError as error:
            connection.close()
            raise OperatorError(f"{self._path}: the gateway does not answer: {error.strerror or error}") from None
        return connection

    def _ask(
        self, what: str, read: Callable[[Any], T], *, once: bool = False, forever: bool = False, **values: Any
    ) -> T:
        question = line({"ask": what, **values})
        patience = None if forever else PATIENCE
        try:
            answer = self._exchange(question, patience)
        except GoneError:
            if once or not self._asked:
                raise
            # it ends connections that ask nothing for a while
            answer = self._exchange_anew(question, patience)
        self._asked = True
        if "error" in answer:
            raise OperatorError(str(answer["error"]))
        try:
            return read(answer["answer"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise OperatorError(f"{_NOT_UNDERSTOOD} ({type(error).__name__}: {error})") from None

    def _exchange_anew(self, question: bytes, patience: float | None) -> dict[str, Any]:
        self.end()
        self._rest.clear()
        try:
            self._socket = self._connect()
            return self._exchange(question, patience)
        except (NotRunningError, GoneError):
            raise GoneError("the gateway has ended") from None

    def _exchange(self, question: bytes, patience: float | None) -> dict[str, Any]:
        self._socket.settimeout(patience)
        try:
            with suppress(BrokenPipeError):  # it may have said why before it went
                self._socket.sendall(question)
            while (end := self._rest.find(b"\n")) < 0:
                received = self._socket.recv(1 << 18)
                if not received:
                    raise GoneError("the gateway ended the connection before it had answered")
                self._rest += received
                if len(self._rest) > MAX_ANSWER:
                    raise OperatorError("the gateway's answer is too long; is it another version?")
        except ConnectionResetError:
            raise GoneError("the gateway ended the connection before it had answered") from None
        except TimeoutError:
            raise OperatorError(f"the gateway has not answered for {patience:g} seconds; its log may say why") from None
        text = bytes(self._rest[:end])
        del self._rest[: end + 1]
        try:
            return read_line(text)
        except WireError as error:
            raise OperatorError(f"{_NOT_UNDERSTOOD} ({error})") from None


def _changes(values: Any) -> list[Change]:
    return list(map(Change.from_dict, values))


def not_allowed(path: Path) -> str:
    """Say who may look inside a gateway whose files are out of reach."""
    owner = "its owner"
    for place in (path, *path.parents):
        with suppress(OSError):
            uid = place.stat().st_uid
            owner = f"user {_name_of(uid)}"
            break
    you = _name_of(os.geteuid())
    return f"{path}: permission denied; only {owner} and root may look inside this gateway, and you are {you}"


def _name_of(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
