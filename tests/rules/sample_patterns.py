"""Regular expressions as administrators write them, and some that are notorious."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import yaml

import rules

ADDRESS = r"(?P<source_ip>(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)"

USER = r"(?P<user_name>.*?)"

USUAL = (
    rf"^Failed (?:password|publickey) for (?:invalid user )?{USER} from {ADDRESS}(?: port \d+)?(?: ssh\d*)?$",
    rf"^(?:pam_unix\(\S+:auth\):)?\s*authentication failure;(?: \S+=\S*)* rhost={ADDRESS}(?:\s+user={USER})?\s*$",
    rf"^Received disconnect from {ADDRESS}(?:: (?:3|11))?: .*\[preauth\]$",
    rf"^(?:[-\w]+ ){{0,2}}NOQUEUE: reject: RCPT from \S*\[{ADDRESS}\]: [45]\d\d (?P<error_code>[45]\.\d\.\d+)? ?.*$",
    rf'^{ADDRESS} \S+ \S+ \[[^\]]*\] "(?P<http_request_method>[A-Z]+) [^"]* HTTP/\d\.\d" (?P<status>4\d\d) \d+',
    rf"(?i)^\s*\[?error\]?:? .*client:? {ADDRESS}\b.*\b(?:denied|not found)\b",
    r"^(?P<user_name>[^\s:]{1,32}) : (?:TTY=(?P<tty>\S+) ; )?PWD=(?P<pwd>.*?) ; USER=(?P<to>\S+) ; COMMAND=(?P<c>.*)$",
    r"\b(?:warning|error|critical)\b(?!.*\bignored\b)",
    r"(?m)^(?P<key>\w+)\s*=\s*(?P<value>[^#\n]*?)\s*(?:#.*)?$",
    r"(?x) ^ (?P<a>\w+) \s+ (?P<b>[^\W\d_]+) [.!] $  # a sentence",
    r"(?P<quote>['\"])(?P<inner>.*?)(?P=quote)",
    r"(?:<(?P<open>\w+)>)?(?P<body>[^<]*)(?(open)</|$)",
    r"(?>\d+)(?:\.\d+)?+ ?(?P<unit>[kMG]i?B)",
    r"(?<=user )(?P<user_name>\S+)(?<!root)\B",
    r"{e<=1}[[:alpha:]]\d{2}{}",
    r"(?i)straße (?P<nr>\d+)",
    r"[^\W\d]+@[\w.-]+(?a:\w)",
)
"""What rules look for; hardly two of them alike in what they use."""

TEXTS = (
    "Failed password for invalid user admin from 192.0.2.7 port 4000 ssh2",
    "Failed publickey for \udcff\udc80 from from 2001:db8::1 port 22",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh ruser= rhost=192.0.2.7  user=r\u00f6\u00f6t",
    "Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]",
    "NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.1.1 <x@y>: Recipient address rejected",
    '192.0.2.3 - - [10/Oct/2000:13:55:36 -0700] "GET /index.php HTTP/1.1" 404 12',
    "[ERROR] x client: 192.0.2.3 was DENIED \u017f\u212a",
    "alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls -l",
    "# x\nkey = value with \x1c blanks  # why\nother=\n",
    "word e\u0301a\u0300\u0663.",
    'say "it\'s" <b>bold</b> 12.5 MiB of 3 kB',
    "user root user alice_1",
    "{e<=1}p]42{} {e<=1}:]\u0661\u0662{}",
    "STRASSE 5, stra\u1e9ee \u0665, Stra\xdfe 7",
    "m\xfcller@example.org \xb2\xb3",
    "",
    "\n",
)

ENDLESS = (
    r"^(a|a)*$",
    r"^(a|aa)+$",
    r"(?:(?:a|b|ab)*)c$",
    r'<(\w+)(?:\s+\w+=".*?")*>$',
)
"""A short text is enough to keep them busy."""

NOTORIOUS = (
    *ENDLESS,
    r"(?:.|\s)*;$",
    r"^(a+)+$",
    r"(x+x+)+y",
    r"^(\w+\s?)*$",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(.*)*=.*;",
    r"\s+$",
    r"^[\s\u200c]+|[\s\u200c]+$",
)
"""From the literature and from outages."""

HARMLESS = (
    r"^Failed password for (?:invalid user )?(?P<user_name>\S+) from (?P<source_ip>[0-9.:a-f]+)",
    r"^(?:error: )?maximum authentication attempts",
    r"^[^?]*/wp-login\.php(?:\?|$)",
    r'^\S+ \S+ \[[^\]]*\] "(?:GET|POST) [^"]*" 404',
    r"^(?:(?:Mon|Tue|Wed) )?\w{3} +\d{1,2} (?:\d\d:){2}\d\d [a-z]+:",
    r"(?i)\$(?:\{|%7b)jndi",
    r"foo|bar",
    r"^x(?:, [a-z])*;",
    r"^(?:[^,]*,){3}failed$",
)
"""However long the text is, the search takes its length times a constant."""


def _patterns_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("regex", "capture") and not isinstance(inner, dict):
                yield from [inner] if isinstance(inner, str) else [one for one in inner if isinstance(one, str)]
            yield from _patterns_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _patterns_in(inner)


def library() -> list[str]:
    """Return the patterns of the ready rules."""
    folder = Path(rules.__file__).parent / "library"
    texts = [file.read_text() for file in sorted(folder.rglob("*.yaml"))]
    return sorted({pattern for text in texts for pattern in _patterns_in(yaml.safe_load(text))})


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern whose oddities are meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern)
