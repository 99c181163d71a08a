"""ONNX Runtime and OpenVINO, which run trained networks: the same ONNX graph for both."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.frameworks import THREADS
from benchmarks.problem import Array, Inference, Program

OPERATIONS, FORMAT = 17, 9  # versions of ONNX that both of them know


class Graph:
    """An ONNX graph while it is written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operation: str, *inputs: Any, **settings: Any) -> Value:
        """The value of one more operation; arrays among the inputs are constants."""
        names = [self.name_of(value) for value in inputs]
        result = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, names, [result], **settings))
        return Value(self, result)

    def name_of(self, value: Any) -> str:
        if isinstance(value, Value):
            return value.name
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def model(self, inputs: Sequence[Any], result: Value, shape: Any) -> bytes:
        output = helper.make_tensor_value_info(
            result.name, onnx.TensorProto.FLOAT, shape
        )
        graph = helper.make_graph(
            self.nodes, "network", inputs, [output], self.constants
        )
        version = helper.make_opsetid("", OPERATIONS)
        model = helper.make_model(graph, opset_imports=[version], ir_version=FORMAT)
        return bytes(model.SerializeToString())


class Value:
    """A result of an operation, as formulas use it."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Any) -> Value:
        return self.graph.add("Add", self, other)


class Names:
    """What networks call, by ONNX; parameters are arrays of NumPy."""

    @staticmethod
    def convolve(x: Value, w: Array, border: int) -> Value:
        return x.graph.add("Conv", x, w, pads=[border] * 4)

    @staticmethod
    def pool(x: Value) -> Value:
        return x.graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    @staticmethod
    def relu(x: Value) -> Value:
        return x.graph.add("Relu", x)

    @staticmethod
    def dot(x: Value, w: Array) -> Value:
        return x.graph.add("MatMul", x, w)

    @staticmethod
    def reshape(x: Any, shape: Sequence[int]) -> Any:
        if isinstance(x, Value):
            return x.graph.add("Reshape", x, np.array(shape, np.int64))
        return np.reshape(x, shape)


class OnnxRuns:
    names = Names

    def __init__(self, runtime: str) -> None:
        self.package = importlib.import_module(runtime)
        self.version = self.package.__version__
        self.prepare = {"onnxruntime": self.session, "openvino": self.compiled}[runtime]

    def inference(self, problem: Inference) -> Program:
        graph = Graph()
        places = [f"x{k}" for k in range(len(problem.arrays))]
        given = [
            helper.make_tensor_value_info(place, onnx.TensorProto.FLOAT, array.shape)
            for place, array in zip(places, problem.arrays)
        ]
        values = [Value(graph, place) for place in places]
        result = problem.compute(Names, problem.parameters, *values)
        call = self.prepare(graph.model(given, result, problem.shape), places)
        return Program(call, lambda out: [np.asarray(out)], tuple(problem.arrays))

    def session(self, model: bytes, places: Sequence[str]) -> Callable[..., Any]:
        options = self.package.SessionOptions()
        options.intra_op_num_threads = int(THREADS)
        session = self.package.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        return lambda *arrays: session.run(None, dict(zip(places, arrays)))[0]

    def compiled(self, model: bytes, places: Sequence[str]) -> Callable[..., Any]:
        core = self.package.Core()
        settings = {
            "INFERENCE_NUM_THREADS": int(THREADS),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        network = core.compile_model(core.read_model(model, b""), "CPU", settings)
        return lambda *arrays: network(list(arrays))[network.output(0)]


def load(runtime: str) -> OnnxRuns:
    return OnnxRuns(runtime)
