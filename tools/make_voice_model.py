# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes models/voice/silero_vad.onnx: Silero's voice activity network for 16 kHz, for ONNX Runtime.

    pip install onnx==1.23.2 safetensors numpy
    pip download --no-deps silero-vad==6.2.3 && unzip -q silero_vad-6.2.3-*.whl -d silero
    python tools/make_voice_model.py silero/silero_vad/data/silero_vad_16k.safetensors models/voice

The wheel carries ONNX files too, but of another training run than its safetensors: in `bench/echo.py` those find 80 to
94 % of users who speak into the avatar's echo, these 89 to 96 %, with as few false alarms.

Source of the layers: github.com/snakers4/silero-vad, `tinygrad_model.py` of release 6.2.3.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

HEARD_SAMPLES = 576  # 64 of the window before, 512 new ones
REFLECT_SAMPLES = 64  # mirrored after the end, so that the last spectrum is centred on new sound
BINS = 129
HIDDEN = 128
STRIDES = {"conv1": 1, "conv2": 2, "conv3": 2, "conv4": 1}


def as_onnx_gates(rows: np.ndarray) -> np.ndarray:
    """Gates in the order of torch's LSTM (input, forget, cell, output) -> ONNX's (input, output, forget, cell)."""
    take, keep, new, give = np.split(rows, 4)
    return np.concatenate([take, give, keep, new])


def make_model(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """`heard` (1, 1, 576) and the LSTM's `hidden`, `cell` (1, 1, 128) -> `probability` (1, 1, 1) and the next two."""
    constants = {name: value for name, value in weights.items() if not name.startswith("lstm")}
    constants |= {
        "padding": np.array([0, 0, 0, 0, 0, REFLECT_SAMPLES], np.int64),
        "halves": np.array([BINS, BINS], np.int64),
        "time_first": np.array([1, 1, HIDDEN], np.int64),
        "as_row": np.array([1, HIDDEN, 1], np.int64),
        "input_gates": as_onnx_gates(weights["lstm_cell.weight_ih"])[None],
        "hidden_gates": as_onnx_gates(weights["lstm_cell.weight_hh"])[None],
        "gate_bias": np.concatenate(
            [as_onnx_gates(weights["lstm_cell.bias_ih"]), as_onnx_gates(weights["lstm_cell.bias_hh"])]
        )[None],
    }
    node = helper.make_node
    nodes = [
        node("Pad", ["heard", "padding"], ["padded"], mode="reflect"),
        node("Conv", ["padded", "stft_conv.weight"], ["spectrum"], strides=[128]),
        node("Split", ["spectrum", "halves"], ["real", "imaginary"], axis=1),
        node("Mul", ["real", "real"], ["real_squared"]),
        node("Mul", ["imaginary", "imaginary"], ["imaginary_squared"]),
        node("Add", ["real_squared", "imaginary_squared"], ["power"]),
        node("Sqrt", ["power"], ["conv0"]),
    ]
    before = "conv0"
    for name, stride in STRIDES.items():
        inputs = [before, f"{name}.weight", f"{name}.bias"]
        nodes += [
            node("Conv", inputs, [f"{name}_raw"], strides=[stride], pads=[1, 1]),
            node("Relu", [f"{name}_raw"], [name]),
        ]
        before = name
    lstm_inputs = ["features", "input_gates", "hidden_gates", "gate_bias", "", "hidden", "cell"]
    nodes += [
        node("Reshape", [before, "time_first"], ["features"]),
        node("LSTM", lstm_inputs, ["", "next_hidden", "next_cell"], hidden_size=HIDDEN),
        node("Reshape", ["next_hidden", "as_row"], ["remembered"]),
        node("Relu", ["remembered"], ["active"]),
        node("Conv", ["active", "final_conv.weight", "final_conv.bias"], ["logit"]),
        node("Sigmoid", ["logit"], ["probability"]),
    ]

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "silero_vad_16k",
        [value("heard", 1, 1, HEARD_SAMPLES), value("hidden", 1, 1, HIDDEN), value("cell", 1, 1, HIDDEN)],
        [value("probability", 1, 1, 1), value("next_hidden", 1, 1, HIDDEN), value("next_cell", 1, 1, HIDDEN)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Convert the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="silero_vad_16k.safetensors")
    parser.add_argument("output", type=Path, help="folder")
    args = parser.parse_args()
    onnx.save(make_model(load_file(args.weights)), args.output / "silero_vad.onnx")


if __name__ == "__main__":
    main()
