/** Figures that are kept in the repository: each report as JSON, with when, where and of what; and as a section of a page. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { describeCheck, type Report } from './report.ts'

export interface Saved extends Report {
  readonly date: string
  readonly commit: string
  readonly machine: string
  readonly node: string
  readonly options: unknown
}

/** Of the checkout: the programs run from dist/. */
export const checkout = join(import.meta.dirname, '..', '..', '..')

export function saveReport(folder: string, report: Report, options: unknown): void {
  const [cpu] = cpus()
  const saved: Saved = {
    ...report,
    date: new Date().toISOString().slice(0, 10),
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: checkout, encoding: 'utf8' }).stdout.trim(),
    machine: `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    options,
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${report.name}.json`), `${JSON.stringify(saved, null, 1)}\n`)
}

/** All of a folder, by name. */
export function readSaved(folder: string): Saved[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Saved)
}

/** Markdown. */
export function sectionOf({ name, what, columns, rows, checks, date, commit, machine, node }: Saved): string {
  return [
    `## ${name}`,
    '',
    `${what[0]?.toUpperCase()}${what.slice(1)}.`,
    '',
    tableRow(columns),
    tableRow(columns.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rows.map(tableRow),
    '',
    ...checks.map((check) => `- ${describeCheck(check)}`),
    '',
    `${date}, commit ${commit}, Node ${node}, ${machine}.`,
  ].join('\n')
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
