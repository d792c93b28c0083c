/** `loadtest day`: what the talk's 2 billion hits a day take of one worker, and how that grows. */

import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { Failure } from '../failure.ts'
import { makeFolder } from '../folder.ts'
import {
  type Check,
  describeReport,
  holds,
  type Report,
  requireWrk,
  shownBound,
  shownValue,
  tableOf,
} from '../measure/index.ts'
import { wholeNumber } from '../options.ts'
import { type PartName, partNames, parts } from './parts.ts'
import { CHART, chartOf, save } from './save.ts'
import { requireH2load } from './visitors.ts'

const ADDONS = 300_000
const ADDONS_MAX = 1_900_000
const SECONDS = 60
const SECONDS_MAX = 3_600
const GROWTH = [3_000, 30_000, 300_000, 1_000_000]

const HELP = `
Parts:
${partNames.map((name) => `  ${name.padEnd(12)} ${parts[name].what}`).join('\n')}

Catalogues are generated and imported once: 300,000 add-ons in some minutes, 1,000,000 in ten or more. It takes
wrk, h2load, two processors that nothing else uses, and for a growth up to 1,000,000 add-ons 8 GB of memory; the
whole day, all catalogues there, takes half an hour.

Exit codes:
  0  measured, and all that is promised holds
  1  something promised is missed, or it could not be measured
  2  not understood

Example:
  npm run -s loadtest -- day --only hold,mix --addons 30000 --seconds 10`

interface Options {
  readonly addons: number
  readonly seconds: number
  readonly folder: string
  readonly only?: readonly PartName[]
  readonly growth: readonly number[]
  readonly save?: boolean
  readonly report?: string
  readonly json?: boolean
}

export function addDayCommand(parent: Command): void {
  parent
    .command('day')
    .description('measure a day of 2 billion hits, and how cost grows')
    .option('--addons <n>', 'add-ons in the catalogue', wholeNumber(1, ADDONS_MAX), ADDONS)
    .option('--seconds <n>', 'for how long each is measured', wholeNumber(1, SECONDS_MAX), SECONDS)
    .option('--folder <path>', 'where catalogues are kept for the next time', '.bench')
    .option('--only <part,...>', 'these parts alone', parseParts)
    .option('--growth <n,...>', 'add-ons of the catalogues that growth is measured by', parseGrowth, GROWTH)
    .option('--save', 'write the figures to loadtest/day/results and docs/day.md')
    .option('--report <dir>', 'write day.json there, and the chart of how cost grows')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', HELP)
    .action(runDay)
}

/** The parts that h2load asks; wrk asks the others. */
const byH2load: ReadonlySet<PartName> = new Set(['connections', 'tls'])

async function runDay(options: Options): Promise<void> {
  const { addons, seconds, folder, growth, only = partNames } = options
  if (cpus().length < 2) throw new Failure('It takes two processors: one for the server, one for the load.', undefined)
  // Told before anything is generated or measured.
  if (options.report !== undefined) makeFolder(options.report)
  if (only.some((name) => byH2load.has(name))) requireH2load()
  if (only.some((name) => !byH2load.has(name))) requireWrk()
  const begunAt = performance.now()
  const reports: Report[] = []
  for (const [index, name] of only.entries()) {
    const progress = (line: string) => {
      const elapsed = `${Math.round((performance.now() - begunAt) / 1_000)} s`
      process.stderr.write(`${elapsed.padStart(6)}  ${name} ${index + 1}/${only.length}  ${line}\n`)
    }
    const report = await parts[name].run({ addons, seconds, folder, growth, progress })
    if (!options.json) console.log(`\n${name}: ${describeReport(report)}\n`)
    if (options.save) await save(report, { addons, seconds, growth })
    reports.push(report)
    // Each as soon as it is there: the next one may break off.
    if (options.report !== undefined) await writeReport(options.report, reports)
  }
  console.log(options.json ? JSON.stringify(reports, null, 1) : describeChecks(reports))
  const all = reports.flatMap(({ checks }) => checks)
  const missed = all.filter((check) => !holds(check)).length
  if (missed > 0) throw new Failure(`${missed} of ${all.length} checks are missed.`, undefined)
}

async function writeReport(folder: string, reports: readonly Report[]): Promise<void> {
  writeFileSync(join(folder, 'day.json'), `${JSON.stringify(reports, null, 1)}\n`)
  const growth = reports.find(({ name }) => name === 'growth')
  if (growth !== undefined) writeFileSync(join(folder, CHART), await chartOf(growth))
}

/** All checks of all parts, as one table. */
export function describeChecks(reports: readonly Report[]): string {
  const rows = reports.flatMap(({ name, checks }) =>
    checks.map((check: Check) => [
      `${name}: ${check.what}`,
      shownValue(check),
      shownBound(check),
      holds(check) ? 'holds' : 'MISSED',
    ]),
  )
  return tableOf(['', 'value', 'bound', ''], rows).join('\n')
}

function parseParts(text: string): PartName[] {
  const wanted = new Set(text.split(','))
  const unknown = [...wanted].find((name) => !(partNames as string[]).includes(name))
  if (unknown !== undefined) throw new InvalidArgumentError(`The parts are ${partNames.join(', ')}.`)
  return partNames.filter((name) => wanted.has(name))
}

function parseGrowth(text: string): number[] {
  const sizes = text.split(',').map(wholeNumber(1, ADDONS_MAX))
  if (new Set(sizes).size < 2) throw new InvalidArgumentError('It takes two different numbers or more.')
  return [...new Set(sizes)].sort((one, other) => one - other)
}
