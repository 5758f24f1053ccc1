import { logits } from "./logits-command.ts";

process.exitCode = await logits(process.argv.slice(2));
