/** A number that stands for something of the device's; never given out twice. */
export type CudaHandle = number;

/**
 * The part of the addon that drives CUDA. Opening functions answer with `null`, or why the library cannot be used.
 * Everything else throws an `Error` with `code` and, where the driver or NVRTC failed, `api` and `status`.
 */
export interface CudaBinding {
  isLibraryLoaded(name: string): boolean;
  loadLibrary(path: string): string | null;
  cudaOpen(path: string): string | null;
  cudaDriver(): { path: string; version: number; devices: number } | null;
  cudaDevice(device: number): {
    name: string;
    capability: number;
    multiprocessors: number;
    l2Bytes: number;
    sharedBytesPerBlock: number;
    bytes: number;
    memoryPools: boolean;
  };
  cudaUsage(device: number): { liveBytes: number; budget: number; freeBytes: number };
  cudaSetBudget(device: number, bytes: number): void;
  /** The address where kernels of this thread tell of an index out of range; every wait for the device throws the first. */
  cudaFaults(device: number): number;

  cudaStream(device: number): CudaHandle;
  cudaStreamSynchronize(stream: CudaHandle): void;
  cudaStreamIsDone(stream: CudaHandle): boolean;
  cudaStreamWait(stream: CudaHandle, event: CudaHandle): void;
  cudaEvent(device: number, timed: boolean): CudaHandle;
  cudaEventRecord(event: CudaHandle, stream: CudaHandle): void;
  cudaEventIsDone(event: CudaHandle): boolean;
  cudaEventSynchronize(event: CudaHandle): void;
  cudaEventElapsed(start: CudaHandle, end: CudaHandle): number;

  /** Offsets and lengths in bytes. */
  cudaAllocate(stream: CudaHandle, bytes: number, zeros: boolean): CudaHandle;
  cudaUpload(memory: CudaHandle, offset: number, array: NodeJS.TypedArray, stream: CudaHandle): void;
  /** Bytes of an open file from `position` on; how many there were. */
  cudaUploadFile(
    memory: CudaHandle,
    offset: number,
    descriptor: number,
    position: number,
    bytes: number,
    stream: CudaHandle,
  ): number;
  cudaDownload(array: NodeJS.TypedArray, memory: CudaHandle, offset: number, stream: CudaHandle): void;
  cudaCopy(
    to: CudaHandle,
    toOffset: number,
    from: CudaHandle,
    fromOffset: number,
    bytes: number,
    stream: CudaHandle,
  ): void;
  cudaFill(memory: CudaHandle, offset: number, bytes: number, value: number, stream: CudaHandle): void;
  /** A handle of any kind. */
  cudaFree(handle: CudaHandle): void;

  cudaModule(device: number, image: Uint8Array): CudaHandle;
  /** `layout`: bytes of the arguments, then the offset of each parameter. */
  cudaKernel(module: CudaHandle, name: string, layout: Float64Array, waits: boolean): CudaHandle;
  cudaKernelInfo(kernel: CudaHandle): {
    name: string;
    compiledFor: number;
    launchesEarly: boolean;
    maxThreads: number;
    registers: number;
    localBytes: number;
  };
  cudaOccupancy(kernel: CudaHandle, threads: number, sharedBytes: number): number;
  /**
   * A launch of this thread's own, as long as `block` lives. The block: the arguments, up to a multiple of 8 bytes; then
   * as f64 the stream, grid (3), block (3), dynamic shared bytes, 1 to launch without PDL; and for each address its byte
   * in the arguments, the memory (0: null), offset and length. All of it is checked at each launch.
   */
  cudaPrepare(argumentBytes: number, addresses: number): { launch: number; block: ArrayBuffer };
  cudaPrepareKernel(launch: number, kernel: CudaHandle): void;
  cudaLaunch(launch: number): void;

  cudaCaptureBegin(stream: CudaHandle): void;
  cudaCaptureEnd(stream: CudaHandle): CudaHandle;
  /** `null`: whether this thread captures on any stream. */
  cudaIsCapturing(stream: CudaHandle | null): boolean;
  cudaGraphInstantiate(graph: CudaHandle): CudaHandle;
  cudaGraphReplay(ready: CudaHandle, stream: CudaHandle): void;

  cublasLtOpen(path: string, newest: number): string | null;
  cublasLtLibrary(): { path: string; version: string } | null;
  /** `shape`: dtype, rows, outputs, inputs; strides of x, weight, added, out in elements; bias, adds (0 or 1); alignment. */
  cudaProductPlan(device: number, shape: Float64Array): CudaHandle;
  /** `operands`: memory (0: none), offset and length of x, weight, bias, added, out. */
  cudaProduct(plan: CudaHandle, stream: CudaHandle, operands: Float64Array): void;

  nvrtcOpen(path: string, newest: number): string | null;
  nvrtcLibrary(): { path: string; version: string } | null;
  /** `options` one a line. */
  nvrtcCompile(source: string, name: string, options: string): Uint8Array;
  nvrtcCompileAsync(source: string, name: string, options: string): Promise<Uint8Array>;
}
