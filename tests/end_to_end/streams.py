"""Plain clients of our own, for what no real client does on demand: hold a connection and send when told."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from tests.end_to_end.clients import ClientTls


def connect(port: int, tls: ClientTls | None = None) -> socket.socket:
    """Open a connection to a port of 127.0.0.1."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    if tls is None:
        return connection
    context = ssl.create_default_context(cafile=tls.authority)
    context.load_cert_chain(tls.own.certificate, tls.own.key)
    return context.wrap_socket(connection, server_hostname=tls.server)


def shown_certificate(port: int, tls: ClientTls) -> bytes:
    """Return the certificate that a new connection is shown, as DER."""
    with connect(port, tls) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


def stored_certificate(file: Path) -> bytes:
    """Return the certificate in a PEM file, as DER."""
    return ssl.PEM_cert_to_DER_cert(file.read_text())
