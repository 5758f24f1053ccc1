type Order = (a: string, b: string) => number;

/**
 * Where `name` goes among `names`: the order that `names` are in already decides. isort's default comes first
 * (CONSTANTS, Classes, functions), then the plain alphabet with and without case. Names in no order get it at the end.
 */
export function placeAmongNames(names: readonly string[], name: string): number {
  const order = [byKind, byLetters, byCode].find((candidate) => isSorted(names, candidate));
  return order === undefined ? names.length : insertionIndex(names, name, order);
}

/** Where `module` goes among `modules`; among unsorted ones, behind the one that shares most of its path. */
export function placeAmongModules(modules: readonly string[], module: string): number {
  const order = [byLetters, byCode].find((candidate) => isSorted(modules, candidate));
  if (order !== undefined) return insertionIndex(modules, module, order);
  const kinship = modules.map((other) => sharedParts(other, module));
  return kinship.lastIndexOf(Math.max(...kinship)) + 1;
}

function insertionIndex(sorted: readonly string[], item: string, order: Order): number {
  const index = sorted.findIndex((other) => order(other, item) > 0);
  return index === -1 ? sorted.length : index;
}

function isSorted(items: readonly string[], order: Order): boolean {
  return items.every((item, i) => i === 0 || order(items[i - 1] ?? item, item) <= 0);
}

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Without case; digits count as numbers, so that `llama10` comes after `llama2`. */
function byLetters(a: string, b: string): number {
  return byCode(sortKey(a), sortKey(b)) || byCode(a, b);
}

function byKind(a: string, b: string): number {
  return kindOf(a) - kindOf(b) || byLetters(a, b);
}

function kindOf(name: string): number {
  if (name.length > 1 && name === name.toUpperCase() && /[A-Z]/.test(name)) return 0;
  return /^[A-Z]/.test(name) ? 1 : 2;
}

function sortKey(text: string): string {
  return text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

function sharedParts(a: string, b: string): number {
  const other = b.split(".");
  const parts = a.split(".");
  const differs = parts.findIndex((part, i) => part !== other[i]);
  return differs === -1 ? parts.length : differs;
}
