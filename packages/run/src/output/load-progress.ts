import type { LoadProgress } from "@qknorm/models";

/** Checkpoints smaller than this load before a bar could be read. */
const worthShowing = 100 * 2 ** 20;

/** A progress line for big checkpoints on a terminal; silent anywhere else. */
export function loadProgress(stream: NodeJS.WriteStream): {
  report: (progress: LoadProgress) => void;
  end: () => void;
} {
  const started = performance.now();
  let shown = false;
  let drawn = 0;
  return {
    report({ doneBytes, totalBytes }) {
      const now = performance.now();
      if (!stream.isTTY || totalBytes < worthShowing || now - drawn < 100) return;
      drawn = now;
      shown = true;
      const share = doneBytes / totalBytes;
      const left = ((now - started) / 1000) * (1 / share - 1);
      const bar = "#".repeat(Math.round(share * 24)).padEnd(24, ".");
      const size = `${(doneBytes / 1e9).toFixed(2)} of ${(totalBytes / 1e9).toFixed(2)} GB`;
      stream.write(`\rloading [${bar}] ${size}, ${left.toFixed(0)} s left `);
    },
    end() {
      if (shown) stream.write("\r\x1b[K");
    },
  };
}
