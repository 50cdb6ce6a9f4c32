"""What is done: steps, how their processes run, how they are tried again and undone."""

from __future__ import annotations

from gateway.schema.conditions import FIELD_NAME, fields, known_fields
from gateway.schema.shapes import (
    SCALAR,
    Keys,
    Schema,
    about,
    choice,
    duration,
    either,
    mapping,
    mode,
    named,
    number,
    one_or_more,
    path,
    percent,
    ref,
    size,
    table,
    text,
    truth,
    whole,
)
from parsers.fields import RESERVED, RESERVED_PREFIXES, is_reserved
from rules.job import Part
from rules.load import BUILTIN, MAX_RATE, MAX_RETRIES
from rules.load_step import ADDRESS, BOX, MAX_FIELDS, OWN_RULE, RULE_NAME, STEPS
from rules.load_task import LOCK, MAX_CONCURRENCY, MAX_COUNT
from rules.load_undo import MAX_ENDINGS, MAX_GROWTH
from rules.rule import Busy, Retry
from rules.values import choices

_LIMITS = mapping(
    "What the kernel grants the process (setrlimit(2)); what is absent is as the gateway's own.",
    {
        "cpu": duration("Processor time, in whole seconds.", example="30s"),
        "address_space": size("Memory that it may address.", 1, example="1GiB"),
        "file_size": size("The greatest file that it may write.", 0, example="1GiB"),
        "open_files": whole("Open files and sockets.", 3, MAX_COUNT),
        "processes": whole("Processes of its user.", 1, MAX_COUNT),
    },
)

PROCESS: Keys = {
    "timeout": duration("After how long a process that still runs is ended.", BUILTIN.timeout, example="15m"),
    "grace": duration("How long it has between TERM and KILL.", BUILTIN.grace, zero=True, example="5s"),
    "user": text("The user that it runs as, by name or number; absent: whoever runs the gateway.", r"[^\s:]+"),
    "group": text("The group that it runs as, by name or number.", r"[^\s:]+"),
    "cwd": text("The folder that it runs in.", r"/.*", wanted="an absolute path") | {"default": BUILTIN.cwd},
    "umask": mode("The permissions that its files do not get.", BUILTIN.umask),
    "nice": whole("How far it steps back for others: 19 furthest.", -20, 19, BUILTIN.nice),
    "environment": table(
        "Variables of its environment; the event is in GATEWAY_* and needs none.",
        SCALAR,
        {"type": "string", "pattern": "^(?!GATEWAY_)[A-Za-z_][A-Za-z0-9_]*$"},
        examples=[{"LANG": "C.UTF-8"}],
    ),
    "options": choice("Whether values that fill ${field} may begin with a -.", ("allow", "refuse"), "refuse"),
    "stdin": choice("What it reads: the event as one JSON document, or nothing.", ("event", "none"), "event"),
    "output": size("What is kept of its standard output, and of its standard error.", 0, BUILTIN.output),
    "limits": _LIMITS,
    "concurrency": whole("How many of this step run at a time.", 1, MAX_CONCURRENCY, BUILTIN.concurrency),
}

RUN = mapping("How processes run whose step does not say otherwise.", {key: ref(f"process-{key}") for key in PROCESS})

LOCKED = text("Steps of one lock run one after the other.", LOCK, examples=["invoices"])

_PROCESS_KEYS: Keys = {**{key: ref(f"process-{key}") for key in PROCESS}, "lock": ref("lock")}
_DECRYPTS = ("stdin", "options", "cwd")
"""What a `decrypt` step does not have, for its program is the gateway's own."""

_ARGV: Schema = {"type": "array", "items": SCALAR, "minItems": 1}

_FILE = text(
    "The file; usually ${file.path}.", r"(?:/|\$\{)[\s\S]*", wanted='the path of a file, such as "${file.path}",'
)

_RULE = either("A rule's name.", {"enum": [OWN_RULE]}, text("A rule's name.", RULE_NAME))

_SETTABLE = {name: value for name, value in known_fields({}).items() if name == "message" or not is_reserved(name)}

_EMITTED = table(
    "Make an event of these fields (event.dataset: emit), which every rule may see.",
    SCALAR,
    {
        "allOf": [
            FIELD_NAME,
            {"not": {"enum": sorted(RESERVED - {"message"})}},
            {"not": {"pattern": f"^(?:{'|'.join(prefix.replace('.', r'[.]') for prefix in RESERVED_PREFIXES)})"}},
        ]
    },
    known=_SETTABLE,
    least=1,
    most=MAX_FIELDS,
    examples=[{"event.action": "ssh-login-recovered", "user.name": "${user.name}"}],
)

_KEYS = mapping(
    "Decrypt a file, with age or OpenPGP; later steps have its path as ${file.decrypted.path}.",
    {
        "key": path("The file with the secret key.", "keys/acme.age"),
        "passphrase_file": path("The file with the passphrase, of the key or of the files.", "keys/acme.passphrase"),
        "file": about("Which file.", _FILE, default="${file.path}"),
    },
    some_of=[["key"], ["passphrase_file"]],
    examples=[{"key": "keys/acme.age"}],
)

_LINE = r"[^\r\n]+"

_KINDS: dict[str, tuple[Schema, Keys]] = {
    "run": (
        about(
            "Run a process: the program and its arguments, as a list. There is no shell; ${field} fills in one word, "
            "whatever it holds.",
            _ARGV,
            examples=[["import-invoices", "--from", "${user.name}", "${file.path}"]],
        ),
        _PROCESS_KEYS,
    ),
    "stream": (
        about(
            "A process that stays: it is started once and reads its events from standard input, one a line, as JSON.",
            _ARGV,
            examples=[["feed-dashboard"]],
        ),
        _PROCESS_KEYS | {"ready": truth("It says OK once before its first event too.", usual=False)},
    ),
    "decrypt": (_KEYS, {key: value for key, value in _PROCESS_KEYS.items() if key not in _DECRYPTS}),
    "delete": (about("Delete a file of the drop box or of a watched folder.", _FILE, examples=["${file.path}"]), {}),
    "move": (
        about("Move a file into another folder.", _FILE, examples=["${file.path}"]),
        {"to": path("The folder: relative to the drop box's, or absolute; no event chooses it.", "processed")},
    ),
    "mail": (
        one_or_more(
            "Send mail to these addresses, or users of this machine.",
            text("An address, or a user of this machine.", ADDRESS, wanted="a bare mail address"),
            examples=["root", ["ops@example.com"]],
        ),
        {
            "subject": text("The subject, a line; ${field} is filled in.", _LINE, wanted="a subject of one line"),
            "body": text("The text; absent: the message, or the digest. ${field} is filled in."),
        },
    ),
    "forward": (text("Send the original message to one of the configuration's destinations.", r"\S+"), {}),
    "emit": (about(_EMITTED["description"], ref("emitted")), {}),
    "pause": (about("Let a rule rest: its jobs wait.", _RULE, examples=[OWN_RULE, "export-order"]), {}),
    "resume": (about("Let a rule that rests go on.", _RULE, examples=[OWN_RULE, "export-order"]), {}),
    "dead_letter": (text("Put the failed job into this box, for `gateway jobs`.", BOX, examples=["invoices"]), {}),
}
"""Each kind of step: what stands under its key, and the keys beside it."""

_REQUIRED = {"move": ["to"], "mail": ["subject"]}


def kinds(part: Part) -> tuple[str, ...]:
    """Return the kinds of steps that a part of a rule may have."""
    return tuple(kind for kind in STEPS if kind != "dead_letter" or part is Part.ON_FAILURE)


def _step(kind: str, others: Keys | None = None) -> Schema:
    value, keys = _KINDS[kind]
    return mapping(
        f"A step: {kind}.",
        {kind: value, **keys, **(others or {})},
        title=kind,
        required=[kind, *_REQUIRED.get(kind, ())],
    )


def _steps(part: Part, description: str, *, least: int = 1) -> Schema:
    name = "failure-step" if part is Part.ON_FAILURE else "step"
    words = f"{description}: a step or a list of steps, up to the first that fails."
    return one_or_more(words, ref(name), least=least, examples=[{"mail": ["root"], "subject": "${rule.name}"}])


DO = _steps(Part.DO, "What is done")
ELSE = _steps(
    Part.ELSE,
    "What is done where the condition over time ends without coming true (absent: it came; settled with files: some "
    "stayed away)",
)
ON_FAILURE = _steps(Part.ON_FAILURE, "What is done once the last try of a step has failed")

_ENDS: Keys = {
    "after": duration("It is undone after this time.", example="10m"),
    "grow": number("How many times as long as the last time it stays open for the same key.", 1, MAX_GROWTH, 1.0),
    "max": duration("The longest time that it grows to.", example="5w"),
    "match": about("It is undone at such an event.", ref("condition")),
    "unless": about("What must not hold of that event.", ref("condition")),
    "by": about("The fields of that event that hold the key, one for each of the rule's.", fields),
    "count": whole("So many such events are wanted, with none of the rule's own between.", 1, MAX_ENDINGS, 1),
    "within": duration("If such an event stays away for so long, the state closes without being undone.", example="4h"),
    "quiet": duration("It is undone when the rule's own events have ceased for so long.", example="10m"),
    "at_most": whole("So many of the rule's own events do not matter to quiet.", 1, MAX_ENDINGS),
}

_ENDS_BY_NAME = {key: ref(f"undo-{key}") for key in _ENDS}

_UNDO: Schema = {
    "description": "How the state that `do` opened closes again, for each key: after a time, at an event, or when the "
    "rule's own events have ceased. While it is open, repeats are swallowed.",
    "type": "object",
    "allOf": [
        {
            "anyOf": [
                *(_step(kind, _ENDS_BY_NAME) for kind in kinds(Part.UNDO)),
                mapping(
                    "Several steps, or none.",
                    _ENDS_BY_NAME | {"do": _steps(Part.UNDO, "What undoes it; [] is nothing", least=0)},
                    title="do",
                    required=["do"],
                ),
            ]
        },
        {"anyOf": [{"required": [key]} for key in ("after", "match", "quiet")]},
    ],
    "dependentRequired": {
        **{key: ["after"] for key in ("grow", "max")},
        **{key: ["match"] for key in ("unless", "by", "count", "within")},
        "at_most": ["quiet"],
    },
    "examples": [
        {"after": "10m", "grow": 2, "max": "5w", "run": ["unban", "${source.ip}"]},
        {"match": {"event.action": "service-up"}, "mail": ["root"], "subject": "${service.name} is back"},
        {"after": "4h", "do": []},
    ],
}

_USUAL = Retry()

RETRY = mapping(
    "How a step that failed is tried again.",
    {
        "times": whole("So many more times.", 1, MAX_RETRIES, _USUAL.times),
        "wait": duration("How long to wait before the first of them.", _USUAL.wait, example="10s"),
        "grow": number("How many times as long each further wait is.", 1, MAX_GROWTH, _USUAL.grow),
        "max": duration("The longest wait.", _USUAL.limit, example="10m"),
        "jitter": percent("The part of a wait that is left to chance.", _USUAL.jitter),
    },
    examples=[{"times": 5, "wait": "10s", "grow": 2, "max": "10m", "jitter": "20%"}],
)

BUSY = choice(
    "What becomes of a job whose rule has another for the same key that waits or runs: it queues, at most one waits "
    "beside the one that runs (coalesce), it is dropped, or it takes the other's place (restart).",
    choices(Busy),
    Busy.QUEUE.value,
)

RATE = mapping(
    "At most so many starts of the rule's steps within a time; what is more waits.",
    {
        "count": whole("So many.", 1, MAX_RATE),
        "within": duration("Within this time.", example="1m"),
    },
    required=["count", "within"],
    examples=[{"count": 10, "within": "1m"}],
)

IDEMPOTENT = truth(
    "false: a job that may have run is never run again by itself, but becomes a dead letter.", usual=True
)

DEFINITIONS = {
    "argv": _ARGV,
    "emitted": _EMITTED,
    **{f"undo-{key}": named(key, schema) for key, schema in _ENDS.items()},
    **{f"process-{key}": named(key, schema) for key, schema in PROCESS.items()},
    "lock": LOCKED,
    "undo": _UNDO,
    "step": {"anyOf": [_step(kind) for kind in kinds(Part.DO)]},
    "failure-step": {"anyOf": [_step(kind) for kind in kinds(Part.ON_FAILURE)]},
}
