# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes models/face/*.onnx: Google's face networks, as MediaPipe 0.10.21 carries them, for ONNX Runtime.

    pip install tflite==2.18.0 onnx==1.23.2
    pip download --no-deps mediapipe==0.10.21 && unzip -q mediapipe-0.10.21-*.whl -d mediapipe
    python tools/make_face_models.py mediapipe/mediapipe/modules models/face

The .tflite files hold the weights as float16; so do the ONNX files, and both runtimes compute in float32. Three things
are added around each network, so that nothing of it has to be known to whoever runs it: pictures come in as uint8,
detections come out in shares of the picture instead of offsets from 896 or 2304 anchors, and the refined lips, eyes and
irises already stand in the one list of 478 points. MediaPipe's own operators become standard ones:

* Landmarks2TransformMatrix: the upright box around some landmarks, turned by a line between two -> affine matrix.
* TransformTensorBilinear: a feature map seen through that matrix -> the four neighbours of each place, weighed.
* TransformLandmarks: points through that matrix -> a product.
* Convolution2DTransposeBias -> ConvTranspose.

Which landmark a refined point is stands in the first operator's options.
Source: the operators' and graphs' published descriptions (github.com/google-ai-edge/mediapipe, Apache-2.0).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from flatbuffers import flexbuffers
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPERATORS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
TYPES = {0: np.float32, 1: np.float16, 2: np.int32}
SIGMOID_CLIP = 100.0
IRIS = 5


class Network:
    """One .tflite file: operators in order, constants by tensor number."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.model = tflite.Model.GetRootAsModel(self.data, 0)
        self.graph = self.model.Subgraphs(0)

    def shape(self, tensor: int) -> list[int]:
        """Sizes in TFLite's order, NHWC for maps."""
        return [int(size) for size in self.graph.Tensors(tensor).ShapeAsNumpy()]

    def constant(self, tensor: int) -> NDArray | None:
        """What the file holds of a tensor, if it is densely stored there."""
        part = self.graph.Tensors(tensor)
        buffer = self.model.Buffers(part.Buffer())
        if not buffer.DataLength() or part.Sparsity() is not None:
            return None
        return buffer.DataAsNumpy().view(TYPES[part.Type()]).reshape(self.shape(tensor))

    def operators(self) -> list[tuple[str, Any]]:
        """Pairs of name and operator, in the order in which they run."""
        found = []
        for index in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(index)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            found.append((code.CustomCode().decode() if name == "CUSTOM" else name, operator))
        return found

    def spread(self, tensor: int) -> NDArray:
        """Weights stored as compressed rows: all dimensions but the last one are dense."""
        part = self.graph.Tensors(tensor)
        sparsity, shape = part.Sparsity(), self.shape(tensor)
        assert list(sparsity.TraversalOrderAsNumpy()) == list(range(len(shape)))
        levels = [sparsity.DimMetadata(i) for i in range(sparsity.DimMetadataLength())]
        formats = [level.Format() for level in levels]
        assert formats == [tflite.DimensionType.DENSE] * (len(shape) - 1) + [tflite.DimensionType.SPARSE_CSR], formats
        starts = _index_vector(levels[-1].ArraySegmentsType(), levels[-1].ArraySegments())
        columns = _index_vector(levels[-1].ArrayIndicesType(), levels[-1].ArrayIndices())
        values = self.model.Buffers(part.Buffer()).DataAsNumpy().view(TYPES[part.Type()])
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts.astype(np.int64)))
        dense = np.zeros((len(starts) - 1, shape[-1]), values.dtype)
        dense[rows, columns] = values[: len(columns)]
        return dense.reshape(shape)


def _index_vector(kind: int, table: Any) -> NDArray:
    vector = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}[kind]()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy()


class Writer:
    """Collects nodes and constants of an ONNX graph. Feature maps are NCHW, everything else keeps its shape."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._names = 0

    def name(self) -> str:
        """A fresh name for a value."""
        self._names += 1
        return f"t{self._names}"

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; the name of what it makes."""
        name = self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def value(self, array: NDArray) -> str:
        """A constant; weights are kept as float16 and widened when the network is loaded."""
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return self.add("Cast", name, to=TensorProto.FLOAT) if array.dtype == np.float16 else name

    def floats(self, *values: float) -> str:
        """A constant vector."""
        return self.value(np.array(values, np.float32))

    def ints(self, *values: int) -> str:
        """A constant vector."""
        return self.value(np.array(values, np.int64))


class Converter:
    """Follows the operators of a `Network` and writes their counterparts."""

    def __init__(self, network: Network, writer: Writer, picture: str) -> None:
        self.network, self.out = network, writer
        self.weights: dict[int, NDArray] = {}
        self.names: dict[int, str] = {int(network.graph.Inputs(0)): picture}
        self.subsets: list[list[int]] = []
        self.flat: set[int] = set()  # four-dimensional tensors that are lists, not maps: left in TFLite's order

    def run(self) -> None:
        """Write all of them; `names` then holds what the network puts out."""
        for kind, operator in self.network.operators():
            inputs, outputs = list(operator.InputsAsNumpy()), list(operator.OutputsAsNumpy())
            if kind == "DENSIFY":
                self.weights[int(outputs[0])] = self.network.spread(int(inputs[0]))
            elif kind == "DEQUANTIZE":
                self.weights[int(outputs[0])] = self.constant(int(inputs[0]))
            else:
                self.names[int(outputs[0])] = self._convert(kind, operator, [int(i) for i in inputs], int(outputs[0]))

    def constant(self, tensor: int) -> NDArray:
        """A tensor that does not depend on the picture."""
        found = self.weights.get(tensor)
        if found is None:
            found = self.network.constant(tensor)
        assert found is not None, f"tensor {tensor} is no constant"
        return found

    def read(self, tensor: int) -> str:
        """Name of an operand; a constant feature map is brought into NCHW."""
        if tensor not in self.names:
            array = self.constant(tensor)
            if array.ndim == 4:
                array = array.transpose(0, 3, 1, 2)
            self.names[tensor] = self.out.value(array)
        return self.names[tensor]

    def _options(self, operator: Any, kind: type) -> Any:
        options = kind()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def _convert(self, kind: str, operator: Any, inputs: list[int], output: int) -> str:
        method: Callable[..., str] = getattr(self, f"_{kind.lower()}")
        return method(operator, inputs, output)

    def _activated(self, name: str, activation: int) -> str:
        if activation == tflite.ActivationFunctionType.RELU:
            return self.out.add("Relu", name)
        if activation == tflite.ActivationFunctionType.RELU6:
            return self.out.add("Clip", name, self.out.value(np.float32(0)), self.out.value(np.float32(6)))
        assert activation == tflite.ActivationFunctionType.NONE, activation
        return name

    def _pads(self, options: Any, size: list[int], window: tuple[int, int], dilation: tuple[int, int]) -> list[int]:
        """Before and after in y and x; SAME puts the odd one after."""
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        before, after = [], []
        for length, stride, extent, spread in zip(
            size, (options.StrideH(), options.StrideW()), window, dilation, strict=True
        ):
            reach = (extent - 1) * spread + 1
            total = max(0, (-(-length // stride) - 1) * stride + reach - length)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after

    def _conv(self, inputs: list[int], weights: NDArray, options: Any, groups: int) -> str:
        dilation = (options.DilationHFactor(), options.DilationWFactor())
        name = self.out.add(
            "Conv", self.read(inputs[0]), self.out.value(weights), self.out.value(self.constant(inputs[2])),
            pads=self._pads(options, self.network.shape(inputs[0])[1:3], weights.shape[2:], dilation),
            strides=[options.StrideH(), options.StrideW()], dilations=list(dilation), group=groups,
        )  # fmt: skip
        return self._activated(name, options.FusedActivationFunction())

    def _conv_2d(self, operator: Any, inputs: list[int], _: int) -> str:
        weights = self.constant(inputs[1]).transpose(0, 3, 1, 2)
        return self._conv(inputs, weights, self._options(operator, tflite.Conv2DOptions), 1)

    def _depthwise_conv_2d(self, operator: Any, inputs: list[int], _: int) -> str:
        weights = self.constant(inputs[1]).transpose(3, 0, 1, 2)
        channels = self.network.shape(inputs[0])[3]
        return self._conv(inputs, weights, self._options(operator, tflite.DepthwiseConv2DOptions), channels)

    def _pool(self, kind: str, operator: Any, inputs: list[int]) -> str:
        options = self._options(operator, tflite.Pool2DOptions)
        window = (options.FilterHeight(), options.FilterWidth())
        return self.out.add(
            kind, self.read(inputs[0]), kernel_shape=list(window), strides=[options.StrideH(), options.StrideW()],
            pads=self._pads(options, self.network.shape(inputs[0])[1:3], window, (1, 1)),
        )  # fmt: skip

    def _max_pool_2d(self, operator: Any, inputs: list[int], _: int) -> str:
        return self._pool("MaxPool", operator, inputs)

    def _average_pool_2d(self, operator: Any, inputs: list[int], output: int) -> str:
        assert self.network.shape(output)[1:3] == [1, 1], "only the mean of a whole map is known"
        return self.out.add("GlobalAveragePool", self.read(inputs[0]))

    def _add(self, operator: Any, inputs: list[int], _: int) -> str:
        name = self.out.add("Add", self.read(inputs[0]), self.read(inputs[1]))
        return self._activated(name, self._options(operator, tflite.AddOptions).FusedActivationFunction())

    def _mul(self, operator: Any, inputs: list[int], _: int) -> str:
        if self.network.shape(inputs[1]) == [1, 4, 4]:  # of a transform matrix only two rows are kept, see below
            return self.out.add("Mul", self.read(inputs[0]), self.out.value(self.constant(inputs[1])[:, :2, [0, 1, 3]]))
        name = self.out.add("Mul", self.read(inputs[0]), self.read(inputs[1]))
        return self._activated(name, self._options(operator, tflite.MulOptions).FusedActivationFunction())

    def _relu(self, _: Any, inputs: list[int], __: int) -> str:
        return self.out.add("Relu", self.read(inputs[0]))

    def _logistic(self, _: Any, inputs: list[int], __: int) -> str:
        return self.out.add("Sigmoid", self.read(inputs[0]))

    def _hard_swish(self, _: Any, inputs: list[int], __: int) -> str:
        return self.out.add("HardSwish", self.read(inputs[0]))

    def _prelu(self, _: Any, inputs: list[int], __: int) -> str:
        """As slope x + (1 - slope) relu(x): ONNX Runtime's own PRelu takes half the time of the whole mesh."""
        out, x, slopes = self.out, self.read(inputs[0]), self.constant(inputs[1]).transpose(2, 0, 1).astype(np.float32)
        line = out.add("Mul", x, out.value(slopes))
        return out.add("Add", line, out.add("Mul", out.add("Relu", x), out.value(1 - slopes)))

    def _pad(self, _: Any, inputs: list[int], __: int) -> str:
        amounts = self.constant(inputs[1])[[0, 3, 1, 2]]
        return self.out.add("Pad", self.read(inputs[0]), self.out.ints(*amounts[:, 0], *amounts[:, 1]))

    def _resize_bilinear(self, operator: Any, inputs: list[int], output: int) -> str:
        options = self._options(operator, tflite.ResizeBilinearOptions)
        mode = (
            "align_corners" if options.AlignCorners() else "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        )
        size = self.network.shape(output)
        sizes = self.out.ints(size[0], size[3], size[1], size[2])
        return self.out.add(
            "Resize", self.read(inputs[0]), "", "", sizes, mode="linear", coordinate_transformation_mode=mode
        )

    def _depth_to_space(self, operator: Any, inputs: list[int], _: int) -> str:
        size = self._options(operator, tflite.DepthToSpaceOptions).BlockSize()
        return self.out.add("DepthToSpace", self.read(inputs[0]), blocksize=size, mode="DCR")

    def _reshape(self, _: Any, inputs: list[int], output: int) -> str:
        name = self.read(inputs[0])
        if len(self.network.shape(inputs[0])) == 4 and inputs[0] not in self.flat:
            name = self.out.add("Transpose", name, perm=[0, 2, 3, 1])
        shape = self.network.shape(output)
        if len(shape) == 4:
            self.flat.add(output)
        return self.out.add("Reshape", name, self.out.ints(*shape))

    def _concatenation(self, operator: Any, inputs: list[int], _: int) -> str:
        axis = self._options(operator, tflite.ConcatenationOptions).Axis()
        return self.out.add("Concat", *(self.read(i) for i in inputs), axis=axis)

    def _strided_slice(self, _: Any, inputs: list[int], output: int) -> str:
        assert self.network.shape(inputs[0]) == self.network.shape(output), "only the whole is known"
        return self.read(inputs[0])

    def _convolution2dtransposebias(self, operator: Any, inputs: list[int], _: int) -> str:
        weights = self.constant(inputs[1]).transpose(3, 0, 1, 2)
        return self.out.add(
            "ConvTranspose", self.read(inputs[0]), self.out.value(weights), self.out.value(self.constant(inputs[2])),
            strides=list(weights.shape[2:]),
        )  # fmt: skip

    def _landmarks2transformmatrix(self, operator: Any, inputs: list[int], _: int) -> str:
        """(1, 4, 4): from places in the cut-out to places in the map."""
        options = flexbuffers.Loads(bytes(operator.CustomOptionsAsNumpy()))
        subset = list(options["subset_idxs"])
        self.subsets.append(subset)
        out = self.out
        points = out.add("Slice", self.read(inputs[0]), out.ints(0), out.ints(2), out.ints(2))  # (1, 468, 2)

        def pick(*indices: int) -> str:
            return out.add("Gather", points, out.ints(*indices), axis=1)

        line = out.add("Sub", pick(options["right_rotation_idx"]), pick(options["left_rotation_idx"]))
        unit = out.add("Div", line, out.add("ReduceL2", line, out.ints(2), keepdims=1))  # (1, 1, 2): cos, sin
        cos, sin = (out.add("Gather", unit, out.ints(i), axis=2) for i in (0, 1))
        minus = out.add("Neg", sin)
        # Rows of the matrix that turns the line level, and of the one that turns it back.
        back = out.add("Concat", out.add("Concat", cos, minus, axis=2), out.add("Concat", sin, cos, axis=2), axis=1)
        level = out.add("Transpose", back, perm=[0, 2, 1])
        turned = out.add("MatMul", pick(*subset), out.add("Transpose", level, perm=[0, 2, 1]))
        high = out.add("ReduceMax", turned, out.ints(1), keepdims=1)
        low = out.add("ReduceMin", turned, out.ints(1), keepdims=1)
        middle = out.add("Mul", out.add("Add", high, low), out.floats(0.5))
        centre = out.add("MatMul", back, out.add("Transpose", middle, perm=[0, 2, 1]))  # (1, 2, 1)
        size = (options["output_width"], options["output_height"])
        share = out.floats(options["scale_x"] / size[0], options["scale_y"] / size[1])
        scale = out.add("Mul", out.add("Sub", high, low), share)  # (1, 1, 2)
        linear = out.add("Mul", back, scale)
        half = out.value(np.array([[[size[0] / 2], [size[1] / 2]]], np.float32))
        offset = out.add("Sub", centre, out.add("MatMul", linear, half))
        return out.add("Concat", linear, offset, axis=2)  # (1, 2, 3)

    def _transformtensorbilinear(self, operator: Any, inputs: list[int], output: int) -> str:
        """A map seen through a matrix, bilinear, zero beyond the middles of its outermost pixels."""
        options = flexbuffers.Loads(bytes(operator.CustomOptionsAsNumpy()))
        size = (options["output_height"], options["output_width"])
        out, (_, height, width, channels) = self.out, self.network.shape(inputs[0])
        rows, columns = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
        places = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)]).astype(np.float32)
        seen = out.add("MatMul", out.add("Reshape", self.read(inputs[1]), out.ints(2, 3)), out.value(places))
        seen = out.add("Sub", seen, out.floats(0.5))  # (2, N): x and y, pixel middles at whole numbers
        last = out.value(np.array([[width - 1], [height - 1]], np.float32))
        inside = out.add("And", out.add("GreaterOrEqual", seen, out.floats(0)), out.add("LessOrEqual", seen, last))
        inside = out.add("ReduceMin", out.add("Cast", inside, to=TensorProto.FLOAT), out.ints(0), keepdims=1)
        corner = out.add(
            "Max", out.add("Min", out.add("Floor", seen), out.add("Sub", last, out.floats(1))), out.floats(0)
        )
        share = out.add("Sub", seen, corner)
        shares = out.add(
            "Concat", out.add("Sub", out.floats(1), share), share, axis=0
        )  # x, y of the first; of the next
        across = out.add("Reshape", out.add("Gather", shares, out.ints(0, 2)), out.ints(1, 2, -1))
        down = out.add("Reshape", out.add("Gather", shares, out.ints(1, 3)), out.ints(2, 1, -1))
        weights = out.add("Mul", out.add("Mul", across, down), inside)
        numbers = out.add("Mul", corner, out.value(np.array([[1], [width]], np.float32)))
        first = out.add("ReduceSum", out.add("Cast", numbers, to=TensorProto.INT64), out.ints(0), keepdims=1)
        around = out.add("Add", first, out.value(np.array([[0], [1], [width], [width + 1]], np.int64)))
        pixels = out.add("Transpose", self.read(inputs[0]), perm=[0, 2, 3, 1])
        pixels = out.add("Reshape", pixels, out.ints(height * width, channels))
        neighbours = out.add("Gather", pixels, around)  # (4, N, channels)
        mixed = out.add("Mul", neighbours, out.add("Reshape", weights, out.ints(4, rows.size, 1)))
        cut = out.add("Reshape", out.add("ReduceSum", mixed, out.ints(0), keepdims=0), out.ints(1, *size, channels))
        return out.add("Transpose", cut, perm=[0, 3, 1, 2])

    def _transformlandmarks(self, _: Any, inputs: list[int], __: int) -> str:
        out, matrix = self.out, self.read(inputs[1])
        linear = out.add("Slice", matrix, out.ints(0), out.ints(2), out.ints(2))
        offset = out.add("Slice", matrix, out.ints(2), out.ints(3), out.ints(2))
        moved = out.add("MatMul", self.read(inputs[0]), out.add("Transpose", linear, perm=[0, 2, 1]))
        return out.add("Add", moved, out.add("Transpose", offset, perm=[0, 2, 1]))


def picture_input(out: Writer, low: float, high: float) -> str:
    """uint8 (1, H, W, 3) -> float (1, 3, H, W) in `low`..`high`."""
    maps = out.add("Transpose", out.add("Cast", "picture", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    scaled = out.add("Mul", maps, out.floats((high - low) / 255))
    return out.add("Add", scaled, out.floats(low)) if low else scaled


def save(out: Writer, path: Path, side: int, outputs: dict[str, tuple[str, list[int]]], source: Path) -> None:
    """Write the graph; `outputs` are (value, shape) by the name they get."""
    nodes = list(out.nodes)
    for name, (inner, _) in outputs.items():
        nodes.append(helper.make_node("Identity", [inner], [name]))
    graph = helper.make_graph(
        nodes, path.stem,
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, side, side, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()],
        out.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    helper.set_model_props(
        model,
        {"source": f"{source.name} of mediapipe 0.10.21, sha256 {digest}", "licence": "Apache-2.0, Google LLC"},
    )
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}  {path.stat().st_size / 1e6:.2f} MB")


def convert_landmarks(source: Path, path: Path) -> None:
    """Takes a picture (1, 192, 192, 3) -> points (478, 3) in pixels of the picture, presence (1,) 0..1."""
    network, out = Network(source), Writer()
    converter = Converter(network, out, picture_input(out, 0, 1))
    converter.run()
    mesh, lips, left_eye, right_eye, left_iris, right_iris, presence = (
        converter.names[int(i)] for i in network.graph.OutputsAsNumpy()
    )
    lip_points, left_points, right_points = converter.subsets
    points = out.add("Reshape", mesh, out.ints(468, 3))
    flat, depth = (out.add("Slice", points, out.ints(a), out.ints(b), out.ints(1)) for a, b in ((0, 2), (2, 3)))
    # Lips, then the eyes: where two of them refine the same landmark the later one counts.
    for refined, subset in ((lips, lip_points), (left_eye, left_points), (right_eye, right_points)):
        rows = out.value(np.array(subset, np.int64)[:, None])
        flat = out.add("ScatterND", flat, rows, out.add("Reshape", refined, out.ints(len(subset), 2)))
    irises = [out.add("Reshape", iris, out.ints(IRIS, 2)) for iris in (left_iris, right_iris)]
    depths = []
    for subset in (left_points, right_points):  # an iris lies as deep as the edge of its eye: the first 16 points
        edge = out.add("Gather", depth, out.ints(*subset[:16]), axis=0)
        mean = out.add("ReduceMean", edge, out.ints(0), keepdims=1)
        depths.append(out.add("Expand", mean, out.ints(IRIS, 1)))
    flat, depth = out.add("Concat", flat, *irises, axis=0), out.add("Concat", depth, *depths, axis=0)
    everything = out.add("Concat", flat, depth, axis=1)
    score = out.add("Sigmoid", out.add("Reshape", presence, out.ints(1)))
    save(out, path, 192, {"points": (everything, [478, 3]), "presence": (score, [1])}, source)


def anchors(side: int, strides: list[tuple[int, int]]) -> NDArray[np.float32]:
    """(N, 2) middles in shares of the picture, for (stride, anchors in each cell), row by row."""
    centres = []
    for stride, count in strides:
        cells = side // stride
        rows, columns = np.mgrid[0:cells, 0:cells] + 0.5
        centres.append(np.repeat(np.stack([columns.ravel(), rows.ravel()], 1) / cells, count, axis=0))
    return np.concatenate(centres).astype(np.float32)


def convert_detector(source: Path, path: Path, side: int, strides: list[tuple[int, int]]) -> None:
    """Takes a picture (1, side, side, 3) -> found (N, 8, 2): middle, size, six key points in shares; scores (N,)."""
    network, out = Network(source), Writer()
    converter = Converter(network, out, picture_input(out, -1, 1))
    converter.run()
    offsets, scores = (converter.names[int(i)] for i in network.graph.OutputsAsNumpy())
    centres = anchors(side, strides)
    shift = np.repeat(centres[:, None], 8, axis=1)
    shift[:, 1] = 0  # the size is no place
    found = out.add("Mul", out.add("Reshape", offsets, out.ints(len(centres), 8, 2)), out.floats(1 / side))
    found = out.add("Add", found, out.value(shift))
    low, high = out.value(np.float32(-SIGMOID_CLIP)), out.value(np.float32(SIGMOID_CLIP))
    score = out.add("Sigmoid", out.add("Clip", out.add("Reshape", scores, out.ints(len(centres))), low, high))
    save(out, path, side, {"found": (found, [len(centres), 8, 2]), "scores": (score, [len(centres)])}, source)


def convert_person(source: Path, path: Path) -> None:
    """Takes a picture (1, 256, 256, 3) -> person (256, 256), share of person 0..1."""
    network, out = Network(source), Writer()
    converter = Converter(network, out, picture_input(out, 0, 1))
    converter.run()
    mask = converter.names[int(network.graph.Outputs(0))]
    save(out, path, 256, {"person": (out.add("Reshape", mask, out.ints(256, 256)), [256, 256])}, source)


def main() -> None:
    """Convert all four."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", type=Path, help="folder mediapipe/modules of the unpacked wheel")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    modules, output = arguments.modules, arguments.output
    convert_landmarks(modules / "face_landmark/face_landmark_with_attention.tflite", output / "landmarks.onnx")
    detection = modules / "face_detection"
    convert_detector(
        detection / "face_detection_short_range.tflite", output / "detector_near.onnx", 128, [(8, 2), (16, 6)]
    )
    convert_detector(detection / "face_detection_full_range_sparse.tflite", output / "detector_far.onnx", 192, [(4, 1)])
    convert_person(modules / "selfie_segmentation/selfie_segmentation.tflite", output / "person.onnx")


if __name__ == "__main__":
    main()
