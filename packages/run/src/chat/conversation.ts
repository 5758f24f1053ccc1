import type { ChatMessage } from "@qknorm/models";
import type { Answer, Listener } from "../session/answer.ts";
import type { Session } from "../session/session.ts";

/** A conversation with a model: what was said, and what is said next. */
export class Conversation {
  readonly #session: Session;
  #turns: readonly ChatMessage[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  /** Messages so far, the system's not counted. */
  get length(): number {
    return this.#turns.length;
  }

  /**
   * Says something and hears the answer; both are kept, an interrupted answer as far as it came. What cannot be
   * answered is not kept. A model without a chat template knows no turns: it continues each line by itself.
   */
  async say(text: string, listen: Listener): Promise<Answer> {
    if (!this.#session.isChat) return this.#session.answer({ kind: "text", text }, listen);
    const turns = [...this.#turns, { role: "user", content: text }];
    const answer = await this.#session.reply(this.#session.opening(turns), listen);
    this.#turns = [...turns, { role: "assistant", content: answer.text }];
    return answer;
  }

  clear(): void {
    this.#turns = [];
  }
}
