import { describe, expect, it } from "vitest";
import { parseOptions } from "./options.ts";

const message = (...argv: readonly string[]): string => {
  try {
    parseOptions(argv);
  } catch (error) {
    return (error as Error).message;
  }
  return "accepted";
};

describe("flags that contradict each other are refused", () => {
  it.each([
    [["--write", "--check"], "--check and --write exclude each other"],
    [["--interactive", "--check"], "--check and --interactive exclude each other"],
    [["--interactive", "--json"], "--interactive and --json exclude each other"],
    [["--interactive", "--diff"], "--interactive and --diff exclude each other"],
    [["--write", "--diff"], "--diff and --write exclude each other"],
    [["--explain", "a.ts", "--write"], "--explain and --write exclude each other"],
    [["--explain", "a.ts", "--mark"], "--explain and --mark exclude each other"],
    [
      ["--sarif", "--write"],
      "--sarif and --write exclude each other: its fixes are for the files as they are",
    ],
    [["--json", "--sarif", "--github"], "--json and --sarif both print to standard output"],
    [["--json", "--diff"], "--json and --diff both print to standard output"],
    [["--json", "--explain", "a.ts"], "--json and --explain both print to standard output"],
    [["--stdin", "--stdin-filename", "a.ts", "--json"], "--json and --stdin both print to standard output"],
    [["--stdin", "--stdin-filename", "a.ts", "--write"], "--stdin and --write exclude each other"],
    [["--stdin", "--stdin-filename", "a.ts", "--include", "*"], "--stdin and --include exclude each other"],
    [["--stdin", "--stdin-filename", "a.ts", "b.ts"], "--stdin looks at one source; give no other paths"],
    [["--explain", "a.ts", "b.ts"], "--explain looks at one source; give no other paths"],
    [["--stdin"], "--stdin and --stdin-filename FILE go together"],
    [["--stdin-filename", "a.ts"], "--stdin and --stdin-filename FILE go together"],
  ])("%j", (argv, expected) => {
    expect(message(...argv)).toContain(expected);
  });
});

describe("values that cannot be meant are refused", () => {
  it.each([
    [["--patch"], "Option '--patch <value>' argument missing; see --help"],
    [["--patch", ""], "--patch needs a value"],
    [["--include", "", "--include", "a"], "--include needs a value"],
    [["--patch", "--write"], "Option '--patch' argument is ambiguous; see --help"],
    [["--check=yes"], "Option '--check' does not take an argument; see --help"],
    [["--patch", "model.py"], "--patch model.py would write over a source file; name another file"],
  ])("%j", (argv, expected) => {
    expect(message(...argv)).toBe(expected);
  });
});

describe("flags that go together are taken", () => {
  it.each([
    [["--write", "--json"]],
    [["--write", "--mark", "--strict", "--patch", "a.patch"]],
    [["--check", "--diff"]],
    [["--check", "--strict", "--json"]],
    [["--interactive", "--write", "--mark"]],
    [["--stdin", "--stdin-filename", "a.ts", "--check", "--mark"]],
    [["--", "--strange-name.ts"]],
  ])("%j", (argv) => {
    expect(message(...argv)).toBe("accepted");
  });

  it("and help wins over everything", () => {
    expect(message("--help", "--write", "--check")).toBe("accepted");
  });
});
