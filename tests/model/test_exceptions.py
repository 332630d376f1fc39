"""Exceptions: all types of the design are there, each with owner, meaning, playbook, severity and time to answer."""

from __future__ import annotations

import re
import typing

import pytest

from crossdock.model import EXCEPTIONS, parse_document, to_json
from crossdock.model.exceptions import Severity
from crossdock.model.milestones import MilestoneCode, ShipmentReason

ORDER = """credit_hold stock_short price_mismatch address_invalid compliance_hold order_changed_in_flight pick_short
    pick_late cut_off_missed delivery_late short_delivered invoice_hold invoice_dispute claim_deadline_near"""
TRANSPORT = "no_carrier carrier_withdrew appointment_unconfirmed appointment_moved appointment_missed"
INTEGRATION = """partner_down connection_missing refused_by_partner unknown_outcome unmapped_value unmatched_event quarantined
    cancel_refused undo_failed alias_conflict call_failed child_failed decision_failed redo_limit systems_differ"""


@pytest.mark.parametrize(
    ("of", "names"),
    [
        ("shipment", {reason.value for reason in ShipmentReason} | set(TRANSPORT.split())),
        ("order", set(ORDER.split())),
        ("integration", set(INTEGRATION.split())),
    ],
)
def test_the_types_are_those_of_the_design(of: str, names: set[str]):
    assert {name for name, kind in EXCEPTIONS.items() if kind.of == of} == names


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_each_type_says_who_acts_how_fast_and_how(name: str):
    kind = EXCEPTIONS[name]
    assert kind.type == name
    assert kind.owner
    assert kind.severity in typing.get_args(Severity)
    assert kind.promise.endswith(".")
    assert len(kind.playbook) >= 2
    assert re.fullmatch(r"(1 business (hour|day)|[2-9] business (hours|days))", kind.answer)


def test_unknown_is_a_value_of_what_happened_and_of_why():
    assert MilestoneCode("unknown") is MilestoneCode.UNKNOWN
    assert ShipmentReason("unknown") is ShipmentReason.UNKNOWN


def test_an_exception_case_is_open_and_counted_from_one():
    case = parse_document("ExceptionCase", {"id": "x-1", "type": "delivery_late", "order": "SO-1"})
    assert to_json(case) == {
        "id": "x-1",
        "type": "delivery_late",
        "order": "SO-1",
        "status": "open",
        "count": 1,
    }
