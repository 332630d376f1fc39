"""Their words and ours: mappings of payloads to events and of documents to payloads. Pure.

A mapping is read from YAML (`check`, `load`) and used with the master data that is known (`Rows`); what it
does not take it tells with every reason and place (`Rejected`). Declarative connectors are made of the same
parts: `Shapes` reads them, a `Rule` says which event a record is.
"""

from crossdock.translate.grammar import SCHEMA
from crossdock.translate.mapping import PartnerMapping, Translated
from crossdock.translate.read import NotAMapping, check, load, name_in
from crossdock.translate.rules import Rule, Told
from crossdock.translate.shapes import Shapes
from crossdock.translate.work import Rejected, Rows

__all__ = [
    "SCHEMA",
    "NotAMapping",
    "PartnerMapping",
    "Rejected",
    "Rows",
    "Rule",
    "Shapes",
    "Told",
    "Translated",
    "check",
    "load",
    "name_in",
]
