"""A process as a picture, alone and with a run in it."""

from __future__ import annotations

from tower_world import DELIVERIES, ORDERS, read

from crossdock.process import new_state
from crossdock.process.state import Children
from crossdock.tower.ground import templates
from crossdock.tower.picture.graph import draw


def test_every_step_has_a_box_and_every_need_an_arrow():
    process = read(ORDERS)
    graph = draw(process)
    assert [node.name for node in graph.nodes] == list(process.steps)
    arrows = {(edge.before, edge.after) for edge in graph.edges if edge.kind == "needs"}
    assert {("check_credit", "approve"), ("deliver", "invoice"), ("count", "invoice")} <= arrows
    assert [after for before, after in arrows if before.startswith("\0")] == ["check_credit"]


def test_a_status_is_told_by_word_icon_and_line_not_by_colour_alone():
    process = read(ORDERS)
    state = new_state(process, tenant="acme", key="SO-1")
    state.steps["check_credit"].status = "succeeded"
    state.steps["pick"].status = "held"
    graph = draw(process, state)
    held = next(node for node in graph.nodes if node.name == "pick")
    assert (held.status, held.icon) == ("held", "stop")
    assert held.spoken == "Pick (call): held. wms.pick"
    assert graph.summary.startswith("7 steps: 1 done, 5 pending, 1 held")
    assert [edge.done for edge in graph.edges if edge.before == "check_credit"] == [True]
    module = templates().get_template("graph.svg.jinja").make_module({"STEP_STATUS": _statuses()})
    text = str(module.picture(graph, "pick", "?step="))
    assert '<title id="graph-title">Steps of Order to cash</title>' in text
    assert 'href="#i-stop"' in text
    assert ">held</text>" in text
    assert "style=" not in text


def test_children_are_counted_in_their_box():
    process = read(ORDERS)
    state = new_state(process, tenant="acme", key="SO-1")
    state.steps["deliver"].children = Children(total=5, open={"a": 0, "b": 0}, succeeded=2, failed=1)
    node = next(node for node in draw(process, state).nodes if node.name == "deliver")
    assert node.note == "3 of 5 ended, 1 not…"


def test_a_long_title_takes_two_lines_of_its_box_and_stands_whole_in_the_words():
    long = "Ask the customer whether the second half of it may come a week later"
    process = read(DELIVERIES.replace("  book:", f"  book:\n    title: {long}"))
    node = next(node for node in draw(process).nodes if node.name == "book")
    assert node.lines == ("Ask the customer whether", "the second half of it …")
    assert node.full_title == long


def _statuses() -> object:
    return templates().globals["STEP_STATUS"]
