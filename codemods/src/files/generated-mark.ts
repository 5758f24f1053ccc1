/** What in a text says that a program writes it. */
export interface GeneratedMark {
  /** The line that says so, such as `line 1`. */
  readonly by: string;
  /** The file that it is made from, as the text names it: `src/models/qwen3/modular_qwen3.py`. */
  readonly from?: string;
}

/** Long enough for a banner, short enough that no code is taken for one. */
const bannerLength = 1000;

/** The mark near the top of a text (`@generated`, "do not edit"), if there is one. */
export function generatedMark(text: string): GeneratedMark | undefined {
  const banner = text.slice(0, bannerLength);
  const marker = /@generated\b|\bdo not (?:edit|modify)\b/i.exec(banner);
  if (marker === null) return undefined;
  const by = `line ${banner.slice(0, marker.index).split(/\r\n|\n|\r/).length}`;
  const from = /\bgenerated\s+(?:\w+\s+)?from:?\s+["'`]?((?:[\w.@-]+[\\/])*[\w@-][\w.@-]*\.\w+)/i.exec(
    banner,
  )?.[1];
  return { by, ...(from !== undefined && { from: from.replaceAll("\\", "/") }) };
}
