"""The grammars that are built in, one module for each program."""
