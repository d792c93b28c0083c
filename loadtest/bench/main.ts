#!/usr/bin/env node
/** `npm run -s bench -- NAME`: what is promised about speed, measured on this machine. */

import { Command, CommanderError } from 'commander'
import { Failure } from '../failure.ts'
import { describeReport, holds, prepareBench, type Report } from '../measure/index.ts'
import { wholeNumber } from '../options.ts'
import { runCold } from './cold.ts'
import { runFreshness } from './freshness.ts'
import { runResident } from './resident.ts'
import type { BenchRun } from './run.ts'
import { save } from './save.ts'
import { runShared } from './shared.ts'
import { runTalk } from './talk.ts'
import { runWarm } from './warm.ts'

const benches: Readonly<Record<string, { readonly what: string; readonly run: (run: BenchRun) => Promise<Report> }>> = {
  warm: { what: 'a check from memory against the bare HTTP library', run: runWarm },
  cold: { what: 'a check that no tier holds, batched and one by one', run: runCold },
  talk: { what: 'the 1,600 cold checks a second of the talk', run: runTalk },
  resident: { what: 'memory, starts and pauses with all add-ons held', run: runResident },
  memcached: { what: 'a check by the tier that answers, and restarts', run: runShared },
  freshness: { what: 'from the commit of an edit until it shows', run: runFreshness },
}

const EXIT_CODES_HELP = `
Benches:
${Object.entries(benches)
  .map(([name, { what }]) => `  ${name.padEnd(10)} ${what}`)
  .join('\n')}

Exit codes:
  0  measured, and all that is promised holds
  1  something promised is missed, or it could not be measured
  2  not understood

Runs alternate, so that the machine's moods fall on all alike; a ratio is the median of ratios of neighbours.`

interface Options {
  readonly addons: number
  readonly rounds: number
  readonly seconds: number
  readonly folder: string
  readonly save?: boolean
  readonly json?: boolean
}

async function main(args: readonly string[]): Promise<number> {
  let missed = false
  const program = new Command('bench')
    .description('measure what is promised')
    .argument('<name...>', 'one or several of those below, or all')
    .option('--addons <n>', 'add-ons in the catalogue', wholeNumber(1, 10_000_000), 300_000)
    .option('--rounds <n>', 'how often each is run', wholeNumber(1, 100), 5)
    .option('--seconds <n>', 'length of one run', wholeNumber(1, 600), 4)
    .option('--folder <path>', 'where the catalogue is kept for the next time', '.bench')
    .option('--save', 'write the figures to loadtest/bench/results and docs/benchmarks.md')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', EXIT_CODES_HELP)
    .exitOverride()
    .action(async (names: string[], options: Options) => {
      const wanted = names.includes('all') ? Object.keys(benches) : names
      const unknown = wanted.find((name) => !(name in benches))
      if (unknown !== undefined)
        throw new Failure(`There is no bench "${unknown}". There are ${Object.keys(benches).join(', ')}.`, undefined)
      const progress = (line: string) => process.stderr.write(`${line}\n`)
      const bench = await prepareBench(options.folder, options.addons, progress)
      for (const name of wanted) {
        const { rounds, seconds } = options
        const report = await (benches[name] as (typeof benches)[string]).run({ bench, rounds, seconds, progress })
        console.log(options.json ? JSON.stringify(report) : `${name}: ${describeReport(report)}\n`)
        if (options.save) save(report, options)
        missed ||= !report.checks.every(holds)
      }
    })
  try {
    await program.parseAsync(args, { from: 'user' })
    return missed ? 1 : 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof Failure)) throw error
    process.stderr.write(`bench: ${error.message}\n`)
    return 1
  }
}

// What a bench that broke off has started would go on for ever.
process.exit(await main(process.argv.slice(2)))
