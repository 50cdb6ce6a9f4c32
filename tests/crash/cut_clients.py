"""Clients that upload file after file until they are cut, and what cuts them: a relay between them and the server.

What a file holds is a function of its name, so that one that is not whole is recognised, whoever looks at it.
"""

from __future__ import annotations

import ftplib
import hashlib
import random
import selectors
import socket
import struct
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tests.end_to_end.programs import require
from tests.end_to_end.upload_clients import Server, Tls, curl_argv, ftp_context, ssh_options

SMALLEST, LARGEST = 1_000, 5_000_000
"""Octets of a file."""
PIECE = 32 * 1024
PAUSE = 0.0005
"""Seconds between two pieces, so that a file is on its way for some time."""
READ = 64 * 1024
PATIENCE = 20.0

Cut = Literal["rst", "fin"]


def new_name(prefix: str, chance: random.Random) -> str:
    """Return the name of a file, which holds its size; small ones are as frequent as large ones."""
    return f"{prefix}-{int(SMALLEST * (LARGEST / SMALLEST) ** chance.random())}"


def content_of(name: str) -> bytes:
    """Return what is in a file of this name."""
    return hashlib.shake_256(name.encode()).digest(int(name.rpartition("-")[2]))


class Relay:
    """Passes octets between one client and a port of this machine, until it is told to cut them.

    Args:
        port: where the server listens.
    """

    def __init__(self, port: int) -> None:
        """Listen for the client."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.port: int = self._listener.getsockname()[1]
        self._closed = False
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether nothing passes any more."""
        return not self._thread.is_alive()

    def cut(self, how: Cut) -> None:
        """Cut it: the server sees RST, or FIN after what has passed so far. Returns at once."""
        with suppress(OSError):
            self._wake.send(how.encode())

    def close(self) -> None:
        """Cut whatever is left, and wait for the end."""
        self._closed = True
        self.cut("rst")
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        with self._listener, self._wake, self._woken, selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            # a cut waits until there is something to cut: a server that nobody connects to would wait as well
            self._listener.settimeout(0.05)
            deadline = time.monotonic() + PATIENCE
            while not self._closed and time.monotonic() < deadline:
                with suppress(TimeoutError):
                    client = self._listener.accept()[0]
                    break
            else:
                return
            # an OSError is an end that is none of ours
            with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
                self._pass_on(selector, client, server)

    def _pass_on(self, selector: selectors.DefaultSelector, client: socket.socket, server: socket.socket) -> None:
        others = {client: server, server: client}
        for end in others:
            end.settimeout(PATIENCE)
            selector.register(end, selectors.EVENT_READ)
        while others:
            ready = {key.fileobj for key, _ in selector.select()}
            if self._woken in ready:
                if self._woken.recv(16).startswith(b"rst"):
                    _reset(server)
                else:
                    server.shutdown(socket.SHUT_WR)
                    server.settimeout(1.0)
                    while server.recv(READ):  # what is unread at a close would make it RST
                        pass
                _reset(client)
                return
            for end in [end for end in others if end in ready]:
                data = end.recv(READ)
                if data:
                    others[end].sendall(data)
                else:
                    selector.unregister(end)
                    others[end].shutdown(socket.SHUT_WR)
                    if len(selector.get_map()) == 1:
                        return  # both have ended


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


class Uploader(ABC):
    """Uploads files, one after the other.

    Attributes:
        begun: the names of the files that were begun, or may have been.
        acknowledged: those that the server said are there.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.acknowledged: set[str] = set()

    @property
    @abstractmethod
    def begun(self) -> set[str]:
        """The names of the files that were begun, or may have been."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether it has done all it was to do: on a slow machine nobody may have seen it at work."""

    @abstractmethod
    def start(self) -> None:
        """Begin."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for its end, which somebody has brought about, and read what was acknowledged."""

    @abstractmethod
    def close(self) -> None:
        """End whatever is left of it."""


class FtpUploader(Uploader):
    """Python's client; its control connection and its data connections go through relays.

    Attributes:
        control: the relay of the control connection, `data` that of the last data connection.
        stop: set: nothing more is begun.
        short: set: the client itself ends the file under way before its end, with FIN and without close_notify.
        polite: set: it ends it with close_notify instead, and closes the control connection without waiting.
    """

    def __init__(self, server: Server, names: Sequence[str], tls: Tls) -> None:
        super().__init__(names)
        self.control = Relay(server.ftp)
        self.data: Relay | None = None
        self.stop = threading.Event()
        self.short = threading.Event()
        self.polite = threading.Event()
        self._server = server
        self._tls: Tls = tls
        self._begun: set[str] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def begun(self) -> set[str]:
        """The names of the files that were begun."""
        return self._begun

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Wait for its end."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "a client hangs"

    def close(self) -> None:
        """Close its relays, which ends it."""
        self.stop.set()
        self.control.close()
        if self.data is not None:
            self.data.close()

    def cut_data(self, how: Cut) -> None:
        """Cut the data connection under way; when there is none, the next one, but wait for it no longer than a bit."""
        deadline = time.monotonic() + 0.5
        while (self.data is None or self.data.over) and time.monotonic() < deadline:
            time.sleep(0.0002)
        self.stop.set()
        if self.data is not None:
            self.data.cut(how)

    def _run(self) -> None:
        with suppress(*ftplib.all_errors), closing(_RelayedFtp(self, self._server, self._tls)) as ftp:
            ftp.connect("127.0.0.1", self.control.port)
            ftp.login(self._server.user, self._server.password)
            ftp.prot_p()
            for name in self.names:
                if self.stop.is_set():
                    break
                self._begun.add(name)
                self._upload(ftp, name)

    def _upload(self, ftp: ftplib.FTP_TLS, name: str) -> None:
        with ftp.transfercmd(f"STOR {name}") as connection, suppress(OSError):  # the reply says what came of it
            self._send(connection, content_of(name))
        if self.polite.is_set() and self.stop.is_set():
            ftp.close()
            return
        if ftp.voidresp().startswith("226"):
            self.acknowledged.add(name)

    def _send(self, connection: socket.socket, content: bytes) -> None:
        for start in range(0, len(content), PIECE):
            if self.short.is_set():
                connection.shutdown(socket.SHUT_WR)
                self.stop.set()
                return
            if self.polite.is_set():
                self.stop.set()
                break
            connection.sendall(content[start : start + PIECE])
            time.sleep(PAUSE)
        connection.unwrap()  # type: ignore[attr-defined]  # it is an SSLSocket: close_notify, and the server's


class _RelayedFtp(ftplib.FTP_TLS):
    """Connects to the data ports through relays."""

    def __init__(self, uploader: FtpUploader, server: Server, tls: Tls) -> None:
        super().__init__(context=ftp_context(server, tls), timeout=PATIENCE)
        self._uploader = uploader

    def makepasv(self) -> tuple[str, int]:
        """Return where the relay listens."""
        host, port = super().makepasv()
        self._uploader.data = Relay(port)
        return host, self._uploader.data.port


class ProgramUploader(Uploader):
    """A program that uploads files, which stand in a folder, and says on its standard error or output which are there.

    Args:
        folder: gets the files and the program's output.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        super().__init__(names)
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(content_of(name))
        self._folder = folder
        self._output = folder / "output"
        self._process: subprocess.Popen[str] | None = None

    @property
    def begun(self) -> set[str]:
        """All its files: any may have been begun."""
        return set(self.names)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._process is not None and self._process.poll() is not None

    @abstractmethod
    def argv(self) -> list[str]:
        """Return the program and its arguments."""

    def script(self) -> str:
        """Return its standard input."""
        return ""

    def start(self) -> None:
        """Begin."""
        script = self._folder / "script"
        script.write_text(self.script())
        with self._output.open("wb") as output, script.open() as commands:
            self._process = subprocess.Popen(
                self.argv(), stdin=commands, stdout=output, stderr=subprocess.STDOUT, cwd=self._folder, text=True
            )

    def kill(self) -> None:
        """Kill it with signal 9."""
        assert self._process is not None
        self._process.kill()

    def finish(self) -> None:
        """Wait for its end, and read what was acknowledged."""
        assert self._process is not None
        self._process.wait(PATIENCE)
        lines = self._output.read_text("utf-8", "replace").splitlines()
        self.acknowledged = {name for name in self.names if f"done {name}" in lines}

    def close(self) -> None:
        """Kill it, and remove what it was to upload."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for name in self.names:
            (self._folder / name).unlink()


class CurlUploader(ProgramUploader):
    """One run of curl with many files; curl says the code of the last reply of each."""

    def __init__(self, server: Server, folder: Path, names: Sequence[str], tls: Tls) -> None:
        super().__init__(folder, names)
        self._server = server
        self._tls: Tls = tls

    def argv(self) -> list[str]:
        """Return curl's arguments."""
        # what goes to standard error is not held back
        argv, url = curl_argv(
            self._server, "--write-out", "%{stderr}%{response_code} %{url_effective}\n", tls=self._tls
        )
        return argv + [word for name in self.names for word in ("--upload-file", name, url + name)]

    def finish(self) -> None:
        """Wait for its end, and read what was acknowledged."""
        super().finish()
        words = [line.split() for line in self._output.read_text("utf-8", "replace").splitlines()]
        self.acknowledged = {line[1].rpartition("/")[2] for line in words if len(line) == 2 and line[0] == "226"}


class SftpUploader(ProgramUploader):
    """OpenSSH's sftp with many `put`s, through a relay; it does the next command once a file is there."""

    def __init__(self, server: Server, folder: Path, names: Sequence[str]) -> None:
        super().__init__(folder, names)
        self.relay = Relay(server.sftp)
        self._server = server

    def argv(self) -> list[str]:
        """Return sftp's arguments."""
        options = ssh_options(replace(self._server, sftp=self.relay.port))
        return [require("sftp"), *options, "-b", "-", f"{self._server.user}@127.0.0.1"]

    def script(self) -> str:
        """Upload each, and say so."""
        return "".join(f"put {name}\n!echo done {name}\n" for name in self.names)

    def close(self) -> None:
        """Kill it, and close its relay."""
        super().close()
        self.relay.close()
