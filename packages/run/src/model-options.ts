import { resolve } from "node:path";
import type { LoadOptions } from "@qknorm/models";
import {
  type CacheDtype,
  cacheDtypes,
  type Device,
  type KernelChoice,
  openDevice,
  useKernels,
} from "@qknorm/tensor";
import { type Command, Option } from "commander";

/** Which model, and how it runs: what both commands ask for. */
export interface ModelOptions {
  readonly model: string;
  readonly device: Device;
  readonly dtype?: "f32" | "bf16" | "f16";
  readonly cacheDtype?: CacheDtype;
  readonly rounding: "hf" | "once";
  readonly kernels: KernelChoice;
}

/** Adds the options; `fallback` is the model when none is named, and how it is shown. */
export function addModelOptions(
  command: Command,
  fallback?: { readonly model: string; readonly shownAs: string },
): Command {
  const model = new Option(
    "-m, --model <folder>",
    "a Hugging Face model folder: config.json, safetensors, tokenizer.json",
  );
  return command
    .addOption(
      fallback === undefined ? model.makeOptionMandatory() : model.default(fallback.model, fallback.shownAs),
    )
    .addOption(
      new Option("--device <device>", "where to run: cpu, cuda, or another CUDA device such as cuda:1")
        .argParser(device)
        .default("cpu"),
    )
    .addOption(
      new Option("--dtype <dtype>", "of activations and KV cache; default: the checkpoint's").choices([
        "f32",
        "bf16",
        "f16",
      ]),
    )
    .addOption(
      new Option(
        "--cache-dtype <dtype>",
        "of the KV cache alone; e4m3 (fp8 of the OCP, a scale a token and head) halves it; default: that of --dtype",
      ).choices(cacheDtypes),
    )
    .addOption(
      new Option("--rounding <mode>", "hf rounds where transformers does, once rounds each result once")
        .choices(["hf", "once"])
        .default("hf"),
    )
    .addOption(
      new Option("--kernels <kind>", "what runs the arithmetic on the CPU")
        .choices(["auto", "native", "typescript"])
        .default("auto"),
    );
}

function device(name: string): Device {
  return (name === "cuda" ? "cuda:0" : name) as Device;
}

/** Opens the device and loads a model; what is odd about its folder goes to stderr. @throws QkNormError that says what is missing */
export async function openWith<T extends { readonly warnings: readonly string[] }>(
  load: (dir: string, options: LoadOptions) => T,
  { model, device, dtype, cacheDtype, rounding, kernels }: ModelOptions,
  more: Pick<LoadOptions, "qkNorm" | "chain" | "onProgress"> = {},
): Promise<T> {
  useKernels(kernels);
  await openDevice(device);
  const loaded = load(resolve(model), { device, dtype, cacheDtype, rounding, ...more });
  for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`);
  return loaded;
}
