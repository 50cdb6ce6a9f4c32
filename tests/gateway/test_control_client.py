"""Commands at the control socket: gateways that are gone, stopped, of another kind, or that cut off who is idle."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.control import client
from gateway.control.client import GoneError, NotRunningError, Running
from gateway.control.values import JobQuery
from gateway.control.wire import SOCKET
from parsers.errors import OperatorError

Serve = Callable[[socket.socket], None]


def answer(text: bytes) -> Serve:
    """Make a gateway that answers one question so."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(text)

    return serve


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return what starts a gateway that serves its connections one by one as told, and returns its state folder."""
    listening = socket.socket(socket.AF_UNIX)
    threads = []

    def start(*serves: Serve) -> Path:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()

        def run() -> None:
            for serve in serves:
                connection, _ = listening.accept()
                with connection:
                    serve(connection)

        threads.append(threading.Thread(target=run))
        threads[0].start()
        return tmp_path

    yield start
    for thread in threads:
        thread.join(5)
    listening.close()


def test_nobody_is_there(tmp_path: Path) -> None:
    """No socket, or one that was left behind."""
    with pytest.raises(NotRunningError):
        Running(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET))
    with pytest.raises(NotRunningError):
        Running(tmp_path)


def test_an_answer(gateway: Callable[..., Path]) -> None:
    """It may come in pieces."""

    def serve(connection: socket.socket) -> None:
        assert json.loads(connection.recv(1 << 16)) == {"ask": "status"}
        for octet in b'{"answer": {"running": 3}}\n':
            connection.sendall(bytes([octet]))

    inside = Running(gateway(serve))
    assert inside.status() == {"running": 3}
    inside.end()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"error": "no such job"}\n', "^no such job$"),
        (b"hello\n", "is not to be understood"),
        (b"{}\n", "is it another version"),
        (b'{"answer": {"jobs": 5}}\n', "is it another version"),
        (b'{"answer": {}}\n', "is it another version"),
        (b"", "ended the connection before it had answered"),
        (b'{"answer": ', "ended the connection before it had answered"),
    ],
)
def test_what_is_no_answer(gateway: Callable[..., Path], text: bytes, words: str) -> None:
    """One line for the operator, whatever it is."""
    inside = Running(gateway(answer(text)))
    with pytest.raises(OperatorError, match=words):
        inside.jobs(JobQuery())
    inside.end()


def test_a_gateway_that_does_not_answer(gateway: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience ends."""
    monkeypatch.setattr(client, "PATIENCE", 0.05)
    over = threading.Event()
    inside = Running(gateway(lambda _: over.wait(5) and None))
    with pytest.raises(OperatorError, match=r"has not answered for 0[.]05 seconds"):
        inside.status()
    over.set()
    inside.end()


def test_an_idle_connection_is_made_anew(gateway: Callable[..., Path]) -> None:
    """Who reads a long page is cut off meanwhile, and does not notice."""
    inside = Running(gateway(answer(b'{"answer": 1}\n'), answer(b'{"answer": 2}\n')))
    assert inside.wait(0) == 1
    assert inside.wait(1) == 2
    inside.end()


def test_a_change_is_never_asked_twice(gateway: Callable[..., Path]) -> None:
    """It may have been made though its answer is missing."""
    inside = Running(gateway(answer(b'{"answer": 1}\n')))
    assert inside.wait(0) == 1
    with pytest.raises(GoneError, match="before it had answered"):
        inside.close_state(None, ("key",))
    inside.end()


def test_a_gateway_that_ends(gateway: Callable[..., Path], tmp_path: Path) -> None:
    """Between two questions."""
    inside = Running(gateway(answer(b'{"answer": 1}\n')))
    assert inside.wait(0) == 1
    (tmp_path / SOCKET).unlink()
    with pytest.raises(GoneError, match="the gateway has ended"):
        inside.wait(1)
    inside.end()
