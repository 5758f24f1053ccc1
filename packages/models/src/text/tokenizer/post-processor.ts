import { isJsonObject } from "../../checkpoint/json-file.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { readStep, readSteps, type Step } from "./parts.ts";

/** Ids to ids: what comes around the tokens of one text. */
type PostProcess = (ids: readonly number[]) => readonly number[];

const KINDS: Readonly<Record<string, (step: Step) => PostProcess>> = {
  ByteLevel: () => (ids) => ids, // it moves offsets, which nobody reads here
  TemplateProcessing: readTemplate,
  BertProcessing: readClsSep,
  RobertaProcessing: readClsSep,
};

/** What `post_processor` of tokenizer.json puts around a text, such as a begin-of-text token. */
export class PostProcessor {
  readonly #steps: readonly PostProcess[];

  /** @throws ERR_CHECKPOINT for a kind that is not known, or a token without an id */
  constructor(part: unknown, path: string) {
    this.#steps = readSteps(part, path, "post_processor", "processors").map((step) => readStep(step, KINDS));
  }

  process(ids: readonly number[]): readonly number[] {
    return this.#steps.reduce((current, step) => step(current), ids);
  }
}

function readClsSep({ fields }: Step): PostProcess {
  const id = (key: string): number => {
    const pair = fields.raw[key];
    const value: unknown = Array.isArray(pair) ? pair[1] : undefined;
    return isId(value) ? value : fields.fail(key, `must be a token and its id, got ${shown(pair)}`);
  };
  const [cls, sep] = [id("cls"), id("sep")];
  return (ids) => [cls, ...ids, sep];
}

// "single" is a list of { "Sequence": { "id": "A" } } and { "SpecialToken": { "id": "<s>" } }.
function readTemplate({ fields }: Step): PostProcess {
  const { single, special_tokens: tokens } = fields.raw;
  if (!Array.isArray(single)) return fields.fail("single", `must be an array, got ${shown(single)}`);
  const parts = single.map((item: unknown) => {
    const { Sequence, SpecialToken } = isJsonObject(item) ? item : {};
    if (isJsonObject(Sequence) && Sequence.id === "A") return null;
    const name = isJsonObject(SpecialToken) ? SpecialToken.id : undefined;
    if (typeof name !== "string")
      return fields.fail("single", "must name the sequence A and special tokens only");
    const known = isJsonObject(tokens) && Object.hasOwn(tokens, name) ? tokens[name] : undefined;
    const ids: unknown = isJsonObject(known) ? known.ids : undefined;
    if (!Array.isArray(ids) || !ids.every(isId))
      return fields.fail("special_tokens", `must give the ids of ${shown(name)}`);
    return ids;
  });
  return (ids) => parts.flatMap((part) => part ?? ids);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
