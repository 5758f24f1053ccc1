import { loadEmbedder, loadTokenizer } from "@qknorm/models";
import { UsageError } from "../failure.ts";
import { openWith } from "../model-options.ts";
import type { Options } from "../options.ts";
import type { Request } from "../prompts.ts";

/** A text as a vector. */
export interface EmbeddedText {
  readonly promptIds: readonly number[];
  /** Pooled and normalised, `[C]`. */
  readonly embedding: readonly number[];
}

/** Turns each request into a vector, in turn. @throws UsageError for a conversation, which is no text */
export async function* embedAll(
  requests: readonly Request[],
  options: Options,
): AsyncGenerator<readonly [Request, EmbeddedText]> {
  const { embedder } = await openWith(loadEmbedder, options);
  const tokenizer = requests.some(({ kind }) => kind === "text") ? loadTokenizer(options.model) : null;
  for (const request of requests) {
    if (request.kind === "messages") throw new UsageError("--embed takes texts or --ids, and no --messages");
    // What ends a text, and is pooled by many models, is the post-processor's to add.
    const promptIds =
      request.kind === "ids" ? request.ids : tokenizer!.encode(request.text, { addSpecialTokens: true });
    yield [request, { promptIds, embedding: [...(await embedder.embed(promptIds))] }];
  }
}
