const LONGEST = 80;
const MOST = 6;

/**
 * How a value that came out of a file is shown in a message: one line, escaped, at most about 80 characters. Never
 * walks into nested values, so that hostile input can neither flood a message nor exhaust the stack, and never throws,
 * whatever a proxy does that is shown.
 */
export function shown(value: unknown): string {
  try {
    return shownReadable(value);
  } catch {
    return "an object that cannot be read";
  }
}

function shownReadable(value: unknown): string {
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

/** Names from a file, such as "a, b and 3 more": the first few, each on one line and cut where it is long. */
export function shownList(names: readonly string[]): string {
  const first = names.slice(0, MOST).map(shownName).join(", ");
  return names.length > MOST ? `${first} and ${names.length - MOST} more` : first;
}

/** A name from a file without quotes where it is a plain one. */
export function shownName(name: string): string {
  return name.length <= 2 * LONGEST && /^[\w.\-/ ]+$/.test(name) ? name : shown(name);
}
