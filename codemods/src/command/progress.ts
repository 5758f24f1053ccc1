import type { Progress } from "../run/run.ts";

const betweenUpdates = 100; // ms: often enough to look alive, seldom enough to cost nothing
const clearLine = "\r\u001B[K";

/** A line that shows how far a run is, on a terminal. Nothing is shown for a run that ends within the first moment. */
export class ProgressLine {
  readonly #show: (text: string) => void;
  readonly #now: () => number;
  readonly #started: number;
  #last: number;
  #isShown = false;

  constructor(show: (text: string) => void, now: () => number = () => performance.now()) {
    this.#show = show;
    this.#now = now;
    this.#started = now();
    this.#last = this.#started;
  }

  update(progress: Progress): void {
    const time = this.#now();
    if (time - this.#last < betweenUpdates || progress.done === progress.total) return;
    this.#last = time;
    this.#isShown = true;
    this.#show(clearLine + describeProgress(progress, time - this.#started));
  }

  end(): void {
    if (this.#isShown) this.#show(clearLine);
  }
}

/** `1,200 of 10,000 files, 1,150 files/s, 8 s left` after `ms` milliseconds. */
export function describeProgress({ done, total }: Progress, ms: number): string {
  const perSecond = done / (ms / 1000);
  const left = Math.ceil((total - done) / perSecond);
  const number = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 0 });
  const time = left < 90 ? `${left} s` : `${number(left / 60)} min`;
  return `${number(done)} of ${number(total)} files, ${number(perSecond)} files/s, ${time} left`;
}
