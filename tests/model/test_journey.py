"""Milestones that were told late, twice or against each other become one story, by rule."""

from __future__ import annotations

from typing import Any

from crossdock.model.journey import journey


def at(code: str, time: str | None, **more: Any) -> dict[str, Any]:
    return {"code": code, **({"time": f"2026-03-0{time}Z"} if time else {}), **more}


def codes(*milestones: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(step.milestone["code"], step.contradicts is not None) for step in journey(milestones)]


def test_what_was_told_late_stands_where_it_happened() -> None:
    assert codes(at("delivered", "5T10:00:00"), at("in_transit", "3T10:00:00")) == [
        ("in_transit", False),
        ("delivered", False),
    ]


def test_what_moves_after_a_delivery_contradicts_it_and_is_kept() -> None:
    assert codes(
        at("delivered", "3T10:00:00"), at("in_transit", "4T10:00:00"), at("out_for_delivery", "5T10:00:00")
    ) == [("delivered", False), ("in_transit", True), ("out_for_delivery", True)]


def test_a_return_after_a_delivery_contradicts_nothing() -> None:
    back = at("in_transit", "4T10:00:00", reason="returned_to_sender")
    assert codes(at("delivered", "3T10:00:00"), back, at("returned_to_sender", "6T10:00:00")) == [
        ("delivered", False),
        ("in_transit", False),
        ("returned_to_sender", False),
    ]


def test_push_and_poll_of_one_scan_are_one_with_the_time_to_be_trusted() -> None:
    day = at("picked_up", "2T23:59:59", precision="day", local_time="2026-03-02")
    coarse, exact = (
        at("delivered", "5T10:00:00", precision="minute", code_told="FS"),
        at("delivered", "5T10:00:42", code_told="FS"),
    )
    (picked, delivered) = journey([day, coarse, exact])
    assert (delivered.told, delivered.milestone["time"]) == (2, "2026-03-05T10:00:42Z")
    assert picked.told == 1
    (one,) = journey([at("arrived", "5T10:01:00"), at("arrived", "5T10:00:00")])
    assert one.milestone["time"] == "2026-03-05T10:00:00Z"


def test_what_happened_again_later_is_another() -> None:
    assert len(journey([at("delivery_attempted", "3T10:00:00"), at("delivery_attempted", "4T10:00:00")])) == 2


def test_packages_are_kept_apart() -> None:
    first, second = {"of_number": "1"}, {"of_number": "2"}
    assert codes(at("delivered", "3T10:00:00", **first), at("in_transit", "4T10:00:00", **second)) == [
        ("delivered", False),
        ("in_transit", False),
    ]


def test_an_estimate_and_what_has_no_time_are_left_as_they_are() -> None:
    later = at("arrived", "9T10:00:00", kind="estimated")
    told = [at("delivered", "3T10:00:00"), at("in_transit", None, local_time="2026-03-04T10:00:00"), later]
    assert codes(*told) == [("delivered", False), ("in_transit", False), ("arrived", False)]
