"""What records of a system mean for the cross references: set, as before, or a person's to decide."""

from __future__ import annotations

from typing import Any

from crossdock.translate.codes import Code
from crossdock.translate.masters import Master, Settled, settle


def item(id_: str, code: str, ours: str = "", **more: Any) -> Master:
    return Master(id=id_, code=code, ours=ours, **more)


def code(theirs: str, ours: str, direction: Any = "both", kind: Any = "item") -> Code:
    return Code(kind=kind, ours=ours, theirs=theirs, direction=direction)


def settled(
    *read: Master,
    known: tuple[Master, ...] = (),
    codes: tuple[Code, ...] = (),
    waits: tuple[str, ...] = (),
    kind: Any = "item",
    same_code: bool = True,
) -> Settled:
    return settle(
        kind,
        "erp",
        read,
        known={one.id: one for one in known},
        waits=waits,
        codes=codes,
        same_code=same_code,
    )


def waiting(found: Settled) -> dict[str, tuple[str, str, str, str]]:
    return {
        name: (one.finding, one.here, one.there, one.mend.removeprefix("crossdock codes "))
        for name, one in found.waiting.items()
    }


def test_what_is_new_is_set_under_our_code_or_else_under_its_own():
    found = settled(item("1", "KIT-30", "10041"), item("2", "BOX-1"))
    assert found.added == [code("KIT-30", "10041"), code("BOX-1", "BOX-1")]
    assert (found.same, found.inactive, found.waiting) == (0, 0, {})


def test_the_same_again_changes_nothing_and_what_a_person_has_set_stands():
    known = (item("1", "KIT-30", "10041"), item("2", "BOX-1"))
    found = settled(*known, known=known, codes=(code("KIT-30", "10041"), code("BOX-1", "77")))
    assert (found.added, found.same, found.waiting) == ([], 2, {})


def test_a_code_that_means_another_of_ours_waits():
    found = settled(item("1", "KIT-30", "10042"), codes=(code("KIT-30", "10041"),))
    assert found.added == []
    assert waiting(found) == {
        "1": ("taken", "KIT-30 is 10041", "KIT-30 is 10042", "set erp item 10042 KIT-30 --replace")
    }


def test_two_of_theirs_for_one_of_ours_wait_both_where_none_is_set_yet():
    found = settled(item("1", "KIT-30", "10041"), item("2", "KIT-30B", "10041"))
    assert found.added == []
    assert waiting(found) == {
        "1": (
            "doubled",
            "nothing is 10041",
            "KIT-30 is 10041 as well (beside its record 2)",
            "set erp item 10041 KIT-30 --direction in",
        ),
        "2": (
            "doubled",
            "nothing is 10041",
            "KIT-30B is 10041 as well (beside its record 1)",
            "set erp item 10041 KIT-30B --direction in",
        ),
    }


def test_a_second_one_waits_and_the_first_stays():
    known = (item("1", "KIT-30", "10041"),)
    found = settled(item("2", "KIT-30B", "10041"), known=known, codes=(code("KIT-30", "10041"),))
    assert waiting(found)["2"][:2] == ("doubled", "KIT-30 is 10041")
    after = (code("KIT-30", "10041"), code("KIT-30B", "10041", "in"))
    again = settled(known=(*known, item("2", "KIT-30B", "10041")), codes=after, waits=("2",))
    assert (again.waiting, again.same) == ({}, 1)


def test_two_records_of_one_code_wait_until_a_person_has_said_what_it_is():
    found = settled(item("1", "C 7"), item("2", "C 7"), kind="party")
    both = ("doubled", "nothing is C 7", "C 7 is the code of several (its records 1, 2)")
    assert waiting(found) == dict.fromkeys(("1", "2"), (*both, "set erp party 'C 7' 'C 7'"))
    known = tuple(found.records.values())
    mended = settled(known=known, codes=(code("C 7", "C 7", kind="party"),), waits=("1", "2"), kind="party")
    assert (mended.waiting, mended.same) == ({}, 2)


def test_what_is_renamed_waits_until_a_person_has_said_what_it_is():
    codes = (code("KIT-30", "KIT-30"),)
    found = settled(item("1", "KIT-31"), known=(item("1", "KIT-30"),), codes=codes)
    assert found.added == []
    assert waiting(found) == {
        "1": (
            "renamed",
            "KIT-30 is KIT-30",
            "KIT-30 is called KIT-31 now",
            "set erp item KIT-30 KIT-31 --replace",
        )
    }
    kept = tuple(found.records.values())
    assert kept[0].was == "KIT-30"
    same = settled(item("1", "KIT-31"), known=kept, codes=codes, waits=("1",))
    assert waiting(same) == waiting(found)
    mended = settled(known=kept, codes=(code("KIT-31", "KIT-30"),), waits=("1",))
    assert (mended.waiting, mended.added, mended.records["1"].was) == ({}, [], "")


def test_what_is_renamed_back_is_as_it_was():
    known = (item("1", "KIT-31", was="KIT-30"),)
    found = settled(item("1", "KIT-30"), known=known, codes=(code("KIT-30", "KIT-30"),), waits=("1",))
    assert (found.waiting, found.same, found.records["1"].was) == ({}, 1, "")


def test_what_goes_there_waits_while_it_is_known_here():
    codes = (code("KIT-30", "10041"),)
    found = settled(item("1", "KIT-30", active=False), item("2", "OLD", active=False), codes=codes)
    assert found.inactive == 1
    assert waiting(found) == {
        "1": ("gone", "KIT-30 is 10041", "KIT-30 is in use no more", "drop erp item --theirs KIT-30")
    }
    assert settled(known=tuple(found.records.values()), waits=("1",)).waiting == {}


def test_what_goes_is_not_missed_where_another_record_has_its_code():
    found = settled(item("1", "KIT-30", active=False), item("2", "KIT-30"), codes=(code("KIT-30", "KIT-30"),))
    assert (found.waiting, found.same, found.inactive) == ({}, 1, 1)


def test_a_unit_that_nobody_knows_waits_and_several_for_one_are_read_so():
    found = settled(
        item("1", "Nos", "EA"), item("2", "Each", "EA"), item("3", "Kg", "KGM"), item("4", "Stk"),
        kind="unit", same_code=False,
    )  # fmt: skip
    assert found.added == [
        code("Nos", "EA", "in", "unit"),
        code("Each", "EA", "in", "unit"),
        code("Kg", "KGM", "both", "unit"),
    ]
    assert waiting(found) == {
        "4": ("unknown", "nothing", "nothing says which of ours Stk is", "set erp unit OURS Stk")
    }


def test_what_cannot_be_kept_waits():
    found = settled(item("1", "x" * 201))
    assert [one.finding for one in found.waiting.values()] == ["unknown"]
    assert settled(item("1", "A-1"), same_code=False).waiting["1"].finding == "unknown"
