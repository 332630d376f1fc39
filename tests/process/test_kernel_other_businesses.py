"""Processes of other businesses, written from the language alone, and what must come of each."""

from __future__ import annotations

from driver import CATALOGUE, Run

from crossdock.process import check
from crossdock.process.messages import Emit


def test_what_a_process_declares_may_stand_in_any_order_and_means_its_own():
    """`Address` is also a canonical document: the process's own counts, though it is declared after its use."""
    text = """
process: parcels
owner: desk
document: Parcel
key: ${ parcel.number }
start: { on: parcel.booked }
declare:
  documents:
    Parcel: { number: string, to: Address, "first?": Parcel }
    Address: { street: string, tower: int }
  events: { parcel.booked: { data: Parcel } }
steps:
  up: { set: { floor: "${ parcel.to.tower + 1 }", again: "${ default(parcel.first.to.street, '-') }" } }
"""
    process, problems = check(text, CATALOGUE)
    assert (process is not None, problems) == (True, [])
    run = Run(text=text, document={"number": "P", "to": {"street": "s", "tower": 3}})
    assert run.told("step.succeeded", "up") == [{"output": {"again": "-", "floor": 4}}]


def test_who_follows_an_exception_hears_at_its_end_what_it_was_and_how_it_was_mended():
    """The event that closes carries the whole case again: a playbook that has it as its document loses nothing."""
    run = Run(
        "a: { call: erp.read, retry: none }\nb: { await: case.scanned, within: 1h, late: { raise: slow } }"
    )
    run.unreachable("a")
    run.wait("2h").repair("step.retry", "a", note="the line is mended")
    raised, late, closed = (e for e in run.sent(Emit) if e.type.startswith("exception."))
    assert raised.data["severity"] == "high"  # as its type says, where the process does not
    assert late.data["severity"] == "low"
    assert closed.data == raised.data | {
        "status": "closed",
        "closed": "2026-03-02T11:00:00Z",
        "closed_by": "ann",
        "resolution": "the line is mended",
    }
    assert closed.about == raised.about
