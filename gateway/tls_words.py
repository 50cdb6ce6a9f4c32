"""What TLS says is wrong, in an administrator's words."""

from __future__ import annotations

import ssl

SHOWN_OCTETS = 16
"""Octets of a peer's first words that go into the log."""

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
    7: "it names our client CA as its issuer and is not signed by it",
    9: "it is not valid yet; is its clock right, or ours?",
    10: "it has expired",
    18: "it is signed by itself, and not pinned",
    19: "its chain ends in a CA that is not our client CA",
    20: "its issuer is not our client CA",
    21: "its issuer is not our client CA",
    26: "it is not for clients: its extended key usage lacks clientAuth",
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
    if data[:1] == b"<" or data[:1].isdigit():
        what = "plain syslog"
    elif data.startswith(HTTP_VERBS):
        what = "HTTP"
    else:
        what = "something other than TLS"
    return f"the peer speaks {what} to a TLS port; its first octets are {data[:SHOWN_OCTETS]!r}"
