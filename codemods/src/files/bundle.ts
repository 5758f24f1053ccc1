import type { SourceFile } from "./source-files.ts";

/** Nobody writes scripts of this size by hand. */
const largest = 500_000;
const folders = /(?:^|\/)(?:build|bundles?|dist|umd)\//;

/**
 * Why a script is held to be a bundler's work, if it is: by its size and by the folder that it stands in. What it was made of is to be
 * changed, and to work out what a whole library computes takes longer than all the rest of its repository.
 */
export function bundleReason({ path, language }: SourceFile, text: string): string | undefined {
  if (language === "python" || text.length <= largest) return undefined;
  const folder = folders.exec(path)?.[0].replaceAll("/", "");
  return folder && `a bundle: more than ${largest / 1000},000 characters in ${folder}/`;
}
