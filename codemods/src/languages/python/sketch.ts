import { type CodePiece, type NearCode, nearCode } from "../../candidates/near-code.ts";
import type { Span } from "../../text/span.ts";
import type { Glance } from "../front-end.ts";
import { indentAt } from "./lines.ts";
import { type Outline, outlineOf } from "./outline.ts";
import type { Shortened } from "./syntax.ts";
import type { Shift } from "./syntax-tree.ts";

/** A file in which only what may have to do with a norm is left. */
export interface Sketch extends Shortened {
  /** The functions of which only the name was left, by where they start, decorators left out. */
  readonly left: ReadonlyMap<number, Span>;
  /** See `FileForm.prose`. */
  readonly prose: readonly Span[];
}

export function glanceAtPython(text: string): Glance | undefined {
  const read = readOutline(text);
  return (
    read && {
      mayHoldStep: [...read.traced].some(
        (piece) => piece.calledAs !== undefined || piece === read.outline.module,
      ),
      nearNorms: new Set([...read.near].flatMap(({ calledAs }) => calledAs ?? [])),
    }
  );
}

/** The file without what has nothing to do with norms, which is most of it, as a rule: parameters and bodies of functions, comments. */
export function sketchOf(text: string): Sketch {
  const read = readOutline(text);
  if (read === undefined) return { text, shifts: [], left: new Map(), prose: [] };
  const { outline, needed } = read;
  const left = new Map<number, Span>();
  const cuts: Cut[] = [
    ...outline.docstrings.map(
      ({ start, end }) =>
        ({
          start,
          end,
          stand: [
            ['"""', start],
            ['"""', end - 3],
          ],
        }) as const,
    ),
    ...outline.gaps.map((gap) => ({ ...gap, stand: [] })),
  ];
  for (const fn of outline.functions) {
    const { header, body, declares, ofNorm } = fn;
    if (needed.has(fn) || ofNorm || declares || body === undefined || body.end - body.start < shortest)
      continue;
    left.set(header.start, { start: header.start, end: body.end });
    // A body that stands where the one did that it stands for, on a line of its own, as comments behind it may belong to it: an empty tuple.
    const indent = `\n${indentAt(text, body.start)}`;
    const stand = [
      ["():", header.end],
      [indent, body.start - indent.length],
      ["(", body.start],
      [")", body.end - 1],
    ] as const;
    cuts.push({ start: header.end, end: body.end, stand });
  }
  return { ...shortened(text, cuts), left, prose: outline.prose };
}

/** What is left out, and what stands for it with the places of its characters. */
interface Cut extends Span {
  readonly stand: readonly (readonly [text: string, at: number])[];
}

/** Cuts inside of others are dropped. */
function shortened(text: string, cuts: readonly Cut[]): Shortened {
  const pieces: string[] = [];
  const shifts: Shift[] = [];
  let [done, length] = [0, 0];
  const put = (piece: string): void => {
    pieces.push(piece);
    length += piece.length;
  };
  for (const { start, end, stand } of cuts.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (start < done) continue;
    put(text.slice(done, start));
    for (const [piece, at] of stand) {
      shifts.push({ from: length, by: at - length });
      put(piece);
    }
    shifts.push({ from: length, by: end - length });
    done = end;
  }
  put(text.slice(done));
  return { text: pieces.join(""), shifts };
}

interface ReadOutline extends NearCode<CodePiece> {
  readonly outline: Outline;
}

/** The last one that was read: a file that may hold a step is lowered next. */
let last: { readonly text: string; readonly read: ReadOutline | undefined } | undefined;

function readOutline(text: string): ReadOutline | undefined {
  if (last?.text !== text) {
    const outline = outlineOf(text);
    const pieces = outline && [...outline.functions, ...outline.lambdas, outline.module];
    last = {
      text,
      read: outline && pieces && { outline, ...nearCode<CodePiece>(text, pieces, outline.prose) },
    };
  }
  return last.read;
}

/** A body that is no longer is read as fast as it is left out. */
const shortest = 16;
