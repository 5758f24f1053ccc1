"""Compiles the kernels of native/kernels with NVRTC, through ctypes. Needs the library, not a GPU."""

import ctypes
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


class CompileError(RuntimeError):
    """NVRTC refused a kernel; the message carries its log."""


@dataclass(frozen=True)
class Compiled:
    """A cubin and what ptxas says of it."""

    cubin: bytes
    ptx: str
    registers: int
    spill_bytes: int
    stack_bytes: int


def _open_nvrtc() -> ctypes.CDLL:
    folders = [Path(p) / "nvidia" / name / "lib" for p in sys.path for name in ("cu13", "cuda_nvrtc")]
    tried = [str(f / "libnvrtc.so.13") for f in folders if f.is_dir()] + ["libnvrtc.so.13", "libnvrtc.so"]
    for path in tried:
        try:
            # The builtins must be loaded from the same folder first.
            for builtins in sorted(Path(path).parent.glob("libnvrtc-builtins.so.*")) if "/" in path else []:
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise OSError(f"libnvrtc not found; tried {', '.join(tried)}")


_library: ctypes.CDLL | None = None


def nvrtc() -> ctypes.CDLL:
    """The library, opened on first use."""
    global _library
    if _library is None:
        _library = _open_nvrtc()
    return _library


def source(kernel: str) -> str:
    """The text that is compiled: elements.cuh, then the kernel. `kernel` is a name in native/kernels or a path."""
    path = Path(kernel) if "/" in kernel else KERNELS / f"{kernel}.cu"
    prelude = (KERNELS / "elements.cuh").read_text()
    return f'#line 1 "elements.cuh"\n{prelude}\n#line 1 "{path.name}"\n{path.read_text()}'


def _output(program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(nvrtc(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc(), f"nvrtcGet{what}")(program, buffer)
    return buffer.raw


def compile_kernel(kernel: str, macros: dict[str, int], arch: str = "sm_90a") -> Compiled:
    """One specialised kernel. Warnings count as errors, so that a variant cannot rot quietly."""
    lib = nvrtc()
    program = ctypes.c_void_p()
    lib.nvrtcCreateProgram(ctypes.byref(program), source(kernel).encode(), kernel.encode(), 0, None, None)
    options = [f"--gpu-architecture={arch}", "--std=c++17", "--ptxas-options=-v"]
    options += [f"-D{name}={value}" for name, value in macros.items()]
    array = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
    status = lib.nvrtcCompileProgram(program, len(options), array)
    log = _output(program, "ProgramLog").rstrip(b"\0").decode()
    if status != 0 or "warning" in log:
        raise CompileError(f"{kernel} {macros}\n{log}")
    cubin, ptx = _output(program, "CUBIN"), _output(program, "PTX").rstrip(b"\0").decode()
    lib.nvrtcDestroyProgram(ctypes.byref(program))

    def number(pattern: str) -> int:
        found = re.findall(pattern, log)
        return sum(map(int, found))

    return Compiled(
        cubin,
        ptx,
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes spill (?:stores|loads)"),
        number(r"(\d+) bytes stack frame"),
    )


def _job(job: tuple[str, dict[str, int], str]) -> Compiled:
    return compile_kernel(*job)


def compile_many(jobs: list[tuple[str, dict[str, int]]], workers: int, arch: str = "sm_90a") -> list[Compiled]:
    """Compiles (kernel, macros) jobs in worker processes. Call it before the process touches a device."""
    if workers <= 1:
        return [compile_kernel(kernel, macros, arch) for kernel, macros in jobs]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(_job, [(*job, arch) for job in jobs], chunksize=4))
