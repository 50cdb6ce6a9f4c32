"""A rule that waits acts after a kill as it would have without, once."""

from __future__ import annotations

import time
from pathlib import Path

from tests.end_to_end.gateway_process import GatewayProcess, Rule, plain_sources
from tests.end_to_end.streams import connect

WITHIN = 2.0

LATE: Rule = {
    "rule": "late",
    "match": {"message": {"contains": "begins"}},
    "when": {"absent": {"message": {"contains": "ends"}}, "within": f"{WITHIN:g}s", "by": ["process.name"]},
}
SEEN: Rule = {"rule": "seen", "match": {"message": {"contains": "ends"}}}


def test_what_stays_away_is_noticed_once_over_a_kill(tmp_path: Path) -> None:
    """One whose end came before the kill is not; downtime is no silence, and a second restart repeats nothing."""
    with GatewayProcess(tmp_path, plain_sources(), [LATE, SEEN]) as gateway:
        with connect(gateway.port("tcp")) as client:
            for name, word in (("first", "begins"), ("second", "begins"), ("second", "ends")):
                client.sendall(f"<13>Nov 10 09:00:00 host {name}: {word}\n".encode())
            gateway.wait_for_runs(1)
        gateway.kill()
        time.sleep(WITHIN)
        gateway.start()
        gateway.wait_until_ready()
        assert not _alarms(gateway), "the time in which nobody watched counted"
        gateway.wait_until(lambda: bool(_alarms(gateway)), "the alarm")
        gateway.kill()
        gateway.start()
        gateway.wait_until_ready()
        time.sleep(WITHIN)
        assert _alarms(gateway) == ["first"]


def _alarms(gateway: GatewayProcess) -> list[str]:
    """Return whose end stayed away; a task that the kill met may have run twice, and so may have ours."""
    names = [run.event["process.name"] for run in gateway.runs() if run.event["rule.name"] == "late"]
    return list(dict.fromkeys(names))
