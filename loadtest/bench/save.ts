/** Keeps what was measured: the figures as JSON, and docs/benchmarks.md made of all of them. Nobody types figures. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { describeCheck, type Report } from './report.ts'

interface Saved extends Report {
  readonly date: string
  readonly commit: string
  readonly machine: string
  readonly node: string
  readonly options: unknown
}

/** In a checkout: the program runs from dist/. */
const root = join(import.meta.dirname, '..', '..', '..')
const results = join(root, 'loadtest', 'bench', 'results')

export function save(
  report: Report,
  { rounds, seconds, addons }: { rounds: number; seconds: number; addons: number },
): void {
  const [cpu] = cpus()
  const saved: Saved = {
    ...report,
    date: new Date().toISOString().slice(0, 10),
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim(),
    machine: `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    options: { rounds, seconds, addons },
  }
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, `${report.name}.json`), `${JSON.stringify(saved, null, 1)}\n`)
  writePage()
}

function writePage(): void {
  const all = readdirSync(results)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(results, name), 'utf8')) as Saved)
  const head = `# Benchmarks

Written by \`npm run -s bench -- NAME --save\`; the figures of every run lie in \`loadtest/bench/results\`. Machines differ and have
moods: compare within one table. The processor time of a request says more than the rate, since the generator takes its share.
`
  const sections = all.map(({ name, what, columns, rows, checks, date, commit, machine, node }) =>
    [
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
    ].join('\n'),
  )
  writeFileSync(join(root, 'docs', 'benchmarks.md'), `${[head, ...sections].join('\n')}\n`)
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
