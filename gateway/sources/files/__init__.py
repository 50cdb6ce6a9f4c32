"""Watched folders: a file that appears in one is an event, once it is whole."""
