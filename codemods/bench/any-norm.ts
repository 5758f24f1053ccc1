/** A configuration for Python whose helper takes any norm and need not be there: what is judged is the copies. */
export const anyNorm = {
  profile: "any-norm",
  profiles: {
    "any-norm": {
      extends: "sglang",
      norms: ["plain-rms", "unit-offset", "weightless", "layer", "l2", "unknown"],
      requiredAttributes: [],
      helperInRepository: false,
    },
  },
};
