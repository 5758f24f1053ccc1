import { QkNormError, type QkNormErrorCode } from "@qknorm/core";

/** The addon throws plain errors with a code; everything above it promises `QkNormError`. */
export function typedError(error: unknown, doing = ""): QkNormError {
  if (error instanceof QkNormError) return error;
  const { code = "ERR_NATIVE", message } = error as { code?: QkNormErrorCode; message: string };
  return new QkNormError(code, doing === "" ? message : `${doing}: ${message}`, { cause: error });
}

/** `call`, with the errors of the addon as `QkNormError`. */
export function typed<Args extends unknown[], Result>(
  call: (...args: Args) => Result,
): (...args: Args) => Result {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      throw typedError(error);
    }
  };
}
