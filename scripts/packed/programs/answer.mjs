// Answers a sum with the checkpoint in the folder that is named.
import { generate, loadModel, loadTokenizer } from "@qknorm/models";

const [folder] = process.argv.slice(2);
const { model, generation } = loadModel(folder);
const tokenizer = loadTokenizer(folder);
const prompt = tokenizer.encode("12+30=");
const ids = [];
for await (const id of generate(model, prompt, { maxTokens: 8, stopIds: generation.eosTokenIds }))
  ids.push(id);
process.stdout.write(`${tokenizer.decode(ids, { skipSpecialTokens: true })}\n`);
