/** What every part of the day is handed, and what several of them do. */

import { alternate, type Program, preciseCpuOf } from '../measure/index.ts'

export interface DayRun {
  /** In the catalogue. */
  readonly addons: number
  /** Of each contestant, in all. */
  readonly seconds: number
  /** Where catalogues are kept for the next time. */
  readonly folder: string
  /** The catalogues by which growth is measured: their add-ons, the fewest first. */
  readonly growth: readonly number[]
  readonly progress: (line: string) => void
}

/** 2 billion hits a day. */
export const RATE = Math.round(2_000_000_000 / 86_400)

/** Of a generator that keeps to its rate, the 99th percentile: it waits whole milliseconds, and shares the machine. */
export const LATE_MS_MAX = 5

const SLICE_S_MAX = 5

/** What has `seconds` takes turns with what it is compared with: what disturbs the machine for a while falls on all alike. */
export function slicesOf(seconds: number): { readonly count: number; readonly seconds: number } {
  const each = Math.min(SLICE_S_MAX, seconds)
  return { count: Math.ceil(seconds / each), seconds: each }
}

/** Of one slice; of all that load offered it. */
interface Turn {
  readonly requests: number
  readonly rate: number
  readonly p99: number
}

/** Runs each in its turns, with microseconds of its program's processor time a check. */
export function inTurns<Name extends string, Result extends Turn>(
  contestants: Readonly<Record<Name, { readonly program: Program; readonly run: () => Promise<Result> }>>,
  count: number,
  progress: (line: string) => void,
): Promise<Record<Name, (Result & { readonly cpuUs: number })[]>> {
  type Contestant = (typeof contestants)[Name]
  const measures = Object.fromEntries(
    Object.entries<Contestant>(contestants).map(([name, { program, run }]) => [
      name,
      async () => {
        const result = await withCpu(program, run)
        progress(
          `  ${name}: ${number(result.rate)} a second, p99 ${result.p99.toFixed(2)} ms, ${result.cpuUs.toFixed(1)} us`,
        )
        return result
      },
    ]),
  ) as Record<Name, () => Promise<Result & { readonly cpuUs: number }>>
  let shown = -1
  return alternate(measures, count, (round) => {
    if (round > shown) progress(`slice ${round + 1} of ${count}`)
    shown = round
  })
}

export async function withCpu<Result extends { readonly requests: number }>(
  program: Program,
  run: () => Promise<Result>,
): Promise<Result & { readonly cpuUs: number }> {
  const before = preciseCpuOf(program.pid)
  const result = await run()
  return { ...result, cpuUs: (preciseCpuOf(program.pid) - before) / result.requests }
}

/** With thousands parted. */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
