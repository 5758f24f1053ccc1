const LONGEST = 80;

/**
 * How a value that came out of a file is shown in a message: one line, escaped, at most about 80 characters. Never
 * walks into nested values, so that hostile input can neither flood a message nor exhaust the stack.
 */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return value.length > LONGEST ? `${JSON.stringify(value.slice(0, LONGEST))}...` : JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    const flat = value.length <= 8 && value.every((item) => item === null || typeof item !== "object");
    return flat ? `[${value.map((item) => shown(item)).join(", ")}]` : `an array of ${value.length}`;
  }
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}
