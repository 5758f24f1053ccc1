/** The name, with a number behind it where the file has it already. */
export function freshName(name: string, taken: ReadonlyMap<string, unknown>): string {
  let fresh = name;
  for (let i = 2; taken.has(fresh); i++) fresh = `${name}${i}`;
  return fresh;
}
