# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is written about nodes is what they are: parameters, the Foxglove layout, the diagnostics aggregator's file."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy")
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.parameter import Parameter
from rosidl_parser.definition import AbstractNestedType, BasicType, NamespacedType

from avatar_forcing_ros.nodes.diagnostics import DiagnosticsPublisher, Health
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.ros_messages import message_type
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.testing import tiny_bundle

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "tools" / "parameters.py"
    spec = importlib.util.spec_from_file_location("parameters_tool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_parameters_is_current(tool: ModuleType) -> None:
    """If this fails: .venv/bin/python tools/parameters.py"""
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page()


def test_every_parameter_is_described_and_every_number_has_a_unit_and_a_range(tool: ModuleType) -> None:
    context = Context()
    rclpy.init(context=context)
    counted = 0
    try:
        for node_type in tool.node_types():
            node = node_type(context=context)
            for parameter, descriptor in tool.declared(node):
                counted += 1
                assert len(descriptor.description) > 5, parameter.name
                assert tool.range_of(parameter, descriptor), f"{node.get_name()}: {parameter.name} has no range"
                if parameter.type_ in (Parameter.Type.INTEGER, Parameter.Type.DOUBLE):
                    assert tool.unit_of(parameter), parameter.name
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    assert counted > 100


def test_a_number_whose_unit_nobody_said_is_refused(tool: ModuleType) -> None:
    with pytest.raises(ValueError, match="say the unit of a parameter that ends in 'parsecs'"):
        tool.unit_of(Parameter("distance_parsecs", value=3))


LAYOUT = Path(__file__).resolve().parents[1] / "config" / "foxglove.json"
PANELS = {
    "Image": {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"},
    "DiagnosticSummary": {"diagnostic_msgs/msg/DiagnosticArray"},
}
"""Panels that show one type only."""


def named(panels: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(panel's kind, topic, path inside its messages) of all that a layout shows."""
    for panel, config in panels.items():
        kind = panel.partition("!")[0]
        paths = [path["value"] for path in config.get("paths", ())]
        paths += [config[key] for key in ("topicPath", "topicToRender") if key in config]
        paths += [config["imageMode"]["imageTopic"]] if "imageMode" in config else []
        for path in paths:
            topic, _, field = path.partition(".")
            yield kind, topic, field


def is_there(kind: str, field: str) -> bool:
    """Whether a message of a kind has a field, such as `latent[7]` or `header.stamp`."""
    for part in field.split("."):
        name, index = re.fullmatch(r"(\w+)(\[\d+\])?", part).groups()
        slots = dict(zip(message_type(kind).get_fields_and_field_types(), message_type(kind).SLOT_TYPES, strict=True))
        if name not in slots or bool(index) != isinstance(slots[name], AbstractNestedType):
            return False
        inner = slots[name].value_type if index else slots[name]
        if isinstance(inner, NamespacedType):
            kind = f"{inner.namespaces[0]}/{inner.name}"
        elif not isinstance(inner, BasicType) and "." in field:
            return False
    return True


def test_the_foxglove_layout_shows_topics_that_exist_with_types_and_fields_that_they_have() -> None:
    layout = json.loads(LAYOUT.read_text(encoding="utf-8"))
    with TestGraph() as graph:
        arguments = {"open_model": lambda *_: tiny_bundle()}
        graph.add(GeneratorNode, arguments, output__compressed=True, avatar__image_size=64, speech__kind="AudioChunk")
        graph.add(MotionExtractionNode)
        expected = {topic for _, topic, _ in named(layout["configById"])}
        graph.spin_until(lambda: all(graph.node.count_publishers(topic) for topic in expected))
        types = dict(graph.node.get_topic_names_and_types())
        services = dict(graph.node.get_service_names_and_types())
        for kind, topic, field in named(layout["configById"]):
            (found,) = types[topic]
            assert found in PANELS.get(kind, {found}), topic
            assert not field or is_there(found.replace("/msg/", "/"), field), f"{topic}.{field}"
        sent = layout["configById"]["Publish!interrupt"]
        assert types[sent["topicName"]] == [sent["datatype"]]
        assert services[layout["configById"]["CallService!reset"]["serviceName"]] == ["std_srvs/srv/Trigger"]


def test_a_field_that_does_not_exist_is_found() -> None:
    assert is_there("avatar_forcing_ros/FrameInfo", "lateness_ms")
    assert is_there("avatar_forcing_ros/FrameInfo", "header.stamp.sec")
    assert is_there("avatar_forcing_ros/MotionLatents", "latent[7]")
    assert not is_there("avatar_forcing_ros/FrameInfo", "latency")
    assert not is_there("avatar_forcing_ros/MotionLatents", "latent")


def test_every_panel_of_the_layout_has_a_place(repository: Path) -> None:
    layout = json.loads(LAYOUT.read_text(encoding="utf-8"))

    def places(part: Any) -> list[str]:
        return [part] if isinstance(part, str) else places(part["first"]) + places(part["second"])

    assert sorted(places(layout["layout"])) == sorted(layout["configById"])


AGGREGATOR = Path(__file__).resolve().parents[1] / "config" / "diagnostic_aggregator.yaml"


def expressions(part: dict[str, Any]) -> Iterator[str]:
    """What the analysers of the aggregator's file match; see ros/diagnostics, GenericAnalyzer and AnalyzerGroup."""
    for analyzer in (value for value in part.values() if isinstance(value, dict)):
        assert analyzer["path"]
        if analyzer["type"] == "diagnostic_aggregator/AnalyzerGroup":
            yield from expressions(analyzer["analyzers"])
        else:
            assert analyzer["type"] == "diagnostic_aggregator/GenericAnalyzer"
            yield from analyzer["regex"]


@pytest.mark.parametrize("namespace", ["", "left"])
def test_all_that_nodes_say_of_themselves_comes_under_one_heading_of_the_aggregator(
    tool: ModuleType, namespace: str
) -> None:
    said = yaml.safe_load(AGGREGATOR.read_text(encoding="utf-8"))["analyzers"]["ros__parameters"]
    patterns = list(expressions(said))
    with TestGraph() as graph:
        heard = graph.listen_to_come(DiagnosticArray, "/diagnostics")
        speaking = [kind for kind in tool.node_types() if "DiagnosticsPublisher" in inspect.getsource(kind)]
        names = set()
        for kind in speaking:
            node = kind(context=graph.context, namespace=namespace)
            graph.spin_node(node)
            names.add(node.get_fully_qualified_name())
            diagnostics = DiagnosticsPublisher(node, lambda: Health(parts={"camera": ""}))
            # again and again, for what comes before both sides know each other is lost
            graph.spin_until(
                lambda reports=diagnostics: (
                    reports.publish() or {report.status[0].hardware_id for report in heard} == names
                )
            )
    statuses = {status.name for report in heard for status in report.status}
    assert len(statuses) > 2 * len(names)
    for name in statuses:
        assert sum(bool(re.fullmatch(pattern, name)) for pattern in patterns) == 1, name
    assert len(patterns) == len(names)
