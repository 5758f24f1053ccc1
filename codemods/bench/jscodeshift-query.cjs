// The query that jscodeshift runs in the benchmark: calls of `qNorm.forward` and `kNorm.forward`, counted and left alone.
module.exports = (file, { jscodeshift, stats }) => {
  const root = jscodeshift(file.source);
  for (const name of ["qNorm", "kNorm"]) {
    const callee = { object: { property: { name } }, property: { name: "forward" } };
    root
      .find(jscodeshift.CallExpression, { callee })
      .forEach(() => stats("step"));
  }
};
