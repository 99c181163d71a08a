"""Event files for TensorBoard: what a training run looks like while it goes on.

    with symnet.tensorboard.Writer("runs/first") as writer:
        writer.graph(step)
        for k, (x, y) in batches.steps(0, 1000):
            writer.scalar("cost", step(x, y), k)
            writer.histogram("weights", w, k)

`tensorboard --logdir runs` shows it.  TensorFlow is not needed; the package `tensorboard`
and, for images, Pillow are: `pip install symnet[tensorboard]`.
"""

from __future__ import annotations

import glob
import io
import os
import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnet.compile.function import Function
from symnet.errors import briefly, message
from symnet.graph.entering import as_plain
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable, describe, operand_text
from symnet.printing.roots import Root, roots_of
from symnet.printing.scopes import scoped_names
from symnet.shared import SharedVariable

__all__ = ["Writer"]

# NumPy's name of a dtype -> TensorFlow's in graphs.
GRAPH_DTYPES = {
    "bool": "DT_BOOL", "int8": "DT_INT8", "int16": "DT_INT16", "int32": "DT_INT32",
    "int64": "DT_INT64", "uint8": "DT_UINT8", "uint16": "DT_UINT16",
    "uint32": "DT_UINT32", "uint64": "DT_UINT64", "float16": "DT_HALF",
    "float32": "DT_FLOAT", "float64": "DT_DOUBLE", "complex64": "DT_COMPLEX64",
    "complex128": "DT_COMPLEX128",
}  # fmt: skip


class Writer:
    """Writes one event file into a folder.

    folder: of the run; it is made where there is none.  TensorBoard shows the runs below
        the folder that it is given.
    resumed_at: the step from which a run goes on that was interrupted: TensorBoard leaves
        out what the files in the folder say of this step and later ones.
    Names with slashes ("layer1/W") are grouped.  Steps are integers.  A value may be an
    array, a number, or a shared variable.
    Raises: ImportError without the package `tensorboard`; TypeError, ValueError (all
        methods) for values that cannot be shown; OSError.
    """

    @briefly
    def __init__(
        self, folder: str | os.PathLike[str], resumed_at: int | None = None
    ) -> None:
        self._file = _event_file(os.fsdecode(folder))
        if resumed_at is not None:
            from tensorboard.compat.proto import event_pb2  # optional

            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._add(resumed_at, session_log=start)

    # ---- what is written

    @briefly
    def scalar(self, name: str, value: Any, step: int) -> None:
        """A number, as a point of a curve; kept as float32."""
        array = _numbers(value, "a scalar")
        if array.size != 1:
            raise ValueError(f"{name}: a scalar, not an array of shape {array.shape}")
        self._summary(name, step, simple_value=float(array.reshape(())))

    @briefly
    def histogram(self, name: str, values: Any, step: int, bins: int = 64) -> None:
        """How the elements of an array are distributed; those that are not finite are left
        out."""
        array = _numbers(values, "a histogram").astype(np.float64).ravel()
        array = array[np.isfinite(array)]
        counts, edges = _counted(array, bins)
        low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
        with np.errstate(over="ignore"):
            sums = {"sum": array.sum(), "sum_squares": np.square(array).sum()}
        histogram = {
            "min": low, "max": high, "num": array.size, "bucket": counts,
            "bucket_limit": edges[1:], **sums,
        }  # fmt: skip
        self._summary(name, step, histo=histogram)

    @briefly
    def image(
        self, name: str, pixels: Any, step: int, channels_last: bool = False
    ) -> None:
        """An image.

        Shapes: pixels (rows, columns), or (channels, rows, columns) with 1, 3 (RGB) or 4
            (RGBA) channels; with channels_last (rows, columns, channels).
        Dtypes: uint8 from 0 to 255, bool, or floats from 0 to 1; what is above or below
            becomes 1 or 0, and NaN 0.
        """
        array = _pixels(name, pixels, channels_last)
        rows, columns, channels = array.shape
        image = {
            "height": rows, "width": columns, "colorspace": channels,
            "encoded_image_string": _png(array),
        }  # fmt: skip
        self._summary(name, step, image=image)

    @briefly
    def text(self, name: str, text: str, step: int) -> None:
        """A text, in Markdown."""
        if not isinstance(text, str):
            raise TypeError(f"{name}: a text, not {type(text).__name__} {text!r:.60}")
        tensor = {
            "dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": 1}]},
            "string_val": [text.encode()],
        }  # fmt: skip
        metadata = {"plugin_data": {"plugin_name": "text"}}
        self._summary(name, step, tensor=tensor, metadata=metadata)

    @briefly
    def graph(self, thing: Any) -> None:
        """The graph of a variable, a list or dict of them, or of a compiled function, as
        it was written.  Scopes are named results (see `symnet.printing.scopes`); each
        operation knows the user's line.  The last graph of a folder is shown."""
        from tensorboard.compat.proto import graph_pb2, versions_pb2  # optional

        roots = _roots_as_written(thing)
        names = scoped_names(roots)
        nodes = [_graph_node(one, names) for one in names]
        made = graph_pb2.GraphDef(
            node=nodes, versions=versions_pb2.VersionDef(producer=22)
        )
        self._add(0, graph_def=made.SerializeToString())

    # ---- the file

    def flush(self) -> None:
        """Have all that was written on the disk, where TensorBoard finds it."""
        self._file.flush()

    def close(self) -> None:
        """End the file.  Nothing can be written after it."""
        self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def _summary(self, name: str, step: int, **value: Any) -> None:
        from tensorboard.compat.proto import summary_pb2  # optional

        if not isinstance(name, str) or not name:
            raise TypeError(f"what is written needs a name, not {name!r:.60}")
        entry = summary_pb2.Summary.Value(tag=name, **value)
        self._add(step, summary=summary_pb2.Summary(value=[entry]))

    def _add(self, step: Any, **content: Any) -> None:
        from tensorboard.compat.proto import event_pb2  # optional

        number = np.asarray(step)
        if number.shape != () or number.dtype.kind not in "iu":
            raise TypeError(f"a step is an integer, not {step!r:.60}")
        event = event_pb2.Event(wall_time=time.time(), step=int(number), **content)
        self._file.add_event(event)


def _event_file(folder: str) -> Any:
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError(
            message(
                "symnet.tensorboard writes by the package tensorboard, which cannot be "
                f"imported: {error}",
                cure="pip install symnet[tensorboard]",
            )
        ) from None
    _wait_for_a_later_name(folder)
    return EventFileWriter(folder)


def _wait_for_a_later_name(folder: str) -> None:
    """Wait out the second in which the folder's last file was begun.

    TensorBoard reads the files of a folder in the order of their names.  A name begins with
    the second; what follows (host, process, count) is not in the order of time."""
    now = time.time()
    if glob.glob(f"*.tfevents.{int(now):010d}.*", root_dir=folder):
        time.sleep(1.01 - now % 1)


def _numbers(value: Any, what: str) -> NDArray[Any]:
    """Raises: TypeError for what is not made of real numbers."""
    if isinstance(value, SharedVariable):
        value = value.get_value()
    if isinstance(value, Variable):
        raise TypeError(
            message(
                f"{what} is made of numbers, not of a symbolic variable",
                operands=[operand_text(value)],
                cure="write what a compiled function returns",
            )
        )
    array = np.asarray(as_plain(value))
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what} is made of real numbers, not {value!r:.60}")
    return array


def _counted(array: NDArray[Any], bins: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Counts in `bins` intervals of one width, and their edges."""
    if not array.size:
        return np.zeros(1), np.zeros(2)
    low, high = float(array.min()), float(array.max())
    # The width itself must be finite, and let the edges differ.
    if not np.isfinite(high - low) or low + (high - low) / bins == low:
        return np.array([array.size]), np.array([low, high])
    return np.histogram(array, bins, (low, high))


def _pixels(name: str, pixels: Any, channels_last: bool) -> NDArray[np.uint8]:
    """Shapes: as `Writer.image` -> (rows, columns, channels)."""
    array = _numbers(pixels, "an image")
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3 and not channels_last:
        array = np.moveaxis(array, 0, 2)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        order = (
            "rows, columns, channels" if channels_last else "channels, rows, columns"
        )
        raise ValueError(
            f"{name}: an image of shape (rows, columns) or ({order}) with 1, 3 or 4 "
            f"channels, not {np.shape(pixels)}"
        )
    if array.dtype.kind == "f":
        array = np.clip(np.nan_to_num(array, nan=0.0), 0, 1) * 255
        array = np.rint(array).astype(np.uint8)
    elif array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype != np.uint8:
        raise TypeError(
            f"{name}: pixels are uint8, bool, or floats from 0 to 1, not {array.dtype}"
        )
    return array


def _png(array: NDArray[np.uint8]) -> bytes:
    try:
        from PIL import Image  # optional
    except ImportError:
        raise ImportError(
            message(
                "images are written by Pillow, which is not installed",
                cure="pip install symnet[tensorboard]",
            )
        ) from None
    file = io.BytesIO()
    single = array.shape[2] == 1
    Image.fromarray(array[:, :, 0] if single else array).save(file, "PNG")
    return file.getvalue()


def _roots_as_written(thing: Any) -> list[Root]:
    if isinstance(thing, Function):
        request = thing.request
        news = request.updates.items()
        return roots_of(request.outputs) + [
            Root(new, f"update of {describe(old)}") for old, new in news
        ]
    return roots_of(thing)


def _graph_node(one: Apply | Variable, names: dict[Apply | Variable, str]) -> Any:
    """A leaf or an operation as a node of TensorFlow's graphs."""
    from tensorboard.compat.proto import node_def_pb2  # optional

    if isinstance(one, Apply):
        inputs = [_place(v, names) for v in one.inputs]
        outputs, operation = one.outputs, str(one.op)
    else:
        inputs, outputs, operation = [], [one], _leaf_kind(one)
    node = node_def_pb2.NodeDef(name=names[one], op=operation, input=inputs)
    types = [v.type for v in outputs if isinstance(v.type, TensorType)]
    for kind in types:
        shape = node.attr["_output_shapes"].list.shape.add()
        for size in kind.shape:
            shape.dim.add(size=-1 if size is None else size)
    if types and types[0].dtype in GRAPH_DTYPES:
        node.attr["dtype"].type = GRAPH_DTYPES[types[0].dtype]
    if isinstance(one, Apply) and one.origin is not None:
        line = f"{one.origin.short_place}: {one.origin.text}"
        node.attr["line"].s = line.encode()
    elif isinstance(one, Constant) and np.size(one.data) == 1:
        node.attr["value"].s = describe(one).encode()
    return node


def _leaf_kind(variable: Variable) -> str:
    """As viewers know leaves, who give them pictures."""
    if isinstance(variable, Constant):
        return "Const"
    return "VariableV2" if isinstance(variable, SharedVariable) else "Placeholder"


def _place(variable: Variable, names: dict[Apply | Variable, str]) -> str:
    """Where a value comes from: "scope/name", ":1" behind it for a second output."""
    if variable.owner is None:
        return names[variable]
    number = f":{variable.index}" if variable.index else ""
    return names[variable.owner] + number
