import { QkNormError } from "@qknorm/core";
import { type Device, type FloatDtype, Tensor } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import type { ShardRule } from "./shard-rule.ts";

/** Settings that every layer of a model shares. */
export interface LayerOptions {
  /** Where the weights lie, and so where the model runs. Open it before. */
  readonly device?: Device | undefined;
  /** Dtype of the weights in memory. */
  readonly weightDtype: FloatDtype;
  /** Where norms, RoPE and SwiGLU round: see `NormSpec`. */
  readonly rounding: "once" | "hf";
}

/**
 * A part of a model. Its public fields are its parameters (tensors), its parts (modules) and lists of parts; their
 * names are the checkpoint's in camel case (`qNorm` is `q_norm`). Anything else lives in private fields.
 */
export abstract class Module {
  readonly #made = true;

  /** Whether a value is a module that its constructor made: a proxy and a look-alike are none. */
  static is(value: unknown): value is Module {
    return typeof value === "object" && value !== null && #made in value;
  }

  /**
   * Every parameter below this module, by its checkpoint path: `["self_attn.q_norm.weight", Tensor]`. Throws
   * `ERR_QKNORM_ARGUMENT` for a prefix that is no string.
   */
  *parameters(prefix = ""): Generator<[path: string, parameter: Tensor]> {
    if (typeof prefix !== "string") {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `a prefix must be a string, got ${shown(prefix)}`);
    }
    for (const [field, value] of Object.entries(this)) {
      const name = this.checkpointName(field);
      const path = prefix + name;
      if (value instanceof Tensor) yield [path, value];
      else if (value instanceof Module) yield* value.parameters(name === "" ? prefix : `${path}.`);
      else if (Array.isArray(value)) {
        for (const [index, part] of value.entries()) {
          if (part instanceof Module) yield* part.parameters(`${path}.${index}.`);
        }
      }
    }
  }

  /** Frees what this module and its parts hold on a device; using it afterwards is `ERR_QKNORM_LAYOUT` there. Twice is allowed. */
  dispose(): void {
    for (const held of Object.values(this).flat()) {
      if (held instanceof Tensor || held instanceof Module) held.dispose();
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** How ranks of tensor parallelism share the parameter of a field. */
  shardRule(_field: string): ShardRule {
    return "whole";
  }

  /** What the checkpoint calls a field; "" for a module whose parameters stand beside this one's own there. */
  protected checkpointName(field: string): string {
    return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
}
