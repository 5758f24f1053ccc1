import { QkNormError } from "@qknorm/core";
import { Tensor } from "@qknorm/tensor";
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
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for a size that ranks cannot share equally
 */
export function rankConfig<Config>(config: Config, of: number): Config {
  const shared = (name: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((item) => shared(name, item));
    if (typeof value === "object" && value !== null) return rankConfig(value, of);
    if (typeof value !== "number" || value === 0 || (name === "kvHeads" && value === 1)) return value;
    if (name !== "kvHeads" && !SHARED.has(name)) return value;
    if (value % of === 0) return value / of;
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${name} is ${value}, which ${of} ranks cannot share equally`,
    );
  };
  return Object.fromEntries(
    Object.entries(config as object).map(([name, value]) => [name, shared(name, value)]),
  ) as Config;
}

/** Fills a rank's module, made from `rankConfig`, with its share of the parameters of the whole one, by their rules. */
export function fillShard(part: Module, whole: Module, rank: Rank): void {
  const others = new Map<string, unknown>(Object.entries(whole));
  for (const [field, value] of Object.entries(part) as [string, unknown][]) {
    const other = others.get(field);
    if (value instanceof Tensor) fill([value, other as Tensor], [part, whole], field, rank);
    for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
      if (item instanceof Module)
        fillShard(item, (Array.isArray(other) ? other[index] : other) as Module, rank);
    }
  }
}

function fill(
  [ours, all]: [Tensor, Tensor],
  [part, whole]: [Module, Module],
  field: string,
  { rank, of }: Rank,
): void {
  const [rule, ofPart] = [whole.shardRule(field), part.shardRule(field)];
  if (rule === "whole" || (rule === "first" && rank === 0)) ours.copyFrom(all);
  if (typeof rule === "string" || typeof ofPart === "string") return;
  const { axis } = rule;
  const theirs = all.split(axis, [...(rule.parts ?? [all.dim(axis)])]);
  for (const [index, own] of ours.split(axis, [...(ofPart.parts ?? [ours.dim(axis)])]).entries()) {
    const from = theirs[index] as Tensor;
    // One KV head for all ranks is everybody's.
    const first = own.dim(axis) === from.dim(axis) ? 0 : rank * (from.dim(axis) / of);
    own.copyFrom(from.slice(axis, first, first + own.dim(axis)));
  }
}
