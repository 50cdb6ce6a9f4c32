"""What other programs call the keys of a rule: whoever comes from them is told what a key is called here.

fail2ban (jail.conf), SEC, CrowdSec (scenarios), Sigma (correlations) and ansible-rulebook; for fields rsyslog and
syslog-ng too.
"""

from __future__ import annotations

OF_RULE = {
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
    "src_ip": "source.ip",
}
