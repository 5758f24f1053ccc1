// What is of CUDA alone: `import { cudaStream } from "@qknorm/tensor/cuda"`.
export { cudaStream } from "./backends/cuda/device-state.ts";
