export type { Setting } from "./options.ts";
export { run } from "./run.ts";
