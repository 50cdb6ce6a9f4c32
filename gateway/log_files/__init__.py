"""Logs that arrive as files: unpacked within limits, cut into lines, and fed to the rules, each line once."""
