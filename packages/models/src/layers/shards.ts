import { formatShape, QkNormError } from "@qknorm/core";
import { Tensor } from "@qknorm/tensor";
import { assertObject, assertSizes, refuse } from "./layer-arguments.ts";
import { Module } from "./module.ts";

export interface Rank {
  /** From 0. */
  readonly rank: number;
  /** How many ranks there are. */
  readonly of: number;
}

/** Sizes of a config of which each rank has a share. Hidden size, vocabulary, head dim and number of experts are everybody's. */
const SHARED = new Set(["queryHeads", "headsOf", "intermediateSize", "sharedSize", "denseSize"]);

/**
 * A family's config as one of so many ranks builds its model from it: with its share of the heads and of the width of each
 * MLP, and of the KV heads, or all of those where there is one alone.
 *
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for a size that ranks cannot share equally, for what is no config, and for a number
 *   of ranks that is no integer from 1
 */
export function rankConfig<Config>(config: Config, of: number): Config {
  if (Array.isArray(config)) refuse("a config must be an object", config);
  assertObject(config, "a config");
  assertSizes({ ranks: of }, 1);
  return sharedConfig(config, of);
}

function sharedConfig<Config extends object>(config: Config, of: number): Config {
  const shared = (name: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((item) => shared(name, item));
    if (typeof value === "object" && value !== null) return sharedConfig(value, of);
    if (typeof value !== "number" || value === 0 || (name === "kvHeads" && value === 1)) return value;
    if (name !== "kvHeads" && !SHARED.has(name)) return value;
    if (value % of === 0) return value / of;
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${name} is ${value}, which ${of} ranks cannot share equally`,
    );
  };
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [name, shared(name, value)]),
  ) as Config;
}

/** What a rank's parameter, or a piece of it, is filled from. */
interface Share {
  readonly path: string;
  readonly own: Tensor;
  readonly from: Tensor;
}

/**
 * Fills a rank's module, made from `rankConfig`, with its share of the parameters of the whole one, by their rules.
 *
 * @throws QkNormError before anything is written: `ERR_QKNORM_ARGUMENT` for what are no modules, no rank, or modules that do not
 *   have the same parts, `ERR_QKNORM_SHAPE` and `ERR_QKNORM_DTYPE` for parameters that do not fit
 */
export function fillShard(part: Module, whole: Module, rank: Rank): void {
  assertObject(rank, "a rank");
  assertSizes({ rank: rank.rank }, 0);
  assertSizes({ of: rank.of }, rank.rank + 1);
  const shares = [...sharesOf(part, whole, rank, "")];
  for (const { path, own, from } of shares) assertFits(path, own, from);
  for (const { own, from } of shares) own.copyFrom(from);
}

function* sharesOf(part: unknown, whole: unknown, rank: Rank, path: string): Generator<Share> {
  for (const [name, module] of Object.entries({ part, whole })) {
    if (!Module.is(module)) refuse(`${path || "all"} of the ${name} must be a Module`, module);
  }
  const [ours, theirs] = [part as Module, whole as Module];
  const others = new Map<string, unknown>(Object.entries(theirs));
  for (const [field, value] of Object.entries(ours) as [string, unknown][]) {
    const other = others.get(field);
    const at = path === "" ? field : `${path}.${field}`;
    if (value instanceof Tensor) {
      if (!(other instanceof Tensor)) refuse(`${at} of the whole must be a Tensor`, other);
      yield* piecesOf([value, other as Tensor], [ours, theirs], field, rank, at);
    }
    for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
      if (!(item instanceof Module)) continue;
      if (Array.isArray(other)) yield* sharesOf(item, other[index], rank, `${at}.${index}`);
      else yield* sharesOf(item, other, rank, at);
    }
  }
}

function* piecesOf(
  [ours, all]: [Tensor, Tensor],
  [part, whole]: [Module, Module],
  field: string,
  { rank, of }: Rank,
  path: string,
): Generator<Share> {
  const [rule, ofPart] = [whole.shardRule(field), part.shardRule(field)];
  if (rule === "whole" || (rule === "first" && rank === 0)) yield { path, own: ours, from: all };
  if (typeof rule === "string" || typeof ofPart === "string") return;
  const { axis } = rule;
  const theirs = all.split(axis, [...(rule.parts ?? [all.dim(axis)])]);
  for (const [index, own] of ours.split(axis, [...(ofPart.parts ?? [ours.dim(axis)])]).entries()) {
    const from = theirs[index];
    if (from === undefined) return refuse(`${path} of the whole must have ${index + 1} parts`, theirs.length);
    // One KV head for all ranks is everybody's.
    const first = own.dim(axis) === from.dim(axis) ? 0 : rank * (from.dim(axis) / of);
    yield { path, own, from: from.slice(axis, first, first + own.dim(axis)) };
  }
}

function assertFits(path: string, own: Tensor, from: Tensor): void {
  if (own.dtype !== from.dtype) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `${path} is ${own.dtype}, and that of the whole ${from.dtype}`);
  }
  if (formatShape(own.shape) === formatShape(from.shape)) return;
  throw new QkNormError(
    "ERR_QKNORM_SHAPE",
    `${path} has shape ${formatShape(own.shape)}, and its share of the whole ${formatShape(from.shape)}`,
  );
}
