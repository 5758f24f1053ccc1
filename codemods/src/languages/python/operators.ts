/** How the form spells a Python operator: as JavaScript does where both languages have it. */
export function spelling(operator: string): string {
  const words = operator.replaceAll(/\s+/g, " ");
  return spellings[words] ?? words;
}

const spellings: Readonly<Record<string, string>> = {
  and: "&&",
  or: "||",
  is: "==",
  "is not": "!=",
  "<>": "!=",
};
