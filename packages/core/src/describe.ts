/** Any value in a few words, for an error message. Never throws, whatever getters or proxies the value hides. */
export function describe(value: unknown): string {
  try {
    if (value === null) return "null";
    if (Array.isArray(value)) return `an array of ${value.length}`;
    if (typeof value === "string")
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
    if (typeof value === "function") return "a function";
    if (typeof value !== "object") return String(value);
    const name: unknown = value.constructor?.name;
    return typeof name === "string" && name !== "" ? `an object of ${name}` : "an object";
  } catch {
    return "an object that cannot be read";
  }
}
