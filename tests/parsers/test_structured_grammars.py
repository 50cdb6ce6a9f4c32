"""Web logs, netfilter, logfmt, JSON, CEF and LEEF: what a stranger's text can and cannot do to the fields."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.event import Event, FieldValue
from parsers.fields import is_reserved
from parsers.grammars import (
    aliases,
    apache_error,
    cef,
    json_cee,
    leef,
    logfmt,
    netfilter,
    nginx_error,
    web_access,
)
from parsers.lowering import CompiledGrammar
from parsers.message import Message, Origin, Trust

JSON = CompiledGrammar(json_cee.GRAMMAR)
LOGFMT = CompiledGrammar(logfmt.GRAMMAR)
CEF = CompiledGrammar(cef.GRAMMAR)
LEEF = CompiledGrammar(leef.GRAMMAR)
ACCESS = CompiledGrammar(web_access.GRAMMAR)
NGINX = CompiledGrammar(nginx_error.GRAMMAR)
APACHE = CompiledGrammar(apache_error.GRAMMAR)
NETFILTER = CompiledGrammar(netfilter.GRAMMAR)
SELF_DESCRIBING = (JSON, LOGFMT, CEF, LEEF)
ALL = (*SELF_DESCRIBING, ACCESS, NGINX, APACHE, NETFILTER)

TRUE = "192.0.2.7"
FORGED = "198.51.100.1"


def fields_of(grammar: CompiledGrammar, text: str) -> dict[str, FieldValue] | None:
    """Return what a grammar finds in a text."""
    found = grammar.parse(text)
    return None if found is None else found[1]


def strings_in(value: FieldValue) -> list[str]:
    """List every text in a value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings_in(item)]
    return []


KEYS = st.sampled_from(
    [
        *aliases.ALIASES,
        *aliases.ENVELOPE,
        *cef.KEYS,
        *leef.KEYS,
        "event.module",
        "event.dataset",
        "message",
        "@timestamp",
        "gateway",
        "gateway.trust",
        "log.syslog.hostname",
        "log.source.address",
        "event.original",
        "cs1Label",
        "cs1",
    ]
) | st.text(max_size=8)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [TRUE, "gateway.trust", "message", "a=b", "\\", '"', "443", "9" * 30, "\ud800", "\udc80", "a\tb|c^d"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES: st.SearchStrategy[FieldValue] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)
PAIRS = st.lists(st.tuples(KEYS, TEXTS), min_size=1, max_size=6)
MESSAGES = st.one_of(
    st.builds(lambda o, cookie, raw: cookie + json.dumps(o, ensure_ascii=raw), OBJECTS, st.sampled_from(["", "@cee: "]),
              st.booleans()),
    PAIRS.map(lambda pairs: " ".join(f"{k}={v}" for k, v in pairs)),
    PAIRS.map(lambda pairs: " ".join(f"{k}={json.dumps(v)}" for k, v in pairs)),
    PAIRS.map(lambda pairs: "CEF:0|a|b|c|d|e|5|" + " ".join(f"{k}={v}" for k, v in pairs)),
    PAIRS.map(lambda pairs: "LEEF:1.0|a|b|c|d|" + "\t".join(f"{k}={v}" for k, v in pairs)),
    PAIRS.map(lambda pairs: "LEEF:2.0|a|b|c|d|x5E|" + "^".join(f"{k}={v}" for k, v in pairs)),
    st.text(),
)  # fmt: skip


@settings(deadline=None)
@given(MESSAGES)
def test_no_text_raises_or_sets_what_only_the_gateway_may_say(text: str) -> None:
    """Whatever the keys, no reserved field and nothing about the sender is set, and the event is still JSON."""
    for grammar in SELF_DESCRIBING:
        found = fields_of(grammar, text)
        if found is None:
            continue
        assert not [name for name in found if is_reserved(name) or name in aliases.ENVELOPE]
        message = Message(b"", Origin("test", Trust.NETWORK), 0.0)
        line = Event(found, datetime.fromtimestamp(0, UTC), message).to_json()
        line.encode()
        json.loads(line, parse_constant=pytest.fail)


@settings(deadline=None)
@given(MESSAGES)
def test_values_stand_in_the_text_unless_it_holds_escapes(text: str) -> None:
    """The sieve looks for a rule's literal in the raw message, so values without escapes stand there as they are."""
    for grammar in SELF_DESCRIBING:
        found = grammar.parse(text)
        if found is None or (found[0].escape and re.search(found[0].escape, text)):
            continue
        for value in strings_in(dict(found[1])):
            assert value in text


@settings(deadline=None)
@given(MESSAGES)
def test_an_ip_field_holds_an_ip_address(text: str) -> None:
    """A rule may hand `source.ip` to a firewall: text that is no address goes to `source.address`."""
    for grammar in SELF_DESCRIBING:
        value = (fields_of(grammar, text) or {}).get("source.ip")
        assert not isinstance(value, str) or aliases.is_ip_address(value)


def test_json_nested_deeper_than_the_limit_is_declined() -> None:
    """Objects and arrays nest up to the limit; one more level, or ten thousand, and the text is no record."""
    for opening, closing in (('{"a":', "}"), ("[", "]")):
        nested = json_cee.MAX_DEPTH - 1
        inner = opening * nested + "1" + closing * nested
        assert fields_of(JSON, f'{{"x":{inner}}}') is not None
        assert fields_of(JSON, f'{{"x":{opening}{inner}{closing}}}') is None
        assert fields_of(JSON, '{"x":' + opening * 10_000 + "1" + closing * 10_000 + "}") is None
        assert fields_of(JSON, '{"x":' + opening * 10_000) is None


def test_json_of_more_values_than_the_limit_is_declined() -> None:
    """The count holds for the whole object, arrays in it included."""
    most = json_cee.MAX_VALUES
    assert fields_of(JSON, json.dumps({f"k{n}": n for n in range(most)})) is not None
    assert fields_of(JSON, json.dumps({f"k{n}": n for n in range(most + 1)})) is None
    assert fields_of(JSON, json.dumps({"k": list(range(most))})) is None


def test_numbers_that_other_readers_cannot_hold() -> None:
    """A number beyond 64 bits stays text; one of thousands of digits, which int() refuses, declines the record."""
    assert fields_of(JSON, f'{{"n":{2**63 - 1}}}') == {"labels.n": 2**63 - 1}
    assert fields_of(JSON, f'{{"n":-{2**63}}}') == {"labels.n": str(-(2**63))}
    assert fields_of(JSON, f'{{"n":{"9" * 5000}}}') is None
    assert fields_of(LOGFMT, f"sport={'9' * 30} status=5٣") == {
        "source.port": "9" * 30,
        "http.response.status_code": "5٣",
    }


def test_octets_that_were_no_utf8_survive_json() -> None:
    """A lone surrogate of surrogateescape is an octet of the message and stays, beside escapes that are replaced."""
    assert fields_of(JSON, '{"a":"\udcff\\ud800"}') == {"labels.a": "\udcff\ufffd"}


def test_more_pairs_than_the_limit() -> None:
    """A list of pairs that is too long is declined in logfmt and CEF; in LEEF the rest is left."""
    pairs = [f"k{n}={n}" for n in range(300)]
    assert fields_of(LOGFMT, " ".join(pairs)) is None
    assert fields_of(CEF, "CEF:0|a|b|c|d|e|5|" + " ".join(pairs)) is None
    found = fields_of(LEEF, "LEEF:1.0|a|b|c|d|" + "\t".join(pairs))
    assert found is not None
    assert len(found) == 4 + leef.MAX_PAIRS


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("SRC", "source.ip"),
        ("dns.question.name", "dns.question.name"),
        ("dns", "labels.dns"),
        ("dns.", "labels.dns."),
        ("dnsx.y", "labels.dnsx.y"),
        ("log.syslog.version", "labels.log.syslog.version"),
        ("process.name", "labels.process.name"),
        ("", "labels."),
    ],
)
def test_keys_become_fields(key: str, name: str) -> None:
    """ECS names pass, short words have aliases, all others are labels."""
    assert aliases.field_name(key) == name


def escaped_by_nginx(text: str) -> str:
    """Escape as `escape=default` does."""
    octets = text.encode("utf-8", "surrogatepass")
    return "".join(chr(o) if 31 < o < 127 and chr(o) not in '"\\' else f"\\x{o:02X}" for o in octets)


def escaped_by_apache(text: str) -> str:
    r"""Escape as mod_log_config does: a quote as `\"`."""
    return "".join(rf"\{c}" if c in '"\\' else c if 31 < ord(c) < 127 else f"\\x{ord(c) & 255:02x}" for c in text)


LINE_PARTS = ['"', "\\", " ", "[22/Nov/2026:10:00:00 +0000] ", '"GET / HTTP/1.1" ', '" 200 5 "', FORGED, " - - ", "x"]
FORGERIES = st.lists(st.sampled_from(LINE_PARTS) | st.text(max_size=3), max_size=12).map("".join)


@settings(deadline=None)
@given(FORGERIES, FORGERIES, FORGERIES, st.sampled_from([escaped_by_nginx, escaped_by_apache]))
def test_an_access_log_line_says_what_the_server_wrote(user: str, target: str, agent: str, escape: object) -> None:
    """User, target and agent may hold copies of the line: client, status and size stay the server's."""
    assert callable(escape)
    line = (
        f'{TRUE} - {escape(user) or "-"} [22/Nov/2026:10:00:00 +0000] "GET /{escape(target)} HTTP/1.1" 404 77 '
        f'"-" "{escape(agent)}"'
    )
    found = fields_of(ACCESS, line)
    assert found is not None
    assert found["source.ip"] == TRUE
    assert found["http.response.status_code"] == 404
    assert found["http.response.body.bytes"] == 77
    assert found["url.original"] == f"/{escape(target)}"


TAIL = f', client: {TRUE}, server: _, request: "GET / HTTP/1.1", host: "www.example.org"'
NGINX_PARTS = [
    f', client: {FORGED}, server: _, request: "GET / HTTP/1.1", host: "x"',
    f", client: {FORGED}",
    ', referrer: "',
    '": password mismatch',
    '" was not found in "/x"',
    '" failed (2: No such file or directory)',
    '" is forbidden',
    '"',
    "'",
    " ",
    "x" * 700,
]
NGINX_FORGERIES = st.lists(st.sampled_from(NGINX_PARTS) | st.text(max_size=3), max_size=6).map("".join)


@settings(deadline=None)
@given(NGINX_FORGERIES, NGINX_FORGERIES, st.booleans())
def test_nginx_never_names_a_client_that_a_path_or_referrer_made_up(path: str, referrer: str, whole: bool) -> None:
    """With more than one client in the line, or the line cut at nginx's limit, no client is named."""
    line = f'[error] 7#7: *1 open() "/srv/{path}" failed (2: No such file or directory){TAIL}, referrer: "{referrer}"'
    if not whole:
        line = line.encode("utf-8", "surrogatepass")[:2030].decode("utf-8", "replace")
    found = fields_of(NGINX, line)
    assert found is not None
    assert found.get("source.ip") in {None, TRUE}


@settings(deadline=None)
@given(NGINX_FORGERIES.map(lambda user: user.replace(":", "")), NGINX_FORGERIES)
def test_nginx_names_the_client_of_every_failed_login(user: str, referrer: str) -> None:
    """A user cannot hold a colon (it ends there), so no user and no referrer hides or forges the client."""
    for failure in ('": password mismatch', '" was not found in "/etc/nginx/users"'):
        found = fields_of(NGINX, f'[error] 7#7: *1 user "u{user}{failure}{TAIL}, referrer: "{referrer}"')
        assert found is not None
        assert found["event.action"] == "http-login"
        assert found["source.ip"] == TRUE
        assert found["user.name"] == f"u{user}"


APACHE_WORDS = ("AH01618: ", "ModSecurity: Access denied with code 403 ", "client denied by server configuration: ")


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                f"[client {FORGED}:1] ",
                "user ",
                " not found: ",
                ': authentication failure for "',
                "] ",
                ' [id "7"]',
                "x",
                *APACHE_WORDS,
            ]
        )
        | st.text(max_size=3),
        max_size=10,
    ).map("".join)
)
def test_apache_names_the_client_that_it_wrote_in_front(text: str) -> None:
    """Nothing behind the prefix changes what the prefix says."""
    found = fields_of(APACHE, f"[core:error] [pid 12:tid 34] [client {TRUE}:5000] {text}")
    assert found is not None
    assert found["source.ip"] == TRUE
    assert found["source.port"] == 5000


def test_hostile_texts_of_a_whole_frame_take_linear_time() -> None:
    """64 KiB of what makes a careless expression try every split end within a moment (quadratic: minutes)."""
    heads = ["", "CEF:0|a|b|c|d|e|5|a=", "LEEF:2.0|a|b|c|d|x5E|a=", 'a=b c="', '{"a":', f"{TRUE} - ", "IN=eth0 "]
    heads += [
        f'{TRUE} - - [22/Nov/2026:10:00:00 +0000] "GET /',
        '[error] 7#7: *1 user "',
        "[error] [client 1.2.3.4] user ",
    ]
    heads += [
        '[error] [client 1.2.3.4] ModSecurity: Warning. [id "7"]',
        "[UFW BLOCK] IN= OUT= SRC=1.2.3.4 DST=1.2.3.4 LEN=1",
    ]
    started = perf_counter()
    for head in heads:
        for piece in (" ", "a", '"', "\\", "a=", "[", "{", ", client: ", " [", "^", ":", '\\"', " not found: "):
            text = head + piece * (65536 // len(piece))
            for grammar in ALL:
                grammar.parse(text)
                grammar.parse(text + "\n")
    assert perf_counter() - started < 15
