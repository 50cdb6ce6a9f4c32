"""What rules are told about the events of the drop box is what its protocols say of their connections."""

from __future__ import annotations

import re
from pathlib import Path

import gateway
from rules.own_events import DROP, KINDS


def test_what_is_said_of_a_connection_is_known() -> None:
    """Each event of the drop box may have all that FTP and SFTP put into `Client.fields`."""
    folder = Path(gateway.__file__).parent
    files = [*(folder / "sources" / "ftp").glob("*.py"), *(folder / "sources" / "sftp").glob("*.py")]
    named = {name for file in files for name in re.findall(r'"((?:tls|ssh)\.[a-z_]+)"', file.read_text())}
    assert named > {"tls.version", "ssh.kex"}
    assert all(named <= kind.fields for kind in KINDS if kind.dataset == DROP)
