"""Whatever text a stranger chooses, the address in the answer is never one that he wrote."""

from __future__ import annotations

import re

import pytest

from parsers.grammar import Grammar
from parsers.grammars import dhcpd, dovecot, named, openvpn, postfix, postgresql, proftpd, vsftpd
from parsers.lowering import CompiledGrammar

FALSE = "203.0.113.9"
ADDRESS = re.compile(r"(?:::ffff:)?192\.0\.2\.[0-9]+|2001:db8::[0-9]+")

# each {} is text that a stranger chose; 192.0.2.7 and 192.0.2.8 are what the program wrote
TEMPLATES: dict[str, tuple[Grammar, tuple[str, ...]]] = {
    "postfix": (
        postfix.GRAMMAR,
        (
            (
                "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <{}>: Relay access denied; from=<> to=<{}> "
                "proto=ESMTP helo=<{}>"
            ),
            "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: no, sasl_username={}",
            "4XkPqW2zBczQR: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username={}",
            "4XkPqW2zBczQR: from=<{}>, size=1, nrcpt=1 (queue active)",
            "4XkPqW2zBczQR: message-id=<{}>",
            "5B1A2C3D4E: reject: header Subject: {} from unknown[192.0.2.7]; from=<a> to=<b> proto=ESMTP helo=<{}>: no",
            "warning: non-SMTP command from unknown[192.0.2.7]: {}",
            "PREGREET 9 after 0.1 from [192.0.2.7]:4000: {}",
        ),
    ),
    "dovecot": (
        dovecot.GRAMMAR,
        (
            (
                "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<{}>, method=PLAIN, rip=192.0.2.7, "
                "lip=192.0.2.8, session=<x>"
            ),
            "auth: sql({},192.0.2.7): unknown user",
            "auth: sql(alice,192.0.2.7): Password mismatch (given password: {})",
            "lmtp(alice)<8><x>: msgid=<{}>: saved mail to INBOX",
            "lmtp(alice)<8><x>: sieve: msgid=<{}>: stored mail into mailbox '{}'",
            "imap(alice)<8><x>: Error: Mailbox {}: read failed",
        ),
    ),
    "dhcpd": (
        dhcpd.GRAMMAR,
        (
            "DHCPDISCOVER from 02:00:5e:10:00:01 ({}) via eth0",
            "DHCPREQUEST for 192.0.2.7 from 02:00:5e:10:00:01 ({}) via eth0",
            "DHCPACK on 192.0.2.7 to 02:00:5e:10:00:01 ({}) via eth0",
        ),
    ),
    "openvpn": (
        openvpn.GRAMMAR,
        (
            "192.0.2.7:4000 VERIFY ERROR: depth=0, error=certificate has expired: CN={}",
            "192.0.2.7:4000 peer info: IV_GUI_VER={}",
            "192.0.2.7:4000 TLS: Username/Password authentication succeeded for username '{}' [CN SET]",
            "AUTH-PAM: BACKGROUND: user '{}' failed to authenticate: Authentication failure",
        ),
    ),
    "postgresql": (
        postgresql.GRAMMAR,
        (
            'FATAL:  password authentication failed for user "{}"',
            '{}@{} FATAL:  password authentication failed for user "{}"',
            'FATAL:  no pg_hba.conf entry for host "192.0.2.7", user "{}", database "{}", no encryption',
            '{}@{} FATAL:  no pg_hba.conf entry for host "192.0.2.7", user "{}", database "{}", no encryption',
            "LOG:  connection authorized: user={} database={} application_name={}",
            "LOG:  disconnection: session time: 0:00:01.000 user={} database={} host=192.0.2.7 port=4000",
            'ERROR:  syntax error at or near "{}"',
            "STATEMENT:  {}",
        ),
    ),
    "vsftpd": (
        vsftpd.GRAMMAR,
        (
            '[{}] FAIL LOGIN: Client "192.0.2.7"',
            '[alice] OK UPLOAD: Client "192.0.2.7", "/{}", 5 bytes, 1.00Kbyte/sec',
            '[alice] OK MKDIR: Client "192.0.2.7", "/{}"',
            '[ftp] OK LOGIN: Client "192.0.2.7", anon password "{}"',
            'FTP command: Client "192.0.2.7", "USER {}"',
        ),
    ),
    "proftpd": (
        proftpd.GRAMMAR,
        (
            "ftp.example.com (h[192.0.2.7]) - USER {} (Login failed): Incorrect password",
            "ftp.example.com (h[192.0.2.7]) - USER {}: no such user found from h [192.0.2.7] to 192.0.2.8:21",
            "ftp.example.com (h[192.0.2.7]) - no such user '{}'",
        ),
    ),
}
COMPILED = {name: CompiledGrammar(grammar) for name, (grammar, _) in TEMPLATES.items()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_copy_of_any_message_brings_no_address(name: str) -> None:
    """Every example, with another address and cut at any place, put where a stranger may write."""
    grammar, templates = TEMPLATES[name]
    for example in grammar.examples:
        copy = ADDRESS.sub(FALSE, example.text)
        pieces = {copy, f"x{copy}", f"{copy}x", *(copy[: m.end()] for m in re.finditer(r"[^0-9A-Za-z]+", copy))}
        pieces |= {copy[m.start() :] for m in re.finditer(r"[^0-9A-Za-z]+", copy)}
        for template in templates:
            for piece in pieces:
                answer = COMPILED[name].parse(template.replace("{}", piece))
                for field in ("source.ip", "client.ip"):
                    assert answer is None or answer[1].get(field) != FALSE, (answer[0].name, template, piece)


def test_a_name_asked_for_brings_no_address() -> None:
    """BIND escapes blanks, quotes and parentheses in a name; what it leaves must not become an address."""
    compiled = CompiledGrammar(named.GRAMMAR)
    for example in named.GRAMMAR.examples:
        name = re.sub(r'[ ()"]', lambda m: f"\\{ord(m[0]):03d}", ADDRESS.sub(FALSE, example.text))
        for template in (
            f"client 192.0.2.7#4000 ({name}): query (cache) '{name}/A/IN' denied",
            f"client @0x7f00 192.0.2.7#4000 ({name}): query: {name} IN A + (192.0.2.8)",
            f"REFUSED unexpected RCODE resolving '{name}/A/IN': 192.0.2.8#53",
        ):
            answer = compiled.parse(template)
            assert answer is not None, template
            assert answer[1].get("source.ip") in {None, "192.0.2.7"}, template
            assert answer[1].get("destination.ip") in {None, "192.0.2.8"}, template
