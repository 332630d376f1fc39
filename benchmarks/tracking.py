"""What reading a carrier's payload costs: from its bytes to events that are checked against the model.

payload_us_NAME    a whole payload; one of several events says how many; `_long` has nineteen scans
event_us_NAME      the same, for each of its events
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import AsyncIterator
from importlib import import_module, resources
from typing import Any

from benchmarks import Figure
from benchmarks._ground import scaled
from crossdock.gateway import translate

PAYLOADS = {
    "ups_push": ("ups", "push_delivered.json"),
    "ups_track": ("ups", "track.json"),
    "fedex_track": ("fedex", "track.json"),
    "dhl_xml": ("dhl", "express.xml"),
    "usps_track": ("usps", "track.json"),
    "easypost_push": ("easypost", "push.json"),
}

LONG: dict[str, tuple[str, str, tuple[str | int, ...], str]] = {
    "ups_track_long": (
        "ups",
        "track.json",
        ("trackResponse", "shipment", 0, "package", 0, "activity"),
        "time",
    ),
    "fedex_track_long": (
        "fedex",
        "track.json",
        ("output", "completeTrackResults", 0, "trackResults", 0, "scanEvents"),
        "date",
    ),
    "usps_track_long": ("usps", "track.json", ("trackingEvents",), "eventTimestamp"),
}
"""Payloads whose scans, at that path, are told again until there are many, each in another minute."""
SCANS = 19


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Each payload many times, in memory."""
    times = scaled(2_000, scale)
    payloads = {name: (connector, _example(connector, file)) for name, (connector, file) in PAYLOADS.items()}
    payloads |= {name: (connector, _long(connector, *how)) for name, (connector, *how) in LONG.items()}
    for name, (connector, body) in payloads.items():
        declared = import_module(f"crossdock.connectors.{connector}").connector
        events = len(translate(declared, body))
        began = time.perf_counter()
        for _ in range(times):
            translate(declared, body)
        spent = (time.perf_counter() - began) / times * 1e6
        yield Figure(figure=f"payload_us_{name}", unit=f"us, {events} events", ours=spent, goal="under 1,000")
        yield Figure(figure=f"event_us_{name}", unit="us", ours=spent / events)


def _example(connector: str, file: str) -> bytes:
    return resources.files(f"crossdock.connectors.{connector}").joinpath("examples", file).read_bytes()


def _long(connector: str, file: str, path: tuple[str | int, ...], time_: str) -> bytes:
    payload: Any = json.loads(_example(connector, file))
    scans = payload
    for part in path:
        scans = scans[part]
    few = [scan for scan in scans if scan[time_]]
    scans.clear()
    for n in range(SCANS):
        scan = copy.deepcopy(few[n % len(few)])
        told = scan[time_]
        minute = 14 if "T" in told else 2  # `2026-03-02T09:41:00` and `094100`
        scan[time_] = f"{told[:minute]}{10 + n}{told[minute + 2 :]}"
        scans.append(scan)
    return json.dumps(payload).encode()
