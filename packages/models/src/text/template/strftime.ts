const two = (value: number) => String(value).padStart(2, "0");
const named = (options: Intl.DateTimeFormatOptions) => (date: Date) =>
  new Intl.DateTimeFormat("en-US", options).format(date);

const FIELDS: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  B: named({ month: "long" }),
  b: named({ month: "short" }),
  A: named({ weekday: "long" }),
  a: named({ weekday: "short" }),
  "%": () => "%",
};

/** The fields of Python's `strftime` that templates use, in English and local time; others stay as they are. */
export function formatTime(date: Date, format: string): string {
  return format.replaceAll(/%(.)/g, (text, field: string) =>
    Object.hasOwn(FIELDS, field) ? FIELDS[field]!(date) : text,
  );
}
