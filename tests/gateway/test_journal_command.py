"""`gateway journal`: how much is kept, what is damaged, and what is left of it after a repair."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet.defer import inlineCallbacks

from gateway import clock
from gateway.jobs.database import Database
from tests.gateway.kept import fill
from tests.gateway.online import OnlineCase, Ran, run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder on which no gateway runs."""
    fill(tmp_path / "journal", clock.now())
    return tmp_path


def journal(state: Path, *words: str) -> Ran:
    """Run `gateway journal`."""
    return run("journal", *words, "--state-dir", str(state))


def damage(state: Path) -> None:
    """Flip a bit in a message that is kept."""
    database = Database.open(state / "journal")  # what is in the write-ahead log goes into the file
    database.close()
    file = state / "journal" / "journal.db"
    octets = bytearray(file.read_bytes())
    octets[octets.index(b"port 4000 ssh2")] ^= 1
    file.write_bytes(octets)


def test_status(state: Path) -> None:
    """Records, their ends, size, commits."""
    lines = dict(line.split(maxsplit=1) for line in journal(state, "status").out.splitlines())
    assert lines["journal"] == str(state / "journal")
    assert lines["gateway"] == "does not run"
    assert lines["records"] == "4"
    assert lines["first"].startswith("1, received ")
    assert lines["last"].startswith("4, received ")
    assert lines["commits"] == "1"
    told = json.loads(journal(state, "status", "--json").out)
    assert told["last"]["number"] == 4
    assert told["octets"] > 0
    assert told["retention"] is None


def test_status_says_what_the_configuration_keeps(tmp_path: Path) -> None:
    """Age and size."""
    fill(tmp_path / "state" / "journal", clock.now())
    (tmp_path / "gateway.yaml").write_text("sources: {a: {tcp: 1514}}\njournal: {keep: 9d, size: 2GiB}\n")
    lines = dict(
        line.split(maxsplit=1)
        for line in run("journal", "status", "--config", str(tmp_path)).out.replace("kept for", "kept").splitlines()
    )
    assert lines["kept"] == "1w2d"
    assert lines["size"].endswith(" of 2.0 GiB")


def test_status_of_an_empty_journal(tmp_path: Path) -> None:
    """There is no first and no last."""
    Database.open(tmp_path / "journal").close()
    told = json.loads(journal(tmp_path, "status", "--json").out)
    assert (told["records"], told["first"], told["last"]) == (0, None, None)
    assert "records     0" in journal(tmp_path, "status").out


def test_all_is_well(state: Path) -> None:
    """What was read is counted."""
    ran = journal(state, "verify")
    assert ran.code == 0
    assert ran.out.startswith("read 4 records, 7 jobs and 2 attempts in ")
    assert ran.out.endswith(f"{state}/journal: every record is as it was written\n")
    told = json.loads(journal(state, "verify", "--json").out)
    assert (told["records"], told["damages"]) == (4, [])


def test_a_damage_is_named_and_repaired(state: Path) -> None:
    """Its number is said; a repair copies all else, keeps the old file, and the loss stays known."""
    damage(state)
    ran = journal(state, "verify")
    assert ran.code == 1
    assert ran.out.startswith("damaged  journal: record 1: ")
    assert "then `gateway journal repair`" in ran.out
    told = json.loads(journal(state, "verify", "--json").out)
    assert [(one["table"], one["first"], one["last"]) for one in told["damages"]] == [("journal", 1, 1)]
    assert "damaged: journal: record 1: " in run("events", "--state-dir", str(state)).err

    repaired = journal(state, "repair")
    assert repaired.code == 1
    assert "copied 3 records, 7 jobs and 2 attempts; the file as it was is " in repaired.out
    again = journal(state, "verify")
    assert again.code == 0
    assert "lost     journal: record 1: " in again.out


def test_repair_of_what_is_whole(state: Path) -> None:
    """Nothing is lost."""
    told = json.loads(journal(state, "repair", "--json").out)
    assert (told["records"], told["losses"]) == (4, [])
    assert Path(told["kept"]).exists()


def test_repair_beside_a_gateway(state: Path) -> None:
    """It is refused: the gateway has the lock."""
    held = Database.open(state / "journal")
    ran = journal(state, "repair")
    held.close()
    assert (ran.code, ran.out) == (1, "")
    assert str(os.getpid()) in ran.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("words", [["journal", "status"], ["jobs"], ["open"], ["events"]])
def test_others_may_not_look(state: Path, words: list[str]) -> None:
    """It is said who may."""
    with TemporaryDirectory() as folder:  # pytest's own folders let nobody else pass at all
        Path(folder).chmod(0o711)
        reachable = Path(folder) / "state"
        shutil.copytree(state, reachable)
        reachable.chmod(0o711)
        os.seteuid(65534)
        try:
            ran = run(*words, "--state-dir", str(reachable))
        finally:
            os.seteuid(0)
    assert ran.code == 1
    assert "only user root (uid 0) and root may look inside this gateway, and you are nobody (uid 65534)" in ran.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_owner(state: Path) -> None:
    """A gateway that is not root can go on with the files after root has repaired or changed them."""
    for path in (state / "journal", *(state / "journal").iterdir()):
        os.chown(path, 65534, 65534)
    assert journal(state, "repair").code == 0
    assert run("jobs", "retry", "--all-dead", "--state-dir", str(state)).code == 0
    assert {path.stat().st_uid for path in (state / "journal").iterdir()} == {65534}


class Online(OnlineCase):
    """Beside a running gateway."""

    @inlineCallbacks
    def test_it_can_be_verified(self) -> Any:
        """And the status says that it runs."""
        ran = yield self.command("journal", "verify")
        assert ran.code == 0
        ran = yield self.command("journal", "status", "--json")
        assert json.loads(ran.out)["running"] is True
