/** How qk_norm.cu is launched; it never changes a bit of the result. The kernel's opening comment names the fields. */
export interface LaunchConfig {
  readonly lanes: number;
  readonly rows: number;
  readonly block: number;
  readonly trigger: 0 | 1 | 2 | 3;
  readonly loop: 0 | 1 | 2;
  /** Blocks per multiprocessor of a persistent grid (`loop` > 0). */
  readonly waves: number;
}
