/** Keeps what was measured: the figures as JSON, and docs/benchmarks.md made of all of them. Nobody types figures. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, type Report, readSaved, saveReport, sectionOf } from '../measure/index.ts'

const results = join(checkout, 'loadtest', 'bench', 'results')

export function save(
  report: Report,
  { rounds, seconds, addons }: { rounds: number; seconds: number; addons: number },
): void {
  saveReport(results, report, { rounds, seconds, addons })
  const head = `# Benchmarks

Written by \`npm run -s bench -- NAME --save\`; the figures of every run lie in \`loadtest/bench/results\`. Machines differ and have
moods: compare within one table. The processor time of a request says more than the rate, since the generator takes its share.
`
  const page = [head, readSaved(results).map(sectionOf).join('\n\n')].join('\n')
  writeFileSync(join(checkout, 'docs', 'benchmarks.md'), `${page}\n`)
}
