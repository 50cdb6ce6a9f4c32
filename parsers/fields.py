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
        "gateway.timer.missed",
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
client.address client.domain client.ip client.mac client.user.name cron.job cron.output cron.problem cron.table
destination.address destination.domain destination.ip destination.mac destination.nat.ip destination.nat.port
destination.user.name device.manufacturer device.model.name dhclient.interval dhclient.message dhclient.renewal
dhclient.transaction dhcpd.addresses dhcpd.hostname dhcpd.leases dhcpd.message dhcpd.old_state dhcpd.peer dhcpd.relay
dhcpd.state dhcpd.subnet dhcpd.transaction dns.question.class dns.question.name dns.question.type dns.response_code
dovecot.driver dovecot.mail_pid dovecot.mailbox dovecot.method dovecot.protocols dovecot.session dovecot.signal
email.from.address email.message_id email.subject email.to.address error.code error.message error.stack_trace
event.action event.category event.code event.created event.end event.id event.kind event.outcome event.provider
event.reason event.sequence event.start event.timezone event.type event.url file.checksum file.decrypted.path
file.directory file.extension file.hash.md5 file.hash.sha1 file.hash.sha256 file.hash.sha512 file.mtime file.name
file.owner file.path file.signature file.signer gateway.account gateway.ancestors gateway.count gateway.job.attempt
gateway.job.ending gateway.job.final gateway.job.id gateway.job.next_try gateway.job.output gateway.job.part
gateway.job.signal gateway.job.step gateway.job.survivors gateway.job.task gateway.key gateway.messages
gateway.peer.fingerprint gateway.peer.identity gateway.peer.subject gateway.refusal gateway.timer.late gateway.truncated
gateway.trust group.id group.name host.domain host.hostname host.ip host.mac host.name host.target.name http.request.id
http.request.line http.request.method http.request.referrer http.version log.file.path log.level log.logger log.message
log.source.address log.source.port log.syslog.appname log.syslog.facility.name log.syslog.hostname log.syslog.msgid
log.syslog.procid log.syslog.severity.name log.syslog.structured_data log.syslog.version log.time named.category
named.command named.ecs named.flags named.key named.line named.network named.serial named.stage named.update
named.verdict named.view named.zone netfilter.icmp.code netfilter.icmp.type netfilter.mark netfilter.tcp.flags
network.application network.direction network.iana_number network.packets network.protocol network.transport
network.type network.vlan.id observer.egress.interface.name observer.hostname observer.ingress.interface.name
observer.ip observer.name observer.product observer.type observer.vendor observer.version openvpn.bad_source
openvpn.client openvpn.common_name openvpn.control openvpn.depth openvpn.peer_info openvpn.push openvpn.session
openvpn.username openvpn.virtual_address pam.call pam.module pam.service pam.type postfix.claimed_name postfix.command
postfix.commands postfix.content postfix.count postfix.delay postfix.delays postfix.dnsbl postfix.dnsbl_answer
postfix.dsn postfix.helo postfix.input postfix.notification postfix.notification_id postfix.orig_to postfix.protocol
postfix.queue_id postfix.recipients postfix.rejected postfix.relay postfix.reply_code postfix.sasl_method postfix.size
postfix.socket postfix.statistic postfix.status postfix.text postfix.value postfix.verdict postgresql.log.application
postgresql.log.database postgresql.log.detail postgresql.log.method postgresql.log.missing postgresql.log.query
postgresql.log.query_step postgresql.log.session_time process.args process.command_line process.executable
process.exit_signal process.name process.parent.pid process.signal process.thread.name process.title process.tty.name
process.user.id process.user.name process.working_directory proftpd.module proftpd.protocol related.hash related.hosts
related.ip related.user rule.category rule.description rule.id rule.name rule.ruleset server.address server.domain
server.ip service.name service.state service.type service.version source.address source.as.number source.domain
source.geo.country_iso_code source.ip source.mac source.nat.ip source.nat.port source.packets source.user.id
source.user.name ssh.client_version ssh.disconnect_code ssh.fingerprint ssh.key_type ssh.method ssh.session_type
sudo.chroot sudo.env sudo.tsid systemd.button systemd.cgroup systemd.cpu_time systemd.description systemd.device
systemd.restarts systemd.result systemd.seat systemd.session systemd.status tags tls.cipher tls.client.issuer
tls.client.subject tls.client.x509.subject.common_name tls.version tls.version_protocol trace.id transaction.id
url.domain url.extension url.fragment url.full url.original url.password url.path url.port url.query url.scheme
url.username user.domain user.effective.id user.effective.name user.email user.full_name user.group.name user.id
user.logname user.name user.roles user.target.domain user.target.id user.target.name user_agent.name user_agent.original
user_agent.version vlan.id vsftpd.anonymous_password vsftpd.command vsftpd.response
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
