"""The drop box, and what watched folders share with it."""

from __future__ import annotations

from pathlib import Path

from gateway.drop.account import After, Checks, Content, Demand, OnConflict, Right, Terms, Unpacking
from gateway.drop_config import CHECKER_TIMEOUT, MAX_DELAY, MAX_TRIES, DropSettings, usual_drop
from gateway.schema.shapes import (
    Keys,
    Schema,
    about,
    choice,
    duration,
    either,
    mapping,
    one_or_more,
    path,
    ref,
    size,
    table,
    text,
    truth,
    whole,
)
from gateway.schema.steps import PROCESS
from gateway.terms_config import LEAST_SPEED, MAX_FILES, MAX_RATIO, MAX_SESSIONS
from rules.values import choices

_TERMS = Terms()
_USUAL: DropSettings = usual_drop(Path(), Path("state"))
_NONE: Schema = {"const": "none"}


def _patterns(description: str, usual: tuple[str, ...], *, least: int) -> Schema:
    pattern = text("A pattern for a file's name.", r"[^/]+", wanted="a pattern of a name without slashes")
    return one_or_more(description, pattern, least=least, examples=["*.part"]) | {"default": list(usual)}


def patterns(usual: tuple[str, ...]) -> Schema:
    """Return the schema of a watched folder's `patterns`."""
    return _patterns("Which files: patterns, one of which the file's name must match.", usual, least=1)


def checks(usual: Checks) -> Keys:
    """Return the keys about what is checked before a file is an event."""
    demands = "off, optional: checked where there is one, required: the file waits for it"
    return {
        "checksum": choice(
            f"Checksums: NAME.sha256, SHA256SUMS and so on; {demands}.", choices(Demand), usual.checksum.value
        ),
        "signature": choice(
            f"Signatures: NAME.asc, NAME.minisig, NAME.sig; {demands}.", choices(Demand), usual.signature.value
        ),
        "signers": one_or_more(
            "Files with the public keys of those who may sign: OpenPGP certificates, minisign keys, SSH keys.",
            path("A file with public keys."),
            examples=["keys/acme.asc"],
        ),
        "wait": duration("How long a file waits for them before it is put into quarantine.", usual.wait, example="1h"),
    }


def content(usual: Content, after: After, unpacking: Unpacking) -> Keys:
    """Return the keys about logs among the files."""
    return {
        "content": choice(
            "What the files are: files, or logs (syslog), each line a message, also in gz, zst, xz and tar.",
            choices(Content),
            usual.value,
        ),
        "after": choice(
            "What becomes of a log once all it caused is kept; move: it goes to processed.",
            choices(After),
            after.value,
        ),
        "unpack": mapping(
            "How much an archive may become.",
            {
                "octets": size("Of all that is in it.", 1, unpacking.octets, example="16GiB"),
                "ratio": whole("How many times its own size.", 1, MAX_RATIO, unpacking.ratio),
                "members": whole("Files in a tar.", 1, MAX_FILES, unpacking.members),
            },
        ),
    }


def unfinished(usual: tuple[str, ...]) -> Schema:
    """Return the schema of the names under which a file is not whole yet."""
    words = "Patterns of names under which a file is not whole yet; it is no event before it is renamed."
    return _patterns(words, usual, least=0)


_RIGHTS = "list: see names, sizes, times; read: download; rename; delete; upload; folders: make and remove them."

TERMS: Keys = {
    "rights": one_or_more(
        "What an account may do. " + _RIGHTS, choice("A right.", choices(Right)), examples=[["upload", "folders"]]
    )
    | {"default": [right.value for right in Right if right in _TERMS.rights]},
    "on_conflict": choice(
        "What becomes of an upload whose name is taken; rename: report.csv becomes report-1.csv.",
        choices(OnConflict),
        _TERMS.on_conflict.value,
    ),
    "max_file": size("The octets of one file.", 1, _TERMS.max_file, example="4GiB"),
    "unfinished": unfinished(_TERMS.unfinished),
    "quota": either(
        "How much may be in an account's folder at a time.",
        _NONE,
        mapping(
            "At most so much.",
            {"octets": size("Octets.", 1, example="10GiB"), "files": whole("Files.", 1, MAX_FILES)},
        ),
        examples=[{"octets": "10GiB", "files": 10000}],
    )
    | {"default": "none"},
    **checks(_TERMS.checks),
    **content(_TERMS.content, _TERMS.after, _TERMS.unpacking),
    "speed": either("Octets a second of one transfer.", _NONE, size("So many.", LEAST_SPEED, example="1MiB"))
    | {"default": "none"},
    "sessions": whole("Logins of one account at a time.", 1, MAX_SESSIONS, _TERMS.sessions),
    "plain": truth("It may log in without encryption, from anywhere.", usual=_TERMS.plain),
}

_CHECKER: Keys = {
    **{key: ref(f"process-{key}") for key in PROCESS if key not in ("timeout", "stdin")},
    "timeout": duration("After how long it is ended; a client waits.", CHECKER_TIMEOUT, example="10s"),
    "lock": ref("lock"),
}

DROP = mapping(
    "The drop box. What stands here is so for each account whose entry in the accounts file does not say otherwise.",
    {
        "folder": path("The folder that holds the accounts' folders, quarantine and processed.", "state/drop")
        | {"default": str(Path("state") / _USUAL.folder.name)},
        "accounts": path("The accounts file; `gateway account add NAME` makes it.", "accounts.yaml")
        | {"default": _USUAL.accounts.name},
        **TERMS,
        "login": mapping(
            "Wrong passwords.",
            {
                "tries": whole("So many on one connection, then it is closed.", 1, MAX_TRIES, _USUAL.tries),
                "delay": duration(
                    f"How long the first takes, at most {MAX_DELAY:g}s; each further one takes twice as long.",
                    _USUAL.delay,
                    zero=True,
                    example="1s",
                ),
            },
        ),
        "checker": mapping(
            "A program that judges the passwords of accounts that are `external: true`. It reads the user and the "
            "password from its standard input, a line each, and exits with 0 to let them in.",
            {
                "run": about("The program and its arguments, as a list.", ref("argv")),
                **_CHECKER,
            },
            required=["run"],
            examples=[{"run": ["/usr/sbin/pwauth"], "user": "root"}],
        ),
        "retention": table(
            "For a folder below that of the drop box: after how long a file in it is deleted.",
            duration("After how long.", example="30d"),
            {"type": "string", "minLength": 1, "pattern": "^[^/]"},
            examples=[{"quarantine": "30d", "processed": "90d"}],
        ),
    },
)
