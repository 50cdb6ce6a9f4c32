"""`gateway schema`: the JSON Schemas by which editors complete and check configurations and rule files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parsers.errors import OperatorError, Place

HELP = "print the JSON Schema of the configuration or of rule files, for editors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "name", metavar="{config,rules}", nargs="?", choices=("config", "rules"), help="of what (default: config)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--output", metavar="FILE", type=Path, help="write it into this file")
    where.add_argument(
        "--write",
        metavar="DIR",
        type=Path,
        help="write all of them into DIR/schema, where the files that `gateway init` made expect them",
    )


def run(args: argparse.Namespace) -> int:
    """Print a schema, or write it, or write all."""
    from gateway.schema import schema_text

    if args.write is not None:
        if args.name is not None:
            raise OperatorError("--write writes all schemas; leave the name away")
        for file in write_schemas(args.write):
            print(f"wrote   {file}")
        return 0
    text = schema_text(args.name or "config")
    if args.output is None:
        sys.stdout.write(text)
    else:
        _write(args.output, text)
    return 0


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas into the folder for them beside a configuration, in the place of older ones; return the files.

    Raises:
        OperatorError: one cannot be written.
    """
    from gateway.schema import FOLDER, NAMES, file_name, schema_text

    files = {folder / FOLDER / file_name(name): schema_text(name) for name in NAMES}
    for file, text in files.items():
        _write(file, text, make_folder=True)
    return list(files)


def _write(file: Path, text: str, *, make_folder: bool = False) -> None:
    try:
        if make_folder:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise OperatorError(f"the schema cannot be written: {error.strerror}", Place(str(file))) from error
