import { describe, expect, it } from "vitest";
import { ModelFolder } from "./model-folder.ts";

const models = new ModelFolder();

const norm = `class RMSNorm { constructor(weight, eps) { this.weight = weight; this.eps = eps; } forward(x) { return x.mul(rsqrt(x.square().mean(-1).add(this.eps))).mul(this.weight); } }
`;

/** Classes that each have the step as a method of the same name, each called by its own class alone. */
function copies(count: number): string {
  const classes = Array.from(
    { length: count },
    (_, i) => `
class Attention${i} {
  constructor(headDim) {
    this.headDim = headDim;
    this.qNorm = new RMSNorm(headDim, 1e-6);
    this.kNorm = new RMSNorm(headDim, 1e-6);
  }
  normalize(q, k) {
    const byHead = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    const keys = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return [byHead, keys];
  }
  forward(q, k) {
    return this.normalize(q, k);
  }
}
`,
  );
  return norm + classes.join("");
}

async function secondsFor(count: number): Promise<number> {
  await models.write("a.js", copies(count));
  const { user } = process.cpuUsage();
  expect(await models.report("--assume-helper")).toMatchObject({ summary: { replaced: count, refused: 0 } });
  return (process.cpuUsage().user - user) / 1e6;
}

describe("a file of many copies", () => {
  it("takes no longer for each than a file of few", async () => {
    await secondsFor(50);
    const few = await secondsFor(100);
    expect(await secondsFor(800)).toBeLessThan(2 * 8 * few);
  }, 60_000);
});
