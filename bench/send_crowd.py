"""Many FTP clients at once that upload many small files each, in one process: `python -m bench.send_crowd`.

Each client logs in, makes a folder of its own, and uploads one file after the other into it, each over a data
connection of its own, as FTP has it; over TLS each of those begins with a handshake. What it counts it prints as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

from bench.upload_servers import ACCOUNT
from tests.end_to_end.drop_box import PASSWORD

HOST = "127.0.0.1"
OPENED = re.compile(rb"\(\|\|\|([0-9]+)\|\)")


@dataclass
class Counts:
    """What came of it.

    Attributes:
        stored: files that were answered with 226.
        problems: how often something went wrong, by its words.
        login_seconds: until all had logged in.
        seconds: from then on until all were done.
        slowest: seconds of the slowest file.
        cpu: the clients' own CPU seconds of the uploads.
    """

    stored: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    login_seconds: float = 0.0
    seconds: float = 0.0
    slowest: float = 0.0
    cpu: float = 0.0


class _Data(asyncio.Protocol):
    """One data connection: sends the file, ends the stream, and fires when the server has ended it too."""

    def __init__(self, octets: bytes, done: asyncio.Future[None]) -> None:
        self._octets = octets
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send all; close sends close_notify over TLS."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._octets)
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- 226 says whether all is well
        """Tell."""
        if not self._done.done():
            self._done.set_result(None)


class _Client:
    """One client."""

    def __init__(self, number: int, port: int, octets: bytes, context: ssl.SSLContext | None, counts: Counts) -> None:
        self._folder = f"client-{number:03}"
        self._port = port
        self._octets = octets
        self._context = context
        self._counts = counts
        self._loop = asyncio.get_running_loop()

    async def log_in(self) -> None:
        """Connect, log in, and go into a new folder."""
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        await self._answer("220")
        if self._context is not None:
            await self._say("AUTH TLS", "234")
            await self._writer.start_tls(self._context, server_hostname="localhost")
            await self._say("PBSZ 0", "200")
            await self._say("PROT P", "200")
        await self._say(f"USER {ACCOUNT}", "331")
        await self._say(f"PASS {PASSWORD}", "230")
        await self._say("TYPE I", "200")
        await self._say(f"MKD {self._folder}", "257")
        await self._say(f"CWD {self._folder}", "250")

    async def upload(self, files: int) -> None:
        """Upload so many files, and leave."""
        counts, name = self._counts, "localhost" if self._context else None
        for number in range(files):
            begun = time.monotonic()
            opened = OPENED.search(await self._say("EPSV", "229"))
            if opened is None:
                raise ValueError("EPSV's reply names no port")
            port, done = int(opened[1]), self._loop.create_future()
            self._writer.write(f"STOR {number:06}.dat\r\n".encode())

            def data(done: asyncio.Future[None] = done) -> _Data:
                return _Data(self._octets, done)

            await self._loop.create_connection(data, HOST, port, ssl=self._context, server_hostname=name)
            await self._answer("150")
            await self._answer("226")
            await done
            counts.stored += 1
            counts.slowest = max(counts.slowest, time.monotonic() - begun)
        await self._say("QUIT", "221")
        self._writer.close()

    async def _say(self, line: str, code: str) -> bytes:
        self._writer.write(f"{line}\r\n".encode())
        return await self._answer(code)

    async def _answer(self, code: str) -> bytes:
        while True:
            line = await self._reader.readline()
            if not line:
                raise ConnectionError("the server closed the connection")
            if line[:3].isdigit() and line[3:4] != b"-":
                break
        if line[:3] != code.encode():
            raise ConnectionError(f"{line.decode().strip()} in place of {code}")
        return line


async def crowd(port: int, clients: int, files: int, size: int, context: ssl.SSLContext | None) -> Counts:
    """Let so many clients upload so many files each; they begin when all have logged in and a line comes in."""
    counts = Counts()
    octets = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    everyone = [_Client(number, port, octets, context, counts) for number in range(clients)]

    async def tried(work: Awaitable[None]) -> bool:
        try:
            await work
        except (OSError, ValueError) as error:
            counts.problems[f"{type(error).__name__}: {error}"] += 1
            return False
        return True

    begun = time.monotonic()
    inside = await asyncio.gather(*(tried(client.log_in()) for client in everyone))
    counts.login_seconds = time.monotonic() - begun
    print("logged in", flush=True)
    sys.stdin.readline()
    begun, before = time.monotonic(), time.process_time()
    await asyncio.gather(*(tried(each.upload(files)) for each, is_in in zip(everyone, inside, strict=True) if is_in))
    counts.seconds, counts.cpu = time.monotonic() - begun, time.process_time() - before
    return counts


def main() -> None:
    """Upload, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.send_crowd", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024, help="octets of each file")
    parser.add_argument("--authority", type=Path, help="over TLS, with servers that it vouches for")
    arguments = parser.parse_args()
    context = ssl.create_default_context(cafile=arguments.authority) if arguments.authority else None
    counts = asyncio.run(crowd(arguments.port, arguments.clients, arguments.files, arguments.size, context))
    print(json.dumps(dataclasses.asdict(counts)))


if __name__ == "__main__":
    main()
