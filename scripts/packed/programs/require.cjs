// The same packages by require(): one copy of each, with what import gives.
const core = require("@qknorm/core");
const { kernelStatus, Tensor } = require("@qknorm/tensor");

import("@qknorm/core").then((imported) => {
  const one = imported.applyQkNorm === core.applyQkNorm;
  const providers = core.fusedQkNormProviders().map(({ name }) => name);
  process.stdout.write(`${JSON.stringify({ one, providers, shape: Tensor.zeros([2, 3]).shape, ...kernelStatus() })}\n`);
});
