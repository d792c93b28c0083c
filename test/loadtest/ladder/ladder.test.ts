/** A whole ladder, as its user climbs it, over few add-ons. */

import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { rungs } from '../../../loadtest/ladder/rungs.ts'
import { root, runToEnd } from '../../harness/server.ts'
import { makeFolder } from '../../harness/stack.ts'

const ladder = (args: readonly string[]) => {
  const { NODE_OPTIONS: _, ...env } = process.env
  return runToEnd(spawn(process.execPath, [join(root, 'dist', 'loadtest', 'main.js'), 'ladder', ...args], { env }))
}

t.test('every rung is measured, and the table comes last', async (t) => {
  const folder = await makeFolder(t)
  const args = ['--addons', '300', '--rounds', '1', '--seconds', '1', '--folder', folder]
  const { code, stdout, stderr } = await ladder(args)
  const lines = stdout.trimEnd().split('\n')
  t.strictSame(
    lines.slice(-rungs.length).map((line) => line.split(/ {2,}/)[0]),
    rungs.map(({ name }, number) => `${number} ${name}`),
    stderr,
  )
  // On a machine that tests something else meanwhile ratios say nothing, but the exit code says what was said of them.
  t.equal(code, /^MISSED/m.test(stderr) ? 1 : 0)
  t.match(stderr, /^holds {2}errors: 0/m)
  t.match(stderr, /^holds {2}minutes that the ladder took: [\d.]+ \(at most 35\)/m)
  for (const { name } of rungs) t.match(stderr, new RegExp(`^round 1 of 1: ${name}: [\\d,]+ a second`, 'm'))

  const report = join(folder, 'ladder')
  const figures = JSON.parse(readFileSync(join(report, 'ladder.json'), 'utf8'))
  for (const { name } of rungs) {
    const [run] = figures.runs[name]
    t.ok(run.rate > 0 && run.serviceUs > 0 && run.p99 >= run.p50, name)
    t.equal(run.databaseUs > 0, !['memory', 'limit'].includes(name), `${name}: its database`)
  }
  t.match(readFileSync(join(report, 'ladder.svg'), 'utf8'), /^<svg .*<\/svg>\n$/s)
  t.match(readFileSync(join(report, 'ladder.md'), 'utf8'), /^\| 9 limit \|/m)
})

t.test('a report that could not be written is told before anything is made', async (t) => {
  const folder = await makeFolder(t)
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const { code, stderr } = await ladder(['--addons', '300', '--folder', join(folder, 'bench'), '--report', file])
  t.equal(code, 1)
  t.match(stderr, /^loadtest: The folder .*file can't be made: there is a file in its place\.\n$/)
  t.notOk(existsSync(join(folder, 'bench')))
})

t.test('numbers that are none are misuse', async (t) => {
  for (const option of ['--addons', '--rounds', '--seconds']) {
    const { code, stderr } = await ladder([option, '0'])
    t.equal(code, 2)
    t.match(stderr, /It must be a whole number from 1 to/)
  }
})
