export * from "./cpu.ts";
export * from "./cuda.ts";
export { type CudaOpName, type CudaRuns, cudaOps } from "./doctor/cuda-runs.ts";
export { type Diagnosis, examine } from "./doctor/diagnosis.ts";
export type { Provider } from "./doctor/findings.ts";
