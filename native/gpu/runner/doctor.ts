import { run } from "../../src/doctor/cli.ts";

const { out, err, status } = run(["doctor", ...process.argv.slice(2)]);
process.stdout.write(out);
process.stderr.write(err);
process.exitCode = status;
