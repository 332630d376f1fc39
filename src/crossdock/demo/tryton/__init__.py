"""A Tryton of one's own: the ERP of `crossdock demo --erp tryton`, and of the tests against a real ERP.

erp      talks to it over HTTP, as whoever administrates it
founding what is in it at first: a company with its accounts, warehouses and a user for Crossdock
company  what its people do: keep goods and customers, sell
stage    the demo with it
house    installs it in a virtual environment of its own, makes a company once, and starts copies of it

Tryton is free software under the GPL. It runs as a program of its own, is installed by whoever asks for it,
and is no part of Crossdock: nothing here imports it.
"""

from crossdock.demo.tryton.company import Company
from crossdock.demo.tryton.erp import Erp, TrytonSaysNo
from crossdock.demo.tryton.house import House, running
from crossdock.demo.tryton.stage import OnTryton

__all__ = ["Company", "Erp", "House", "OnTryton", "TrytonSaysNo", "running"]
