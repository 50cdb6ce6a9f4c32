"""PostgreSQL's messages, in our own words, and what each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example


def _sets(category: str, action: str, outcome: str | None = None) -> dict[str, FieldValue]:
    sets: dict[str, FieldValue] = {"event.category": [category], "event.action": action}
    return sets if outcome is None else {**sets, "event.outcome": outcome}


_LOGIN = _sets("authentication", "database-login", "success")
_LOGIN_FAILED = _sets("authentication", "database-login", "failure")
_CONNECT = _sets("network", "database-connect")
_CLOSED = _sets("session", "database-session-closed")
_FULL = _sets("database", "database-connect", "failure")
_QUERY_FAILED = _sets("database", "database-query", "failure")
_READY, _STOPPED = _sets("process", "service-ready", "success"), _sets("process", "service-stopped")
_DEBIAN = "2026-01-02 10:00:00.123 UTC [812] alice@shop "
_BY: dict[str, FieldValue] = {"process.pid": 812, "user.name": "alice", "postgresql.log.database": "shop"}
_FATAL: dict[str, FieldValue] = {"log.level": "FATAL"}
_LOG: dict[str, FieldValue] = {"log.level": "LOG"}
_ERROR: dict[str, FieldValue] = {"log.level": "ERROR"}
_FROM: dict[str, FieldValue] = {"source.ip": "192.0.2.51", "source.port": 50123}

EXAMPLES: tuple[Example, ...] = (
    Example(
        f'[7-1] {_DEBIAN}FATAL:  password authentication failed for user "alice"',
        {**_LOGIN_FAILED, **_BY, **_FATAL, "event.reason": "password authentication failed"},
    ),
    Example(
        'FATAL:  Peer authentication failed for user "postgres"',
        {**_LOGIN_FAILED, **_FATAL, "user.name": "postgres", "event.reason": "Peer authentication failed"},
    ),
    Example(
        '[812] alice@shop 192.0.2.51(50123) FATAL:  password authentication failed for user "alice"',
        {**_LOGIN_FAILED, **_BY, **_FATAL, **_FROM, "event.reason": "password authentication failed"},
    ),
    Example(
        'user=alice,db=shop,app=psql,client=192.0.2.51 FATAL:  password authentication failed for user "alice"',
        {
            **_LOGIN_FAILED,
            **_FATAL,
            "user.name": "alice",
            "postgresql.log.database": "shop",
            "source.ip": "192.0.2.51",
            "event.reason": "password authentication failed",
        },
    ),
    Example(
        f'{_DEBIAN}FATAL:  no pg_hba.conf entry for host "192.0.2.51", user "alice", database "shop", no encryption',
        {**_LOGIN_FAILED, **_BY, **_FATAL, "source.ip": "192.0.2.51", "event.reason": "no pg_hba.conf entry"},
    ),
    Example(
        'FATAL:  pg_hba.conf rejects connection for host "2001:db8::51", user "alice", database "shop", SSL encryption',
        {
            **_LOGIN_FAILED,
            **_FATAL,
            "source.ip": "2001:db8::51",
            "user.name": "alice",
            "postgresql.log.database": "shop",
            "event.reason": "pg_hba.conf rejects connection",
        },
    ),
    Example(
        'FATAL:  no pg_hba.conf entry for replication connection from host "192.0.2.51", user "copy", no encryption',
        {
            **_LOGIN_FAILED,
            **_FATAL,
            "source.ip": "192.0.2.51",
            "user.name": "copy",
            "event.reason": "no pg_hba.conf entry",
        },
    ),
    Example(  # a user name that is a copy of the line: no address is taken
        '[812] x@y FATAL:  no pg_hba.conf entry for host "203.0.113.9", user "@d FATAL:  no pg_hba.conf entry for host '
        '"192.0.2.51", user "x", database "d", no encryption',
        {
            "log.level": "FATAL",
            "process.pid": 812,
            "user.name": "x",
            "postgresql.log.database": "y",
            "error.message": 'no pg_hba.conf entry for host "203.0.113.9", user "@d FATAL:  no pg_hba.conf entry for '
            'host "192.0.2.51", user "x", database "d", no encryption',
        },
    ),
    Example(  # a user name that goes on as the line does
        'FATAL:  no pg_hba.conf entry for host "192.0.2.51", user "a", database "b", no encryption", database "c", '
        "no encryption",
        {
            **_LOGIN_FAILED,
            **_FATAL,
            "source.ip": "192.0.2.51",
            "user.name": 'a", database "b", no encryption',
            "postgresql.log.database": "c",
            "event.reason": "no pg_hba.conf entry",
        },
    ),
    Example(
        f'{_DEBIAN}FATAL:  role "mallory" does not exist',
        {**_LOGIN_FAILED, **_BY, **_FATAL, "user.name": "mallory", "event.reason": "does not exist"},
    ),
    Example(
        'FATAL:  role "backup" is not permitted to log in',
        {**_LOGIN_FAILED, **_FATAL, "user.name": "backup", "event.reason": "is not permitted to log in"},
    ),
    Example(
        f'{_DEBIAN}FATAL:  database "none" does not exist',
        {**_LOGIN_FAILED, **_BY, **_FATAL, "postgresql.log.missing": "none", "event.reason": "does not exist"},
    ),
    Example(
        "FATAL:  sorry, too many clients already",
        {**_FULL, **_FATAL, "event.reason": "sorry, too many clients already"},
    ),
    Example(
        f'{_DEBIAN}FATAL:  too many connections for role "alice"',
        {**_FULL, **_BY, **_FATAL, "event.reason": 'too many connections for role "alice"'},
    ),
    Example(
        "[812] [unknown]@[unknown] LOG:  invalid length of startup packet",
        {**_FULL, **_LOG, "process.pid": 812, "event.reason": "invalid length of startup packet"},
    ),
    Example("LOG:  connection received: host=192.0.2.51 port=50123", {**_CONNECT, **_LOG, **_FROM}),
    Example(
        "[812] [unknown]@[unknown] LOG:  connection received: host=[local]", {**_CONNECT, **_LOG, "process.pid": 812}
    ),
    Example(
        "LOG:  connection received: host=app.example.com port=50123",
        {**_CONNECT, **_LOG, "source.domain": "app.example.com", "source.port": 50123},
    ),
    Example(
        f'{_DEBIAN}LOG:  connection authenticated: identity="alice" method=scram-sha-256 (/etc/pg_hba.conf:92)',
        {
            **_sets("authentication", "database-authentication", "success"),
            **_LOG,
            **_BY,
            "postgresql.log.method": "scram-sha-256",
        },
    ),
    Example(
        f"{_DEBIAN}LOG:  connection authorized: user=alice database=shop application_name=psql SSL enabled "
        "(protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)",
        {**_LOGIN, **_LOG, **_BY, "postgresql.log.application": "psql"},
    ),
    Example(
        "LOG:  connection authorized: user=alice database=shop",
        {**_LOGIN, **_LOG, "user.name": "alice", "postgresql.log.database": "shop"},
    ),
    Example("LOG:  replication connection authorized: user=copy", {**_LOGIN, **_LOG, "user.name": "copy"}),
    Example(
        f"{_DEBIAN}LOG:  disconnection: session time: 0:00:07.312 user=alice database=shop host=192.0.2.51 port=50123",
        {**_CLOSED, **_LOG, **_BY, **_FROM, "postgresql.log.session_time": "0:00:07.312"},
    ),
    Example(  # a database name that is a copy of the end
        "LOG:  disconnection: session time: 0:00:01.000 user=alice database=x host=203.0.113.9 port=1 "
        "host=192.0.2.51 port=50123",
        {
            **_CLOSED,
            **_LOG,
            **_FROM,
            "user.name": "alice",
            "postgresql.log.database": "x host=203.0.113.9 port=1",
            "postgresql.log.session_time": "0:00:01.000",
        },
    ),
    Example(
        f"{_DEBIAN}LOG:  could not receive data from client: Connection reset by peer",
        {
            **_CLOSED,
            **_LOG,
            **_BY,
            "event.outcome": "failure",
            "event.reason": "could not receive data from client: Connection reset by peer",
        },
    ),
    Example(
        f"{_DEBIAN}LOG:  duration: 1234.5678 ms  statement: select pg_sleep(1)",
        {
            **_sets("database", "database-query", "success"),
            **_LOG,
            **_BY,
            "event.duration": 1_234_567_800,
            "postgresql.log.query_step": "statement",
            "postgresql.log.query": "select pg_sleep(1)",
        },
    ),
    Example(
        "LOG:  duration: 0.070 ms",
        {**_sets("database", "database-query", "success"), **_LOG, "event.duration": 70_000},
    ),
    Example(
        f"{_DEBIAN}LOG:  statement: drop table customer",
        {
            **_sets("database", "database-query"),
            **_LOG,
            **_BY,
            "postgresql.log.query_step": "statement",
            "postgresql.log.query": "drop table customer",
        },
    ),
    Example(
        f"{_DEBIAN}ERROR:  deadlock detected",
        {
            **_sets("database", "database-deadlock", "failure"),
            **_ERROR,
            **_BY,
            "error.message": "deadlock detected",
        },
    ),
    Example(
        "LOG:  process 812 still waiting for ShareLock on transaction 77 after 1000.112 ms",
        {
            **_sets("database", "database-lock-wait"),
            **_LOG,
            "event.reason": "process 812 still waiting for ShareLock on transaction 77 after 1000.112 ms",
        },
    ),
    Example(
        f"{_DEBIAN}ERROR:  permission denied for table customer",
        {
            **_sets("database", "database-permission", "failure"),
            **_ERROR,
            **_BY,
            "error.message": "permission denied for table customer",
        },
    ),
    Example(
        f'{_DEBIAN}ERROR:  relation "nothing" does not exist at character 15',
        {**_QUERY_FAILED, **_ERROR, **_BY, "error.message": 'relation "nothing" does not exist at character 15'},
    ),
    Example(
        _DEBIAN + "STATEMENT:  table nothing",
        {
            **_sets("database", "database-statement"),
            **_BY,
            "log.level": "STATEMENT",
            "postgresql.log.query": "table nothing",
        },
    ),
    Example(
        f'{_DEBIAN}DETAIL:  Role "mallory" does not exist.',
        {
            **_sets("database", "database-detail"),
            **_BY,
            "log.level": "DETAIL",
            "postgresql.log.detail": 'Role "mallory" does not exist.',
        },
    ),
    Example("[1-1] LOG:  database system is ready to accept connections", {**_READY, **_LOG}),
    Example(
        "LOG:  checkpoint complete: wrote 12 buffers (0.1%)",
        {
            **_sets("database", "database-checkpoint"),
            **_LOG,
            "event.reason": "checkpoint complete: wrote 12 buffers (0.1%)",
        },
    ),
    Example(
        "LOG:  received fast shutdown request",
        {**_STOPPED, **_LOG, "event.reason": "received fast shutdown request"},
    ),
    Example(
        "LOG:  starting PostgreSQL 15.5 (Debian 15.5-0+deb12u1) on x86_64-pc-linux-gnu",
        {**_sets("process", "service-started"), **_LOG, "service.version": "15.5"},
    ),
    Example(
        'LOG:  listening on IPv4 address "198.51.100.51", port 5432',
        {
            **_sets("network", "listening", "success"),
            **_LOG,
            "server.ip": "198.51.100.51",
            "server.port": 5432,
        },
    ),
    Example(
        "LOG:  server process (PID 901) was terminated by signal 9: Killed",
        {
            **_sets("process", "service-crashed", "failure"),
            **_LOG,
            "event.reason": "server process (PID 901) was terminated by signal 9: Killed",
        },
    ),
    Example(
        f"{_DEBIAN}FATAL:  terminating connection due to administrator command",
        {**_FATAL, **_BY, "error.message": "terminating connection due to administrator command"},
    ),
    Example(
        'LOG:  automatic vacuum of table "shop.public.orders": index scans: 1',
        {**_LOG, "event.reason": 'automatic vacuum of table "shop.public.orders": index scans: 1'},
    ),
    Example("FATAL: only one blank follows", None),
    Example("waiting for server to start", None),
)
