"""The CUDA driver through ctypes: modules, launches with programmatic dependent launch, graphs, timing.

PyTorch owns the context and the memory; import it and touch the device before the first call here.
"""

import ctypes
import statistics
from collections.abc import Callable, Sequence

_cuda = ctypes.CDLL("libcuda.so.1")
_PDL_ATTRIBUTE = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
_THREAD_LOCAL_CAPTURE = 1


class _Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_int * 16)]


class _Config(ctypes.Structure):
    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_Attribute)),
        ("attribute_count", ctypes.c_uint),
    ]


_pdl = _Attribute(id=_PDL_ATTRIBUTE)
_pdl.value[0] = 1


def call(name: str, *args: object) -> None:
    """Calls a driver function and raises with its name unless it succeeds."""
    status = getattr(_cuda, name)(*args)
    if status != 0:
        text = ctypes.c_char_p()
        _cuda.cuGetErrorName(status, ctypes.byref(text))
        raise RuntimeError(f"{name}: {(text.value or b'?').decode()} ({status})")


def make_stream() -> ctypes.c_void_p:
    """A stream that does not wait for the legacy default stream."""
    stream = ctypes.c_void_p()
    call("cuStreamCreate", ctypes.byref(stream), 1)
    return stream


class Kernel:
    """One function of a cubin."""

    def __init__(self, cubin: bytes, name: str) -> None:
        self._module = ctypes.c_void_p()
        self._function = ctypes.c_void_p()
        call("cuModuleLoadData", ctypes.byref(self._module), cubin)
        call("cuModuleGetFunction", ctypes.byref(self._function), self._module, name.encode())

    def blocks_per_multiprocessor(self, block: int) -> int:
        """Occupancy, in blocks."""
        blocks = ctypes.c_int()
        call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            ctypes.byref(blocks), self._function, block, ctypes.c_size_t(0),
        )
        return blocks.value

    def prepare(
        self, grid: Sequence[int] | int, block: int, arguments: Sequence[object], stream: ctypes.c_void_p,
        pdl: bool = True,
    ) -> Callable[[], None]:
        """A launch with everything packed; calling it launches. Arguments are ctypes values, passed by address."""
        whole = list(grid) if isinstance(grid, Sequence) else [grid, 1, 1]
        config = _Config(
            grid=(ctypes.c_uint * 3)(*whole),
            block=(ctypes.c_uint * 3)(block, 1, 1),
            stream=stream,
            attributes=ctypes.pointer(_pdl),
            attribute_count=1 if pdl else 0,
        )
        pointers = (ctypes.c_void_p * max(1, len(arguments)))(*[ctypes.addressof(a) for a in arguments])
        keep = (config, arguments)  # the driver reads both at each launch
        reference, launch, function = ctypes.byref(config), _cuda.cuLaunchKernelEx, self._function

        def run() -> None:
            status = launch(reference, function, pointers, None)
            if status != 0:
                raise RuntimeError(f"cuLaunchKernelEx: error {status}, grid {whole}, block {block}, {len(keep)}")

        return run


class Graph:
    """Launches captured on a stream."""

    def __init__(self, launches: Sequence[Callable[[], None]], stream: ctypes.c_void_p) -> None:
        graph = ctypes.c_void_p()
        self._exec = ctypes.c_void_p()
        self._stream = stream
        call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL_CAPTURE)
        for launch in launches:
            launch()
        call("cuStreamEndCapture", stream, ctypes.byref(graph))
        call("cuGraphInstantiateWithFlags", ctypes.byref(self._exec), graph, ctypes.c_ulonglong(0))
        call("cuGraphDestroy", graph)
        call("cuGraphUpload", self._exec, stream)

    def replay(self) -> None:
        """Queues the graph on the stream it was captured on."""
        call("cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        """Frees the graph; it must have finished."""
        call("cuGraphExecDestroy", self._exec)


class Timer:
    """Times replays with events. A holding kernel goes first, so that the host's queueing is not timed."""

    def __init__(self, hold: Kernel, stream: ctypes.c_void_p, most: int = 64) -> None:
        self._stream = stream
        self._nanoseconds = ctypes.c_ulonglong(0)
        self._hold = hold.prepare(1, 1, [self._nanoseconds], stream, pdl=False)
        self._events = [(self._event(), self._event()) for _ in range(most)]

    @staticmethod
    def _event() -> ctypes.c_void_p:
        event = ctypes.c_void_p()
        call("cuEventCreate", ctypes.byref(event), 0)
        return event

    def microseconds(
        self, graph: Graph, replays: int, before: Callable[[], None] | None = None, hold_us: int = 400
    ) -> list[float]:
        """The time of each replay. `before` is queued ahead of each, outside the timed span."""
        self._nanoseconds.value = 1000 * hold_us
        self._hold()
        used = self._events[:replays]
        for start, end in used:
            if before is not None:
                before()
            call("cuEventRecord", start, self._stream)
            graph.replay()
            call("cuEventRecord", end, self._stream)
        call("cuStreamSynchronize", self._stream)
        times = []
        for start, end in used:
            milliseconds = ctypes.c_float()
            call("cuEventElapsedTime", ctypes.byref(milliseconds), start, end)
            times.append(1000 * milliseconds.value)
        return times

    def median(self, graph: Graph, replays: int, before: Callable[[], None] | None = None) -> float:
        """The median time of a replay, in microseconds."""
        return statistics.median(self.microseconds(graph, replays, before))
