/** docs/ladder.md: what the ladder is, and the figures of the run that was kept. Nobody types figures. */

import { describeCheck } from '../measure/index.ts'
import { TALK, talkFigures } from './history.ts'
import { columns, judge, rowsOf, whole } from './judge.ts'
import { type Ladder, rungs } from './rungs.ts'

/** A run that is kept, with where and when it was made. */
export interface SavedLadder extends Ladder {
  readonly date: string
  readonly commit: string
  readonly node: string
  readonly machine: string
}

const [lowest] = talkFigures
const highest = talkFigures.at(-1) as (typeof talkFigures)[number]

const HEAD = `# The ladder

Written by \`npm run -s loadtest -- ladder --save\`; the figures lie in \`loadtest/ladder/results.json\`.

The talk that began this (${TALK}) tells how the update check went from ${lowest.rate} requests a second to
${whole(highest.rate)}, rung by rung. This is the same ladder, and the rungs it did not have, on one catalogue, with one load, in one
run:

| rung | what answers |
| --- | --- |
${rungs.map(({ name, what }, number) => `| ${number} \`${name}\` | ${what} |`).join('\n')}

Rungs 0 to 5 are programs of their own in \`loadtest/ladder/rungs\`, a small file each, written as one would write them: pools
where there are pools, values apart from statements, keep-alive, no log of requests. A test asks them the vectors of the contract, and each
run compares their answers with ours before it measures.

## How it is measured

- Rungs 0 to 7 are asked for each add-on of the catalogue in turn, so that no answer is there already; 6 and 7 without their memory,
  7 with a memcached that was filled before, and must have nine in ten of what 7 is asked for. Rungs 8 and 9 are asked for popular
  add-ons, all of them in memory.
- Rung 9 writes its four headers in four calls, as the library is used; ours writes them in one
  ([decision 12](decisions/0012-headers-in-one-call.md)).
- One MariaDB replica for all, by its socket; 10 connections to it where they are kept, 10 PHP processes. One process of Node each.
- wrk with 64 connections on the same machine. Of rungs 8 and 9 the server has one processor and wrk another; all else shares
  all of them. One rung is asked at a time, in alternating order.
- Rates, times and ratios are medians of several runs. The generator takes its share of the processors, the more the quicker the
  rung: the processor time of a check says more than the rate. It is that of all processes which answer (nginx and PHP too), and of
  the replica (and memcached).

\`\`\`sh
npm run -s loadtest -- ladder                                         # 300,000 add-ons; at most 35 minutes once they are loaded
npm run -s loadtest -- ladder --addons 3000 --rounds 1 --seconds 2   # to see it work
\`\`\`

It ends with the table, and with exit code 1 where what is expected is missed. Table, chart and figures are written to
\`.bench/ladder\`, or to \`--report\`.
`

/** The whole page; without a run it says that there is none. */
export function pageOf(saved: SavedLadder | undefined): string {
  if (saved === undefined) return `${HEAD}\n## Figures\n\nNo run has been kept yet.\n`
  return `${HEAD}\n## Figures\n\n![Rates of all rungs as bars.](ladder.svg)\n\n${tableOf(saved)}\n${originOf(saved)}\n`
}

/** Table and checks, in Markdown. */
export function tableOf(ladder: Ladder): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return `${[
    row(columns),
    row(columns.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rowsOf(ladder).map(row),
    '',
    ...judge(ladder).map((check) => `- ${describeCheck(check)}`),
  ].join('\n')}\n`
}

/** Where, when and of what the figures are. */
export function originOf(saved: SavedLadder): string {
  const { date, commit, node, machine, addons } = saved
  return `${date}, commit ${commit}, Node ${node}, ${machine}; ${whole(addons)} add-ons, ${runsOf(saved)}.`
}

/** How long each rung was asked. */
export function runsOf({ rounds, seconds }: Ladder): string {
  return rounds === 1 ? `one run of ${seconds} s each` : `${rounds} runs of ${seconds} s each`
}
