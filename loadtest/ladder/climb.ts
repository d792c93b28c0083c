/** From the options to what is printed and written. */

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from '../folder.ts'
import { describeCheck, describeReport, holds, prepareBench } from '../measure/index.ts'
import { drawLadder } from './chart.ts'
import { columns, judge, rowsOf, stepsOf, whole } from './judge.ts'
import { originOf, pageOf, runsOf, type SavedLadder, tableOf } from './page.ts'
import { runLadder } from './run.ts'
import type { Ladder } from './rungs.ts'

export interface LadderOptions {
  readonly addons: number
  readonly rounds: number
  readonly seconds: number
  readonly folder: string
  readonly report?: string
  readonly save?: boolean
  readonly json?: boolean
}

/** Whether all holds that is expected. `root`: the checkout. */
export async function climb(options: LadderOptions, root: string): Promise<boolean> {
  const { addons, rounds, seconds, folder } = options
  const progress = (line: string) => process.stderr.write(`${line}\n`)
  // Not after all has been measured.
  const report = options.report ?? join(folder, 'ladder')
  makeFolder(report)
  const bench = await prepareBench(folder, addons, progress)
  const begunAt = performance.now()
  const measured = await runLadder({ bench, rounds, seconds, progress })
  const ladder: Ladder = { ...measured, minutes: (performance.now() - begunAt) / 60_000 }
  const saved: SavedLadder = { ...ladder, ...surroundings(root) }
  const chart = await drawLadder({ steps: stepsOf(ladder), footnote: originOf(saved) })
  const figures = `${JSON.stringify(saved, null, 1)}\n`

  writeFileSync(join(report, 'ladder.json'), figures)
  writeFileSync(join(report, 'ladder.svg'), chart)
  writeFileSync(join(report, 'ladder.md'), `${tableOf(ladder)}\n${originOf(saved)}\n`)
  if (options.save) {
    writeFileSync(join(root, 'loadtest', 'ladder', 'results.json'), figures)
    writeFileSync(join(root, 'docs', 'ladder.svg'), chart)
    writeFileSync(join(root, 'docs', 'ladder.md'), pageOf(saved))
  }

  const checks = judge(ladder)
  for (const check of checks) progress(describeCheck(check))
  const what = `update checks, ${whole(addons)} add-ons, ${ladder.connections} connections, ${runsOf(ladder)}`
  const table = describeReport({ name: 'ladder', what, columns, rows: rowsOf(ladder), checks: [], raw: undefined })
  console.log(options.json ? JSON.stringify({ ...saved, steps: stepsOf(ladder), checks }) : table.trimEnd())
  return checks.every(holds)
}

function surroundings(root: string): Pick<SavedLadder, 'date' | 'commit' | 'node' | 'machine'> {
  const [cpu] = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim(),
    node: process.version,
    machine: `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  }
}
