import { checksum } from "./checksum.ts";
import { modelNames, registry, sampleInput } from "./registry.ts";

const lines = modelNames.map((name) => {
  const output = registry[name].create().forward(sampleInput());
  return {
    name,
    qkNorm: registry[name].qkNorm,
    checksum: checksum(output),
    leading: [...output.data.subarray(0, 4)],
  };
});

if (process.argv.includes("--pins")) {
  const pins = Object.fromEntries(lines.map(({ name, checksum, leading }) => [name, { checksum, leading }]));
  process.stdout.write(`${JSON.stringify(pins, null, 2)}\n`);
} else {
  for (const { name, qkNorm, checksum } of lines) {
    process.stdout.write(`${name.padEnd(10)} ${checksum}  ${qkNorm}\n`);
  }
}
