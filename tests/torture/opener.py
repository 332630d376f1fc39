"""`python -m torture.opener DIRECTORY`: open the embedded server there, say so, keep it until the input closes."""

from __future__ import annotations

import sys
from pathlib import Path

from crossdock.store import EmbeddedServer

if __name__ == "__main__":
    server = EmbeddedServer.open(Path(sys.argv[1]))
    sys.stdout.write("open\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.close()
