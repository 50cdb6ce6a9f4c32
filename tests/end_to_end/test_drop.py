"""Real FTP and SFTP clients upload to a real gateway: each file is there as it was sent, and is one event."""

from __future__ import annotations

import ftplib
import gzip
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.certificates import Authority
from tests.end_to_end.clients import HOST, PID, PROGRAM, failed_logins
from tests.end_to_end.drop_box import DropBox, Event, sha256
from tests.end_to_end.gateway_process import RULE_OF_FIVE, Rule
from tests.end_to_end.upload_clients import (
    TLS_VERSIONS,
    Ended,
    Tls,
    curl,
    ftplib_session,
    ftplib_store,
    lftp,
    scp,
    sftp,
    sftp_with_password,
    ways,
)

IMPORTS: Rule = {
    "rule": "imports",
    "match": {"event.dataset": "drop", "event.action": "upload-complete", "file.path": {"glob": "*/imports/*"}},
}
ACCOUNTS: dict[str, dict[str, object]] = {
    "web": {},
    "reader": {"rights": ["upload", "folders", "list"]},
    "logs": {"content": "syslog"},
    "strict": {"checksum": "required"},
}
WAYS = list(ways())
NAMES = [f"{client} {tls}".strip() for client, tls in WAYS]
ATTACKER = "192.0.2.77"
MODIFIED = 1_700_000_000


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[DropBox]:
    """A gateway for all tests here, so each uses names of its own."""
    folder = tmp_path_factory.mktemp("drop")
    (folder / "incoming").mkdir()
    watched = {"files": str(folder / "incoming"), "quiet": "100ms"}
    with DropBox(folder / "gateway", authority, ACCOUNTS, sources={"incoming": watched}) as box:
        box.write_rules(
            [
                {**RULE_OF_FIVE, "do": box.recorder("banned", "${source.ip}")},
                {**IMPORTS, "do": box.recorder("imported", "${file.path}", "${user.name}")},
            ]
        )
        box.reload()
        yield box


@pytest.fixture
def content() -> bytes:
    """Return some octets, more than a client's buffers hold at a time."""
    return random.Random(4).randbytes(400_000)


def written(file: Path, content: bytes) -> Path:
    """Write a file, and the folder that it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def arrived(box: DropBox, way: str, content: bytes, account: str = "web") -> Event:
    """Check that a file is there as it was sent, with one event that describes it; return the event.

    Whoever uploaded it was told so: nothing is waited for.
    """
    file = box.files.visible(account)[way]
    assert file.read_bytes() == content
    (event,) = [event for event in box.files.uploads() if event["file.path"] == str(file)]
    assert event["event.outcome"] == "success"
    assert event["event.dataset"] == "drop"
    assert event["user.name"] == account
    assert event["file.name"] == file.name
    assert event["file.size"] == len(content)
    assert event["file.hash.sha256"] == sha256(content)
    return event


def runs(box: DropBox, what: str) -> list[list[str]]:
    """Return the arguments of the runs that were recorded under this word."""
    return [run.arguments[1:] for run in box.runs() if run.arguments[0] == what]


@pytest.mark.parametrize(("client", "tls"), WAYS, ids=NAMES)
def test_client(box: DropBox, tmp_path: Path, content: bytes, client: str, tls: str) -> None:
    """Each client, with each version of TLS, uploads a file; the event says how it came."""
    file = written(tmp_path / f"{client.replace(', ', '-')}-{tls}.bin", content)
    assert ways()[client, tls](box.server("web"), file), client
    event = arrived(box, file.name, content)
    assert event["source.ip"] == ("::1" if "IPv6" in client else "127.0.0.1")
    if tls:
        assert event["network.protocol"] == "ftp"
        assert event["event.provider"] == ("ftp6" if "IPv6" in client else "ftp")
        assert event["tls.version"] == tls
        assert event["tls.cipher"]
    else:
        assert event["network.protocol"] == event["event.provider"] == "sftp"
        assert "OpenSSH" in event["ssh.client_version"]


@pytest.mark.parametrize("tls", TLS_VERSIONS)
def test_lftp_in_parallel_and_mirrored(box: DropBox, tmp_path: Path, tls: Tls) -> None:
    """Three connections of lftp share the files, and a tree is mirrored into folders that lftp makes."""
    tree = {f"{way}-{tls}": way.encode() * 5000 for way in ("a", "b", "c", "d", "sub/e", "sub/deeper/f")}
    folder = tmp_path / f"tree-{tls}"
    for way, content in tree.items():
        written(folder / way, content)
    flat = sorted(file for file in folder.iterdir() if file.is_file())
    ended = lftp(
        box.server("web"), "mput -P 3 " + " ".join(f'"{file}"' for file in flat), f'mirror -R "{folder}"', tls=tls
    )
    assert ended.returncode == 0, ended
    for file in flat:
        arrived(box, file.name, file.read_bytes())
    for way, content in tree.items():
        assert arrived(box, f"{folder.name}/{way}", content)["tls.version"] == tls


@pytest.mark.parametrize("copy", ["sftp", "scp"])
def test_tree_with_times(box: DropBox, tmp_path: Path, copy: str) -> None:
    """`sftp put -rp` and `scp -rp` bring a tree, and the files keep their times."""
    tree = {f"{copy}-{way}": way.encode() * 50_000 for way in ("1", "2", "sub/3")}
    folder = tmp_path / f"{copy}-tree"
    for way, content in tree.items():
        os.utime(written(folder / way, content), (MODIFIED, MODIFIED))
    if copy == "sftp":
        ended = sftp(box.server("web"), f'put -rp "{folder}"')
    else:
        ended = scp(box.server("web"), folder, options=["-r", "-p"])
    assert ended.returncode == 0, ended
    for way, content in tree.items():
        event = arrived(box, f"{folder.name}/{way}", content)
        assert event["file.mtime"] == "2023-11-14T22:13:20+00:00"
        assert Path(event["file.path"]).stat().st_mtime == MODIFIED


@pytest.mark.parametrize(
    ("resume", "words"),
    [
        (lambda box, file: curl(box.server("reader"), file, options=["-v", "-C", "5"]), "send the whole file"),
        (lambda box, file: curl(box.server("reader"), file, options=["-v", "--append"]), "send the whole file"),
        (lambda box, file: sftp(box.server("reader"), f'reput "{file}"'), "send the whole file"),
        (lambda box, file: lftp(box.server("reader"), f'put -c "{file}"'), "there is something of this name"),
    ],
    ids=["curl -C", "curl --append", "sftp reput", "lftp put -c"],
)
def test_resuming_is_refused(
    box: DropBox, tmp_path: Path, resume: Callable[[DropBox, Path], Ended], words: str, request: pytest.FixtureRequest
) -> None:
    """Nothing is put behind a file that is here; the client is told so in words, and the file stays as it was."""
    name = request.node.callspec.id.replace(" ", "")
    file = written(tmp_path / name, b"the first half\n")
    assert sftp(box.server("reader"), f'put "{file}"').returncode == 0
    file.write_bytes(b"the first half\nand the second\n")
    ended = resume(box, file)
    assert ended.returncode != 0
    assert words in ended.stderr
    arrived(box, name, b"the first half\n", "reader")


def test_a_client_that_gives_up_leaves_no_file(box: DropBox, tmp_path: Path) -> None:
    """Out of time, curl ends the data connection as politely as if it were done, and leaves."""
    file = written(tmp_path / "half", bytes(2_000_000))
    ended = curl(box.server("web"), file, options=["--limit-rate", "400k", "--max-time", "1"])
    assert ended.returncode == 28, ended
    box.wait_until(lambda: not box.files.parts("web"), "the end of the upload")
    assert file.name not in box.files.visible("web")
    assert file.name not in box.files.uploads_by_name()


@pytest.mark.parametrize("client", dict.fromkeys(client for client, _ in WAYS))
def test_overwriting_is_refused(box: DropBox, tmp_path: Path, client: str) -> None:
    """A name that is taken stays with its file, whoever asks for it how."""
    name = f"taken-{client.replace(', ', '-')}"
    ftplib_store(box.server("web"), written(tmp_path / name, b"first"))
    way = ways().get((client, "1.3")) or ways()[client, ""]
    file = written(tmp_path / name, b"second")
    if client.startswith("ftplib"):
        with pytest.raises(ftplib.error_perm, match=r"553 there is something of this name already"):
            way(box.server("web"), file)
    else:
        assert not way(box.server("web"), file)
    arrived(box, name, b"first")


def test_wrong_password(box: DropBox, tmp_path: Path) -> None:
    """It lets nobody in, over either protocol, and the client hears no more than that; the right one does."""
    file = written(tmp_path / "by-password", b"x")
    server = box.server("web")
    with pytest.raises(ftplib.error_perm, match=r"^530"):
        ftplib_session(server, password="guessed")
    ended = sftp_with_password(server, tmp_path, "guessed", f'put "{file}"')
    assert ended.returncode != 0
    assert "Permission denied" in ended.stderr
    assert "by-password" not in box.files.visible("web")
    ended = sftp_with_password(server, tmp_path, server.password, f'put "{file}"')
    assert ended.returncode == 0, ended
    assert arrived(box, "by-password", b"x")["ssh.method"] == "password"


def test_an_upload_starts_a_process(box: DropBox, tmp_path: Path) -> None:
    """A rule runs a process with the path of the file, which is there by then."""
    file = written(tmp_path / "orders.csv", b"1;2\n")
    assert lftp(box.server("web"), "mkdir imports", f'put -O imports "{file}"').returncode == 0
    event = arrived(box, "imports/orders.csv", b"1;2\n")
    box.wait_until(lambda: bool(runs(box, "imported")), "the process to run")
    assert runs(box, "imported") == [[event["file.path"], "web"]]


def test_an_uploaded_log_is_messages(box: DropBox, tmp_path: Path) -> None:
    """The lines of a compressed log count as if they had come as syslog: five failed logins are an attack."""
    lines = [f"Nov 14 22:13:20 {HOST} {PROGRAM}[{PID}]: {text}\n" for text in failed_logins(ATTACKER)]
    file = written(tmp_path / "auth.log.gz", gzip.compress("".join(lines).encode()))
    ftplib_store(box.server("logs"), file)
    assert arrived(box, file.name, file.read_bytes(), "logs")["gateway.messages"] == len(lines)
    box.wait_until(lambda: bool(runs(box, "banned")), "the process to run")
    assert runs(box, "banned") == [[ATTACKER]]


def test_a_required_checksum_comes_later(box: DropBox, tmp_path: Path, content: bytes) -> None:
    """A file waits unseen for its checksum; it is there, as an event that says so, once that came."""
    file = written(tmp_path / "signed-off.bin", content)
    sidecar = written(tmp_path / "signed-off.bin.sha256", f"{sha256(content)}  {file.name}\n".encode())
    server = box.server("strict")
    ftplib_store(server, file)
    assert file.name not in box.files.visible("strict")
    assert file.name not in box.files.uploads_by_name()
    assert sftp(server, f'put "{sidecar}"').returncode == 0
    box.wait_for_upload(file.name)
    assert arrived(box, file.name, content, "strict")["file.checksum"] == "ok"


def test_a_wrong_checksum_is_refused(box: DropBox, tmp_path: Path) -> None:
    """A file that is not what its checksum says goes into quarantine, and the client hears why."""
    file = written(tmp_path / "damaged.bin", b"what came")
    sidecar = written(tmp_path / "damaged.bin.sha256", f"{sha256(b'what was meant')}  {file.name}\n".encode())
    with pytest.raises(ftplib.error_perm, match=r"^550 damaged\.bin\.sha256 line 1 says"):
        ftplib_store(box.server("strict"), sidecar, file)
    assert file.name not in box.files.visible("strict")
    assert [path.read_bytes() for path in box.files.quarantined("strict")] == [b"what came"]
    (event,) = [event for _, event in box.files.events() if event["event.action"] == "upload-quarantined"]
    assert event["file.name"] == file.name
    assert event["file.checksum"] == "failed"


def test_a_watched_folder(box: DropBox, content: bytes) -> None:
    """A file that somebody writes into a watched folder, in a folder that was made just before, is an event."""
    file = written(box.folder.parent / "incoming" / "new" / "local.bin", content)

    def told() -> list[Event]:
        return [event for _, event in box.files.events() if event["event.action"] == "file-complete"]

    box.wait_until(lambda: bool(told()), "the file's event")
    (event,) = told()
    assert event["event.dataset"] == "files"
    assert event["event.provider"] == "incoming"
    assert event["file.path"] == str(file)
    assert event["file.hash.sha256"] == sha256(content)
