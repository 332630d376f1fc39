"""What we talk about: documents, milestones, exceptions and events, with their published JSON Schemas.

Values only: exact decimals, aware UTC instants, codes of UN/CEFACT, GS1, X12 and ISO. JSON is parsed here
at the edge (`parse_document`, `CloudEvent.parse`) and trusted further in.
"""

from crossdock.model.documents import DOCUMENTS, parse_document, to_json
from crossdock.model.envelope import CloudEvent
from crossdock.model.events import EVENTS, about
from crossdock.model.exceptions import EXCEPTIONS
from crossdock.model.money import Money
from crossdock.model.quantity import Quantity
from crossdock.model.schemas import schemas

__all__ = [
    "DOCUMENTS",
    "EVENTS",
    "EXCEPTIONS",
    "CloudEvent",
    "Money",
    "Quantity",
    "about",
    "parse_document",
    "schemas",
    "to_json",
]
