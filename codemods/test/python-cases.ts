/**
 * Python models that normalise q and k, each spelled in a random way: all the same function, or all a near miss of it. A seed
 * names a case, so that one that fails can be looked at.
 */
import { headDim, type Pick, picker, type Side, sideOf } from "./python-spellings.ts";

export interface PythonCase {
  readonly text: string;
  /** How the step is spelled, and what is wrong with it: for messages. */
  readonly traits: readonly string[];
}

/** The canonical step, rewritten without a change of meaning. */
export function equivalentCase(seed: number): PythonCase {
  const pick = picker(seed);
  return written(stepOf(pick), pick);
}

/** The step with one thing that makes it another function, or unsafe to replace. */
export function nearMissCase(seed: number): PythonCase {
  const pick = picker(seed);
  const [miss, change] = pick(nearMisses);
  const { text, traits } = written(change(stepOf(pick)), pick);
  return { text, traits: [miss, ...traits] };
}

interface QkStep {
  readonly q: Side;
  readonly k: Side;
  /** Statements before the step, and what the model returns besides: where an alias is kept or read. */
  readonly before: readonly string[];
  readonly extra: string;
}

function stepOf(pick: Pick): QkStep {
  const [q, k, qNorm, kNorm] = pick(names);
  return { q: sideOf(q, `self.${qNorm}`, pick), k: sideOf(k, `self.${kNorm}`, pick), before: [], extra: "" };
}

const names = [
  ["q", "k", "q_norm", "k_norm"],
  ["query", "key", "query_layernorm", "key_layernorm"],
  ["xq", "xk", "q_norm", "k_norm"],
  ["query_states", "key_states", "norm_q", "norm_k"],
  ["q", "k", "q_layernorm", "k_layernorm"],
] as const;

const nearMisses: readonly (readonly [string, (step: QkStep) => QkStep])[] = [
  [
    "swapped norms",
    ({ q, k, ...rest }) => ({ q: edited(q, q.norm, k.norm), k: edited(k, k.norm, q.norm), ...rest }),
  ],
  ["one norm for both", (step) => ({ ...step, k: edited(step.k, step.k.norm, step.q.norm) })],
  ["half a head on one side", (step) => ({ ...step, k: edited(step.k, headDim, "self.half_dim") })],
  [
    "half a head on both sides",
    (step) => ({
      ...step,
      q: edited(step.q, headDim, "self.half_dim"),
      k: edited(step.k, headDim, "self.half_dim"),
    }),
  ],
  ["k is v", (step) => ({ ...step, before: [`${step.k.x} = v`] })],
  ["k is q", (step) => ({ ...step, before: [`${step.k.x} = ${step.q.x}`] })],
  ["q is kept", (step) => ({ ...step, before: [`kept = ${step.q.x}`], extra: ", kept" })],
  ["a view of k is kept", (step) => ({ ...step, before: [`kept = ${step.k.x}.view(-1)`], extra: ", kept" })],
  ["the packed tensor is read again", (step) => ({ ...step, extra: ", qkv.sum()" })],
  ["only q", (step) => ({ ...step, k: { ...step.k, lines: ["pass"] } })],
  [
    "k only sometimes",
    (step) => ({ ...step, k: { ...step.k, lines: ["if self.own_k:", ...indented(step.k.lines)] } }),
  ],
  ["q twice", (step) => ({ ...step, q: { ...step.q, lines: [...step.q.lines, ...step.q.lines] } })],
  [
    "in a loop",
    ({ q, k, ...rest }) => ({
      ...rest,
      q: { ...q, lines: ["for _ in range(2):", ...indented(q.lines)] },
      k: { ...k, lines: ["for _ in range(2):", ...indented(k.lines)] },
    }),
  ],
  [
    "a norm replaced on the way",
    (step) => ({ ...step, k: { ...step.k, lines: [`${step.k.norm} = self.other_norm`, ...step.k.lines] } }),
  ],
  [
    "a weight replaced on the way",
    (step) => ({
      ...step,
      k: { ...step.k, lines: [`${step.k.norm}.weight = self.other_weight`, ...step.k.lines] },
    }),
  ],
  ["q is kept in an attribute", (step) => ({ ...step, before: [`self.last = ${step.q.x}`] })],
  [
    "q takes in k, and k q",
    ({ q, k, ...rest }) => ({
      ...rest,
      q: { ...q, lines: [...q.lines, `${k.x} = ${k.x} + ${q.x}`] },
      k: { ...k, lines: [...k.lines, `${q.x} = ${q.x} + ${k.x}`] },
    }),
  ],
  [
    "weights less one",
    (step) => ({
      ...step,
      q: edited(step.q, "self.", "self.offset_", step.q.norm),
      k: edited(step.k, "self.", "self.offset_", step.k.norm),
    }),
  ],
];

/** Replaces `from` by `to`, everywhere or only inside `within`. */
function edited(side: Side, from: string, to: string, within?: string): Side {
  const [was, is] = within === undefined ? [from, to] : [within, within.replace(from, to)];
  return { ...side, lines: side.lines.map((line) => line.replaceAll(was, is)) };
}

function written(step: QkStep, pick: Pick): PythonCase {
  const { q, k, before, extra } = step;
  const [order, steps] = pick([
    ["q then k", [...q.lines, ...k.lines]],
    ["k then q", [...k.lines, ...q.lines]],
    ["one temporary for both", [...q.lines, ...k.lines].map(withSharedTemporary)],
    ["in pairs", inPairs(q, k)],
  ] as const);
  const [where, place] = pick(placements);
  const { inside, method } = place(step, steps);
  const text = [
    "import torch",
    "from torch import nn",
    "",
    "from engine.layers.norms import OffsetRMSNorm, RMSNorm",
    "from engine.layers.platform import is_capturing",
    "",
    "",
    "class Attention(nn.Module):",
    "    def __init__(self, config, alt_stream=None):",
    ...indented(indented(fieldsFor(q.norm, k.norm))),
    "",
    ...(method.length === 0 ? [] : [...indented(method), ""]),
    "    def forward(self, hidden, rope, attend):",
    "        qkv = self.qkv(hidden)",
    `        ${q.x}, ${k.x}, v = qkv.split(self.sizes, dim=-1)`,
    ...indented(indented([...before, ...inside])),
    `        ${q.x}, ${k.x} = rope(${q.x}, ${k.x})`,
    `        return attend(${q.x}, ${k.x}, v)${extra}`,
    "",
  ].join("\n");
  return { text, traits: [q.trait, k.trait, order, where] };
}

/** `t_q` and `t_k` become one variable, which is another tensor each time. */
function withSharedTemporary(line: string): string {
  return line.replaceAll(/\b[tsnh]_\w+/g, "x");
}

/** `a = b` and `c = d` become `a, c = b, d`, if both sides are spelled alike and neither has a variable of the other. */
function inPairs(q: Side, k: Side): readonly string[] {
  const written = q.lines.map((line) => line.split(" = ")[0]);
  const isShared = k.lines.some((line) => written.some((name) => new RegExp(`\\b${name}\\b`).test(line)));
  if (q.trait !== k.trait || isShared) return [...q.lines, ...k.lines];
  return q.lines.map((line, i) => {
    const [left, right] = [line, k.lines[i] ?? ""].map((one) => one.split(" = "));
    const isPair = left?.length === 2 && right?.length === 2 && !/\s$/.test(line);
    return isPair ? `${left[0]}, ${right[0]} = ${left[1]}, ${right[1]}` : `${line}; ${k.lines[i]}`;
  });
}

function fieldsFor(qNorm: string, kNorm: string): readonly string[] {
  const norms = [qNorm, kNorm].flatMap((norm) => [
    `${norm} = RMSNorm(self.head_dim, eps=config.eps)`,
    `${norm.replace("self.", "self.offset_")} = OffsetRMSNorm(self.head_dim, eps=config.eps)`,
  ]);
  return [
    "super().__init__()",
    "self.head_dim, self.half_dim = config.head_dim, config.head_dim // 2",
    "self.own_k, self.use_qk_norm = config.own_k, config.use_qk_norm",
    "self.sizes = config.sizes",
    "self.qkv = nn.Linear(config.hidden, sum(config.sizes))",
    ...norms,
    "self.alt_stream = alt_stream",
  ];
}

interface Placed {
  readonly inside: readonly string[];
  readonly method: readonly string[];
}

const placements: readonly (readonly [string, (step: QkStep, steps: readonly string[]) => Placed])[] = [
  ["inline", (_, inside) => ({ inside, method: [] })],
  ["under a guard", (_, steps) => ({ inside: ["if self.use_qk_norm:", ...indented(steps)], method: [] })],
  ["in a method", (step, steps) => inMethod(step, [...steps, resultOf(step)])],
  [
    "on two streams",
    (step) => inMethod(step, [...onStreams(step, []), "else:", ...indented(bothSides(step)), resultOf(step)]),
  ],
  [
    "with an early return",
    (step) => inMethod(step, [...onStreams(step, [resultOf(step)]), ...bothSides(step), resultOf(step)]),
  ],
];

function inMethod({ q, k }: QkStep, body: readonly string[]): Placed {
  const call = `${q.x}, ${k.x} = self._normalize(${q.x}, ${k.x})`;
  return { inside: [call], method: [`def _normalize(self, ${q.x}, ${k.x}):`, ...indented(body)] };
}

function onStreams({ q, k }: QkStep, last: readonly string[]): readonly string[] {
  return [
    "if self.alt_stream is not None and is_capturing():",
    ...indented([
      "current_stream = torch.cuda.current_stream()",
      "self.alt_stream.wait_stream(current_stream)",
      ...q.lines,
      "with torch.cuda.stream(self.alt_stream):",
      ...indented(k.lines),
      "current_stream.wait_stream(self.alt_stream)",
      ...last,
    ]),
  ];
}

function bothSides({ q, k }: QkStep): readonly string[] {
  return [...q.lines, ...k.lines];
}

function resultOf({ q, k }: QkStep): string {
  return `return ${q.x}, ${k.x}`;
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `    ${line}`);
}
