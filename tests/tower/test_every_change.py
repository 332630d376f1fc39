"""Every path that changes anything asks first: without the right it is refused, recorded, and changes nothing.

What there is to walk is found by looking, not by a list: a deed or a form that is added later, and not named
here, fails these tests.
"""

from __future__ import annotations

import ast
import dataclasses
import html
import inspect
from pathlib import Path

import pytest
from starlette.routing import Route

import crossdock
from acting import everything, someone
from crossdock.access.audit import Filter
from crossdock.access.policy_form import Role, Rules
from crossdock.access.providers import Provider
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Forbidden
from crossdock.translate.codes import Code
from played_orders import event, order

SOURCE = Path(crossdock.__file__).parent
CAUSE = Cause(exception="refused_by_partner")

# What only looks; everything else of the desk changes something.
LOOKS = {
    "outcome",
    "tasks.find",
    "exceptions.find",
    "proposals.find",
    "connections.checked",
    "connections.health",
    "connections.known_secrets",
    "mappings.tried",
    "explain.explain",
    "explain.roles",
    "events.sealed",
    "personal.state",
    "processes.others",
    "processes.backtest",
    "personal.erased",
    "personal.gone",
    "people.list",
    "keys.list",
    "runs.replay",
}
DEEDS = {
    "tasks.decide": lambda do, by, w: do.tasks.decide(by, w.task, "approved", seen=w.seen),
    "exceptions.close": lambda do, by, w: do.exceptions.close(by, w.exception),
    "runs.start": lambda do, by, w: do.runs.start(by, "order", order("SO-7").data, once="one"),
    "runs.cancel": lambda do, by, w: do.runs.cancel(by, w.held, reason="no"),
    "runs.retry": lambda do, by, w: do.runs.retry(by, w.held, "pick"),
    "runs.supply": lambda do, by, w: do.runs.supply(by, w.held, "pick", {}),
    "runs.skip": lambda do, by, w: do.runs.skip(by, w.held, "pick", note="no"),
    "runs.redo": lambda do, by, w: do.runs.redo(by, w.held, "check_credit"),
    "runs.move": lambda do, by, w: do.runs.move(by, w.held),
    "runs.release": lambda do, by, w: do.runs.release(by, w.stopped),
    "proposals.make": lambda do, by, w: do.proposals.make(
        by, "run.retry", w.held, {"step": "pick"}, why="no"
    ),
    "proposals.accept": lambda do, by, w: do.proposals.accept(by, w.proposals[0]),
    "proposals.decline": lambda do, by, w: do.proposals.decline(by, w.proposals[1]),
    "repairs.preview": lambda do, by, w: do.repairs.preview(by, CAUSE, Action(act="retry")),
    "repairs.begin": lambda do, by, w: do.repairs.begin(by, CAUSE, Action(act="retry")),
    "repairs.proceed": lambda do, by, w: do.repairs.proceed(by, w.repair),
    "repairs.stop": lambda do, by, w: do.repairs.stop(by, w.repair),
    "events.send": lambda do, by, w: do.events.send(by, [order("SO-8")]),
    "events.take": lambda do, by, w: do.events.take(by, {}, CLOUD_EVENT),
    "events.attach": lambda do, by, w: do.events.attach(by, w.parked, w.held),
    "events.dismiss": lambda do, by, w: do.events.dismiss(by, w.parked),
    "events.release": lambda do, by, w: do.events.release(by, w.quarantined),
    "deliveries.replay": lambda do, by, w: do.deliveries.replay(by, w.delivery),
    "deliveries.dismiss": lambda do, by, w: do.deliveries.dismiss(by, w.delivery, reason="no"),
    "processes.publish": lambda do, by, w: do.processes.publish(by, {"order.yaml": w.newer}),
    "processes.roll_back": lambda do, by, w: do.processes.roll_back(by, "order", w.version),
    "mappings.publish": lambda do, by, w: do.mappings.publish(by, {"units.yaml": UNITS}),
    "codes.put": lambda do, by, w: do.codes.put(by, "erp", [(1, Code(kind="unit", ours="EA", theirs="ea"))]),
    "codes.fetch": lambda do, by, w: do.codes.fetch(by, "erp"),
    "codes.drop": lambda do, by, w: do.codes.drop(by, "erp", "item", theirs="known"),
    "connections.put": lambda do, by, w: do.connections.put(by, {"tms2": {"connector": "tests"}}),
    "connections.stop": lambda do, by, w: do.connections.stop(by, "erp"),
    "connections.start": lambda do, by, w: do.connections.start(by, "wms"),
    "connections.test": lambda do, by, w: do.connections.test(by, "erp"),
    "connections.record": lambda do, by, w: do.connections.record(by, "erp", 60),
    "connections.recording": lambda do, by, w: do.connections.recording(by, "erp"),
    "connections.remove": lambda do, by, w: do.connections.remove(by, "tms"),
    "connections.set_secret": lambda do, by, w: do.connections.set_secret(by, "erp", "hook", "long enough"),
    "connections.drop_secret": lambda do, by, w: do.connections.drop_secret(by, "erp", "hook"),
    "reconciliation.compare": lambda do, by, w: do.reconciliation.compare(by, ["orders"]),
    "reconciliation.mend": lambda do, by, w: do.reconciliation.mend(by, "orders/erp/SO-9"),
    "settings.change": lambda do, by, w: do.settings.change(by, settings={"a": 1}),
    "roles.change": lambda do, by, w: do.roles.change(
        by, Rules(roles={"dispatch": Role(says="sends", actions=("run.read",))})
    ),
    "keys.create": lambda do, by, w: do.keys.create(by, roles=["viewer"]),
    "keys.revoke": lambda do, by, w: do.keys.revoke(by, w.key),
    "people.invite": lambda do, by, w: do.people.invite(by, email="x@acme.example", roles=["viewer"]),
    "people.change": lambda do, by, w: do.people.change(by, "pia", roles=["auditor"]),
    "people.suspend": lambda do, by, w: do.people.suspend(by, "pia"),
    "people.resume": lambda do, by, w: do.people.resume(by, "pia-2"),
    "people.reset": lambda do, by, w: do.people.reset(by, "pia-2"),
    "providers.put": lambda do, by, w: do.providers.put(by, CORP),
    "providers.drop": lambda do, by, w: do.providers.drop(by, "old"),
    "personal.begin": lambda do, by, w: do.personal.begin(by),
    "personal.end": lambda do, by, w: do.personal.end(by),
    "personal.find": lambda do, by, w: do.personal.find(by, "Nordwind"),
    "personal.held": lambda do, by, w: do.personal.held(by, "customer/C-1"),
    "personal.erase": lambda do, by, w: do.personal.erase(by, "customer/C-1", why="no"),
    "tenants.create": lambda do, by, w: do.tenants.create(by, "third"),
    "tenants.suspend": lambda do, by, w: do.tenants.suspend(by, "acme", why="no"),
    "tenants.resume": lambda do, by, w: do.tenants.resume(by, "acme"),
    "tenants.export": lambda do, by, w: do.tenants.export(by, "acme"),
    "tenants.delete": lambda do, by, w: do.tenants.delete(by, "acme", why="no"),
    "tenants.seal_anew": lambda do, by, w: do.tenants.seal_anew(by),
}
UNITS = "mapping: units\ntakes: string\ngives: ${ document }\n"
CORP = Provider(name="corp", title="", issuer="https://x.example", client_id="c", groups={})
CLOUD_EVENT = (
    b'{"specversion":"1.0","id":"1","source":"/shop","type":"shipment.delivered",'
    b'"time":"2026-03-02T10:00:00Z","data":{"shipment":"S-1"}}'
)
A_RUN = "/runs/{process}/{key:path}/{generation:int}"
# Each form, by its address: what is posted there, as often as there are deeds behind it.
FORMS = {
    A_RUN: [
        *({"act": act, "step": "pick", "note": "no"} for act in ("retry", "supply", "skip", "redo")),
        {"act": "cancel", "note": "no"},
        {"act": "move"},
        {"act": "release", "again": "yes"},
    ],
    "/desk/task": [{"decision": decision} for decision in ("approved", "refused", "done")],
    "/desk/exception": [{"action": action, "note": "no"} for action in ("close", "retry", "skip", "cancel")],
    "/repairs": [
        {"act": act, "trial": "1", "rate": "1", "seen": "1", "exception": CAUSE.exception, "note": "no"}
        for act in ("retry", "move", "close", "skip", "cancel")
    ]
    + [{"act": "release", "stopped": "true", "trial": "1", "rate": "1", "seen": "1"}],
    "/repairs/{id:int}": [{"act": "proceed"}, {"act": "stop"}],
    "/proposals": [{"act": "accept"}, {"act": "decline"}],
    "/differences": [{"difference": "order_missing_here/SO-9"}],
    "/events": [
        {"act": act, "number": "SO-2", "note": "no"}
        for act in ("dismiss", "attach", "release", "replay", "drop")
    ],
    "/connections": [{"act": "stop", "connection": "erp"}, {"act": "start", "connection": "wms"}]
    + [
        {"act": act, "connection": "erp", "secret": "hook", "text": "long enough", "minutes": "1"}
        for act in ("set", "test", "secret", "fetch", "record", "remove")
    ]
    + [{"act": "add", "connection": "tms2", "connector": "tests"}],
    "/people": [
        {"act": "invite", "email": "ann@acme.example", "role.viewer": "yes"},
        *({"act": act, "person": "ann", "note": "no"} for act in ("roles", "suspend", "resume", "reset")),
    ],
    "/personal": [
        {"act": "find", "text": "Nordwind"},
        {"act": "erase", "subject": "customer/C-1", "name": "customer/C-1", "note": "no"},
        {"act": "seal"},
        {"act": "stop"},
    ],
    "/mappings": [{"act": "publish", "file": UNITS}],  # to check one is to read
    "/mappings/{name}": [],  # tries one, and keeps nothing
    "/codes": [
        {"act": act, "scope": "erp", "kind": "item", "ours": "1", "theirs": "known", **more}
        for act, more in (
            ("set", {"theirs": "new", "replace": "yes"}),
            ("drop", {}),
            ("import", {"file": "kind,ours,theirs\nunit,EA,ea\n"}),
            ("look", {"file": "kind,ours,theirs\nunit,EA,ea\n"}),
        )
    ],
    "/people/keys": [{"act": "key", "name": "shop", "role.viewer": "yes"}, {"act": "revoke", "key": "abc"}],
}


@pytest.fixture
async def world(tower):
    """One of everything that something can be done to."""
    tower.partners.refuse["wms.pick"] = "no stock"
    acts, by = tower.acts, tower.person.principal
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"), order("SO-2"), order("SO-3"))
        await tower.steps("SO-1", approve="waiting")
        held = await tower.steps("SO-2", pick="held")
        stopped = await tower.steps("SO-3", pick="held")
        tower.partners.refuse.clear()
    await tower.put(event("shipment.delivered", {"shipment": "S-9"}, shipment="S-9"))
    await tower.sql("update crossdock.run set error = 'broke', status = 'held' where tenant = $1 and id = $2",
                    stopped.run.id)  # fmt: skip
    await tower.sql(
        "insert into crossdock.quarantine (tenant, type, reason, event) "
        "select tenant, 'shipment.delivered', 'unknown', event from crossdock.parked where tenant = $1"
    )
    await tower.sql(
        "insert into crossdock.delivery (tenant, connection, message, outcome, reason, body) "
        "values ($1, 'tms', 'm1', 'quarantined', 'unknown word', 'none')"
    )
    (task,) = await tower.history.tasks(tower.tenant)
    w = type("World", (), {})()
    w.held, w.stopped, w.version = held.run.id, stopped.run.id, held.run.version
    w.task, w.seen = task.id, task.data["seen"]
    w.exception = (await tower.history.exceptions(tower.tenant, run=w.held))[0].id
    w.proposals = [
        (await acts.proposals.make(by, "run.retry", w.held, {"step": "pick"}, why="it may go now")).id
        for _ in range(2)
    ]
    w.parked = (await tower.history.parked(tower.tenant))[0].id
    w.quarantined = (await tower.history.quarantine(tower.tenant))[0].id
    w.delivery = await number(tower, "select id from crossdock.delivery")
    w.newer = held.source.replace("title: Order to cash", "title: Orders")
    w.key = (await acts.keys.create(by, roles=["viewer"])).key.id
    await tower.sql("insert into crossdock.person (tenant, id) values ($1, 'pia')")
    await tower.sql("insert into crossdock.person (tenant, id, suspended) values ($1, 'pia-2', now())")
    await acts.providers.put(by, dataclasses.replace(CORP, name="old"))
    w.repair = (await acts.repairs.begin(by, Cause(runs=(w.held,)), Action(act="close"), trial=0)).id
    await acts.connections.stop(by, "wms")
    await acts.codes.put(by, "erp", [(1, Code(kind="item", ours="1", theirs="known"))])
    return w


async def number(tower, sql: str) -> int:
    async with tower.database.engine() as transaction:
        return await transaction.value(sql)


def deeds(acts) -> set[str]:
    """All public coroutines of the desk, by name."""
    found = {name for name, _ in inspect.getmembers(type(acts), inspect.iscoroutinefunction)}
    for attribute, part in vars(acts).items():
        if type(part).__module__.startswith("crossdock.desk") and not attribute.startswith("_"):
            methods = inspect.getmembers(type(part), inspect.iscoroutinefunction)
            found |= {f"{attribute}.{name}" for name, _ in methods}
    return {name for name in found if not name.rpartition(".")[2].startswith("_")}


async def test_every_deed_of_the_desk_is_named_here(tower):
    assert deeds(tower.acts) == set(DEEDS) | LOOKS


async def test_no_deed_is_done_without_the_right_and_each_attempt_is_recorded(tower, world):
    viewer = someone(tower.tenant, "viewer", id="eve", origin="10.0.0.9")
    before = await everything(tower.database)
    for name, deed in DEEDS.items():
        with pytest.raises(Forbidden):
            await deed(tower.acts, viewer, world)
        assert await everything(tower.database) == before, name
    await tower.audit.settle()
    refused = [
        entry
        for actor in ("eve", "others")  # many different ones within a minute are counted by action
        for entry in (await tower.audit.entries(tower.tenant, Filter(actor=actor))).items
    ]
    assert {entry.outcome for entry in refused} == {"refused"}
    assert sum(entry.count for entry in refused) == len(DEEDS)
    assert all(entry.why for entry in refused)


@pytest.mark.parametrize("roles", [(), ("assistant",), ("partner:quayline",), ("auditor",)])
async def test_nor_by_one_who_may_only_look_in_another_way(tower, world, roles):
    who = someone(tower.tenant, *roles, id="eve")
    before = await everything(tower.database)
    sends = {"events.send", "events.take"} if roles == ("partner:quayline",) else set()
    sends |= {"proposals.make"} if roles == ("assistant",) else set()
    for deed in (DEEDS[name] for name in set(DEEDS) - sends):
        with pytest.raises((Forbidden, crossdock.errors.NotFound)):
            await deed(tower.acts, who, world)
    assert await everything(tower.database) == before


async def test_each_deed_that_is_done_stands_in_the_audit_with_who_did_it(tower, world):
    """Those that exclude each other are done on another day; what they note is noted alike."""
    by = someone(tower.tenant, "tenant-admin", "finance", id="bea")
    apart = {"deliveries.replay", "repairs.preview", "repairs.proceed", "runs.move", "events.release"}
    apart |= {
        "personal.erase",
        "personal.held",
        "reconciliation.mend",
    }  # nothing is sealed here, and nothing differs
    apart |= {"codes.fetch"}  # no system here keeps any
    silent = {"connections.drop_secret"}  # there is none: nothing was done
    for name in sorted(set(DEEDS) - apart - silent):
        if name.startswith("tenants.") or name in ("events.dismiss", "runs.skip", "runs.redo", "runs.supply"):
            continue
        done = len((await tower.audit.entries(tower.tenant, Filter(actor="bea"))).items)
        await DEEDS[name](tower.acts, by, world)
        entries = (await tower.audit.entries(tower.tenant, Filter(actor="bea"))).items
        assert len(entries) > done, name
        assert (entries[0].outcome, entries[0].roles) == ("done", ("finance", "tenant-admin")), name


async def test_no_form_of_the_pages_does_anything_without_the_right(tower, world):
    posted = {
        route.path for route in tower.site.routes if isinstance(route, Route) and "POST" in route.methods
    }
    assert posted == set(FORMS)
    tower.seen_by("eve", "viewer")
    before = await everything(tower.database)
    given = {
        "task": world.task,
        "seen": world.seen,
        "exception": world.exception,
        "proposal": str(world.proposals[0]),
    }
    for path, posts in FORMS.items():
        for fields in posts:
            where = path.replace("{id:int}", str(world.repair))
            key = "SO-3" if fields.get("act") == "release" else "SO-2"
            where = where.replace("{process}/{key:path}/{generation:int}", f"order/{key}/1")
            kept = {"dismiss": world.parked, "attach": world.parked, "release": world.quarantined}
            number_ = str(kept.get(fields.get("act", ""), world.delivery))
            told = await tower.post(where, 403, **{"event": number_, **given, **fields})
            assert "eve" in html.unescape(told), (where, fields)
    assert await everything(tower.database) == before
    await tower.audit.settle()
    refused = [
        entry
        for actor in ("eve", "others")  # many different ones within a minute are counted by action
        for entry in (await tower.audit.entries(tower.tenant, Filter(actor=actor, outcome="refused"))).items
    ]
    assert sum(entry.count for entry in refused) == sum(len(posts) for posts in FORMS.values())


# What changes something in the rooms below the desk, by who offers it.
CHANGES = {
    "inbox": {"put", "tell", "dismiss", "attach", "release"},
    "repairs": {"begin", "proceed", "stop", "release"},
    "connections": {"put", "record", "remove", "stop", "start"},
    "library": {"publish", "roll_back", "set_reference"},
    "quarantine": {"replay", "dismiss"},
    "secrets": {"put", "replace", "drop", "rotate_master", "seal_again"},
    "tenants": {"create", "suspend", "resume", "export", "delete"},
    "policies": {"put"},
    "keys": {"create", "revoke"},
    "people": {"invite", "change", "shut_out", "let_in", "reset"},
    "providers": {"put", "drop"},
}
# The demonstration plays people and partners of its own, in an installation of its own.
PLAYED = {("demo/director.py", "inbox.put"), ("demo/stand_in.py", "inbox.tell")}


def test_no_door_changes_anything_but_by_the_desk():
    found = set()
    for room in ("api", "tower", "cli", "demo"):
        for path in (SOURCE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                on = ast.unparse(node.func.value)
                what = on.rpartition(".")[2].lstrip("_")
                if "acts" not in on.split(".") and node.func.attr in CHANGES.get(what, ()):
                    found.add((str(path.relative_to(SOURCE)), f"{what}.{node.func.attr}"))
    assert found == PLAYED
