// Functions of single numbers in f64, as their papers write them.

type Round = (value: number) => number;

/** The error function by Simpson's rule, to about 1e-13 below 6. */
function erf(x: number): number {
  const end = Math.min(Math.abs(x), 6);
  const steps = 2000;
  const bell = (at: number): number => Math.exp(-at * at);
  let sum = bell(0) + bell(end);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * bell((end * i) / steps);
  return (Math.sign(x) * 2 * sum * end) / (3 * steps * Math.sqrt(Math.PI));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Each activation; `gelu` with the normal distribution, `gelu-tanh` with its approximation. */
export const naiveActivations = {
  silu: (x: number) => x * sigmoid(x),
  gelu: (x: number) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  "gelu-tanh": (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x: number) => Math.max(x, 0),
  relu2: (x: number) => Math.max(x, 0) ** 2,
  sigmoid,
  softplus: (x: number) => (x > 30 ? x : Math.log1p(Math.exp(x))),
  tanh: Math.tanh,
};

/** `cap * tanh(x / cap)`, every step rounded. */
export function naiveSoftCap(x: number, cap: number, round: Round): number {
  return cap * round(Math.tanh(round(x / cap)));
}

export interface XieluNumbers {
  readonly alphaP: number;
  readonly alphaN: number;
  readonly beta: number;
  readonly eps: number;
}

export function naiveXielu(x: number, { alphaP, alphaN, beta, eps }: XieluNumbers): number {
  const [p, n] = [Math.log(1 + Math.exp(alphaP)), beta + Math.log(1 + Math.exp(alphaN))];
  return x > 0 ? p * x * x + beta * x : (Math.expm1(Math.min(x, eps)) - x) * n + beta * x;
}
