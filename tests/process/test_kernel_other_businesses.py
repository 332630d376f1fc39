"""Processes of other businesses, written from the language alone, and what must come of each."""

from __future__ import annotations

from driver import CATALOGUE, Run

from crossdock.process import check


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
