/**
 * The value of an environment variable; `undefined` where it is not set, and where the runtime lets nobody look: Deno without
 * `--allow-env` throws at the mere question.
 */
export function environmentVariable(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}
