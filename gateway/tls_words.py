"""What TLS says is wrong, in an administrator's words."""

from __future__ import annotations

import ssl

SHOWN_OCTETS = 16
"""Octets of a peer's first words that go into the log."""

ISSUE_ONE = "issue it with `gateway cert client NAME`, or add its CA to the source's client_ca"

HTTP_VERBS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PRI ")

FAILURES = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate; give it one with `gateway cert client NAME`",
    "UNSUPPORTED_PROTOCOL": "the peer speaks TLS older than 1.2",
    "VERSION_TOO_LOW": "the peer speaks TLS older than 1.2",
    "NO_SHARED_CIPHER": "the peer offers no cipher suite that we accept, or none for our type of certificate",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "the peer accepts no signature that our certificate can make",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the CA of our certificate; give it our ca.pem",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer refused our certificate (alert: bad certificate)",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer refused our certificate (alert: certificate unknown)",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer refused our certificate as expired; is its clock right?",
    "HTTP_REQUEST": "the peer speaks HTTP to a TLS port",
}
"""OpenSSL's reasons in an administrator's words."""

VERIFY_WORDS = {
    7: f"it names our client CA as its issuer and is not signed by it; {ISSUE_ONE}",
    9: "it is not valid yet; is its clock right, or ours?",
    10: "it has expired; issue a new one with `gateway cert client NAME`",
    18: "it is signed by itself, and not pinned; issue one with `gateway cert client NAME`, or pin it (fingerprints:)",
    19: f"its chain ends in a CA that is not our client CA; {ISSUE_ONE}",
    20: f"its issuer is not our client CA; {ISSUE_ONE}",
    21: f"its issuer is not our client CA; {ISSUE_ONE}",
    26: "it is not for clients: its extended key usage lacks clientAuth; `gateway cert client NAME` makes one that is",
}
"""OpenSSL's X509_V_ERR codes (x509_vfy.h) in an administrator's words."""


def reason_words(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason in lower-case words."""
    return (error.reason or str(error)).lower().replace("_", " ")


def handshake_words(error: ssl.SSLError) -> str:
    """Say in an administrator's words why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is refused: {VERIFY_WORDS.get(error.verify_code, error.verify_message)}"
    return FAILURES.get(error.reason or "", f"the TLS handshake failed ({reason_words(error)})")


def not_tls(data: bytes) -> str:
    """Say what a peer speaks whose first octet begins no TLS."""
    advice = ""
    if data[:1] == b"<" or data[:1].isdigit():
        what = "plain syslog"
        advice = ": point it at a tcp source, or switch on TLS at the sender"
    elif data.startswith(HTTP_VERBS):
        what = "HTTP"
    else:
        what = "something other than TLS"
    shown = "".join(chr(octet) if 32 <= octet < 127 else f"\\x{octet:02x}" for octet in data[:SHOWN_OCTETS])
    return f'the peer speaks {what} to a TLS port (it begins with "{shown}"){advice}'
