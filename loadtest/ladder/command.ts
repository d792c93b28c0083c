/** `loadtest ladder`: its options, and what comes of the run: a table, a chart, an exit code. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Failure } from '../failure.ts'
import { wholeNumber } from '../options.ts'
import type { LadderOptions } from './climb.ts'
import { usual } from './rungs.ts'

const HELP = `
Ten ways to answer an update check, from a PHP script to the bare HTTP library, on the same data, with the same load, in one run.
Each is asked for --seconds, --rounds times, in alternating order; figures are medians. Needs root to install PHP and nginx where
they are missing. 300,000 add-ons are generated and loaded once, which takes some minutes; all else takes 35 at the most, unless it
is asked for more.

Exit code 1 where what is expected is missed: docs/ladder.md.`

/** The program runs from dist/ of a checkout. */
const root = join(import.meta.dirname, '..', '..', '..')

export function addLadderCommand(parent: Command): void {
  parent
    .command('ladder')
    .description("measure the talk's ladder, from PHP to memory")
    .option('--addons <n>', 'add-ons in the catalogue', wholeNumber(1, 10_000_000), 300_000)
    .option('--rounds <n>', 'how often each rung is run', wholeNumber(1, 100), usual.rounds)
    .option('--seconds <n>', 'length of one run', wholeNumber(1, 600), usual.seconds)
    .option('--folder <path>', 'where the catalogue is kept for the next time', '.bench')
    .option('--report <path>', 'where table, chart and figures are written; by default below --folder')
    .option('--save', 'write them to loadtest/ladder/results.json, docs/ladder.md and docs/ladder.svg too')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', HELP)
    .action(async (options: LadderOptions) => {
      prepare()
      // Its libraries are there for development only, and no other command needs them.
      const { climb } = await import('./climb.ts')
      if (!(await climb(options, root))) process.exitCode = 1
    })
}

function prepare(): void {
  const { status } = spawnSync(process.execPath, [join(root, 'deploy', 'prepare.mjs'), 'ladder'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Failure('What the rungs are made of is not there.', undefined)
}
