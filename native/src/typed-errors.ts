import { isQkNormError, QkNormError } from "@qknorm/core";

/**
 * The addon's functions, with the errors that they throw or reject with as `QkNormError`: the addon knows codes, not
 * classes. What else an error says (`api` and `status` of a driver's failure) stays with it.
 */
export function withTypedErrors<Binding extends object>(binding: Binding): Binding {
  const functions = Object.entries(binding).map(([name, value]) => [
    name,
    typeof value === "function" ? typed(value as Call) : value,
  ]);
  return Object.fromEntries(functions) as Binding;
}

type Call = (...args: unknown[]) => unknown;

function typed(call: Call): Call {
  return (...args) => {
    let result: unknown;
    try {
      result = call(...args);
    } catch (error) {
      throw typedError(error);
    }
    return result instanceof Promise
      ? result.catch((error) => {
          throw typedError(error);
        })
      : result;
  };
}

function typedError(error: unknown): unknown {
  if (!isQkNormError(error)) return error;
  const { code, message, name: _, stack: __, ...details } = error;
  return Object.assign(new QkNormError(code, message, { cause: error }), details);
}
