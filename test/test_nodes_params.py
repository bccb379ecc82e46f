# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A config becomes parameters and comes back; what is wrong is refused with its name."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from avatar_forcing_ros.nodes import params
from avatar_forcing_ros.nodes.executors import QuietExecutor
from avatar_forcing_ros.nodes.running import said_in_one_line

pytestmark = pytest.mark.ros


@dataclass(frozen=True)
class Inner:
    """A part.

    Attributes:
        rate_hz: how often, which takes
            two lines to say.
        path: of something.
    """

    rate_hz: float = field(default=25.0, metadata={"range": (1.0, 100.0)})
    path: Path = Path("a/b")


@dataclass(frozen=True)
class Outer:
    """A whole.

    Attributes:
        seed: of noise.
        mode: how.
        limit: none by default.
        inner: the part.
    """

    seed: int = field(default=3, metadata={"range": (0, 10)})
    mode: Literal["quick", "slow"] = "quick"
    limit: float | None = None
    flag: bool = field(default=True, metadata={"description": "said in the field"})
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.seed == 7:
            raise ValueError("seed must not be 7, got 7")


@pytest.fixture
def make_node():
    context = rclpy.context.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**given: Any) -> Node:
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in given.items()]
        nodes.append(Node("holder", context=context, parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def declared(node: Node, defaults: Any) -> Any:
    params.declare(node, defaults)
    return params.read(node, type(defaults))


def test_without_other_values_the_defaults_come_back(make_node) -> None:
    assert declared(make_node(), Outer()) == Outer()
    assert declared(make_node(), Outer(seed=9, inner=Inner(rate_hz=2.0))) == Outer(seed=9, inner=Inner(rate_hz=2.0))


def test_given_values_win_and_nested_ones_have_dotted_names(make_node) -> None:
    node = make_node(seed=5, limit=0.5, mode="slow", inner__rate_hz=50.0, inner__path="c")

    assert declared(node, Outer()) == Outer(seed=5, limit=0.5, mode="slow", inner=Inner(50.0, Path("c")))


def test_a_whole_number_serves_an_optional_float(make_node) -> None:
    assert declared(make_node(limit=2), Outer()).limit == 2.0


def test_a_whole_number_serves_a_float_at_the_start_and_later(make_node) -> None:
    node = make_node(inner__rate_hz=2)
    assert declared(node, Outer()).inner.rate_hz == 2.0
    results = node.set_parameters([Parameter("inner.rate_hz", value=value) for value in (3, 101, True, "4")])
    assert [result.successful for result in results] == [True, False, False, False]
    assert type(node.get_parameter("inner.rate_hz").value) is float and params.read(node, Outer).inner.rate_hz == 3.0


def test_descriptions_and_ranges_come_from_the_dataclass(make_node) -> None:
    node = make_node()
    params.declare(node, Outer())

    assert node.describe_parameter("inner.rate_hz").description == "how often, which takes two lines to say."
    assert node.describe_parameter("flag").description == "said in the field"
    assert node.describe_parameter("mode").additional_constraints == "one of: quick, slow"
    assert node.describe_parameter("seed").integer_range[0].to_value == 10
    assert node.describe_parameter("inner.rate_hz").floating_point_range[0].from_value == 1.0


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        pytest.param({"seed": 11}, InvalidParameterValueException, "seed", id="out of range"),
        pytest.param({"seed": "x"}, InvalidParameterTypeException, "seed", id="wrong type"),
        pytest.param({"mode": "fast"}, ValueError, "mode must be one of quick, slow, got 'fast'", id="no such choice"),
        pytest.param({"limit": "x"}, ValueError, "limit must be float, got 'x'", id="wrong type of an optional one"),
        pytest.param({"seed": 7}, ValueError, "seed must not be 7", id="refused by the config itself"),
    ],
)
def test_bad_values_are_refused_by_name(make_node, given: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        declared(make_node(**given), Outer())


@pytest.mark.parametrize(("given", "expected"), [(True, "yes"), (False, "no"), ("auto", "auto"), ("no", "no")])
def test_yes_and_no_need_no_quotes(make_node, given: object, expected: str) -> None:
    """YAML takes them for bools: -p window:=yes was refused."""

    @dataclass(frozen=True)
    class Shown:
        window: Literal["auto", "yes", "no"] = "auto"

    params_of = make_node(window=given)
    params.declare(params_of, Shown())
    assert params_of.get_parameter("window").value == given
    assert params._build(Shown, {"window": given}) == Shown(expected)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["node", "-p", "fps:=3"], "expected --ros-args before -p"),
        (["node", "--portrait", "me.png"], "expected parameters as --ros-args -p name:=value, got --portrait me.png; "),
        (["node", "--keep", "--after", "0.5", "--ros-args", "--", "x"], "expected parameters as .*, got x; "),
        (["node", "--ros-args", "-q"], "these arguments of ROS cannot be used: "),
        (["node", "--ros-args", "--params-file", __file__], "these arguments of ROS cannot be used: .*parse"),
    ],
)
def test_arguments_of_ros_that_cannot_be_used_are_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_in_one_line(arguments, lambda: 0) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(f"error: {told}", said) and "/project/" not in said and "--debug" not in said


@pytest.mark.parametrize("node", ["bag_player_node", "generator_server", "one_process"])
def test_help_says_what_a_node_is_and_starts_nothing(node: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module(f"avatar_forcing_ros.nodes.{node}").main
    assert main(["-h"]) == 0 and main(["--keep", "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: ros2 run avatar_forcing_ros {node} ") and "--params-file FILE" in told


def test_misspelt_parameters_are_found(make_node) -> None:
    node = make_node(sede=1, inner__rate=1.0, seed=4, use_sim_time=True)
    params.declare(node, Outer())

    assert params.undeclared(node) == ["inner.rate", "sede"]


def test_a_later_change_is_checked_by_the_config(make_node) -> None:
    node = make_node()
    params.declare(node, Outer())

    refused = node.set_parameters([Parameter("seed", value=7)])[0]
    accepted = node.set_parameters([Parameter("seed", value=8)])[0]

    assert (refused.successful, refused.reason) == (False, "seed must not be 7, got 7")
    assert accepted.successful
    assert params.read(node, Outer).seed == 8


def test_parameters_that_are_not_of_the_config_do_not_have_it_built(
    make_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node's topics declare dozens for their QoS while it starts."""
    node, built = make_node(), []
    params.declare(node, Outer())
    monkeypatch.setattr(params, "_build", lambda config, _values: built.append(config))
    node.declare_parameter("qos_overrides./topic.publisher.depth", 1)
    assert built == []
    node.set_parameters([Parameter("qos_overrides./topic.publisher.depth", value=2), Parameter("seed", value=4)])
    assert built == [Outer]


def test_a_type_that_no_parameter_has_is_named(make_node) -> None:
    @dataclass(frozen=True)
    class Odd:
        when: complex = 1j

    with pytest.raises(TypeError, match=r"when must be bool, int, float, str, Path.*got .*complex"):
        params.declare(make_node(), Odd())


@pytest.mark.parametrize("is_humble", [False, True])
def test_what_was_set_is_acted_upon_afterwards(
    make_node: Any, is_humble: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node()
    if is_humble:
        monkeypatch.delattr(Node, "add_post_set_parameters_callback")
    executor = QuietExecutor(node.context)
    executor.add_node(node)
    node.declare_parameter("loud", 1)
    seen: list[int] = []
    end = params.when_set(node, lambda changes: seen.extend(node.get_parameter(each.name).value for each in changes))
    node.set_parameters([Parameter("loud", value=2)])
    if is_humble:
        executor.spin_once(timeout_sec=10.0)
    assert seen == [2]
    end()
    node.set_parameters([Parameter("loud", value=3)])
    executor.spin_once(timeout_sec=0.0)
    assert seen == [2]
    executor.shutdown()
