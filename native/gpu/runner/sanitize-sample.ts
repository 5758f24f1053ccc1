// What runs under a sanitizer: each kind of access of the kernels once, small. The sanitizer watches; that the numbers
// are right is checked as well.
import { CudaGraph, CudaRowNorm, CudaStream } from "../../src/index.ts";
import { judge } from "../tests/judge.ts";
import { launchConfigs, nameOf } from "../tests/launch-configs.ts";
import { type FormChoice, NormCase, type Shape } from "../tests/norm-case.ts";
import { kernelsOf, launchOf, runCase, uploaded } from "../tests/norm-run.ts";

const stream = new CudaStream(0);
const small: Shape = { tokens: 13, heads: [3, 2] };
let wrong = 0;

const forms: readonly [FormChoice, Shape][] = [
  [{}, small],
  [
    { dtype: "f32", weight: "f32" },
    { ...small, shift: 1, headStride: 129 },
  ],
  [
    { dtype: "f16", weight: "f16", headDim: 80 },
    { ...small, shift: 1, headStride: 81 },
  ],
  [{ kind: "layer", bias: "bf16", headDim: 1000, inPlace: false }, small],
  [
    { kind: "l2", weight: null, rounding: "hf", headDim: 8 },
    { ...small, perHead: false },
  ],
  [
    { weightOffset: 1, headDim: 256 },
    { ...small, perHead: true },
  ],
];
for (const [choice, shape] of forms) {
  const one = new NormCase(choice, shape);
  tell(JSON.stringify(choice), judge(one, runCase(one, stream)));
}
for (const config of launchConfigs) {
  const one = new NormCase({}, { tokens: 67, heads: [4, 2] });
  tell(nameOf(config), judge(one, runCase(one, stream, config)));
}
for (const headDim of [8, 128, 4096]) tell(`row norm of ${headDim}`, rowNorm(headDim));
tell("a graph", replayed());
tell("a launch again and again", repeated());
process.exitCode = wrong === 0 ? 0 : 1;

function rowNorm(headDim: number): string {
  const one = new NormCase({ headDim }, small);
  using memory = uploaded(stream, one.before);
  for (const { view, start, weights } of one.sides()) {
    using weight = uploaded(stream, weights as Uint16Array);
    const norm = new CudaRowNorm(kernelsOf(), { form: one.form, x: view }).tokens(small.tokens);
    norm.bind("input", memory, start).bind("weight", weight).run(stream);
  }
  const after = one.before.slice();
  memory.download(after, stream);
  return judge(one, after);
}

function replayed(): string {
  const one = new NormCase({}, small);
  using source = uploaded(stream, one.before);
  using x = uploaded(stream, one.before);
  using norm = launchOf(one, stream, x, x);
  using graph = CudaGraph.capture(stream, () => {
    x.copyFrom(source, stream);
    norm.run();
  });
  for (let i = 0; i < 3; i++) graph.replay(stream);
  const after = one.before.slice();
  x.download(after, stream);
  return judge(one, after);
}

function repeated(): string {
  const one = new NormCase({}, small);
  using source = uploaded(stream, one.before);
  using x = uploaded(stream, one.before);
  using norm = launchOf(one, stream, x, x);
  for (let i = 0; i < 6; i++) {
    x.copyFrom(source, stream);
    norm.run();
  }
  const after = one.before.slice();
  x.download(after, stream);
  return judge(one, after);
}

function tell(what: string, fault: string): void {
  if (fault !== "") wrong += 1;
  process.stdout.write(`${fault === "" ? "ok" : "WRONG"} ${what} ${fault}\n`);
}
