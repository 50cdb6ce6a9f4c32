"""The names of fields: which are numbers, which belong to us, and which the Elastic Common Schema knows.

Source: Elastic Common Schema 8, https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html
"""

from __future__ import annotations

INTEGERS = frozenset(
    {
        "client.port",
        "destination.bytes",
        "destination.port",
        "event.duration",
        "event.severity",
        "file.size",
        "http.request.body.bytes",
        "http.request.bytes",
        "http.response.body.bytes",
        "http.response.bytes",
        "http.response.status_code",
        "log.syslog.facility.code",
        "log.syslog.priority",
        "log.syslog.severity.code",
        "network.bytes",
        "process.exit_code",
        "process.pid",
        "process.thread.id",
        "server.port",
        "source.bytes",
        "source.port",
    }
)
"""Fields whose text, taken out of a message, becomes a number; text that is no number stays text."""

RESERVED_PREFIXES = ("gateway.", "log.source.", "log.syslog.")
RESERVED = frozenset({"@timestamp", "message", "event.dataset", "event.ingested", "event.module", "event.original"})


def is_reserved(name: str) -> bool:
    """Tell whether only the gateway and the envelope may set the field: a message must not claim its own trust."""
    return name in RESERVED or name.startswith(RESERVED_PREFIXES)


_NAMES = """
client.address client.domain client.ip client.mac client.user.name destination.address destination.domain
destination.ip destination.mac destination.nat.ip destination.user.name device.manufacturer device.model.name
dns.question.class dns.question.name dns.question.type dns.response_code email.from.address email.message_id
email.subject email.to.address error.code error.message event.action event.category event.code event.created
event.end event.id event.kind event.outcome event.provider event.reason event.sequence event.severity event.start
event.timezone event.type event.url file.directory file.extension file.hash.md5 file.hash.sha1 file.hash.sha256
file.name file.owner file.path gateway.job.attempt gateway.job.id gateway.job.task gateway.peer.fingerprint
gateway.peer.identity gateway.peer.subject gateway.truncated gateway.trust group.id group.name host.domain
host.hostname host.ip host.mac host.name http.request.body.bytes http.request.method http.request.referrer
http.response.body.bytes http.version log.file.path log.level log.logger log.source.address log.source.port
log.syslog.appname log.syslog.facility.name log.syslog.hostname log.syslog.msgid log.syslog.procid
log.syslog.severity.name log.syslog.structured_data log.syslog.version network.application network.bytes
network.direction network.iana_number network.packets network.protocol network.transport network.type
network.vlan.id observer.egress.interface.name observer.hostname observer.ingress.interface.name observer.ip
observer.name observer.product observer.type observer.vendor observer.version process.args process.command_line
process.executable process.exit_signal process.name process.parent.pid process.thread.id process.thread.name
process.title process.user.id process.user.name process.working_directory related.hash related.hosts related.ip
related.user rule.category rule.description rule.id rule.name rule.ruleset server.address server.domain server.ip
service.name service.state service.type service.version source.address source.as.number source.domain
source.geo.country_iso_code source.ip source.mac source.nat.ip source.nat.port source.packets source.user.id
source.user.name tags tls.cipher tls.client.issuer tls.client.subject tls.client.x509.subject.common_name
tls.version tls.version_protocol trace.id transaction.id url.domain url.extension url.fragment url.full url.original
url.password url.path url.port url.query url.scheme url.username user.domain user.effective.id user.effective.name
user.email user.full_name user.group.name user.id user.name user.roles user.target.id user.target.name
user_agent.name user_agent.original user_agent.version vlan.id
"""

KNOWN = INTEGERS | RESERVED | frozenset(_NAMES.split())
"""Fields that the envelopes, the grammars and the gateway fill, and the ECS fields near them: what a rule's
misspelt field name is compared with. Grammars, JSON and rules may make others."""

_BY_GROUP = {name.replace(".", "_"): name for name in sorted(KNOWN)}


def field_of_group(group: str) -> str:
    """Return the field that a regular expression's named group fills: `user_name` fills `user.name`.

    Every `_` stands for a dot, except in a known name (`process_exit_code` fills `process.exit_code`).
    """
    return _BY_GROUP.get(group) or group.replace("_", ".")
