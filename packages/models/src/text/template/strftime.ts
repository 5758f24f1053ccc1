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
  e: (date) => String(date.getDate()).padStart(2, " "),
  j: (date) => String(dayOfYear(date)).padStart(3, "0"),
  f: (date) => String(date.getMilliseconds() * 1000).padStart(6, "0"),
  F: (date) => formatTime(date, "%Y-%m-%d"),
  T: (date) => formatTime(date, "%H:%M:%S"),
  R: (date) => formatTime(date, "%H:%M"),
  D: (date) => formatTime(date, "%m/%d/%y"),
  "%": () => "%",
};

/** The fields of Python's `strftime` in English and local time; `%-d` is `%d` without zeros before it. @throws for other fields */
export function formatTime(date: Date, format: string): string {
  return format.replaceAll(/%(-?)(.?)/gsu, (text, short: string, field: string) => {
    if (!Object.hasOwn(FIELDS, field) || (short !== "" && !"dmHIMSyj".includes(field)))
      throw new Error(`the field "${text}" of strftime is not supported`);
    const written = FIELDS[field]!(date);
    return short === "" ? written : written.replace(/^0+(?=.)/, "");
  });
}

function dayOfYear(date: Date): number {
  const first = Date.UTC(date.getFullYear(), 0, 1);
  return (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - first) / 86_400_000 + 1;
}
