"""The sender, a process of its own so that its CPU time is nobody else's: writes a generated log to one connection."""

from __future__ import annotations

import argparse
import contextlib
import socket
import ssl
from pathlib import Path

from bench.generate import block, by_lines, by_octet_counts


def main() -> None:
    """Send the blocks, and close when they are sent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("blocks", type=int)
    parser.add_argument("--share", type=float, required=True, help="of interesting messages")
    parser.add_argument("--octet-counts", action="store_true")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="that holds ca.pem, client.pem and client.key")
    arguments = parser.parse_args()
    frames = by_octet_counts if arguments.octet_counts else by_lines
    data = frames(block(share=arguments.share))
    connection = socket.create_connection(("127.0.0.1", arguments.port))
    if arguments.tls:
        context = ssl.create_default_context(cafile=arguments.tls / "ca.pem")
        context.load_cert_chain(arguments.tls / "client.pem", arguments.tls / "client.key")
        connection = context.wrap_socket(connection, server_hostname="localhost")
    for _ in range(arguments.blocks):
        connection.sendall(data)  # with TLS, OpenSSL makes the largest records of it: 16 KiB
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(OSError):  # rsyslog answers our close_notify by closing without its own
            connection = connection.unwrap()
    connection.close()


if __name__ == "__main__":
    main()
