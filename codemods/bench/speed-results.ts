/** What a run of the benchmark measured: `results/speed.json`. */
export interface SpeedResults {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGB: number;
    readonly node: string;
    readonly platform: string;
  };
  readonly repo: {
    readonly files: number;
    readonly lines: number;
    readonly linesPerFile: number;
    readonly copies: number;
  };
  readonly rounds: number;
  readonly rows: readonly SpeedRow[];
  /** Small files, more and more of them. */
  readonly scaling: readonly {
    readonly files: number;
    readonly lines: number;
    readonly copies: number;
    readonly seconds: number;
    readonly peakMB: number | undefined;
  }[];
}

export interface SpeedRow {
  readonly name: string;
  readonly does: string;
  /** Median of the rounds, from the start of the process to its end. */
  readonly seconds: number;
  readonly filesPerSecond: number;
  /** The largest of the rounds. */
  readonly peakMB: number;
  readonly found: number;
}
