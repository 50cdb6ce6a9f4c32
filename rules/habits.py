"""What other programs call the keys of a rule: whoever comes from them is told what a key is called here.

fail2ban (jail.conf), SEC, CrowdSec (scenarios), Sigma (correlations) and ansible-rulebook; for fields rsyslog and
syslog-ng too. And what regular expressions hold that are written for fail2ban, or for grok.
"""

from __future__ import annotations

import re

_WHEN = "when: {count: 5, within: 10m, by: [source.ip]}"

OF_RULE = {
    **dict.fromkeys(("findtime", "maxretry", "thresh", "threshold", "timeframe", "window"), _WHEN),
    **dict.fromkeys(("count", "within", "by", "group_by", "groupby"), _WHEN),
    "bantime": "undo: {after: 10m, run: [PROGRAM]}",
    "ignoreip": "unless: {source.ip: {in: [192.0.2.0/24]}}",
    "name": "rule",
    "id": "rule",
    "condition": "match",
    "conditions": "match",
    "filter": "match",
    "pattern": "match",
    "failregex": "match",
    "ignoreregex": "unless",
    "action": "do",
    "actions": "do",
    "actionban": "do",
    "actionunban": "undo",
    "throttle": "suppress",
    "blackhole": "suppress",
    "desc": "description",
    "title": "description",
    "tests": "test",
}

OF_WHEN = {
    "thresh": "count",
    "threshold": "count",
    "maxretry": "count",
    "times": "count",
    "gte": "count",
    "capacity": "count",
    "findtime": "within",
    "timeframe": "within",
    "timespan": "within",
    "window": "within",
    "timeout": "within",
    "accumulate_within": "within",
    "groupby": "by",
    "group_by": "by",
    "group-by": "by",
    "group_by_attributes": "by",
    "value_count": "distinct",
    "temporal_ordered": "sequence",
    "temporal": "all",
}

OF_UNDO = {
    "bantime": "after",
    "bantime.increment": "grow",
    "bantime.factor": "grow",
    "bantime.maxtime": "max",
    "actionunban": "run",
    "command": "run",
    "event": "match",
    "on": "match",
    "condition": "match",
}

OF_RETRY = {
    "count": "times",
    "attempts": "times",
    "tries": "times",
    "retries": "times",
    "max_retries": "times",
    "delay": "wait",
    "interval": "wait",
    "backoff": "grow",
    "factor": "grow",
    "max_delay": "max",
    "max_wait": "max",
}

OF_FIELD = {
    "program": "process.name",
    "programname": "process.name",
    "appname": "process.name",
    "app-name": "process.name",
    "syslogtag": "process.name",
    "procid": "process.pid",
    "pid": "process.pid",
    "msg": "message",
    "rawmsg": "event.original",
    "fromhost": "log.source.address",
    "fromhost-ip": "log.source.address",
    "severity": "log.syslog.severity.name",
    "syslogseverity": "log.syslog.severity.code",
    "syslogseverity-text": "log.syslog.severity.name",
    "facility": "log.syslog.facility.name",
    "syslogfacility": "log.syslog.facility.code",
    "syslogfacility-text": "log.syslog.facility.name",
    "src.ip": "source.ip",
    "src.port": "source.port",
    "dst.ip": "destination.ip",
    "dst.port": "destination.port",
    "rhost": "source.ip",
    "host": "host.name",
    "hostname": "host.name",
}

_FOREIGN = re.compile(
    r"(?<![P\\])<(?:(?P<sender>HOST|ADDR|IP[46]|CIDR|SUBNET|DNS)|F-(?P<field>[A-Z0-9_-]+))>"
    r"|%\((?P<variable>\w+)\)s"
    r"|%\{(?P<grok>[A-Z][A-Z0-9_]*)(?::(?P<name>\w+))?\}"
)


def foreign_in(pattern: str) -> tuple[int, str] | None:
    """Return where a regular expression holds a word of fail2ban's or grok's, and what to write; None: nowhere.

    They put something else in its place; here it is searched as it stands, and never found.
    """
    found = _FOREIGN.search(pattern)
    if found is None:
        return None
    word = found[0]
    if found["variable"]:
        advice = "leave it away: `message` begins behind the header, and the program is `process.name`"
    else:
        usual = "source_ip" if found["sender"] else "user_name"
        advice = rf"write a named group, such as (?P<{found['name'] or usual}>\S+)"
    whose = "grok" if found["grok"] else "fail2ban"
    literal = re.escape(word) if word[0] == "%" else f"[{word[0]}]{word[1:]}"
    problem = f"{word} is of {whose}, and is searched as it stands here; {advice}; the text itself is {literal}"
    return found.start(), problem
