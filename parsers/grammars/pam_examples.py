"""Messages of pam in our own words, and every field that each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

_PAM_AUTHENTICATION_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "pam-authentication",
    "event.outcome": "failure",
}
_PAM_ACCOUNT_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "pam-account",
    "event.outcome": "failure",
}
_PAM_SESSION_START_SUCCESS: dict[str, FieldValue] = {
    "event.category": ["session"],
    "event.type": ["start"],
    "event.action": "pam-session-start",
    "event.outcome": "success",
}
_ACCOUNT_LOCK_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "account-lock",
    "event.outcome": "failure",
}
_PAM_REQUIREMENT: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "pam-requirement",
}

EXAMPLES = (
    Example(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.id": "0",
            "user.effective.id": "0",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "user.name": "root",
        },
    ),
    Example(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=host.example ",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.id": "0",
            "user.effective.id": "0",
            "source.address": "host.example",
        },
    ),
    Example(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
        "rhost=192.0.2.7  user=a rhost=203.0.113.5  user=b",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.id": "0",
            "user.effective.id": "0",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "user.name": "a rhost=203.0.113.5  user=b",
        },
    ),
    Example(
        "pam_unix(su-l:auth): authentication failure; logname=alice uid=1000 euid=0 tty=/dev/pts/0 "
        "ruser=alice rhost=  user=root",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "su-l",
            "pam.type": "auth",
            "user.logname": "alice",
            "user.id": "1000",
            "user.effective.id": "0",
            "process.tty.name": "/dev/pts/0",
            "source.user.name": "alice",
            "user.name": "root",
        },
    ),
    Example(
        "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=admin "
        "rhost=192.0.2.7  user=admin",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "vsftpd",
            "pam.type": "auth",
            "user.id": "0",
            "user.effective.id": "0",
            "process.tty.name": "ftp",
            "source.user.name": "admin",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "user.name": "admin",
        },
    ),
    Example(
        "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x "
        "rhost=203.0.113.5  user=y rhost=192.0.2.7  user=x rhost=203.0.113.5  user=y",
        {**_PAM_AUTHENTICATION_FAILURE, "pam.module": "pam_unix", "pam.service": "vsftpd", "pam.type": "auth"},
    ),
    Example(
        "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=2001:db8::7 user=alice",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_sss",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.id": "0",
            "user.effective.id": "0",
            "source.ip": "2001:db8::7",
            "source.address": "2001:db8::7",
            "user.name": "alice",
        },
    ),
    Example(
        "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "user.id": "0",
            "user.effective.id": "0",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "user.name": "root",
        },
    ),
    Example(
        "PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=192.0.2.7  user=bob",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "user.id": "0",
            "user.effective.id": "0",
            "process.tty.name": "ftp",
            "source.user.name": "bob",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
            "user.name": "bob",
        },
    ),
    Example(
        "PAM service(sshd) ignoring max retries; 6 > 3",
        {
            "event.category": ["authentication"],
            "event.type": ["start"],
            "event.action": "pam-max-retries",
            "pam.service": "sshd",
        },
    ),
    Example(
        "pam_unix(sshd:auth): check pass; user unknown",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "auth",
            "event.reason": "check pass; user unknown",
        },
    ),
    Example(
        "pam_unix(cron:account): could not identify user (from getpwnam(nobody2))",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "cron",
            "pam.type": "account",
            "user.name": "nobody2",
        },
    ),
    Example(
        "pam_unix(sshd:auth): bad username [a] x]",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.name": "a] x",
        },
    ),
    Example(
        "pam_unix(sudo:auth): auth could not identify password for [alice]",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sudo",
            "pam.type": "auth",
            "event.reason": "auth could not identify password",
            "user.name": "alice",
        },
    ),
    Example(
        "pam_access(login:account): access denied for user `a' from `203.0.113.5' from `console'",
        {
            **_PAM_ACCOUNT_FAILURE,
            "pam.module": "pam_access",
            "pam.service": "login",
            "pam.type": "account",
            "user.name": "a' from `203.0.113.5",
            "source.address": "console",
        },
    ),
    Example(
        "pam_unix(sudo:auth): conversation failed",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sudo",
            "pam.type": "auth",
            "event.reason": "conversation failed",
        },
    ),
    Example(
        "pam_faillock(sshd:auth): User unknown",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_faillock",
            "pam.service": "sshd",
            "pam.type": "auth",
            "event.reason": "User unknown",
        },
    ),
    Example(
        "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
        {
            **_PAM_SESSION_START_SUCCESS,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "session",
            "user.name": "alice",
            "user.id": "1000",
        },
    ),
    Example(
        "pam_unix(cron:session): session opened for user root by (uid=0)",
        {
            **_PAM_SESSION_START_SUCCESS,
            "pam.module": "pam_unix",
            "pam.service": "cron",
            "pam.type": "session",
            "user.name": "root",
        },
    ),
    Example(
        "pam_unix(su-l:session): session opened for user root(uid=0) by alice(uid=1000)",
        {
            **_PAM_SESSION_START_SUCCESS,
            "pam.module": "pam_unix",
            "pam.service": "su-l",
            "pam.type": "session",
            "user.name": "root",
            "user.id": "0",
            "source.user.name": "alice",
        },
    ),
    Example(
        "pam_unix(sshd:session): session closed for user alice",
        {
            "event.category": ["session"],
            "event.type": ["end"],
            "event.action": "pam-session-end",
            "event.outcome": "success",
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "session",
            "user.name": "alice",
        },
    ),
    Example(
        "pam_unix(passwd:chauthtok): password changed for alice",
        {
            "event.category": ["iam"],
            "event.type": ["user", "change"],
            "event.action": "password-change",
            "event.outcome": "success",
            "pam.module": "pam_unix",
            "pam.service": "passwd",
            "pam.type": "chauthtok",
            "user.name": "alice",
        },
    ),
    Example(
        "pam_unix(sshd:account): account bob has expired (account expired)",
        {
            **_PAM_ACCOUNT_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "account",
            "user.name": "bob",
            "event.reason": "has expired (account expired)",
        },
    ),
    Example(
        "pam_unix(sshd:account): expired password for user bob (root enforced)",
        {
            **_PAM_ACCOUNT_FAILURE,
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "account",
            "event.reason": "expired password",
            "user.name": "bob",
        },
    ),
    Example(
        "pam_unix(sshd:account): password for user bob will expire in 3 days",
        {
            "event.category": ["iam"],
            "event.type": ["user", "info"],
            "event.action": "password-expiry",
            "pam.module": "pam_unix",
            "pam.service": "sshd",
            "pam.type": "account",
            "user.name": "bob",
            "event.reason": "will expire in 3 days",
        },
    ),
    Example(
        "pam_faillock(sshd:auth): Consecutive login failures for user bob account temporarily locked",
        {
            **_ACCOUNT_LOCK_FAILURE,
            "pam.module": "pam_faillock",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.name": "bob",
            "event.reason": "account temporarily locked",
        },
    ),
    Example(
        "pam_tally2(sshd:auth): user bob (1001) tally 5, deny 3",
        {
            **_ACCOUNT_LOCK_FAILURE,
            "pam.module": "pam_tally2",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.name": "bob",
            "user.id": "1001",
            "event.reason": "tally 5, deny 3",
        },
    ),
    Example(
        'pam_succeed_if(gdm-password:auth): requirement "user ingroup nopasswdlogin" not met by user "alice"',
        {
            **_PAM_REQUIREMENT,
            "pam.module": "pam_succeed_if",
            "pam.service": "gdm-password",
            "pam.type": "auth",
            "event.reason": 'requirement "user ingroup nopasswdlogin" not met',
            "user.name": "alice",
        },
    ),
    Example(
        'pam_succeed_if(sshd:auth): requirement "uid >= 1000" not met by user "x" not met by user "root"',
        {
            **_PAM_REQUIREMENT,
            "pam.module": "pam_succeed_if",
            "pam.service": "sshd",
            "pam.type": "auth",
            "event.reason": 'requirement "uid >= 1000" not met',
            "user.name": 'x" not met by user "root',
        },
    ),
    Example(
        "pam_access(sshd:account): access denied for user `bob' from `192.0.2.7'",
        {
            **_PAM_ACCOUNT_FAILURE,
            "pam.module": "pam_access",
            "pam.service": "sshd",
            "pam.type": "account",
            "user.name": "bob",
            "source.ip": "192.0.2.7",
            "source.address": "192.0.2.7",
        },
    ),
    Example(
        "pam_listfile(vsftpd:auth): Refused user bob for service vsftpd",
        {
            **_PAM_ACCOUNT_FAILURE,
            "pam.module": "pam_listfile",
            "pam.service": "vsftpd",
            "pam.type": "auth",
            "user.name": "bob",
        },
    ),
    Example(
        "pam_sss(sshd:auth): received for user bob: 7 (Authentication failure)",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_sss",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.name": "bob",
            "event.reason": "7 (Authentication failure)",
        },
    ),
    Example(
        "pam_google_authenticator(sshd:auth): Invalid verification code for bob",
        {
            **_PAM_AUTHENTICATION_FAILURE,
            "pam.module": "pam_google_authenticator",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.name": "bob",
        },
    ),
    Example(
        "pam_google_authenticator(sshd:auth): Accepted google_authenticator for alice",
        {
            "event.category": ["authentication"],
            "event.type": ["start"],
            "event.action": "pam-authentication",
            "event.outcome": "success",
            "pam.module": "pam_google_authenticator",
            "pam.service": "sshd",
            "pam.type": "auth",
            "user.name": "alice",
        },
    ),
    Example("pam_env(sshd:session): deprecated reading of user environment enabled", None),
    Example("pam_unix(sshd:session): session opened", None),
    Example("sshd: pam_unix(sshd:session): session closed for user alice", None),
)
