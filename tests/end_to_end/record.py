"""What the tests' rules run: appends its arguments, standard input and environment to a file, as one line of JSON."""

import json
import os
import sys

path, arguments = sys.argv[1], sys.argv[2:]
entry = {"arguments": arguments, "event": json.load(sys.stdin), "environment": dict(os.environ)}
# One write(2) with O_APPEND, so that runs at the same time cannot mix their lines.
descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(descriptor, json.dumps(entry).encode() + b"\n")
os.close(descriptor)
