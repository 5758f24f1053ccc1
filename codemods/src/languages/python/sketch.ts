import { type CodePiece, type NearCode, nearCode } from "../../candidates/near-code.ts";
import type { Span } from "../../text/span.ts";
import type { Glance } from "../front-end.ts";
import { type Outline, type OutlinedFunction, outlineOf } from "./outline.ts";
import type { Shortened } from "./syntax.ts";
import type { Shift } from "./syntax-tree.ts";

/** A file in which only what may have to do with a norm is left. */
export interface Sketch extends Shortened {
  /** Where bodies of functions were left out, by where they start. */
  readonly left: ReadonlyMap<number, Span>;
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

/** The file without the bodies of functions that have nothing to do with norms: most of it, as a rule. */
export function sketchOf(text: string): Sketch {
  const read = readOutline(text);
  if (read === undefined) return { text, shifts: [], left: new Map() };
  const { outline, needed } = read;
  const left = new Map<number, Span>();
  for (const span of outline.functions.filter((fn) => !needed.has(fn) && !fn.ofNorm).flatMap(bodyOf))
    left.set(span.start, span);
  const apart = [...left.values(), ...outline.docstrings].sort((a, b) => a.start - b.start);
  const pieces: string[] = [];
  const shifts: Shift[] = [];
  let [done, length] = [0, 0];
  for (const { start, end } of apart) {
    if (start < done) continue;
    // A statement that ends where the one that it stands for did: an empty tuple, an empty string.
    const [open, close] = left.has(start) ? ["(", ")"] : ['"""', '"""'];
    pieces.push(text.slice(done, start), open, close);
    length += start - done + open.length;
    shifts.push({ from: length, by: end - close.length - length });
    length += close.length;
    done = end;
  }
  return { text: pieces.join("") + text.slice(done), shifts, left };
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
    last = { text, read: outline && pieces && { outline, ...nearCode<CodePiece>(text, pieces) } };
  }
  return last.read;
}

/** A body that is no longer is read as fast as it is left out. */
const shortest = 16;

function bodyOf({ body, declares }: OutlinedFunction): readonly Span[] {
  return body === undefined || declares || body.end - body.start < shortest ? [] : [body];
}
