/** `$x.reshape([-1, $dim])` with each `$name` replaced by its part. */
export function fill(template: string, parts: Readonly<Record<string, string>>): string {
  return template.replace(/\$(\w+)/g, (whole, name: string) => parts[name] ?? whole);
}
