"""The server: sources, disk and processes around the pure packages `parsers` and `rules`."""
