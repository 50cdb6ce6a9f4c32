"""Checksums and signatures that come beside a file."""
