import { createContext, Script } from "node:vm";

const context = createContext({ task: null });
const script = new Script("task()");

/**
 * Runs `task`, and stops it after `ms`, whatever it does: a regular expression that backtracks without end holds the
 * thread, and only the engine can take it away. Costs about 50 us.
 *
 * @returns what the task returned, or null where it was stopped
 */
export function within<T>(ms: number, task: () => T): { readonly value: T } | null {
  let result: { readonly value: T } | null = null;
  const former: unknown = context.task;
  context.task = () => {
    result = { value: task() };
  };
  try {
    script.runInContext(context, { timeout: ms });
    return result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return null;
    throw error;
  } finally {
    context.task = former;
  }
}
