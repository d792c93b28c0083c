/** What was found: a table for people, checks against what is promised, and the raw figures. */

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

/** What couldn't be measured, and so is no number, doesn't hold. */
export function holds({ value, atLeast, atMost }: Check): boolean {
  return value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY)
}

export function describeCheck(check: Check): string {
  const { what } = check
  return `${holds(check) ? 'holds ' : 'MISSED'} ${what}: ${shownValue(check)} (${shownBound(check)})`
}

export function shownValue({ value }: Check): string {
  return Number.isInteger(value) ? value.toLocaleString('en-US') : value.toPrecision(3)
}

export function shownBound({ atLeast, atMost }: Check): string {
  return [atLeast !== undefined && `at least ${atLeast}`, atMost !== undefined && `at most ${atMost}`]
    .filter(Boolean)
    .join(', ')
}

export function describeReport({ what, columns, rows, checks }: Report): string {
  return [what, '', ...tableOf(columns, rows), '', ...checks.map(describeCheck)].join('\n')
}

/** Lines of text; all columns but the first are numbers. */
export function tableOf(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const texts = [columns, ...rows]
  const widths = columns.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)))
  return texts.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column] as number) : text.padStart(widths[column] as number),
      )
      .join('  ')
      .trimEnd(),
  )
}
