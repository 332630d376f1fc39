"""Who may do what: the shipped roles, what nothing can give, and what a tenant adds."""

from __future__ import annotations

import asyncio
import time

import pytest

from crossdock.access import ACTIONS, Policies, Principal, Resource, Verdict
from crossdock.access.audit import Audit, Filter
from crossdock.access.policy_form import Role, Rules
from crossdock.errors import Broken, Conflict, Forbidden, NotFound, Refused

READS = {action for action in ACTIONS if action.endswith(".read")}
WORK = {
    "run.read",
    "order.read",
    "event.read",
    "task.read",
    "exception.read",
    "process.read",
    "connection.read",
    "usage.read",
}
CODES = {"mapping.read", "code.read"}
# What each shipped role may do to a thing that says nothing of itself; nobody decides tasks by a role of these.
RIGHTS = {
    "operator-admin": set(),  # outside of the operator's own tenant
    "tenant-admin": set(ACTIONS) - {"task.decide", "tenant.read", "tenant.change"},
    "operations-lead": (WORK | CODES | {"setting.read", "person.read"})
    | {"run.start", "run.cancel", "run.repair", "run.move", "event.settle", "exception.close"}
    | {"proposal.decide", "connection.stop", "connection.test", "personal.read"},
    "order-desk": (WORK - {"connection.read", "usage.read"})
    | {"run.start", "exception.close", "personal.read", "proposal.decide"},
    "finance-controller": (WORK - {"connection.read", "event.read"})
    | {"exception.close", "personal.read", "proposal.decide"},
    "integration-engineer": ((WORK - {"task.read"}) | CODES | {"setting.read"})
    | {"run.repair", "run.move", "event.send", "event.deliver", "event.settle", "exception.close"}
    | {
        "process.publish",
        "mapping.publish",
        "code.change",
        "connection.change",
        "connection.stop",
        "proposal.decide",
    }
    | {"connection.test", "connection.record"},
    "partner": set(),  # of what is not its own
    "auditor": READS - {"tenant.read", "personal.read"},
    "viewer": WORK | CODES,
    "assistant": WORK | CODES | {"run.propose"},
    "credit-controller": set(),  # that a process names: it decides what asks for it, see below
}


@pytest.fixture
def audit(database) -> Audit:
    return Audit(database)


@pytest.fixture
def policies(database, audit) -> Policies:
    return Policies(database, audit)


def someone(tenant, *roles: str, id: str = "ann", **more) -> Principal:
    return Principal(tenant=tenant.id, id=id, kind=more.pop("kind", "human"), roles=frozenset(roles), **more)


def a_task(**more) -> Resource:
    about = {"roles": ("credit-controller",), "process": "order-to-cash", **more}
    return Resource(kind="task", id="t1", attributes=about)


@pytest.mark.parametrize("role", RIGHTS)
async def test_each_shipped_role_may_what_its_table_says_and_nothing_else(policies, tenant, role):
    who = someone(tenant, role)
    may = set()
    for action in ACTIONS:
        if (await policies.decide(who, action, Resource(kind=action.partition(".")[0]))).allowed:
            may.add(action)
    assert may == RIGHTS[role]


async def test_nobody_without_a_role_may_anything(policies, tenant):
    for action in ACTIONS:
        verdict = await policies.decide(someone(tenant), action, Resource(kind="run"))
        assert not verdict.allowed
        if not action.startswith("tenant."):
            assert verdict.why == f"ann may not {ACTIONS[action]}"


async def test_a_verdict_says_why_and_by_which_policy_and_what_would_be_needed(policies, tenant):
    lead = await policies.decide(someone(tenant, "operations-lead"), "run.cancel", Resource(kind="run"))
    assert (lead.allowed, lead.policies) == (True, ("operations-lead",))
    assert lead.why == "ann may cancel a run (operations-lead)"
    viewer = await policies.decide(someone(tenant, "viewer"), "run.cancel", Resource(kind="run"))
    assert (viewer.allowed, viewer.policies) == (False, ())
    assert viewer.why == "ann may not cancel a run"
    assert viewer.needed == ("operations-lead", "tenant-admin")


async def test_whoever_has_the_role_of_a_task_decides_it(policies, tenant):
    assert (await policies.decide(someone(tenant, "credit-controller"), "task.decide", a_task())).allowed
    lead = await policies.decide(someone(tenant, "tenant-admin"), "task.decide", a_task())
    assert not lead.allowed
    assert (lead.why, lead.needed) == ("ann has not the role credit-controller", ("credit-controller",))
    escalated = a_task(roles=("credit-controller", "cfo"))
    assert (await policies.decide(someone(tenant, "cfo"), "task.decide", escalated)).allowed


async def test_whoever_is_excluded_decides_under_no_name(policies, tenant):
    task = a_task(excluded=("ann",))
    own = someone(tenant, "credit-controller")
    key = someone(tenant, "credit-controller", id="key:7", kind="key", behind="ann")
    for who in (own, key):
        for action in ("task.decide", "run.repair"):
            verdict = await policies.decide(who, action, task)
            assert not verdict.allowed
            assert f"{who.id} is excluded here" in verdict.why
    nobodys = someone(tenant, "credit-controller", id="key:8", kind="key")
    verdict = await policies.decide(nobodys, "task.decide", task)
    assert verdict.why == "nobody answers for key:8, and there are people who may not decide this"
    bobs = someone(tenant, "credit-controller", id="key:9", kind="key", behind="bob")
    assert (await policies.decide(bobs, "task.decide", task)).allowed
    assert (await policies.decide(nobodys, "task.decide", a_task())).allowed


async def test_a_key_is_narrowed_to_its_scopes(policies, tenant):
    key = someone(tenant, "tenant-admin", id="key:1", kind="key", scopes=frozenset({"run.read"}))
    assert (await policies.decide(key, "run.read", Resource(kind="run"))).allowed
    verdict = await policies.decide(key, "run.cancel", Resource(kind="run"))
    assert (verdict.allowed, verdict.policies) == (False, ("scopes",))
    none = someone(tenant, "tenant-admin", id="key:2", kind="key", scopes=frozenset())
    assert not (await policies.decide(none, "run.read", Resource(kind="run"))).allowed
    wide = someone(tenant, "viewer", id="key:3", kind="key", scopes=frozenset(ACTIONS))
    assert not (await policies.decide(wide, "run.cancel", Resource(kind="run"))).allowed


async def test_an_assistant_reads_and_never_acts_whatever_role_it_has(policies, tenant):
    assistant = someone(tenant, "tenant-admin", "credit-controller", id="a1", kind="assistant", behind="bob")
    for action in ACTIONS:
        verdict = await policies.decide(assistant, action, a_task())
        assert not (verdict.allowed and action not in READS | {"run.propose"}), action
    assert (await policies.decide(assistant, "task.read", a_task())).allowed


async def test_a_partner_sees_its_own_and_nothing_else(policies, tenant):
    who = someone(tenant, "partner:quayline", id="dispatcher")

    async def may(action: str, **about: str) -> bool:
        return (await policies.decide(who, action, Resource(kind="x", id="1", attributes=about))).allowed

    assert await may("run.read", partner="quayline")
    assert await may("connection.read", connection="quayline")
    assert await may("event.send", owner="dispatcher")
    assert not await may("run.read", partner="farrow")
    assert not await may("run.read", owner="quayline")
    assert not await may("run.read")
    assert not await may("run.cancel", partner="quayline")
    with pytest.raises(NotFound, match="there is no run 5"):
        await policies.require(
            who, "run.read", Resource(kind="run", id="5", attributes={"partner": "farrow"})
        )


async def test_only_those_who_run_the_installation_touch_tenants(database, policies, tenant):
    there = Resource(kind="tenant", id="acme")
    assert not (await policies.decide(someone(tenant, "operator-admin"), "tenant.change", there)).allowed
    operator = await database.create_tenant("operator")
    policies.fresh(tenant.id)
    admin = someone(operator, "operator-admin")
    assert (await policies.decide(admin, "tenant.change", there)).allowed
    assert not (await policies.decide(admin, "run.cancel", Resource(kind="run"))).allowed
    assert not (await policies.decide(someone(tenant, "operator-admin"), "tenant.change", there)).allowed
    assert not (await policies.decide(someone(operator, "tenant-admin"), "tenant.change", there)).allowed


async def test_a_refused_attempt_is_raised_with_its_why_and_kept_in_the_audit(policies, audit, tenant):
    who = someone(tenant, "viewer", origin="10.0.0.9")
    with pytest.raises(Forbidden) as refused:
        await policies.require(who, "run.cancel", Resource(kind="run", id="7"))
    assert refused.value.message == "ann may not cancel a run"
    assert refused.value.where == "run/7"
    assert refused.value.mend == "it needs one of the roles operations-lead, tenant-admin"
    (entry,) = (await audit.entries(tenant, Filter(outcome="refused"))).items
    assert (entry.actor, entry.action, entry.on_id, entry.why) == (
        "ann",
        "run.cancel",
        "7",
        "ann may not cancel a run",
    )
    await policies.require(who, "run.read", Resource(kind="run", id="7"))
    assert len((await audit.entries(tenant)).items) == 1


async def put(database, policies, tenant, rules: Rules) -> Rules:
    async with database.engine() as transaction:
        made = await policies.put(transaction, someone(tenant, "tenant-admin"), rules)
    policies.fresh(tenant.id)
    return made


DISPATCH = Rules(roles={"dispatch": Role(says="sends trucks", actions=("run.read", "run.start"))})


async def test_a_tenant_defines_roles_of_its_own_and_they_hold_at_once(database, policies, tenant):
    who = someone(tenant, "dispatch")
    assert not (await policies.decide(who, "run.start", Resource(kind="run"))).allowed
    assert (await put(database, policies, tenant, DISPATCH)).version == 1
    assert (await policies.decide(who, "run.start", Resource(kind="run"))).allowed
    assert not (await policies.decide(who, "run.cancel", Resource(kind="run"))).allowed
    other = await database.create_tenant("other")
    assert not (await policies.decide(someone(other, "dispatch"), "run.start", Resource(kind="run"))).allowed


async def test_changed_rules_hold_within_a_second_in_another_process(database, audit, policies, tenant):
    elsewhere = Policies(database, audit)
    who = someone(tenant, "dispatch")
    assert not (await elsewhere.decide(who, "run.start", Resource(kind="run"))).allowed
    await put(database, policies, tenant, DISPATCH)
    began = time.monotonic()
    while not (await elsewhere.decide(who, "run.start", Resource(kind="run"))).allowed:
        assert time.monotonic() - began < 1.0
        await asyncio.sleep(0.01)


async def test_a_shipped_role_may_be_narrowed_and_what_counts_for_all_stays(database, policies, tenant):
    narrow = Rules(roles={"order-desk": Role(says="looks", actions=("run.read",))})
    await put(database, policies, tenant, narrow)
    who = someone(tenant, "order-desk")
    assert (await policies.decide(who, "run.read", Resource(kind="run"))).allowed
    assert not (await policies.decide(who, "run.start", Resource(kind="run"))).allowed


async def test_a_policy_of_a_tenant_forbids_what_roles_permit(database, policies, tenant):
    text = """
    @id("claims-are-for-two") @says("claims are cancelled by two people")
    forbid (principal, action == Action::"run.cancel", resource)
    when { resource has process && resource.process == "claim" };
    """
    await put(database, policies, tenant, Rules(text=text))
    lead = someone(tenant, "operations-lead")
    claim = Resource(kind="run", attributes={"process": "claim"})
    verdict = await policies.decide(lead, "run.cancel", claim)
    assert verdict == Verdict(
        allowed=False, why="claims are cancelled by two people", policies=("claims-are-for-two",)
    )
    order = Resource(kind="run", attributes={"process": "order-to-cash"})
    assert (await policies.decide(lead, "run.cancel", order)).allowed


async def test_no_policy_of_a_tenant_gives_what_nothing_can_give(database, policies, tenant):
    await put(database, policies, tenant, Rules(text='@id("all") permit (principal, action, resource);'))
    anybody = someone(tenant)
    assert (await policies.decide(anybody, "run.cancel", Resource(kind="run"))).allowed
    assert not (await policies.decide(anybody, "tenant.change", Resource(kind="tenant"))).allowed
    assert not (await policies.decide(anybody, "task.decide", a_task(excluded=("ann",)))).allowed
    assert not (await policies.decide(anybody, "task.decide", a_task())).allowed
    assistant = someone(tenant, id="a", kind="assistant")
    assert not (await policies.decide(assistant, "run.cancel", Resource(kind="run"))).allowed
    key = someone(tenant, id="k", kind="key", scopes=frozenset({"run.read"}))
    assert not (await policies.decide(key, "run.cancel", Resource(kind="run"))).allowed


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (Rules(text="permit (principal"), "this is no policy"),
        (Rules(text="permit (principal, action, resource);"), "policy 1 has no name"),
        (Rules(text='@id("viewer") permit (principal, action, resource);'), "two policies viewer"),
        (
            Rules(text='@id("x") forbid (principal, action, resource) when { resource.proces == "a" };'),
            "does not hold",
        ),
        (
            Rules(text='@id("x") forbid (principal, action, resource) when { resource.process == "a" };'),
            "does not hold",
        ),
        (
            Rules(text='@id("x") permit (principal, action == Action::"run.fly", resource);'),
            "does not hold",
        ),
        (
            Rules(text='@id("x") forbid (principal, action == Action::"role.change", resource);'),
            "no tenant-admin could change what roles may do",
        ),
        (
            Rules(text='@id("x") permit (principal == ?principal, action, resource);'),
            "a template is no policy",
        ),
        (Rules(roles={"tenant-admin": Role(says="", actions=())}), "cannot be defined anew"),
        (Rules(roles={"x": Role(says="", actions=("run.fly",))}), "there is no act run.fly"),
        (Rules(roles={"x": Role(says="", actions=("tenant.change",))}), "no role of a tenant may"),
        (Rules(roles={"x": Role(says="", actions=("task.decide",))}), "whoever has the role"),
        (Rules(roles={'x") permit': Role(says="", actions=())}), "no name of a role"),
        (Rules(text="// " + "x" * 70_000), "more than 65,536 letters"),
    ],
)
async def test_rules_that_will_not_do_are_refused_and_change_nothing(
    database, policies, tenant, rules, words
):
    with pytest.raises(Refused, match=words):
        await put(database, policies, tenant, rules)
    assert await policies.rules(tenant.id) == Rules()


async def test_what_a_role_says_cannot_become_a_policy(database, policies, tenant):
    says = 'x")\npermit (principal, action, resource); //'
    await put(database, policies, tenant, Rules(roles={"x": Role(says=says, actions=("run.read",))}))
    assert not (await policies.decide(someone(tenant), "run.cancel", Resource(kind="run"))).allowed


async def test_rules_are_versions_and_whoever_comes_second_looks_again(database, policies, tenant):
    first = await put(database, policies, tenant, DISPATCH)
    with pytest.raises(Conflict, match="have changed meanwhile"):
        await put(database, policies, tenant, DISPATCH)
    second = await put(database, policies, tenant, Rules(version=first.version))
    assert second.version == 2
    assert not (await policies.decide(someone(tenant, "dispatch"), "run.start", Resource(kind="run"))).allowed


async def test_an_attribute_that_no_policy_knows_is_a_fault_of_ours(policies, tenant):
    with pytest.raises(Broken, match="no policy knows the attribute `proces`"):
        await policies.decide(
            someone(tenant, "viewer"), "run.read", Resource(kind="run", attributes={"proces": "x"})
        )


async def test_a_decision_that_was_made_before_costs_little(policies, tenant):
    who = someone(tenant, "operations-lead")
    things = [Resource(kind="run", id=str(n), attributes={"process": f"p{n % 20}"}) for n in range(2000)]
    began = time.perf_counter()
    for thing in things:
        await policies.decide(who, "run.read", thing)
    assert (time.perf_counter() - began) / len(things) < 0.0002
