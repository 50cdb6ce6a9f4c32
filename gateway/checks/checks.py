"""Whether a file is what its sidecars say: checksums and detached signatures that came with it.

Everything here blocks (it reads whole files) and runs in threads.

A sidecar is a file like any other to whoever uploads it. It is accepted, for it waits for nobody, and is checked when
it is used; its own event says how the files fare that it is about and that are there. Where a check is required, a
sidecar must be nothing but a sidecar: else anything could come in unchecked as `x.sha256`.

What the checks make use of is `is_sidecar` in its verdict, so that rules about files pass it over. `.asc`, `.gpg` and
`.pgp` may be anything, and are sidecars when they hold a detached signature. All other names say what the file is: an
`x.csv.sha256` or `x.csv.sig` that cannot be read is a sidecar that failed, and no data that a rule should import.

A signature of a list of SHA-256 or SHA-512 checksums (`SHA256SUMS.asc`) is one of every file whose checksum in it is
right.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.checks import checksums, minisign, openpgp, signatures, sshsig
from gateway.checks.checksums import MAX_SIDECAR, shown
from gateway.checks.signatures import BadSignature, Data, Form
from gateway.checks.signers import Keys, Signers
from gateway.drop.account import Checks, Demand
from parsers.errors import OperatorError
from parsers.event import FieldValue

__all__ = ["MAX_SIDECAR", "Outcome", "Verdict", "about", "covered", "failed", "is_sidecar", "judge"]

Read = Callable[[str], bytes | None]
"""Returns the first MAX_SIDECAR + 1 octets of a file in the same folder by its name; None: there is none."""

DataOf = Callable[[str], Path | None]
"""Returns where a whole file of the same folder is, by its name; None: there is none."""

SIGNED_LISTS = frozenset({"sha256", "sha512"})
"""Whoever signs a list of MD5 or SHA-1 has signed nothing: another file with the same sum can be made."""

MAX_LISTS = 4
"""Lists of checksums that are asked about a file: one of each algorithm. To read a large one takes a third of a second,
so that twenty of them, which all may lie there under one name or another, would make each small file that comes dear.
"""


class Outcome(enum.Enum):
    """What becomes of a file."""

    ACCEPT = "accept"  # it is an event now
    HOLD = "hold"  # it waits for what is required
    REJECT = "reject"  # into quarantine


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out.

    Attributes:
        fields: `file.checksum`, `file.signature`, `file.signer`, each where that check is on.
        problem: why it is not accepted, or what is wrong all the same; one line, empty when there is nothing to say.
        is_sidecar: it is a checksum file or a signature, and was judged as one.
    """

    outcome: Outcome
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    problem: str = ""
    is_sidecar: bool = False

    @property
    def speaks_against(self) -> bool:
        """Whether it is a sidecar that does not fit what it is about, or that cannot be read."""
        return self.is_sidecar and failed(self.fields)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one check found: `ok`, `failed` or `missing`."""

    state: str
    problem: str = ""
    signer: str = ""


def is_sidecar(name: str) -> bool:
    """Tell whether files may wait for one of this name; for `.asc`, `.gpg` and `.pgp` its content decides."""
    return checksums.is_sidecar(name) or signatures.subject(name) is not None


def failed(fields: Mapping[str, FieldValue]) -> bool:
    """Tell whether a check failed, by the fields of an event."""
    return "failed" in (fields.get("file.checksum"), fields.get("file.signature"))


def about(name: str) -> str:
    """Say in words what a sidecar is about, by its name."""
    return checksums.subject(name) or signatures.subject(name) or "the files that it lists"


def covered(name: str, content: bytes | None, read: Read | None = None) -> tuple[str, ...]:
    """Return the names of the files that a sidecar is about, in its own folder.

    Args:
        name: the sidecar's own.
        content: its first MAX_SIDECAR + 1 octets; without, only what its name says.
        read: where given, a signature of a list is also about what the list names.
    """
    if checksums.is_list(name):
        return tuple(checksums.parse(name, content).sums) if content is not None else ()
    subject = checksums.subject(name)
    if subject is not None:
        return (subject,)
    subject = signatures.subject(name)
    if subject is None or (content is not None and not _is_signature(name, content)):
        return ()
    if read is None or not checksums.is_list(subject):
        return (subject,)
    return subject, *covered(subject, read(subject))


def judge(
    path: Path,
    name: str,
    sha256: str,
    checks: Checks,
    signers: Signers,
    *,
    read: Read,
    data: DataOf,
    now: float,
) -> Verdict:
    """Judge one whole file.

    Args:
        path: where its octets are, under whatever name; nobody changes them meanwhile. `/proc/self/fd/N` will not do.
        name: what it is called, or will be.
        sha256: of it, in hex.
        checks: what is asked of it.
        signers: where the keys of those who may sign are read.
        read: how sidecars are read.
        data: where the files are that it is about, should it be a sidecar.
        now: seconds since 1970.

    Raises:
        OSError: the file cannot be read.
    """
    if checks.checksum is Demand.OFF and checks.signature is Demand.OFF:
        return Verdict(Outcome.ACCEPT)
    file = Data(path)
    file.know("sha256", bytes.fromhex(sha256))
    if checksums.is_sidecar(name):
        verdict = _judge_checksums(file, name, checks, signers, read, data, now)
        signs = checks.signature is Demand.REQUIRED or (checks.signature is not Demand.OFF and checksums.is_list(name))
        return replace(verdict, is_sidecar=checks.checksum is not Demand.OFF or signs)
    if signatures.subject(name) is not None:
        content = _content(file)
        if _is_signature(name, content):
            verdict = _judge_signature(file, name, content, checks, signers, read, data, now)
            used = checks.signature is not Demand.OFF or checks.checksum is Demand.REQUIRED
            return replace(verdict, is_sidecar=used)
    return _judge_file(file, name, checks, signers, read, now)


def _judge_file(file: Data, name: str, checks: Checks, signers: Signers, read: Read, now: float) -> Verdict:
    fields: dict[str, FieldValue] = {}
    problem = ""
    if checks.checksum is not Demand.OFF:
        found = check_sums(file, name, read)
        fields["file.checksum"] = found.state
        problem = found.problem
        if found.state == "failed":
            return Verdict(Outcome.REJECT, fields, problem)
        if found.state == "missing" and checks.checksum is Demand.REQUIRED:
            words = f"it waits for a checksum: {name}.sha256, or a line in SHA256SUMS"
            return Verdict(Outcome.HOLD, fields, f"{words} ({problem})" if problem else words)
    if checks.signature is not Demand.OFF:
        try:
            found = check_signatures(file, name, signers.keys(checks.signers), read, now)
        except OperatorError as error:
            return Verdict(Outcome.HOLD, fields, f"its signature cannot be checked: {error}")
        _tell(fields, found)
        problem = found.problem or problem
        if found.state == "failed":
            return Verdict(Outcome.REJECT, fields, problem)
        if found.state == "missing" and checks.signature is Demand.REQUIRED:
            return Verdict(Outcome.HOLD, fields, f"it waits for a signature: {name}.asc, {name}.sig or {name}.minisig")
    return Verdict(Outcome.ACCEPT, fields, problem)


def _judge_checksums(
    file: Data, name: str, checks: Checks, signers: Signers, read: Read, data: DataOf, now: float
) -> Verdict:
    """Judge a checksum file: by the files that it is about, and by its own signature if it has one."""
    content = _content(file)
    fields: dict[str, FieldValue] = {}
    sidecar = checksums.parse(name, content)
    problem = f"{name} {sidecar.problem}" if sidecar.problem else ""
    if problem and Demand.REQUIRED in {checks.checksum, checks.signature}:
        fields.update(_states(checks, "failed", Demand.REQUIRED))
        return Verdict(Outcome.REJECT, fields, problem)
    if checks.checksum is not Demand.OFF:
        states = set()
        for subject, sums in sidecar.sums.items():
            path = data(subject)
            found = _compare(Data(path), subject, name, sums) if path is not None else _Finding("missing")
            states.add(found.state)
            problem = problem or found.problem
        wrong = "failed" in states or sidecar.problem
        fields["file.checksum"] = "failed" if wrong else "ok" if "ok" in states else "missing"
        if not wrong and "ok" not in states:
            problem = "no file that it is about is there"
    if checks.signature is not Demand.OFF:
        try:
            found = check_signatures(Data(content=content), name, signers.keys(checks.signers), read, now)
        except OperatorError as error:
            return Verdict(Outcome.ACCEPT, fields, f"its signature cannot be checked: {error}")
        _tell(fields, found)
        if found.state == "failed":
            return Verdict(Outcome.REJECT, fields, found.problem)
    return Verdict(Outcome.ACCEPT, fields, problem)


def _judge_signature(
    file: Data,
    name: str,
    content: bytes,
    checks: Checks,
    signers: Signers,
    read: Read,
    data: DataOf,
    now: float,
) -> Verdict:
    """Judge a signature file: by the file that it is about, and by its own checksum if it has one."""
    fields: dict[str, FieldValue] = {}
    if Demand.REQUIRED in {checks.checksum, checks.signature} and not _is_nothing_else(content):
        fields.update(_states(checks, "failed", Demand.REQUIRED))
        return Verdict(Outcome.REJECT, fields, f"{name} is no signature that can be read")
    problem = ""
    if checks.checksum is not Demand.OFF:
        found = check_sums(file, name, read)
        fields["file.checksum"] = found.state
        problem = found.problem
        if found.state == "failed":
            return Verdict(Outcome.REJECT, fields, problem)
    if checks.signature is not Demand.OFF:
        path = data(signatures.subject(name) or "")
        if path is None:
            found = _Finding("missing", "the file that it is about is not there")
        else:
            try:
                found = _verify(name, content, Data(path), signers.keys(checks.signers), now)
            except OperatorError as error:
                return Verdict(Outcome.ACCEPT, fields, f"it cannot be checked: {error}")
        _tell(fields, found)
        problem = found.problem or problem
    return Verdict(Outcome.ACCEPT, fields, problem)


def check_sums(file: Data, name: str, read: Read) -> _Finding:
    """Compare a file with every checksum of it that is there; all must be right."""
    right = False
    remark = ""
    for sidecar_name, content in _checksums_of(name, read):
        sidecar = checksums.parse(sidecar_name, content)
        problem = f"{sidecar_name} {sidecar.problem}" if sidecar.problem else ""
        if problem and not checksums.is_list(sidecar_name):
            return _Finding("failed", problem)
        remark = remark or problem  # one bad line of a list is not about all files
        sums = sidecar.sums.get(name, ())
        found = _compare(file, name, sidecar_name, sums)
        if found.state == "failed":
            return found
        right = right or bool(sums)
    return _Finding("ok") if right else _Finding("missing", remark)


def check_signatures(file: Data, name: str, keys: Keys, read: Read, now: float) -> _Finding:
    """Verify every signature of a file that is there; all must be right. Without any, those of lists are asked."""
    signers: list[str] = []
    for sidecar_name, content in _signatures_of(name, read):
        found = _verify(sidecar_name, content, file, keys, now)
        if found.state == "failed":
            return found
        signers.append(found.signer)
    if not signers:
        return _check_signed_lists(file, name, keys, read, now)
    return _Finding("ok", signer=", ".join(dict.fromkeys(signers)))


def _check_signed_lists(file: Data, name: str, keys: Keys, read: Read, now: float) -> _Finding:
    for list_name, content in _checksums_of(name, read):
        sums = checksums.parse(list_name, content).sums.get(name, ()) if checksums.is_list(list_name) else ()
        if not sums or sums[0].algorithm not in SIGNED_LISTS:
            continue
        for sidecar_name, signature in _signatures_of(list_name, read):
            found = _verify(sidecar_name, signature, Data(content=content), keys, now)
            compared = _compare(file, name, list_name, sums)
            return compared if compared.state == "failed" else found
    return _Finding("missing")


def _checksums_of(name: str, read: Read) -> Iterator[tuple[str, bytes]]:
    """Yield the checksum files beside a file that may be about it, with their octets; lists last."""
    lists = 0
    for sidecar in checksums.sidecars_of(name):
        if lists < MAX_LISTS and (content := read(sidecar)) is not None:
            lists += checksums.is_list(sidecar)
            yield sidecar, content


def _signatures_of(name: str, read: Read) -> list[tuple[str, bytes]]:
    found = ((sidecar, read(sidecar)) for sidecar in signatures.sidecars_of(name))
    return [(sidecar, content) for sidecar, content in found if content is not None and _is_signature(sidecar, content)]


def _compare(file: Data, name: str, sidecar: str, sums: tuple[checksums.Sum, ...]) -> _Finding:
    for one in sums:
        digest = file.digest(one.algorithm).hex()
        if digest != one.digest:
            where = f"{sidecar} line {one.line}"
            return _Finding("failed", f"{where} says {one.algorithm} {one.digest}, {shown(name)} has {digest}")
    return _Finding("ok")


def _verify(sidecar: str, content: bytes, file: Data, keys: Keys, now: float) -> _Finding:
    form = signatures.form(content)
    try:
        if form is Form.OPENPGP:
            signer = openpgp.verify(content, file, keys.openpgp, now)
        elif form is Form.MINISIGN:
            signer = minisign.verify(content, file, keys.minisign)
        elif form is Form.SSH:
            signer = sshsig.verify(content, file, keys.ssh, now)
        else:
            raise BadSignature("it is no signature of OpenPGP, minisign or SSH")
    except BadSignature as error:
        return _Finding("failed", f"{sidecar}: {error}")
    return _Finding("ok", signer=signer)


def _is_signature(name: str, content: bytes) -> bool:
    return name.endswith(signatures.DEDICATED) or signatures.form(content) is not None


def _is_nothing_else(content: bytes) -> bool:
    """Tell whether a file is a signature from its first octet to its last."""
    try:
        match signatures.form(content):
            case Form.OPENPGP:
                signatures.openpgp_signatures(content)
            case Form.MINISIGN:
                minisign.parse_signature(content)
            case Form.SSH:
                sshsig.parse_signature(content)
            case None:
                return False
    except BadSignature:
        return False
    return True


def _states(checks: Checks, state: str, least: Demand) -> dict[str, FieldValue]:
    demands = {"file.checksum": checks.checksum, "file.signature": checks.signature}
    return {name: state for name, demand in demands.items() if demand is least}


def _tell(fields: dict[str, FieldValue], found: _Finding) -> None:
    fields["file.signature"] = found.state
    if found.signer:
        fields["file.signer"] = found.signer


def _content(file: Data) -> bytes:
    with file.open() as stream:
        return stream.read(MAX_SIDECAR + 1)
