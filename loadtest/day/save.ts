/** Keeps what was measured: the figures as JSON, docs/day.md made of all of them, and its chart. Nobody types figures. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, type Report, readSaved, saveReport, sectionOf } from '../measure/index.ts'
import { drawGrowth } from './chart.ts'
import type { Size } from './growth.ts'
import { partNames } from './parts.ts'

const CHART = 'day-growth.svg'

/** Below a checkout, this one unless told otherwise. */
export async function save(report: Report, options: unknown, root = checkout): Promise<void> {
  const results = join(root, 'loadtest', 'day', 'results')
  saveReport(results, report, options)
  const saved = readSaved(results)
  const ordered = partNames.flatMap((name) => saved.filter((each) => each.name === name))
  const head = `# The day

Written by \`npm run -s loadtest -- day --save\`; the figures of every part lie in \`loadtest/day/results\`. 2 billion hits a day are
23,148 a second. One worker has one processor, the generator the other; what is compared takes turns.
`
  const sections = ordered.map((each) =>
    each.name === 'growth' ? `${sectionOf(each)}\n\n![${CHART_SHOWS}](${CHART})` : sectionOf(each),
  )
  writeFileSync(join(root, 'docs', 'day.md'), `${[head, sections.join('\n\n')].join('\n')}\n`)
  const growth = ordered.find(({ name }) => name === 'growth')
  if (growth !== undefined) {
    const { sizes } = growth.raw as { readonly sizes: readonly Size[] }
    writeFileSync(join(root, 'docs', CHART), await drawGrowth(sizes))
  }
}

const CHART_SHOWS = 'The processor time of a check and the memory of a worker, by add-ons in the catalogue.'
