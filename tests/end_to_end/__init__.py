"""Tests with real clients and real child processes."""
