"""`gateway account`: makes accounts of the drop box, gives them passwords and keys, disables and removes them."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.check import DEFAULT, configuration
from gateway.commands.looking import add_json, table
from gateway.commands.terminal import Page, json_line
from parsers.errors import OperatorError, Place

if TYPE_CHECKING:
    from gateway.accounts.accounts_edit import Value
    from gateway.config import Config
    from gateway.drop.account import Account

HELP = "make, list, change and remove accounts of the drop box"

GOOD_LENGTH = 12
"""Characters; a shorter password is warned of."""

GENERATED = 24
"""Characters of a password that we make: 118 bits."""

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is taken for another, and none that means something to a shell or in a URL."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="add|password|key|list|disable|enable|remove")
    add = verbs.add_parser("add", help="make an account")
    password = verbs.add_parser("password", help="give an account another password")
    key = verbs.add_parser("key", help="let an account log in with an SSH key, or no longer")
    listed = verbs.add_parser("list", help="list the accounts")
    disable = verbs.add_parser("disable", help="let nobody log in with an account")
    enable = verbs.add_parser("enable", help="let a disabled account log in again")
    remove = verbs.add_parser("remove", help="remove an account; its files stay")
    for verb in (add, password, key, disable, enable, remove):
        verb.add_argument("name", metavar="NAME", help="the account's name")
    for verb in (add, password):
        _add_password(verb)
    add.add_argument(
        "--key", metavar="KEY", action="append", default=[], help="a public SSH key: its file, or its line"
    )
    add.add_argument("--folder", metavar="DIR", help="its folder, below the drop box's or absolute (default: the name)")
    help_ = "where it may log in from, can be repeated (default: anywhere)"
    add.add_argument("--network", metavar="NETWORK", action="append", default=[], help=help_)
    add.add_argument("--expires", metavar="DATE", help="its last day, e.g. 2027-01-31")
    add.add_argument("--content", choices=("files", "syslog"), help="syslog: its files are logs, each line a message")
    add.add_argument("--quota", metavar="SIZE", type=_size, help="octets that may be in its folder, e.g. 10GiB")
    key.add_argument("key", metavar="KEY", help="a public key: its file, its line, or - for standard input")
    key.add_argument("--remove", action="store_true", help="take it away; KEY may be its fingerprint or comment too")
    add_json(listed, "one JSON object a line")
    for verb in (add, password, key, listed, disable, enable, remove):
        where = verb.add_mutually_exclusive_group()
        where.add_argument("--config", metavar="FILE", type=Path, help=DEFAULT)
        where.add_argument("--dir", metavar="DIR", type=Path, help="the folder that gateway.yaml is in")


def _size(text: str) -> str:
    """Let a size pass as a configuration would have it."""
    from gateway.terms_config import MAX_OCTETS
    from rules.schema import Problems
    from rules.strict_yaml import ScalarNode
    from rules.values import as_size

    try:
        as_size(1, MAX_OCTETS)(ScalarNode(Place("--quota"), text, plain=True), Problems())
    except OperatorError as error:
        raise argparse.ArgumentTypeError(error.problem) from None
    return text


def _add_password(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--password", action="store_true", help="ask for a password, twice")
    ways.add_argument("--password-stdin", action="store_true", help="read it from the first line of standard input")
    ways.add_argument("--generate", action="store_true", help="make one, and print it this once")


def run(args: argparse.Namespace) -> int:
    """Do it; 1 when it cannot be done."""
    from gateway.commands.looking import in_one_line
    from gateway.config import load

    with in_one_line():
        config = load(configuration(args.config or args.dir))
    match args.verb:
        case "list":
            return _list(config, as_json=args.json)
        case "add":
            _add(config, args)
        case "password":
            _password(config, args)
        case "key":
            _key(config, args)
        case "disable":
            _disable(config, args.name)
        case "enable":
            _enable(config, args.name)
        case "remove":
            _remove(config, args.name)
    print(f"a running gateway reads {config.drop.accounts} again within ten seconds")
    return 0


def _add(config: Config, args: argparse.Namespace) -> None:
    from gateway.accounts.accounts_edit import add_account
    from gateway.commands.shown_account import advise
    from gateway.drop.account import NAME

    if not NAME.fullmatch(args.name):
        raise OperatorError(f"{args.name!r} cannot be an account's name; use a-z, 0-9, - _ . and at most 64 of them")
    if args.name in _accounts(config):
        raise OperatorError(
            f"there is an account {args.name} already; `gateway account password` and `key` change it",
            Place(str(config.drop.accounts)),
        )
    values: dict[str, Value] = {}
    keys = [line for text in args.key for line in _public_keys(text)]
    password = ""
    if args.password or args.password_stdin or args.generate or not keys:
        password = _new_password(args)
        values["password"] = _hashed(password)
    more: dict[str, Value | None] = {
        "keys": keys,
        "folder": args.folder,
        "networks": args.network,
        "expires": args.expires,
        "content": args.content,
        "quota": {"octets": args.quota} if args.quota else None,
    }
    values.update({key: value for key, value in more.items() if value})
    _change(config, args.name, lambda text: add_account(text, args.name, values))
    account = _accounts(config)[args.name]
    print(f"made    {args.name}  ({account.folder})")
    if args.generate:
        print(f"password: {password}")
    advise(config, account)


def _password(config: Config, args: argparse.Namespace) -> None:
    from gateway.accounts.accounts_edit import set_value

    account = _account(config, args.name, mending=True)  # what is wrong may be just the password
    for what, there in (("external", account.external), ("anonymous", account.anonymous)):
        if there:
            raise OperatorError(f"{args.name} is {what}, and so has no password here; take that key away first")
    password = _new_password(args)
    hashed = _hashed(password)
    _change(config, args.name, lambda text: set_value(text, args.name, "password", hashed))
    print(f"changed the password of {args.name}")
    if args.generate:
        print(f"password: {password}")


def _key(config: Config, args: argparse.Namespace) -> None:
    from gateway.accounts.accounts_edit import add_to_list
    from gateway.accounts.public_keys import fingerprint, parse_public_key

    account = _account(config, args.name)
    if args.remove:
        _remove_key(config, account, args.key)
        return
    for line in _public_keys(args.key):
        blob, comment = parse_public_key(line)
        if blob in account.keys:
            raise OperatorError(f"{args.name} has this key already ({fingerprint(blob)})")

        def add(text: str, line: str = line) -> str:
            return add_to_list(text, args.name, "keys", line)

        _change(config, args.name, add)
        print(f"{args.name} can log in with the key {comment or fingerprint(blob)}")


def _remove_key(config: Config, account: Account, wanted: str) -> None:
    from gateway.accounts.accounts_edit import remove_from_list
    from gateway.accounts.public_keys import fingerprint, parse_public_key

    keys = list(account.keys.items())
    found = [index for index, (blob, comment) in enumerate(keys) if wanted in (fingerprint(blob), comment)]
    if not found:
        blobs = [parse_public_key(line)[0] for line in _public_keys(wanted, "is no key of it, no fingerprint,")]
        found = [index for index, (blob, _) in enumerate(keys) if blob in blobs]
    if len(found) != 1:
        there = "; ".join(f"{fingerprint(blob)} {comment}".rstrip() for blob, comment in keys) or "none"
        problem = "more than one key fits" if found else "it has no such key"
        raise OperatorError(f"{account.name}: {problem}; there are: {there}")
    _change(config, account.name, lambda text: remove_from_list(text, account.name, "keys", found[0]))
    blob, comment = keys[found[0]]
    print(f"{account.name} can no longer log in with the key {comment or fingerprint(blob)}")


def _disable(config: Config, name: str) -> None:
    from gateway.accounts.accounts_edit import set_value

    if _account(config, name).disabled:
        raise OperatorError(f"{name} is disabled already")
    _change(config, name, lambda text: set_value(text, name, "disabled", value=True))
    print(f"nobody can log in as {name} any more; `gateway account enable {name}` changes that")


def _enable(config: Config, name: str) -> None:
    from gateway.accounts.accounts_edit import remove_value

    if not _account(config, name).disabled:
        raise OperatorError(f"{name} is not disabled")
    _change(config, name, lambda text: remove_value(text, name, "disabled"))
    print(f"{name} can log in again")


def _remove(config: Config, name: str) -> None:
    from gateway.accounts.accounts_edit import remove_account

    account = _account(config, name)
    _change(config, name, lambda text: remove_account(text, name))
    print(f"removed {name}; its files stay in {account.folder}")


def _accounts(config: Config, wanted: str | None = None) -> dict[str, Account]:
    """Return the accounts as the file has them; what is wrong elsewhere does not matter if `wanted` is among them.

    Raises:
        OperatorError: the file does not load.
    """
    from gateway.accounts.accounts_file import read_accounts
    from gateway.zone import local_zone

    found = read_accounts(config.drop, local_zone())
    if found.errors and wanted not in found.accounts:
        raise OperatorError("\n".join(map(str, found.errors)))
    return dict(found.accounts)


def _account(config: Config, name: str, *, mending: bool = False) -> Account:
    from rules.schema import did_you_mean

    accounts = _accounts(config, name if mending else None)
    if name not in accounts:
        problem = f"there is no account {name}{did_you_mean(name, accounts)}"
        raise OperatorError(problem, Place(str(config.drop.accounts)))
    return accounts[name]


def _change(config: Config, name: str, edit: Callable[[str], str]) -> None:
    """Change what is said of one account in the accounts file, and nothing else.

    Raises:
        OperatorError: the result would not load or not say what it should; nothing is changed then.
    """
    from gateway.accounts.accounts_change import change_accounts
    from gateway.zone import local_zone

    for warning in change_accounts(config.drop, config.state, name, edit, local_zone()):
        print(f"warning: {warning}", file=sys.stderr)


def _hashed(password: str) -> str:
    from gateway.accounts.passwords import usual_hasher

    return usual_hasher().hash(password.encode("utf-8", "surrogateescape"))


def _new_password(args: argparse.Namespace) -> str:
    """Get a password in the way that was asked for."""
    from gateway.accounts.passwords import MAX_PASSWORD

    if args.generate:
        import secrets

        return "".join(secrets.choice(ALPHABET) for _ in range(GENERATED))
    if args.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise OperatorError("there is no terminal to ask for a password; --password-stdin, --generate or --key")
    else:
        password = getpass.getpass(f"password for {args.name}: ")
        if password and password != getpass.getpass("once more: "):
            raise OperatorError("these are two different passwords; nothing was changed")
    if not password:
        raise OperatorError("the password is empty; nothing was changed")
    if not password.isprintable() or len(password.encode("utf-8", "surrogateescape")) > MAX_PASSWORD:
        raise OperatorError(f"a password is one line of printable characters, at most {MAX_PASSWORD} octets")
    if len(password) < GOOD_LENGTH:
        print(f"warning: {len(password)} characters are soon guessed; --generate makes a good one", file=sys.stderr)
    return password


def _public_keys(text: str, otherwise: str = "is no key of a known type and") -> list[str]:
    """Return the lines of the public keys that a file, a line or standard input holds."""
    from gateway.accounts.public_keys import TYPES, PublicKeyError, key_line, parse_public_keys
    from gateway.config import read_text

    file = None
    if text == "-":
        content = sys.stdin.read()
    elif text.split(" ", 1)[0] in TYPES:
        content = text
    else:
        file = Path(text)
        if not file.is_file():
            raise OperatorError(f"{text!r} {otherwise} no file that is there")
        content = read_text(file, Place(text))
    try:
        return [key_line(*key) for key in parse_public_keys(content)]
    except PublicKeyError as error:
        public = file.with_name(f"{file.name}.pub") if file else None
        advice = f"; {public} is there" if public is not None and public.is_file() else ""
        raise OperatorError(f"{error}{advice}", Place(text) if file else None) from None


def _list(config: Config, *, as_json: bool) -> int:
    from gateway import clock
    from gateway.commands.shown_account import for_json, row

    accounts, now = _accounts(config), clock.now()
    page = Page()
    if as_json:
        for account in accounts.values():
            print(json_line(for_json(account, now)))
    elif accounts:
        heads = ("NAME", "FOLDER", "RIGHTS", "LOGIN", "EXPIRES", "STATE")
        table(page, heads, [row(account, now) for account in accounts.values()])
    else:
        page.line("there are no accounts; `gateway account add NAME` makes one")
    return 0
