"""An assistant proposes, a person decides: nothing is done by the assistant's rights, and two people stay two."""

from __future__ import annotations

import json

import pytest

from acting import someone
from crossdock.access.audit import Filter
from crossdock.errors import Conflict, Forbidden, NotFound, Refused
from played_orders import event, order


@pytest.fixture
async def held(tower):
    """A run whose step was refused by the warehouse, and a large order that waits for its approval."""
    tower.partners.refuse["wms.pick"] = "no stock"
    async with tower.working():
        await tower.put(order("SO-1", "5000.00", version="1"), order("SO-2"))
        await tower.steps("SO-1", approve="waiting")
        tower.run = (await tower.steps("SO-2", pick="held")).run.id
        (tower.task,) = await tower.history.tasks(tower.tenant)
        (tower.exception,) = await tower.history.exceptions(tower.tenant, run=tower.run)
        tower.partners.refuse.clear()
        yield tower


def assistant(tower, *, of: str = "max", **more):
    return someone(tower.tenant, "assistant", id="key:a1", kind="key", behind=of, **more)


async def propose(tower, deed="run.retry", given=None, *, on=None, by=None, **more):
    thing = (
        on
        or {"run": tower.run, "task": tower.task.id, "exception": tower.exception.id}[deed.partition(".")[0]]
    )
    more = {"why": "stock has come", "model": "llama-3.1-8b"} | more
    return await tower.acts.proposals.make(by or assistant(tower), deed, thing, given or {}, **more)


async def entries(tower, actor):
    found = (await tower.audit.entries(tower.tenant, Filter(actor=actor))).items
    return [(one.action, one.outcome) for one in found]


async def test_what_may_be_proposed_are_the_deeds_of_the_desk_on_one_thing(tower):
    assert tower.acts.proposals.deeds == (
        "exception.close",
        "run.cancel",
        "run.move",
        "run.redo",
        "run.retry",
        "run.skip",
        "run.supply",
        "task.decide",
    )


async def test_what_is_accepted_is_done_by_the_rights_of_whoever_accepts(held):
    made = await propose(held, "run.retry", {"step": "pick", "note": "try"})
    assert (made.status, made.by, made.person) == ("open", "key:a1", "max")
    assert (await held.steps("SO-2", pick="held")).run.id == held.run  # nothing happened
    by = someone(held.tenant, "operations-lead", id="lea")
    asked = await held.acts.proposals.accept(by, made.id, note="go")
    assert (await held.acts.outcome(by, asked, within=10)).refusal == ""
    await held.steps("SO-2", pick="succeeded")
    assert await entries(held, "lea") == [("run.repair", "done"), ("proposal.decide", "done")]
    assert await entries(held, "key:a1") == [("run.propose", "done")]
    (entry,) = (await held.audit.entries(held.tenant, Filter(actor="key:a1"))).items
    assert entry.why == "stock has come"
    assert json.loads(entry.after)["model"] == "llama-3.1-8b"
    with pytest.raises(Conflict, match="accepted by lea"):
        await held.acts.proposals.accept(someone(held.tenant, "tenant-admin", id="tom"), made.id)


async def test_who_may_not_do_it_may_not_accept_it(held):
    made = await propose(held, "run.cancel", {"reason": "nobody wants it"})
    desk = someone(held.tenant, "order-desk", id="dan")  # decides proposals, and cancels no runs
    with pytest.raises(Forbidden, match="cancel"):
        await held.acts.proposals.accept(desk, made.id)
    assert (await held.acts.proposals.find(desk, made.id)).status == "open"
    for by in (
        assistant(held),
        someone(held.tenant, "viewer"),
        someone(held.tenant, "assistant", "tenant-admin"),
    ):
        for act in (held.acts.proposals.accept, held.acts.proposals.decline):
            with pytest.raises(Forbidden):
                await act(by, made.id)
    await held.acts.proposals.decline(desk, made.id, note="they do")
    found = await held.acts.proposals.find(desk, made.id)
    assert (found.status, found.decided_by, found.note) == ("declined", "dan", "they do")
    with pytest.raises(Conflict, match="declined by dan"):
        await held.acts.proposals.accept(someone(held.tenant, "tenant-admin", id="tom"), made.id)


async def test_a_proposal_falls_when_what_it_is_about_has_changed(held):
    by = someone(held.tenant, "tenant-admin", "finance", id="lea")
    on_run = await propose(held, "run.retry", {"step": "pick"})
    on_exception = await propose(held, "exception.close")
    on_task = await propose(held, "task.decide", {"decision": "approved"})
    asked = await held.acts.exceptions.close(by, held.exception.id, "retry")
    await held.acts.outcome(by, asked, within=10)
    asked = await held.acts.tasks.decide(by, held.task.id, "refused", seen=held.task.data["seen"])
    await held.acts.outcome(by, asked, within=10)
    for made in (on_run, on_exception, on_task):
        assert (await held.acts.proposals.find(by, made.id)).status == "fallen"
        with pytest.raises(Conflict, match=r"has changed since it was proposed|already"):
            await held.acts.proposals.accept(by, made.id)


async def test_one_that_was_accepted_and_never_done_is_done_only_while_it_stands(held):
    """Whoever accepted it was killed before it was done."""
    by = someone(held.tenant, "tenant-admin", id="lea")
    first = await propose(held, "run.retry", {"step": "pick"})
    second = await propose(held, "run.cancel", {"reason": "no stock"})
    await held.sql("update crossdock.proposal set status = 'accepted', decided_by = 'lea' where tenant = $1")
    with pytest.raises(Conflict, match="accepted by lea"):
        await held.acts.proposals.accept(someone(held.tenant, "tenant-admin", id="tom"), first.id)
    asked = await held.acts.proposals.accept(by, first.id)
    assert (await held.acts.outcome(by, asked, within=10)).refusal == ""
    with pytest.raises(Conflict, match="accepted by lea"):
        await held.acts.proposals.accept(by, second.id)
    assert (await held.steps("SO-2", pick="succeeded")).run.status == "active"


async def test_a_task_that_asks_something_else_by_now_is_not_decided_by_an_old_proposal(held):
    made = await propose(held, "task.decide", {"decision": "approved"})
    changed = order("SO-1", "9000.00", version="2", changed="2026-05-04T09:00:00Z")
    await held.put(event("order.changed", changed.data, order="SO-1"))

    async def is_other():
        (task,) = await held.history.tasks(held.tenant)
        return task.data["seen"] != held.task.data["seen"]

    await held.until(is_other)
    by = someone(held.tenant, "tenant-admin", "finance", id="lea")
    with pytest.raises(Conflict, match="has changed since it was proposed"):
        await held.acts.proposals.accept(by, made.id)


async def test_whoever_answers_for_the_assistant_is_not_the_second_person(held):
    """The order was asked for by ann; who decides it may not be ann, nor whose assistant proposed it."""
    made = await propose(held, "task.decide", {"decision": "approved", "note": "fine"})
    for by in (
        someone(held.tenant, "finance", id="max"),
        someone(held.tenant, "finance", id="key:m", kind="key", behind="max"),
        someone(held.tenant, "finance", id="ann"),
        someone(held.tenant, "finance", id="key:n", kind="key"),
    ):
        with pytest.raises(Forbidden, match=r"excluded here|nobody answers"):
            await held.acts.proposals.accept(by, made.id)
    with pytest.raises(Forbidden, match="has not the role"):
        await held.acts.proposals.accept(someone(held.tenant, "tenant-admin", id="tom"), made.id)
    bea = someone(held.tenant, "finance", id="bea")
    asked = await held.acts.proposals.accept(bea, made.id)
    assert (await held.acts.outcome(bea, asked, within=10)).refusal == ""


async def test_what_cannot_be_done_cannot_be_proposed(held):
    for deed, given, error in (
        ("run.burn", {}, "cannot be proposed"),
        ("run.start", {"process": "order", "document": {}}, "cannot be proposed"),
        ("run.retry", {}, "step"),
        ("run.retry", {"step": 7}, "step"),
        ("run.retry", {"step": "pick", "once": "x"}, "once"),
        ("run.cancel", {"reason": "x", "by": "lea"}, "by"),
        ("task.decide", {"decision": "maybe"}, "decision"),
        ("task.decide", {"decision": "approved", "seen": "x"}, "seen"),
    ):
        with pytest.raises(Refused, match=error):
            await propose(held, deed, given, on=held.run)
    with pytest.raises(Refused, match="nothing says why"):
        await propose(held, "run.retry", {"step": "pick"}, why=" ")
    with pytest.raises(Conflict, match="changed since it was looked at"):
        await propose(held, "run.retry", {"step": "pick"}, seen="1")
    with pytest.raises(NotFound):
        await propose(held, "task.decide", {"decision": "approved"}, on="task/none")
    with pytest.raises(Forbidden):
        await propose(held, "run.retry", {"step": "pick"}, by=someone(held.tenant, "viewer"))


async def test_a_proposal_of_another_tenant_is_not_there(held):
    made = await propose(held, "run.retry", {"step": "pick"})
    other = await held.database.create_tenant("other")
    for act in (held.acts.proposals.accept, held.acts.proposals.decline, held.acts.proposals.find):
        with pytest.raises(NotFound):
            await act(someone(other, "tenant-admin"), made.id)


async def test_pages_show_what_is_proposed_and_decide_it(held):
    made = await propose(held, "run.retry", {"step": "pick"})
    other = await propose(held, "run.cancel", {"reason": "no <b>stock</b>"})
    held.seen_by("lea", "tenant-admin")
    assert "Proposals (2)" in await held.get("/desk")
    shown = await held.get("/runs/order/SO-2/1")
    assert "Proposed: Try a step again" in shown
    assert "llama-3.1-8b" in shown
    listed = await held.get("/proposals")
    assert "no &lt;b&gt;stock&lt;/b&gt;" in listed
    told = await held.post("/proposals", act="decline", proposal=str(other.id), back="/proposals")
    assert "Turned down; nothing of it is done." in told
    told = await held.post("/proposals", act="accept", proposal=str(made.id), back="/proposals")
    assert "accepted" in await held.get("/proposals")
    await held.steps("SO-2", pick="succeeded")
    told = await held.post("/proposals", act="accept", proposal=str(made.id), back="/proposals")
    assert "It was accepted by lea." in told
