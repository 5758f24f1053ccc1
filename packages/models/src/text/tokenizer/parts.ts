import { QkNormError } from "@qknorm/core";
import { ConfigFields } from "../../checkpoint/config-fields.ts";
import { isJsonObject } from "../../checkpoint/json-file.ts";
import { shown } from "../../checkpoint/shown-value.ts";

/** Sequences may be nested so deep, and a part of the file may have so many steps in all. Real files stay below 4 and 40. */
const MOST_NESTED = 16;
const MOST_STEPS = 1024;

/** One step of a normalizer, pre-tokenizer, post-processor or decoder: `{ "type": ..., ... }` of tokenizer.json. */
export interface Step {
  readonly type: string;
  readonly fields: ConfigFields;
}

/**
 * The steps of a part of tokenizer.json in the order in which they run, nested sequences laid out flat.
 *
 * @param part `file.normalizer`, `file.pre_tokenizer`, `file.post_processor` or `file.decoder`; null has no steps
 * @param name of the part, for errors
 * @param list where a `Sequence` has its steps, such as `normalizers`
 * @throws ERR_CHECKPOINT for a part that is no object, or has too many steps
 */
export function readSteps(part: unknown, path: string, name: string, list: string): Step[] {
  const steps: Step[] = [];
  const visit = (value: unknown, owner: string, depth: number): void => {
    if (!isJsonObject(value))
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${owner} must be an object, got ${shown(value)}`);
    const fields = new ConfigFields(value, path, `${owner}.`);
    const type = fields.string("type");
    if (type !== "Sequence") {
      steps.push({ type, fields });
      if (steps.length > MOST_STEPS)
        throw new QkNormError("ERR_CHECKPOINT", `${path}: ${name} has more than ${MOST_STEPS} steps`);
      return;
    }
    if (depth === MOST_NESTED)
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${name} has sequences more than ${MOST_NESTED} deep`);
    const items = value[list];
    const listed = Array.isArray(items) ? items : fields.fail(list, `must be an array, got ${shown(items)}`);
    for (const [i, item] of listed.entries()) visit(item, `${owner}.${list}[${i}]`, depth + 1);
  };
  if (part !== null && part !== undefined) visit(part, name, 0);
  return steps;
}

/** What a step does, chosen by its type. @throws ERR_CHECKPOINT for a kind that is not in the table */
export function readStep<T>(step: Step, kinds: Readonly<Record<string, (step: Step) => T>>): T {
  const { type, fields } = step;
  const read = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (read !== undefined) return read(step);
  return fields.fail("type", `must be one of ${Object.keys(kinds).join(", ")}, got ${shown(type)}`);
}
