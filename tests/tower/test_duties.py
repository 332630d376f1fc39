"""Who is kept from deciding is kept from it in every way; and what a deed is about is what was seen."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from acting import someone, whoever
from crossdock.access.audit import Filter
from crossdock.access.who import EVERY_ROLE
from crossdock.engine import Arrival
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Conflict, Forbidden, NotFound, Refused
from crossdock.process.messages import STEP_SKIP, TASK_DECIDED, Actor
from played_orders import event, order


@pytest.fixture
async def waiting(tower):
    """A large order, asked for by ann, that waits for its approval."""
    async with tower.working():
        await tower.put(order("SO-1", "5000.00", version="1"))
        detail = await tower.steps("SO-1", approve="waiting")
        tower.run = detail.run.id
        (tower.task,) = await tower.history.tasks(tower.tenant)
        yield tower


def anns_key(tower, *roles):
    return someone(tower.tenant, *roles, id="key:7", kind="key", behind="ann")


async def approve(tower, by, **given):
    seen = given.pop("seen", tower.task.data["seen"])
    return await tower.acts.tasks.decide(by, tower.task.id, "approved", seen=seen, **given)


async def told(tower, by, asked):
    return await tower.acts.outcome(by, asked, within=10)


async def test_a_decision_is_taken_from_whoever_has_the_role_and_says_in_which(waiting):
    by = someone(waiting.tenant, "finance", "order-desk", id="bea")
    outcome = await told(waiting, by, await approve(waiting, by, note="fine"))
    assert (outcome.refusal, outcome.line.event.actor.roles) == ("", ("finance",))
    (entry,) = (await waiting.audit.entries(waiting.tenant, Filter(actor="bea"))).items
    assert (entry.action, entry.on_kind, entry.on_id, entry.why) == (
        "task.decide",
        "task",
        waiting.task.id,
        "fine",
    )
    assert json.loads(entry.after)["decision"] == "approved"


async def test_a_key_of_whoever_is_excluded_is_refused_at_the_door(waiting):
    with pytest.raises(Forbidden, match="key:7 is excluded here"):
        await approve(waiting, anns_key(waiting, "finance"))
    with pytest.raises(Forbidden, match="nobody answers for key:8"):
        await approve(waiting, someone(waiting.tenant, "finance", id="key:8", kind="key"))
    bobs = someone(waiting.tenant, "finance", id="key:9", kind="key", behind="bob")
    outcome = await told(waiting, bobs, await approve(waiting, bobs))
    decided = next(one for one in outcome.line.records if one.what == "task.decided")
    assert (outcome.refusal, decided.data["by"]) == ("", "bob")


@pytest.mark.parametrize(
    ("type_", "data"),
    [(TASK_DECIDED, {"decision": "approved"}), (STEP_SKIP, {"step": "approve", "note": "no"})],
)
async def test_and_by_the_run_where_the_door_was_passed_before_it_was_so(waiting, type_, data):
    actor = Actor(id="key:7", kind="key", roles=("finance",), behind="ann")
    arrival = Arrival(id="1", source="tests", type=type_, data={"task": waiting.task.id, **data}, actor=actor)
    await waiting.inbox.tell(waiting.tenant, waiting.run, arrival)

    async def decided():
        lines = await waiting.history.decided(waiting.tenant, waiting.run, 0)
        return next((line for line in lines if line.event.id == "1"), None)

    (record,) = (await waiting.until(decided)).records
    assert record.what in ("decision.refused", "step.skip_refused", "repair.refused")
    assert "is excluded here" in record.data["reason"]


async def test_whoever_is_excluded_neither_skips_the_step_nor_supplies_its_result(waiting):
    runs = waiting.acts.runs
    for by in (someone(waiting.tenant, "operations-lead"), anns_key(waiting, "operations-lead")):
        with pytest.raises(Forbidden, match="is excluded here"):
            await runs.skip(by, waiting.run, "approve", note="no need")
        with pytest.raises(Forbidden, match="is excluded here"):
            await runs.supply(by, waiting.run, "approve", {"decision": "approved"})
    bob = someone(waiting.tenant, "operations-lead", id="bob")
    outcome = await told(waiting, bob, await runs.skip(bob, waiting.run, "approve", note="no need"))
    assert outcome.refusal == ""


async def test_nor_as_one_of_many_nor_by_closing_an_exception(waiting):
    await waiting.sql(
        "insert into crossdock.exception (tenant, id, run, process, step, type, opened, data) "
        "values ($1, 'x1', $2, 'order', 'approve', 'approval_late', now(), '{}')",
        waiting.run,
    )
    cause, skip = Cause(exception="approval_late"), Action(act="skip", note="no need")
    ann = someone(waiting.tenant, "operations-lead")
    with pytest.raises(Forbidden, match="among them are some that ann may not decide: ann is excluded"):
        await waiting.acts.repairs.begin(ann, cause, skip)
    with pytest.raises(Forbidden, match="ann is excluded here"):
        await waiting.acts.exceptions.close(ann, "x1", "skip", note="no need")
    bob = someone(waiting.tenant, "operations-lead", id="bob")
    begun = await waiting.acts.repairs.begin(bob, cause, skip, trial=0)
    await waiting.acts.repairs.stop(bob, begun.id)
    with pytest.raises(Forbidden, match="among them"):
        await waiting.acts.repairs.proceed(ann, begun.id)


async def test_a_repair_of_many_is_the_deed_of_whoever_began_it(waiting):
    by = someone(waiting.tenant, "operations-lead", id="key:9", kind="key", behind="bob")
    waiting.partners.refuse["wms.pick"] = "no stock"
    await waiting.put(order("SO-2"))
    await waiting.steps("SO-2", pick="held")
    cause = Cause(exception="refused_by_partner")
    await waiting.acts.repairs.begin(by, cause, Action(act="skip", note="late"), trial=0, rate=100)
    detail = await waiting.steps("SO-2", pick="skipped")
    actor = next(line.event.actor for line in detail.lines if line.event.type == STEP_SKIP)
    assert (actor.id, actor.kind, actor.behind) == ("key:9", "key", "bob")


async def test_what_has_changed_since_it_was_seen_is_not_decided(waiting):
    by = someone(waiting.tenant, "finance", id="bea")
    with pytest.raises(Refused, match="nothing says what was looked at"):
        await approve(waiting, by, seen="")
    changed = order("SO-1", "9000.00", version="2", changed="2026-05-04T09:00:00Z")
    await waiting.put(event("order.changed", changed.data, order="SO-1"))

    async def is_other():
        (task,) = await waiting.history.tasks(waiting.tenant)
        return task if task.data["seen"] != waiting.task.data["seen"] else None

    newer = await waiting.until(is_other)
    with pytest.raises(Conflict, match="has changed since it was looked at"):
        await approve(waiting, by)
    outcome = await told(waiting, by, await approve(waiting, by, seen=newer.data["seen"]))
    assert outcome.refusal == ""
    with pytest.raises(Conflict, match="decided or withdrawn before"):
        await approve(waiting, by, seen=newer.data["seen"])


async def test_the_same_deed_twice_is_done_and_noted_once(waiting):
    runs = waiting.acts.runs
    lead = someone(waiting.tenant, "operations-lead", id="bea")
    asked = [await runs.move(lead, waiting.run, version="none", once="one") for _ in range(2)]
    assert [one.again for one in asked] == [False, True]
    assert len((await waiting.audit.entries(waiting.tenant, Filter(actor="bea"))).items) == 1


async def test_an_escalated_task_is_decided_by_either_role(waiting):
    await waiting.clock.step(timedelta(days=3))

    async def escalated():
        task = await waiting.acts.tasks.find(whoever(waiting.tenant), waiting.task.id)
        return task if len(task.roles) == 2 else None

    task = await waiting.until(escalated)
    assert task.roles == ("finance", "finance-lead")
    lead = someone(waiting.tenant, "finance-lead", id="cfo")
    outcome = await told(waiting, lead, await approve(waiting, lead))
    assert (outcome.refusal, outcome.line.event.actor.roles) == ("", ("finance-lead",))


async def test_nothing_of_another_tenant_is_there(waiting):
    other = await waiting.database.create_tenant("other")
    by = someone(other, "tenant-admin", EVERY_ROLE, id="mallory")
    with pytest.raises(NotFound, match="there is no task"):
        await approve(waiting, by)
    with pytest.raises(NotFound, match=f"there is no run {waiting.run}"):
        await waiting.acts.runs.cancel(by, waiting.run, reason="no")
    with pytest.raises(NotFound, match="there is no connection erp"):
        await waiting.acts.connections.stop(by, "erp")
    assert (await waiting.audit.entries(waiting.tenant)).items == []


async def test_an_event_that_is_sent_in_starts_no_run_by_hand(waiting):
    by = someone(waiting.tenant, "integration-engineer", id="bea")
    start = event("run.start", {"process": "order", "document": order("SO-2").data})
    with pytest.raises(Refused, match="a run is not started by an event"):
        await waiting.acts.events.send(by, [start])
    (receipt,) = await waiting.acts.events.send(by, [order("SO-2")])
    assert receipt.fate == "routed"
    detail = await waiting.steps("SO-2", check_credit="succeeded")
    assert detail.lines[0].event.actor == by.actor()
    with pytest.raises(Forbidden, match="bea may not start a run by hand"):
        await waiting.acts.runs.start(by, "order", order("SO-3").data, once="1")


async def test_a_deed_says_what_was_before_and_after(waiting):
    by = someone(waiting.tenant, "operations-lead", id="bea", origin="10.0.0.9")
    await waiting.acts.connections.stop(by, "erp", deadlines_run=False)
    (entry,) = (await waiting.audit.entries(waiting.tenant, Filter(actor="bea"))).items
    assert (entry.action, entry.on_id, entry.origin) == ("connection.stop", "erp", "10.0.0.9")
    assert json.loads(entry.before) == {"stopped": False}
    assert json.loads(entry.after) == {"stopped": True, "deadlines_run": False}
