"""Calls of a connection that has a mapping: what goes out is in the partner's codes, what comes back in ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from partner_depot import ORDER, depot, leased

from crossdock.connect import Calls, catalogue
from crossdock.connect.mappings import Mappings
from crossdock.connect.references import References
from crossdock.engine import Connections
from crossdock.process.messages import UNMAPPED
from crossdock.translate import load
from crossdock.translate.codes import Code

MAPPING = """
mapping: depot-picks
operations:
  wms.create_pick:
    input:
      all: ${ input }
      but:
        order:
          all: ${ input.order }
          but:
            number: { of: "${ input.order.lines[0].item }", lookup: item }
    output: { pick: { of: "${ output.pick }", lookup: location } }
"""


@pytest.fixture
async def calls(bench, monkeypatch) -> Calls:
    """The depot's calls, through the mapping."""
    monkeypatch.setattr("crossdock.connect.lines.FRESH_SECONDS", 0)
    await Mappings(bench.database).publish(bench.tenant, [load(MAPPING, catalogue())], by="ann")
    made = await bench.calls(depot())
    await Connections(bench.database).put(
        bench.tenant,
        "depot",
        system="wms",
        connector="depot",
        settings={"url": bench.partner.url},
        mapping="depot-picks",
    )
    return made


async def knows(bench: Any, *codes: tuple[Any, str, str]) -> None:
    given = [Code(kind=kind, ours=ours, theirs=theirs) for kind, ours, theirs in codes]
    await References(bench.database).put(bench.tenant, "depot", list(enumerate(given, 1)), by="ann")


async def test_a_call_goes_out_in_the_partners_codes_and_its_output_comes_back_in_ours(bench, calls):
    await knows(bench, ("item", "KIT", "D-77"), ("location", "PICK-1", "P-1"))
    ended = await calls.call(leased())
    assert (ended.outcome, ended.output) == ("done", {"pick": "PICK-1"})
    ((_, _, _, body),) = bench.partner.requests
    assert json.loads(body)["order"] == "D-77"


async def test_what_has_no_code_there_is_refused_before_anything_is_asked(bench, calls):
    ended = await calls.call(leased())
    assert (ended.outcome, ended.code) == ("refused", UNMAPPED)
    assert ended.reason.startswith("order.lines: the mapping depot-picks: unmapped_value: order.number:")
    assert "crossdock codes set depot item KIT THEIRS" in ended.reason
    assert bench.partner.requests == []
    nothing = await calls.call(leased(data={"order": {**ORDER, "lines": []}}))
    assert (nothing.outcome, nothing.code) == ("refused", "not_mapped")
    assert bench.partner.requests == []


async def test_an_answer_that_cannot_be_translated_is_found_again_once_it_can(bench, calls):
    await knows(bench, ("item", "KIT", "D-77"))
    ended = await calls.call(leased())
    assert (ended.outcome, ended.resolvable) == ("unknown", True)
    assert "the location `P-1` of theirs is none of ours yet" in ended.reason
    await knows(bench, ("location", "PICK-1", "P-1"))
    found = await calls.call(leased(find_first=True, attempt=2, token=2))
    assert (found.outcome, found.output) == ("done", {"pick": "PICK-1"})
    assert len(bench.partner.things) == 1
