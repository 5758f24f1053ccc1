import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, inject, it } from "vitest";
import { root } from "../setup.mjs";
import { makeProject, run, tarballsIn } from "./project.mjs";
import { executables } from "./runtimes.mjs";

const folder = join(inject("projects").place, "libraries");
const page = readFileSync(join(root, "docs/tensor-libraries.md"), "utf8");
const programs = page
  .split("\n## ")
  .slice(1)
  .map((part) => [part.split("\n")[0], /```js\n([\s\S]*?)```/.exec(part)?.[1] ?? ""]);

/** The versions that the page names. None of their scripts runs; ONNX Runtime's would fetch what GPUs need. */
const libraries = {
  "@tensorflow/tfjs-core": "4.22.0",
  "@tensorflow/tfjs-backend-cpu": "4.22.0",
  "@jax-js/jax": "0.1.25",
  "js-pytorch": "0.7.2",
  ndarray: "1.1.1",
  "ndarray-ops": "1.2.2",
  mathjs: "15.2.0",
  "@huggingface/transformers": "4.3.2",
  "@stdlib/ndarray-ctor": "0.3.1",
  "onnxruntime-node": "1.30.0",
};
/** What stdlib would fetch from a git host. */
const overrides = { "@stdlib/ndarray-dtype-ctor": "0.1.1" };
const firstHead = [1, 2, 3, 4].map((x) => x / Math.sqrt((1 + 4 + 9 + 16) / 4 + 1e-6));

beforeAll(() => {
  const tarballs = tarballsIn(process.env.QKNORM_PACKED);
  makeProject(folder, { installer: "npm", tarballs, packages: [], devDependencies: libraries, overrides });
}, 600_000);

it.each(programs)("%s", (title, program) => {
  const file = `${title.replace(/\W+/g, "-")}.mjs`;
  writeFileSync(join(folder, file), program);
  const printed = run(executables.node24, [file], folder).stdout.trim().replace(/\s+/g, " ");
  const said = [...program.matchAll(/^\/\/ (.*)$/gm)].map(([, line]) => line).join(" ");
  if (said !== "") expect(printed).toBe(said);
  else expect(JSON.parse(printed)).toEqual(firstHead.map((x) => expect.closeTo(x, 6)));
});
