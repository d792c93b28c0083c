/** What every bench is handed. */

import type { Bench } from '../measure/index.ts'

export interface BenchRun {
  readonly bench: Bench
  readonly rounds: number
  /** Of one run. */
  readonly seconds: number
  readonly progress: (line: string) => void
}
