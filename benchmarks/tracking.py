"""What reading a carrier's payload costs: from its bytes to events that are checked against the model.

payload_us_NAME    a whole payload; one of several events says how many
event_us_NAME      the same, for each of its events
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from importlib import import_module, resources

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


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Each payload many times, in memory."""
    times = scaled(2_000, scale)
    for name, (connector, file) in PAYLOADS.items():
        package = f"crossdock.connectors.{connector}"
        declared = import_module(package).connector
        body = resources.files(package).joinpath("examples", file).read_bytes()
        events = len(translate(declared, body))
        began = time.perf_counter()
        for _ in range(times):
            translate(declared, body)
        spent = (time.perf_counter() - began) / times * 1e6
        yield Figure(figure=f"payload_us_{name}", unit=f"us, {events} events", ours=spent, goal="under 1,000")
        yield Figure(figure=f"event_us_{name}", unit="us", ours=spent / events)
