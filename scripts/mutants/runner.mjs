// The process that runs tests, from outside: started again where a fault made it run for ever.
import { fork } from "node:child_process";
import { setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("runner-process.mjs", import.meta.url));

export class Runner {
  #root;
  #workers;
  #process = null;
  #changed = new Set();
  #bail = null;

  constructor(root, workers) {
    this.#root = root;
    this.#workers = workers;
  }

  /** `{ failures: [{ file, test }], seconds: { file: seconds } }`, by names below the root; null after `limit` seconds. */
  async ask({ changed = [], tests, bail, environment = {}, limit = 3600 }) {
    if (this.#process === null || this.#bail !== bail) await this.#start(bail, environment);
    for (const file of changed) this.touch(file);
    const running = this.#process;
    const answer = await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), limit * 1000);
      const finish = (value) => {
        clearTimeout(timer);
        resolve(value);
      };
      running.once("message", finish);
      running.once("exit", () => finish(null));
      const absolute = (file) => join(this.#root, file);
      running.send({ changed: [...this.#changed].map(absolute), tests: tests.map(absolute) });
    });
    this.#changed.clear();
    running.removeAllListeners("message");
    running.removeAllListeners("exit");
    if (answer === null) this.end();
    return answer;
  }

  /** Says that a file has another text now. */
  touch(file) {
    this.#changed.add(file);
  }

  end() {
    if (this.#process === null) return;
    try {
      process.kill(-this.#process.pid, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
    this.#process = null;
  }

  async #start(bail, environment) {
    this.end();
    this.#bail = bail;
    this.#changed.clear();
    const args = [this.#root, String(bail), String(this.#workers)];
    this.#process = fork(program, args, {
      cwd: this.#root,
      env: { ...process.env, ...environment },
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    // Others use the machine, too.
    setPriority(this.#process.pid, 5);
    await new Promise((resolve, reject) => {
      this.#process.once("message", resolve);
      this.#process.once("exit", () => reject(new Error("vitest does not start")));
    });
    this.#process.removeAllListeners("exit");
  }
}
