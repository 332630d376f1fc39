"""Processes through the API: a tenant's names are its own, for its neighbours and for its processes alike."""

from __future__ import annotations

from api_world import INSTALLED, World

from crossdock.engine import Library
from crossdock.installed import Installed

SECRET = """
process: secret-takeover
owner: board
document: Order
key: ${ order.number }
steps:
  decide:
    task: { role: board }
    within: 1 business day
    late: { raise: late }
  told:
    needs: decide
    set: { at: "${ order.ordered }" }
output: { at: "${ steps.told.output.at }" }
"""

CALLER = """
process: caller
owner: desk
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  ask:
    run: NAME
    with: ${ order }
  compare:
    needs: ask
    if: ${ steps.ask.output.at > order.ordered }
    set: { late: "yes" }
"""


async def checked(world: World, text: str, key: str | None = None) -> list[str]:
    found = await world.post("/processes/check", {"source": text}, key=key)
    return [
        f"{one['message']} {one.get('mend', '')}" for one in found["problems"] if one["severity"] == "error"
    ]


async def test_the_names_of_a_tenant_are_known_to_nobody_else(world):
    _, theirs = await world.neighbour()
    await world.post("/processes", {"sources": [SECRET]})
    caller = CALLER.replace("NAME", "secret-takeover")
    assert await checked(world, caller) == []
    # Another tenant is told the same as before, and as of a name that nobody has.
    for name in ("secret-takeover", "secret-takeovr", "secret-nothing"):
        text = CALLER.replace("NAME", name)
        (told,) = await checked(world, text, theirs)
        assert told.replace(name, "X") == "there is no process `X` known: delivery, order"
        said = await world.post("/processes", {"sources": [text]}, 422, key=theirs)
        assert "takeover" not in str(said).replace(name, "X")
    await world.get("/processes/secret-takeover", 404, key=theirs)
    # To its own tenant a name that is nearly right is told.
    (told,) = await checked(world, CALLER.replace("NAME", "secret-takeovr"))
    assert "secret-takeover" in told


async def test_each_tenant_runs_its_own_process_of_a_name(world):
    _, theirs = await world.neighbour()
    await world.post("/processes", {"sources": [SECRET]})
    other = SECRET.replace(
        'output: { at: "${ steps.told.output.at }" }', 'output: { at: "${ order.number }" }'
    )
    await world.post("/processes", {"sources": [other]}, key=theirs)
    caller = CALLER.replace("NAME", "secret-takeover")
    await world.post("/processes", {"sources": [caller]})
    said = await world.post("/processes", {"sources": [caller]}, 422, key=theirs)
    assert "string" in str(said), "a number of an order is no instant"


async def test_after_a_restart_a_process_is_read_among_those_that_it_runs(world):
    caller = CALLER.replace("NAME", "secret-takeover")
    await world.post("/processes", {"sources": [caller, SECRET], "note": "together"})
    again = Installed(INSTALLED.connectors, INSTALLED.catalogue)
    library = Library(world.database, again.reopen)
    async with world.database.engine() as transaction:
        shelf = await library.refresh(transaction, world.tenant.id)
        found = await library.process(transaction, world.tenant.id, shelf.published["caller"].id)
    fresh = again.beside(SECRET).load(caller)
    assert found.version == fresh.version
    assert str(found.steps["compare"].condition) == str(fresh.steps["compare"].condition)
    # What it runs changes, so that it does not fit any more: it is read all the same.
    other = SECRET.replace(
        'output: { at: "${ steps.told.output.at }" }', 'output: { at: "${ order.number }" }'
    )
    await world.post("/processes", {"sources": [other]})
    library = Library(world.database, Installed(INSTALLED.connectors, INSTALLED.catalogue).reopen)
    async with world.database.engine() as transaction:
        shelf = await library.refresh(transaction, world.tenant.id)
    assert "caller" in shelf.published


async def test_several_are_published_all_or_none(world):
    wrong = CALLER.replace("NAME", "nothing-there")
    before = (await world.get("/processes"))["items"]
    await world.post("/processes", {"sources": [SECRET, wrong]}, 422)
    assert (await world.get("/processes"))["items"] == before
