"""Forms from their types, and values from what was posted."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from crossdock.expressions import parse_type
from crossdock.tower.pages.forms import groups, read, read_json

BERLIN = ZoneInfo("Europe/Berlin")
FORM = parse_type(
    {
        "counted": "quantity",
        "damage?": "money",
        "again": "bool",
        "boxes": "int",
        "weight?": "decimal",
        "when": "timestamp",
        "note?": "string",
        "images?": ["string"],
        "extra?": "any",
    }
)


def test_each_field_has_the_input_that_suits_its_type():
    shown = {group.label: [one.kind for one in group.inputs] for group in groups(FORM)}
    assert shown == {
        "Counted": ["decimal", "text"],
        "Damage": ["decimal", "text"],
        "Again": ["yes_no"],
        "Boxes": ["number"],
        "Weight": ["decimal"],
        "When": ["instant"],
        "Note": ["long"],
        "Images": ["list"],
        "Extra": ["json"],
    }
    assert [group.needed for group in groups(FORM)][:3] == [True, False, True]


def test_what_was_posted_becomes_exact_values():
    posted = {
        "form.counted.value": "9,5",
        "form.counted.unit": "kgm",
        "form.damage.amount": "12.50",
        "form.damage.currency": "eur",
        "form.again": "no",
        "form.boxes": "3",
        "form.weight": "1.20",
        "form.when": "2026-07-01T09:30",
        "form.note": "  two crushed ",
        "form.images": "a.jpg\n\nb.jpg\n",
        "form.extra": '{"a": [1, 2]}',
    }
    value, wrong = read(FORM, posted, BERLIN)
    assert wrong == []
    assert value == {
        "counted": {"value": "9.5", "unit": "KGM"},
        "damage": {"amount": "12.50", "currency": "EUR"},
        "again": False,
        "boxes": 3,
        "weight": "1.20",
        "when": "2026-07-01T07:30:00Z",
        "note": "two crushed",
        "images": ["a.jpg", "b.jpg"],
        "extra": {"a": [1, 2]},
    }


def test_what_is_missing_or_cannot_be_read_is_said_field_by_field():
    _, wrong = read(FORM, {"form.again": "perhaps", "form.boxes": "three", "form.when": "soon"}, BERLIN)
    text = "\n".join(wrong)
    assert "counted: missing" in text
    assert "again: a bool is needed" in text
    assert "boxes: an int is needed" in text
    assert "when: an instant" in text


def test_what_was_made_to_be_hard_to_read_is_said_as_well():
    _, wrong = read(FORM, {"form.boxes": "9" * 5000}, BERLIN)
    assert any(one.startswith("boxes: ") for one in wrong)
    with pytest.raises(ValueError, match="not JSON"):
        read_json("[" * 100_000)
    assert read_json("[" * 100_000, or_text=True) == "[" * 100_000


def test_an_optional_field_left_empty_is_absent():
    posted = {"form.counted.value": "1", "form.counted.unit": "EA", "form.again": "yes", "form.boxes": "0"}
    value, wrong = read(FORM, {**posted, "form.when": "2026-01-01T00:00", "form.note": ""}, BERLIN)
    assert wrong == []
    assert set(value) == {"counted", "again", "boxes", "when"}


def test_a_nested_record_is_one_group_for_each_of_its_fields():
    form = parse_type({"address": {"city": "string", "zip?": "string"}})
    assert [group.label for group in groups(form)] == ["Address: city", "Address: zip"]
    assert read(form, {"form.address.city": "Ulm"}, BERLIN) == ({"address": {"city": "Ulm"}}, [])


def test_what_was_typed_stands_in_the_form_again():
    shown = groups(FORM, {"form.boxes": "three", "form.counted.value": "7"})
    assert [one.value for group in shown[:4] for one in group.inputs] == ["7", "EA", "", "EUR", "", "three"]
