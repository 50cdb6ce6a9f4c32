"""`python -m gateway`: the gateway program, for where its script is not in PATH."""

from __future__ import annotations

import sys

from gateway.commands import main

if __name__ == "__main__":
    sys.exit(main())
