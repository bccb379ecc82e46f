# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/parameters.md from what the nodes themselves declare: every parameter with its descriptor.

.venv/bin/python tools/parameters.py            # writes the page
.venv/bin/python tools/parameters.py --check    # ends with status 1 when the page is not current
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.context import Context
from rclpy.parameter import Parameter

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "parameters.md"
HEAD = """# Parameters
<!-- written by tools/parameters.py from what the nodes declare; edit the dataclasses of the nodes instead -->

Pass parameters in a file to any launch file (`params_file:=mine.yaml`), or to a single node with
`--ros-args -p name:=value`:

```yaml
/**/generator:            # in any namespace
  ros__parameters:
    avatar.lead_ms: 120
```

Launch arguments override the file, and the file overrides `config/live.yaml`. A node logs names that it does not know.
Parameters are read when a node is configured. Those under `avatar.expressiveness.` and `avatar.guidance_`, and
`playback.extra_latency_ms`, can also be changed while it runs, with effect at once; of any other, the node logs that it
waits.

Every node also has `use_sim_time`, and `qos_overrides.<topic>.<end>.<policy>` for each of its topics. The end is
`publisher` or `subscription`; the policy is `history`, `depth`, `reliability` or `durability`. Example:
`qos_overrides./speech.subscription.reliability: best_effort`. Write the full name of the topic, after
namespace and remappings.
"""
UNITS = {
    "ms": "ms",
    "s": "s",
    "hz": "Hz",
    "db": "dB",
    "dbfs": "dBFS",
    "rate": "Hz",
    "frames": "frames of 40 ms",
    "samples": "samples at 16 kHz",
    "width": "pixels",
    "height": "pixels",
    "side": "pixels",
    "size": "pixels",
    "blocks": "blocks",
    "sentences": "sentences",
    "messages": "messages",
    "tokens": "tokens",
    "minute": "words a minute",
    "quality": "setting of the coder",
    "fixed": "level",
    "threads": "threads",
    "channels": "channels",
    "steps": "steps",
    "webcam": "number",
    "port": "number",
    "pages": "pages",
    "kbit": "1000 bits a second",
    "seed": "number",
    "utterances": "utterances",
    "bytes": "bytes",
    "pixels": "pixels",
}
"""Of a parameter whose name ends in this."""
FACTORS = {"avatar", "user", "pose", "face", "mouth", "caution", "certainty", "persistence", "memory", "probability"}
FACTORS |= {"balance", "speed", "rate", "share", "temperature", "smile"}
NUMBERS = (Parameter.Type.INTEGER, Parameter.Type.DOUBLE)
MIDDLEWARE = ("use_sim_time", "qos_overrides.", "start_type_description_service")


def node_types() -> Iterator[type]:
    """The class of every node that is installed as an executable."""
    for script in sorted((REPOSITORY / "scripts").glob("*_node")):
        module = importlib.import_module(f"avatar_forcing_ros.nodes.{script.name}")
        expected = "".join(part.capitalize() for part in script.name.split("_"))
        yield getattr(module, expected)


def declared(node: Any) -> list[tuple[Parameter, ParameterDescriptor]]:
    """What a node itself declares, in the order of declaration."""
    names = [name for name in node.list_parameters([], 0).names if not name.startswith(MIDDLEWARE)]
    return [(node.get_parameter(name), node.describe_parameter(name)) for name in sorted(names)]


def unit_of(parameter: Parameter) -> str:
    """Unit of a number; 1 for a factor or share."""
    if parameter.type_ not in NUMBERS:
        return ""
    word = parameter.name.rpartition(".")[2].rpartition("_")[2]
    if parameter.name == "rate":
        return "1"  # of a bag: seconds in a second
    if word not in UNITS and word not in FACTORS:
        raise ValueError(f"{parameter.name}: say the unit of a parameter that ends in {word!r} in UNITS or FACTORS")
    return UNITS.get(word, "1")


def range_of(parameter: Parameter, descriptor: ParameterDescriptor) -> str:
    """What values a parameter may have."""
    if parameter.type_ == Parameter.Type.BOOL:
        return "true, false"
    if descriptor.additional_constraints:
        return descriptor.additional_constraints.removeprefix("one of: ")
    ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
    if ranges:
        return f"{_number(ranges[0].from_value)} to {_number(ranges[0].to_value)}"
    return "text" if parameter.type_ == Parameter.Type.STRING else ""


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def page() -> str:
    """The whole page."""
    context = Context()
    rclpy.init(context=context)
    try:
        parts = [HEAD]
        for node_type in node_types():
            node = node_type(context=context)
            try:
                parts.append(_section(node.get_name(), node_type, declared(node)))
            finally:
                node.destroy_node()
        return "\n".join(parts)
    finally:
        rclpy.shutdown(context=context)


def _section(name: str, node_type: type, found: list[tuple[Parameter, ParameterDescriptor]]) -> str:
    executable = node_type.__module__.rpartition(".")[2]
    rows = [f"## {name}", f"Executable `{executable}`.\n"]
    rows += ["| parameter | default | unit | values | meaning |", "|---|---|---|---|---|"]
    for parameter, descriptor in found:
        cells = (
            f"`{parameter.name}`",
            f"`{_default(parameter)}`",
            unit_of(parameter),
            range_of(parameter, descriptor),
            descriptor.description.replace("|", "\\|"),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _default(parameter: Parameter) -> str:
    value = parameter.value
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else _number(value)


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/parameters.md is not current: run tools/parameters.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
