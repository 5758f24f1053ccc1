import { Random } from "../bench/random.ts";

/** One half of the step, from the tensor `x` to its normalised self. */
export interface Side {
  readonly x: string;
  readonly norm: string;
  readonly trait: string;
  readonly lines: readonly string[];
}

export type Pick = <T>(items: readonly T[]) => T;

/** The head dim as the models have it. */
export const headDim = "self.head_dim";

/** A side in one of the spellings. */
export function sideOf(x: string, norm: string, pick: Pick): Side {
  const [trait, lines] = pick(spellings);
  return { x, norm, trait, lines: lines(x, norm) };
}

const spellings: readonly (readonly [string, (x: string, norm: string) => readonly string[]])[] = [
  [
    "temporaries",
    (x, norm) => [
      `t_${x} = ${x}.reshape(-1, ${headDim})`,
      `t_${x} = ${norm}(t_${x})`,
      `${x} = t_${x}.view(${x}.shape)`,
    ],
  ],
  ["one line", (x, norm) => [`${x} = ${norm}(${x}.reshape(-1, ${headDim})).view(${x}.shape)`]],
  ["view_as", (x, norm) => [`${x} = ${norm}(${x}.contiguous().view(-1, ${headDim})).view_as(${x})`]],
  [
    "shape first",
    (x, norm) => [
      `s_${x} = ${x}.shape`,
      `${x} = ${x}.view(-1, ${headDim})`,
      `${x} = ${norm}(${x})`,
      `${x} = ${x}.reshape(s_${x})`,
    ],
  ],
  [
    "heads on an axis",
    (x, norm) => [
      `h_${x} = ${x}.view(*${x}.shape[:-1], ${x}.shape[-1] // ${headDim}, ${headDim})`,
      `${x} = ${norm}(h_${x}).view(${x}.shape)`,
    ],
  ],
  [
    "temporary shared by both sides",
    (x, norm) => [
      `rows = (-1, ${headDim})`,
      `shared = ${x}.reshape(rows)`,
      `shared = ${norm}(shared)`,
      `${x} = shared.view(${x}.shape)`,
    ],
  ],
  [
    "functions",
    (x, norm) => [
      `n_${x} = ${norm}.forward(torch.reshape(${x}, (-1, ${headDim})))`,
      `${x} = torch.reshape(n_${x}, ${x}.shape)`,
    ],
  ],
];

/** A generator of choices, the same for the same seed. */
export function picker(seed: number): Pick {
  const random = new Random(seed);
  return (items) => random.pick(items);
}
