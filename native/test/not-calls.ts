// Values that are no arguments of any function of the addon's, but for a number.
export const notCalls: readonly unknown[] = [
  undefined,
  null,
  "x",
  10n,
  Symbol("s"),
  {},
  [],
  () => 1,
  new Proxy([], {}),
];
