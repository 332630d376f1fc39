"""Whose data an event holds, where many come at the same time: each is sealed for its own subject."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.access.seals import ERASED, TOKEN
from crossdock.access.subjects import Subjects
from crossdock.engine import Arrival, LeasedCall, Library
from crossdock.engine.personal import Personal, SealedCalls
from crossdock.process import canonical, load
from crossdock.process.messages import Call, CallEnded
from crossdock.store import Database, Tenant

ANNA = Principal(tenant=1, id="anna", kind="human", origin="here")


@pytest.fixture
async def personal(database: Database, tenant: Tenant, tmp_path: Path) -> Personal:
    sealing = Sealing(database, Masters(tmp_path / "master.key"))
    await sealing.begin(tenant.id)
    await database.at_once(
        "insert into crossdock.personal (tenant, since, by) values ($1, now() - interval '1 hour', '')",
        tenant.id,
    )
    library = Library(database, lambda text, *_others: load(text, canonical()))
    return Personal(database, library, Subjects(database, sealing, Audit(database), fresh=0.2))


def released(n: int) -> Arrival:
    data = {"number": f"SO-{n}", "customer": {"id": f"C-{n % 10}", "name": f"Eva {n % 10}"}}
    return Arrival(id=f"r{n}", source="t", type="order.released", data=data, about={"order": f"SO-{n}"})


def signed(n: int) -> Arrival:
    data = {"shipment": "S", "milestone": {"code": "delivered", "signed_by": f"E. {n}"}}
    return Arrival(id=f"s{n}", source="t", type="shipment.delivered", data=data, about={"order": f"SO-{n}"})


def handles(data: Any) -> set[str]:
    return {match.group(1) for match in TOKEN.finditer(json.dumps(data, ensure_ascii=False))}


async def test_what_comes_at_the_same_time_is_sealed_for_whose_it_is(personal, tenant):
    events = [released(n) for n in range(60)]
    found = await asyncio.gather(*(personal.hide(tenant.id, [one]) for one in events))
    by_customer = [handles(hidden.data) for (hidden,) in found]
    assert all(len(one) == 1 for one in by_customer)
    for n, one in enumerate(by_customer):
        assert [m % 10 for m, other in enumerate(by_customer) if other == one] == [n % 10] * 6
    late = await asyncio.gather(*(personal.hide(tenant.id, [signed(n)]) for n in range(60)))
    assert [handles(hidden.data) for (hidden,) in late] == by_customer
    for event, (hidden,) in zip(events, found, strict=True):
        assert await personal.subjects.reveal(tenant.id, hidden.data) == event.data


async def test_what_comes_with_an_order_is_of_its_customer(personal, tenant):
    order, delivery = released(1), signed(1)
    first, second = await personal.hide(tenant.id, [delivery, order])
    assert handles(first.data) == handles(second.data) != set()
    await personal.subjects.erase(tenant.id, "customer/C-1", by=ANNA, why="asked")
    (shown,) = await personal.hide(tenant.id, [signed(1)])
    assert shown.data["milestone"]["signed_by"] == ERASED


class Echo:
    """A partner that says what it was told, in its own spelling, and something personal of its own."""

    def __init__(self, output: Any) -> None:
        self.output, self.told = output, None

    async def call(self, leased: LeasedCall) -> CallEnded:
        self.told = leased.call.input
        return CallEnded(command=leased.command, outcome="done", output=self.output)


@pytest.mark.parametrize(
    ("said", "came", "personal_left"),
    [
        ("Eva Kl\u00f6\u00df", {"label": "For EVA KL\u00d6\u1e9e, rear"}, ["EVA", "KL\u00d6"]),
        ("I\u015f\u0131k", {"label": "to i\u015fik or I\u015eIK"}, ["i\u015fik", "I\u015eIK"]),
        ("Eva", {"contact": {"email": "desk@x.example"}}, ["desk@"]),
        ("Eva", {"label": "Evaluated", "number": 7}, []),
    ],
)
async def test_what_a_partner_says_back_is_sealed(personal, tenant, said, came, personal_left):
    (hidden,) = await personal.hide(tenant.id, [released(1)])
    seal = await personal.subjects.named(tenant.id, "customer/C-1")
    partner = Echo(came)
    token = seal.token(said)
    call = Call(id="c", step="s", system="x", operation="y", input={"to": token, "n": hidden.data["number"]})
    leased = LeasedCall(
        tenant=tenant.id,
        run=0,
        command="c",
        connection="x",
        key="k",
        attempt=1,
        find_first=False,
        only_find=False,
        seconds=9,
        token=1,
        call=call,
    )
    ended = await SealedCalls(partner, personal).call(leased)
    assert partner.told == {"to": said, "n": "SO-1"}
    text = json.dumps(ended.output, ensure_ascii=False)
    assert [one for one in personal_left if one in text] == []
    assert (ended.output == came) is not bool(personal_left)
    assert await personal.subjects.reveal(tenant.id, ended.output) == came
