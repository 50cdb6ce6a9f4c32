"""`gateway cert`: makes certificates with the gateway's own authority, and shows what certificates say."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gateway import authority, clock, trust
from parsers.errors import OperatorError, Place

HELP = "make and show certificates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `cert client NAME`, `cert server NAME…` and `cert show [FILE…]`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="client|server|show")
    client = verbs.add_parser("client", help="make a client's certificate and key")
    client.add_argument("name", metavar="NAME", help="the client's host name or IP address")
    server = verbs.add_parser("server", help="make the server's two certificates (ECDSA and RSA)")
    server.add_argument("names", metavar="NAME", nargs="+", help="host names and IP addresses that clients use")
    show = verbs.add_parser("show", help="show names, end of validity and fingerprints")
    show.add_argument("files", metavar="FILE", nargs="*", type=Path, help="PEM files; default: all below DIR/tls")
    show.add_argument("--json", action="store_true", help="one JSON object a line")
    for verb in (client, server, show):
        add_folder(verb)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Declare `--dir`, the folder that `gateway init` made."""
    parser.add_argument("--dir", type=Path, default=Path(), metavar="DIR", help="what `gateway init` made; default: .")


def tls_folder(folder: Path) -> Path:
    """Return the folder of the certificates in the gateway's folder.

    Raises:
        OperatorError: it is not there, so that this is probably not the gateway's folder.
    """
    if not (folder / "tls").is_dir():
        raise OperatorError("there is no folder tls here; give the gateway's folder with --dir DIR", Place(str(folder)))
    return folder / "tls"


def run(args: argparse.Namespace) -> int:
    """Do it; 0 is success, 1 says on standard error what is wrong."""
    try:
        folder = args.dir / "tls" if args.verb == "show" and args.files else tls_folder(args.dir)
        if args.verb == "client":
            _print_issued(authority.issue_client(folder, args.name, clock.now()))
        elif args.verb == "server":
            for issued in authority.issue_server(folder, args.names, clock.now()):
                _print_issued(issued)
        else:
            for file in args.files or certificate_files(folder):
                for shown in show(file):
                    print(json.dumps(shown) if args.json else as_text(shown))
    except OperatorError as error:
        print(f"gateway cert: {error}", file=sys.stderr)
        return 1
    return 0


def _print_issued(issued: authority.Issued) -> None:
    print(f"{issued.certificate}\n{issued.key} (keep it secret)")
    for fingerprint in trust.fingerprints(trust.read_certificates(issued.certificate)[0]):
        print(f"  {fingerprint}")


def certificate_files(folder: Path) -> list[Path]:
    """Return all certificates that `gateway init` and `gateway cert` made.

    Raises:
        OperatorError: there are none.
    """
    files = sorted(folder.glob("*.pem")) + sorted(folder.glob("clients/*.pem"))
    if not files:
        raise OperatorError("there is no certificate here; `gateway init DIR` makes them", Place(str(folder)))
    return files


def show(file: Path) -> list[dict[str, object]]:
    """Return what the certificates of a PEM file say, ready for JSON.

    Raises:
        OperatorError: the file cannot be read, or holds no certificate that can be understood.
    """
    from cryptography import x509

    answer: list[dict[str, object]] = []
    for der in trust.read_certificates(file):
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = trust.certificate_names(der, common_name=True)
        except ValueError as error:
            raise OperatorError(f"the certificate cannot be understood: {error}", Place(str(file))) from error
        answer.append(
            {
                "file": str(file),
                "subject": certificate.subject.rfc4514_string(),
                "issuer": certificate.issuer.rfc4514_string(),
                "names": list(names),
                "not_before": certificate.not_valid_before_utc.isoformat(),
                "not_after": certificate.not_valid_after_utc.isoformat(),
                "expired": certificate.not_valid_after_utc.timestamp() < clock.now(),
                "fingerprints": [str(fingerprint) for fingerprint in trust.fingerprints(der)],
            }
        )
    return answer


def as_text(shown: dict[str, object]) -> str:
    """Render one certificate for people."""
    names, fingerprints = shown["names"], shown["fingerprints"]
    assert isinstance(names, list)  # noqa: S101 -- `show` made it
    assert isinstance(fingerprints, list)  # noqa: S101
    lines = [
        f"{shown['file']}",
        f"  names    {', '.join(names) or '-'}",
        f"  subject  {shown['subject'] or '-'}",
        f"  issuer   {shown['issuer'] or '-'}",
        f"  valid    {shown['not_before']} to {shown['not_after']}{' (EXPIRED)' if shown['expired'] else ''}",
        *(f"  {fingerprint}" for fingerprint in fingerprints),
    ]
    return "\n".join(lines)
