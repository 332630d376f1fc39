"""Personal data is sealed for its subject, found by a blind index, and gone when the subject's key is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.access.seals import CUT, ERASED, shortened
from crossdock.access.subjects import Subjects
from crossdock.errors import NotFound, Refused
from crossdock.store import Database, Tenant

ANNA = Principal(tenant=1, id="anna", kind="human", origin="here")
ORDER: dict[str, Any] = {
    "number": "SO-1",
    "customer": {"id": "C-7", "name": "Bäckerei Klöß GmbH", "contact": {"email": "eva@kloss.example"}},
    "ship_to": {
        "name": "Eva Klöß",
        "lines": ["Hinterhof 3", "2. Stock"],
        "city": "Aachen",
        "contact": {"name": "Eva Klöß", "phone": "+49 241 123456", "language": "de-DE"},
    },
    "lines": [{"number": "1", "item": "KIT", "quantity": {"value": "2", "unit": "EA"}}],
    "proof": [{"signed_by": "E. Kloß"}],
}
PERSONAL = ("Eva", "Klöß GmbH", "eva@", "Hinterhof", "Stock", "123456", "E. Kloß")


FRESH = 0.3  # seconds


def made(database: Database, folder: Path) -> Subjects:
    sealing = Sealing(database, Masters(folder / "keys" / "master.key"))
    return Subjects(database, sealing, Audit(database), fresh=FRESH)


async def hide(subjects: Subjects, tenant: int, subject: str, data: Any) -> Any:
    seal = await subjects.named(tenant, subject)
    hidden = seal.hide(data)
    await subjects.keep(tenant, [seal])
    return hidden


@pytest.fixture
async def subjects(database: Database, tenant: Tenant, tmp_path: Path) -> Subjects:
    await Sealing(database, Masters(tmp_path / "keys" / "master.key")).begin(tenant.id)
    return made(database, tmp_path)


async def test_what_is_personal_becomes_tokens_and_all_else_stays(subjects, tenant):
    hidden = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    text = json.dumps(hidden, ensure_ascii=False)
    assert [one for one in PERSONAL if one in text] == []  # a firm that buys may be a person as well
    assert hidden["lines"] == ORDER["lines"]
    assert (hidden["ship_to"]["city"], hidden["ship_to"]["contact"]["language"]) == ("Aachen", "de-DE")
    assert hidden["ship_to"]["name"] == hidden["ship_to"]["contact"]["name"]
    assert hidden["ship_to"]["name"].startswith("⟦p:")
    assert "C-7" not in hidden["ship_to"]["name"]
    assert await subjects.reveal(tenant.id, hidden) == ORDER


async def test_the_same_value_of_the_same_subject_is_the_same_token_in_every_process(
    subjects, database, tenant, tmp_path
):
    others = [made(database, tmp_path) for _ in range(4)]
    found = await asyncio.gather(
        *(hide(one, tenant.id, "customer/C-8", ORDER) for one in (subjects, *others))
    )
    assert all(one == found[0] for one in found)
    theirs = await hide(subjects, tenant.id, "customer/C-9", ORDER)
    assert theirs["ship_to"]["name"] != found[0]["ship_to"]["name"]
    other = await database.create_tenant("other")
    elsewhere = await hide(subjects, other.id, "customer/C-8", ORDER)
    assert elsewhere["ship_to"]["name"] != found[0]["ship_to"]["name"]
    assert (await subjects.reveal(other.id, found[0]))["ship_to"]["name"] == ERASED


async def test_no_form_of_a_document_loses_a_value(subjects, tenant):
    for data in (
        {"contact": {"name": {"contact": {"name": "Eva"}}}},
        {"signed_by": [["Eva"], {"signed_by": "Eva"}, ""]},
        {"ship_to": [{"lines": "Eva"}, {"lines": []}]},
    ):
        hidden = await hide(subjects, tenant.id, "customer/C-7", data)
        assert "Eva" not in json.dumps(hidden)
        assert await subjects.reveal(tenant.id, hidden) == data


async def test_tokens_are_opened_wherever_they_stand_in_a_text(subjects, tenant):
    hidden = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    name, phone = hidden["ship_to"]["name"], hidden["ship_to"]["contact"]["phone"]
    said = {"note": f"Call {name} ({phone}), then {name}", "by": {name: [1, None, True]}}
    assert await subjects.reveal(tenant.id, said) == {
        "note": "Call Eva Klöß (+49 241 123456), then Eva Klöß",
        "by": {"Eva Klöß": [1, None, True]},
    }


async def test_erasing_destroys_the_key_and_changes_nothing_that_was_written(
    subjects, database, tenant, tmp_path, url
):
    hidden = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    other = await hide(subjects, tenant.id, "customer/C-8", ORDER)
    before = json.dumps(hidden)
    erased = await subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked for on 2 March")
    assert erased.words > 5
    assert json.dumps(hidden) == before
    shown = await subjects.reveal(tenant.id, hidden)
    assert shown["ship_to"] == {
        **ORDER["ship_to"],
        "name": ERASED,
        "lines": [ERASED, ERASED],
        "contact": {"name": ERASED, "phone": ERASED, "language": "de-DE"},
    }
    assert await made(database, tmp_path).reveal(tenant.id, hidden) == shown
    assert await subjects.reveal(tenant.id, other) == ORDER
    owner = await asyncpg.connect(url)
    assert [
        tuple(row)
        for row in await owner.fetch("select sealed, subject from crossdock.subject where erased is not null")
    ] == [(None, "")]
    await owner.close()
    entry = (await Audit(database).entries(tenant)).items[0]
    assert (entry.action, entry.on_id, entry.why) == ("personal.erase", erased.handle, "asked for on 2 March")
    assert "C-7" not in repr(entry)


async def test_who_was_erased_and_comes_again_is_another(subjects, tenant):
    before = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    await subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked")
    again = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    assert await subjects.reveal(tenant.id, again) == ORDER
    assert (await subjects.reveal(tenant.id, before))["ship_to"]["name"] == ERASED
    await subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked again")
    assert (await subjects.reveal(tenant.id, again))["ship_to"]["name"] == ERASED
    with pytest.raises(NotFound):
        await subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked")
    with pytest.raises(NotFound):
        await subjects.erase(tenant.id, "customer/nobody", by=ANNA, why="asked")
    with pytest.raises(Refused, match="needs a reason"):
        await subjects.erase(tenant.id, "customer/C-7", by=ANNA, why=" ")


async def test_what_comes_late_of_who_was_erased_is_not_kept(subjects, tenant):
    seal = await subjects.named(tenant.id, "customer/C-7")
    await subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked")
    late = (await subjects.held(tenant.id, [seal.handle]))[seal.handle]
    assert late.erased
    assert late.hide({"signed_by": "Eva", "note": "x"}) == {"signed_by": ERASED, "note": "x"}


async def test_a_number_comes_back_as_a_number(subjects, tenant):
    hidden = await hide(subjects, tenant.id, "customer/C-7", {"phone": 49241123456, "email": None})
    assert "49241" not in json.dumps(hidden)
    assert await subjects.reveal(tenant.id, hidden) == {"phone": 49241123456, "email": None}


@pytest.mark.parametrize(
    ("most", "shown"), [(40, "Call Eva Klöß, then go on"), (12, "Call …"), (20, "Call Eva Klöß, …")]
)
async def test_no_token_is_cut_in_two(subjects, tenant, most, shown):
    seal = await subjects.named(tenant.id, "customer/C-7")
    text = shortened(f"Call {seal.token('Eva Klöß')}, then go on", most)
    assert await subjects.reveal(tenant.id, text) == shown
    assert await subjects.reveal(tenant.id, f"{seal.token('Eva')[:30]}") == CUT


async def test_nobody_opens_anything_of_it_after_erasing_has_answered(subjects, database, tenant, tmp_path):
    others = [made(database, tmp_path) for _ in range(3)]
    hidden = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    for other in others:
        assert await other.reveal(tenant.id, hidden) == ORDER
    erasing = asyncio.create_task(subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked"))
    opened = 0

    async def read(other: Subjects) -> None:
        nonlocal opened
        while True:  # each keeps the key as fresh as it may
            answered = erasing.done()
            shown = (await other.reveal(tenant.id, hidden))["ship_to"]["name"]
            assert not (answered and shown != ERASED)
            opened += shown != ERASED
            if answered:
                return
            await asyncio.sleep(0)

    await asyncio.gather(erasing, *map(read, others))
    assert opened > len(others)  # they had it in memory when it went


async def test_what_others_seal_while_it_goes_is_not_indexed_for_long(subjects, database, tenant, tmp_path):
    other = made(database, tmp_path)
    seal = await other.named(tenant.id, "customer/C-7")
    erasing = asyncio.create_task(subjects.erase(tenant.id, "customer/C-7", by=ANNA, why="asked"))
    while await database.at_once("select from crossdock.subject where handle <> '' and erased is null"):
        await asyncio.sleep(0)
    seal.hide(ORDER)
    await other.keep(tenant.id, [seal])
    await erasing
    assert await database.at_once("select from crossdock.subject_word") == []
    late = await other.named(tenant.id, "customer/C-8")
    late.hide(ORDER)
    await other.erase(tenant.id, "customer/C-8", by=ANNA, why="asked")
    await subjects.keep(tenant.id, [late])  # a process that was held up
    await other.shred()
    assert await database.at_once("select from crossdock.subject_word") == []


async def test_subjects_that_come_at_the_same_time_in_many_processes_have_one_key_each(
    subjects, database, tenant, tmp_path
):
    names = [f"customer/C-{n}" for n in range(40)]
    others = [made(database, tmp_path) for _ in range(3)]
    found = await asyncio.gather(*(one.all_named(tenant.id, names) for one in (subjects, *others)))
    tokens = [{name: seal.token("Eva") for name, seal in seals.items()} for seals in found]
    assert all(one == tokens[0] for one in tokens)
    assert len(set(tokens[0].values())) == len(names)


@pytest.mark.parametrize(
    "text", ["eva", "Kloss klöß eva", "EVA KLÖSS", "eva@kloss.example", "+49 (241) 12 34 56", "hinterhof"]
)
async def test_a_subject_is_found_by_what_it_is_called(subjects, tenant, text):
    await hide(subjects, tenant.id, "customer/C-7", ORDER)
    await hide(subjects, tenant.id, "customer/C-8", {"contact": {"name": "Adam Groß"}})
    assert [one.subject for one in await subjects.find(tenant.id, text)] == ["customer/C-7"]


@pytest.mark.parametrize("text", ["eva groß", "ev", "kloss.example", "", "%", "12345"])
async def test_nobody_is_found_by_what_nobody_is_called(subjects, tenant, text):
    await hide(subjects, tenant.id, "customer/C-7", ORDER)
    await hide(subjects, tenant.id, "customer/C-8", {"contact": {"name": "Adam Groß"}})
    assert await subjects.find(tenant.id, text) == []


async def test_the_index_is_blind_and_another_tenants_is_another(subjects, database, tenant, url):
    other = await database.create_tenant("other")
    for one in (tenant, other):
        await hide(subjects, one.id, "customer/C-7", ORDER)
    owner = await asyncpg.connect(url)
    rows = await owner.fetch("select tenant, word, handle from crossdock.subject_word")
    await owner.close()
    words = {one.id: {row["word"] for row in rows if row["tenant"] == one.id} for one in (tenant, other)}
    assert words[tenant.id] & words[other.id] == set()
    assert all(len(row["word"]) == 16 for row in rows)


async def test_a_token_that_comes_in_from_outside_is_none(subjects, tenant):
    hidden = await hide(subjects, tenant.id, "customer/C-7", ORDER)
    stolen = hidden["ship_to"]["name"]
    forged = await hide(
        subjects, tenant.id, "customer/C-8", {"note": f"see {stolen}", "contact": {"name": stolen}, stolen: 1}
    )
    shown = json.dumps(await subjects.reveal(tenant.id, forged), ensure_ascii=False)
    assert "Eva" not in shown
    assert "⟦" not in shown


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text().filter(lambda text: not set(text) & {"⟦", "⟧"}),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["contact", "ship_to", "name", "email", "lines", "signed_by", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_hidden_is_revealed_again(subjects, tenant, data):
    hidden = await hide(subjects, tenant.id, "customer/C-7", data)
    assert await subjects.reveal(tenant.id, hidden) == data
    assert await hide(subjects, tenant.id, "customer/C-7", data) == hidden
