# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses as ROS parameters, so that each default is set in one place.

A field becomes a parameter of the same name; a nested dataclass gives dotted names (`avatar.seed`). The description is
the field's sentence under `Attributes:` in the class docstring, or `metadata={"description": ...}`; the range is
`metadata={"range": (low, high)}`. A field may be bool, int, float, str, Path or a Literal of strings, each of them
optional; None is a parameter that is not set.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

Config = TypeVar("Config")
_YES_NO = {"yes", "no"}
_PLAIN = (bool, int, float, str, Path)


@dataclasses.dataclass(frozen=True)
class _Entry:
    """One leaf of a config: a parameter."""

    name: str
    kind: type
    optional: bool
    choices: tuple[str, ...]
    default: Any
    description: str
    range: tuple[float, float] | None


def declare(node: Node, defaults: Any) -> None:
    """Declare every field of a config as a parameter of a node.

    Args:
        node: declares them; its parameter file and command line may override the defaults.
        defaults: instance of a frozen dataclass; its values are the defaults.

    Raises:
        TypeError: if a field has a type that no ROS parameter has.
        rclpy.exceptions.InvalidParameterException: if a value given from outside has the wrong type or is out of range.
    """
    entries = list(_entries(defaults))
    _take_whole_numbers(node, {entry.name for entry in entries if entry.kind is float})
    for entry in entries:
        value = str(entry.default) if isinstance(entry.default, Path) else entry.default
        node.declare_parameter(entry.name, value, _descriptor(entry))
    names = {entry.name for entry in entries}

    def check(changes: list[Parameter]) -> SetParametersResult:
        # rclpy calls this for each of the six QoS parameters of each topic, too: most of the time a node took to start.
        if names.isdisjoint(change.name for change in changes):
            return SetParametersResult(successful=True)
        return _validate(node, type(defaults), changes)

    node.add_on_set_parameters_callback(check)


def _take_whole_numbers(node: Node, names: set[str]) -> None:
    """Let 2 serve a parameter that is 2.0: rclpy refuses it by its type, at the start and later.

    What was given at the start is kept in a private attribute of rclpy only. Humble has no callback that comes before
    its own check: there, a later 2 is refused as before.
    """

    def as_floats(changes: list[Parameter]) -> list[Parameter]:
        return [
            Parameter(change.name, value=float(change.value))
            if change.name in names and type(change.value) is int
            else change
            for change in changes
        ]

    given = getattr(node, "_parameter_overrides", {})
    given.update({change.name: change for change in as_floats(list(given.values()))})
    if hasattr(node, "add_pre_set_parameters_callback"):
        node.add_pre_set_parameters_callback(as_floats)


def when_set(node: Node, act: Callable[[list[Parameter]], None]) -> Callable[[], None]:
    """Call `act` with the changed parameters, in the executor's thread, each time after some of a node's were set.

    Returns:
        A function that ends this.
    """
    if hasattr(node, "add_post_set_parameters_callback"):
        node.add_post_set_parameters_callback(act)
        return partial(node.remove_post_set_parameters_callback, act)

    def soon(changes: list[Parameter]) -> SetParametersResult:
        """Call `act` later, since Humble calls this before it sets the parameters."""
        node.executor.create_task(act, changes)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(soon)
    return partial(node.remove_on_set_parameters_callback, soon)


def values(config: Any) -> dict[str, Any]:
    """The parameters that `declare` declares for a config, with their values."""
    return {entry.name: entry.default for entry in _entries(config)}


def read(node: Node, config_type: type[Config]) -> Config:
    """The node's parameters as a config.

    Raises:
        ValueError: if a value is invalid; the message names the parameter or is the config's own.
    """
    values = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    return _build(config_type, values)


def undeclared(node: Node) -> list[str]:
    """Parameters that a file or the command line sets but the node does not have, most often misspelt.

    rclpy drops them silently, and keeps what was given in a private attribute only. They are not an error, because a
    robot's file may set a parameter for all its nodes.
    """
    given = getattr(node, "_parameter_overrides", {})
    return sorted(name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides."))


def _validate(node: Node, config_type: type, changes: list[Parameter]) -> SetParametersResult:
    values = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    try:
        _build(config_type, values | {change.name: change.value for change in changes})
    except ValueError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def _entries(config: Any, prefix: str = "") -> Iterator[_Entry]:
    hints, sentences = get_type_hints(type(config)), _sentences(type(config))
    for field in dataclasses.fields(config):
        name, default = prefix + field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(default):
            yield from _entries(default, f"{name}.")
            continue
        kind, optional, choices = _leaf(name, hints[field.name])
        description = field.metadata.get("description", sentences.get(field.name, ""))
        yield _Entry(name, kind, optional, choices, default, description, field.metadata.get("range"))


def _leaf(name: str, hint: Any) -> tuple[type, bool, tuple[str, ...]]:
    """Plain type, whether it may be None, and allowed strings of a field's annotation."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [option for option in options if option is not type(None)]
    optional = len(kinds) < len(options)
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return str, optional, get_args(kinds[0])
    if len(kinds) == 1 and kinds[0] in _PLAIN:
        return kinds[0], optional, ()
    expected = ", ".join(kind.__name__ for kind in _PLAIN)
    raise TypeError(f"{name} must be {expected}, a Literal of strings or a dataclass to be a parameter, got {hint}")


def _descriptor(entry: _Entry) -> ParameterDescriptor:
    # None has no ROS type, so an optional parameter is typed here (`_convert`) instead of by rclpy; so is a choice of
    # yes or no, which YAML takes for a bool where it is not in quotes.
    dynamic = entry.optional or not _YES_NO.isdisjoint(entry.choices)
    descriptor = ParameterDescriptor(description=entry.description, dynamic_typing=dynamic)
    if entry.choices:
        descriptor.additional_constraints = "one of: " + ", ".join(entry.choices)
    if entry.range is not None and entry.kind is int:
        descriptor.integer_range = [IntegerRange(from_value=int(entry.range[0]), to_value=int(entry.range[1]))]
    if entry.range is not None and entry.kind is float:
        low, high = entry.range
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return descriptor


def _build(config_type: type[Config], values: Mapping[str, Any], prefix: str = "") -> Config:
    hints = get_type_hints(config_type)
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        name, hint = prefix + field.name, hints[field.name]
        if dataclasses.is_dataclass(hint):
            arguments[field.name] = _build(hint, values, f"{name}.")  # type: ignore[arg-type]
        else:
            arguments[field.name] = _convert(name, values[name], *_leaf(name, hint))
    return config_type(**arguments)


def _convert(name: str, value: Any, kind: type, optional: bool, choices: tuple[str, ...]) -> Any:
    if value is None and optional:
        return None
    if isinstance(value, bool) and not _YES_NO.isdisjoint(choices):
        value = "yes" if value else "no"
    if choices and value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} must be {kind.__name__}, got {value!r}")
    return value


def _sentences(config_type: type) -> dict[str, str]:
    """The description of each field under `Attributes:` in a class docstring."""
    section = (inspect.getdoc(config_type) or "").partition("\nAttributes:\n")[2]
    parts = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
