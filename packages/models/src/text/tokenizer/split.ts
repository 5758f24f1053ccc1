import type { Stretch } from "./pattern.ts";

/** What becomes of the matches when a text is split at them. */
export const BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;
export type Behavior = (typeof BEHAVIORS)[number];

/** The pieces of `text`, empty ones left out. As `NormalizedString::split` of the Rust tokenizers. */
export function split(text: string, stretches: readonly Stretch[], behavior: Behavior): string[] {
  return join(stretches, behavior)
    .map(({ start, end }) => text.slice(start, end))
    .filter((piece) => piece !== "");
}

function join(stretches: readonly Stretch[], behavior: Behavior): readonly Omit<Stretch, "match">[] {
  switch (behavior) {
    case "Isolated":
      return stretches;
    case "Removed":
      return stretches.filter(({ match }) => !match);
    case "Contiguous":
      return merge(stretches, (stretch, before) => stretch.match === before.match);
    case "MergedWithPrevious":
      return merge(stretches, (stretch, before) => stretch.match && !before.match);
    case "MergedWithNext":
      return merge(stretches, (stretch, before) => before.match && !stretch.match);
    default:
      return behavior satisfies never;
  }
}

function merge(
  stretches: readonly Stretch[],
  belongs: (stretch: Stretch, before: Stretch) => boolean,
): Omit<Stretch, "match">[] {
  const merged: { start: number; end: number }[] = [];
  for (const [i, stretch] of stretches.entries()) {
    const last = merged.at(-1);
    const before = stretches[i - 1];
    if (last !== undefined && before !== undefined && belongs(stretch, before)) last.end = stretch.end;
    else merged.push({ start: stretch.start, end: stretch.end });
  }
  return merged;
}
