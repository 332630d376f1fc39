"""One contestant as a process: `python -m benchmarks.engine.contestant NAME ORDERS IN_FLIGHT STUB URL`."""

from __future__ import annotations

import gc
import importlib
import sys

import msgspec
import uvloop


def main() -> None:
    name, orders, in_flight, stub_url, database_url = sys.argv[1:]
    module = {"dbos": "dbos_peer", "temporal": "temporal_peer"}.get(name, name)
    run = importlib.import_module(f"benchmarks.engine.{module}").run
    gc.freeze()  # the same for all: thousands of waiting tasks are walked again and again otherwise
    gc.set_threshold(50_000, 20, 50)
    result = uvloop.run(run(int(orders), int(in_flight), stub_url, database_url))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
