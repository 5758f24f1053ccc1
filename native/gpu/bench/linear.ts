// Products with matrices at the sizes of published models: gemv.cu, cuBLASLt alone, and PyTorch's in a graph where python3
// has it. Prints microseconds and the rate at which weights are read.
import { parseArgs } from "node:util";
import { cudaDevice, examine, gemvGeometry } from "../../src/index.ts";
import { LinearBench } from "./linear-bench.ts";
import { layers, type ProductSize, products } from "./linear-sizes.ts";
import { torchProducts } from "./linear-torch.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "50" },
    rows: { type: "string", default: "1,2,4,8,16,64,512,4096" },
    only: { type: "string", default: "" },
    sweep: { type: "boolean", default: false },
    torch: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const cuda = examine().providers.find(({ name }) => name === "cuda");
if (!cuda?.ready) {
  process.stdout.write(`NO GPU: ${cuda?.because}; there is nothing to measure\n`);
  process.exit(1);
}
const began = Date.now();
const left = () => Number(values.seconds) - (Date.now() - began) / 1000;
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const bench = new LinearBench();
const wanted = products.filter(({ name }) => name.includes(values.only));
print(`# ${cudaDevice(0).name}`);
if (values.sweep) sweep();
else table();

/** One line for each size and number of rows, and one for each model's layer at one token. */
function table(): void {
  for (const model of layers.filter(({ name }) => name.includes(values.only))) {
    for (const way of ["settled", "unsettled", "products"] as const) {
      if (left() > 5)
        print(`layer ${model.name.padEnd(14)} ${way.padEnd(10)} ${bench.layer(model, way).toFixed(3)} us`);
    }
  }
  for (const rows of values.rows.split(",").map(Number)) {
    for (const size of wanted) {
      if (left() < 5) {
        print("# out of time");
        return;
      }
      print(line(size, rows, bench.product(size, rows)));
    }
  }
  if (values.torch && left() > 15) {
    for (const text of torchProducts(wanted, values.rows.split(",").map(Number), left() - 5)) print(text);
  }
}

function line(size: ProductSize, rows: number, us: Readonly<Record<string, number>>): string {
  const bytes = size.outputs * size.inputs * 2;
  const shown = Object.entries(us).map(
    ([name, time]) => `${name} ${time.toFixed(2)} us ${(bytes / time / 1e6).toFixed(2)} TB/s`,
  );
  return `${size.name.padEnd(16)} M ${String(rows).padEnd(5)} ${shown.join(" | ")}`;
}

/** All geometries of one token, best first, with the one that the table of geometries has. */
function sweep(): void {
  for (const size of wanted) {
    if (left() < 3) {
      print("# out of time");
      return;
    }
    const found = bench.sweep(size, left()).sort((a, b) => a.us - b.us);
    const { multiprocessors } = cudaDevice(0);
    const outputs = size.swiglu ? size.outputs / 2 : size.outputs;
    const base = gemvGeometry({
      ...size,
      outputs,
      weight: "bf16",
      tokens: 1,
      tensor: false,
      multiprocessors,
    });
    print(`${size.name}: default ${JSON.stringify(base)}`);
    for (const { us, text } of found.slice(0, 8)) print(`  ${us.toFixed(3)} us ${text}`);
    const own = found.find(({ isDefault }) => isDefault);
    if (own) print(`  default: ${own.us.toFixed(3)} us, place ${found.indexOf(own) + 1} of ${found.length}`);
  }
}
