/** A turn of the event loop, in which others run: a signal is heard of, a text arrives. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    (globalThis.setImmediate ?? setTimeout)(resolve);
  });
}
