/** Arguments, a configuration or a place to write to that cannot be used. Found before anything is written. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
