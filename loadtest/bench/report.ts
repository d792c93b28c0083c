/** What a bench found: a table for people, checks against what is promised, and the raw figures. */
import type { Bench } from '../measure/index.ts'

export interface BenchRun {
  readonly bench: Bench
  readonly rounds: number
  /** Of one run. */
  readonly seconds: number
  readonly progress: (line: string) => void
}

export interface Check {
  readonly what: string
  readonly value: number
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Report {
  readonly name: string
  readonly what: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly checks: readonly Check[]
  readonly raw: unknown
}

export function holds({ value, atLeast, atMost }: Check): boolean {
  return value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY)
}

export function describeCheck(check: Check): string {
  const { what, value, atLeast, atMost } = check
  const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  const shown = Number.isInteger(value) ? value.toLocaleString('en-US') : value.toPrecision(3)
  return `${holds(check) ? 'holds ' : 'MISSED'} ${what}: ${shown} (${bound})`
}

export function describeReport({ what, columns, rows, checks }: Report): string {
  const texts = [columns, ...rows]
  const widths = columns.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)))
  const table = texts.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column] as number) : text.padStart(widths[column] as number),
      )
      .join('  ')
      .trimEnd(),
  )
  return [what, '', ...table, '', ...checks.map(describeCheck)].join('\n')
}
