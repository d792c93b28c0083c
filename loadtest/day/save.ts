/** Keeps what was measured: the figures as JSON, docs/day.md made of all of them, and its chart. Nobody types figures. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, type Report, readSaved, type Saved, saveReport, sectionOf } from '../measure/index.ts'
import { drawGrowth } from './chart.ts'
import type { Size } from './growth.ts'
import { partNames } from './parts.ts'

const PAGE = 'day.md'
export const CHART = 'day-growth.svg'

/** Below a checkout, this one unless told otherwise. */
export async function save(report: Report, options: unknown, root = checkout): Promise<void> {
  const results = join(root, 'loadtest', 'day', 'results')
  saveReport(results, report, options)
  for (const [name, text] of Object.entries(await pagesOf(readSaved(results))))
    writeFileSync(join(root, 'docs', name), text)
}

/** What stands in `docs` of the parts that were kept: a text for each file. */
export async function pagesOf(saved: readonly Saved[]): Promise<Readonly<Record<string, string>>> {
  const ordered = partNames.flatMap((name) => saved.filter((each) => each.name === name))
  const sections = ordered.map((each) =>
    each.name === 'growth' ? `${sectionOf(each)}\n\n![${CHART_SHOWS}](${CHART})` : sectionOf(each),
  )
  const page = `${[HEAD, sections.join('\n\n')].join('\n')}\n`
  const growth = ordered.find(({ name }) => name === 'growth')
  if (growth === undefined) return { [PAGE]: page }
  return { [PAGE]: page, [CHART]: await chartOf(growth) }
}

/** Of the part `growth`, an SVG. */
export function chartOf({ raw }: Pick<Report, 'raw'>): Promise<string> {
  return drawGrowth((raw as { readonly sizes: readonly Size[] }).sizes)
}

const HEAD = `# The day

Written by \`npm run -s loadtest -- day --save\`; the figures of every part lie in \`loadtest/day/results\`. 2 billion hits a day are
23,148 a second. One worker has one processor, the generator the other (in \`mix\` they and the databases share both); what is
compared takes turns.
`
const CHART_SHOWS = 'The processor time of a check and the memory of a worker, by add-ons in the catalogue.'
