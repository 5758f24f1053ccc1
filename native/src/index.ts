export * from "./cpu.ts";
export * from "./cuda.ts";
export { type Diagnosis, examine, type Provider } from "./doctor.ts";
