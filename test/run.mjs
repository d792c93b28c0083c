/**
 * Runs the tests, all or those named: `npm test`, `npm test -- test/update test/main.test.ts`. Says for each file how it went,
 * what failed and why, and ends with a line `N passed, N failed`. Each file is a process of its own, some at a time, but those that
 * judge how quickly answers come have the machine to themselves.
 */

import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { Parser } from 'tap-parser'

const root = join(import.meta.dirname, '..')
const ALONE = [
  'test/faults/clients.test.ts',
  'test/faults/memcached.test.ts',
  'test/faults/replicas.test.ts',
  'test/feed/many.test.ts',
  'test/freshness/',
  'test/hostile/',
  'test/loadtest/day-run.test.ts',
  'test/loadtest/run.test.ts',
  'test/outage.test.ts',
]
/** They take longest, and so are begun first. */
const LONGEST = [
  'test/faults/restart.test.ts',
  'test/main.test.ts',
  'test/admin/',
  'test/loadtest/ladder/',
  'test/faults/kills.test.ts',
]
const AT_ONCE = Math.max(2, availableParallelism()) + 1
const FILE_S_MAX = 300

const wanted = process.argv.slice(2)
const files = (wanted.length === 0 ? ['test'] : wanted).flatMap(testsBelow)
if (files.length === 0) {
  console.error(`There are no tests in ${wanted.join(', ')}.`)
  process.exit(2)
}

const counts = { passed: 0, failed: 0 }
const isAlone = (/** @type {string} */ file) => ALONE.some((prefix) => file.startsWith(prefix))
const rankOf = (/** @type {string} */ file) => {
  const rank = LONGEST.findIndex((prefix) => file.startsWith(prefix))
  return rank < 0 ? LONGEST.length : rank
}
const together = files.filter((file) => !isAlone(file)).sort((one, other) => rankOf(one) - rankOf(other))
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let file = together.shift(); file !== undefined; file = together.shift()) await run(file)
  }),
)
for (const file of files.filter(isAlone)) await run(file)
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 ? 0 : 1

/**
 * Runs one file to its end and reports on it.
 *
 * @param {string} file
 */
async function run(file) {
  const begunAt = performance.now()
  const report = { passed: 0, /** @type {string[]} */ failures: [] }
  const env = { ...process.env, TAP_TIMEOUT: String(FILE_S_MAX), TAP_JOB_ID: '0' }
  const child = spawn(process.execPath, ['--import=tsx', '--enable-source-maps', file], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const parser = new Parser()
  child.stdout.pipe(parser)
  listen(parser, [], report)
  const timer = setTimeout(() => child.kill('SIGKILL'), FILE_S_MAX * 1_000)
  const [how] = await Promise.all([
    new Promise((done) => child.once('close', (code, signal) => done(code ?? signal))),
    new Promise((done) => parser.once('complete', done)),
  ])
  clearTimeout(timer)
  const { passed, failures } = report
  if (how !== 0 && failures.length === 0) failures.push(`  ended with ${how}\n${said}`)
  if (passed === 0 && failures.length === 0) failures.push('  it tested nothing')
  counts.passed += passed
  counts.failed += failures.length
  const seconds = ((performance.now() - begunAt) / 1_000).toFixed(1)
  console.log(`${failures.length === 0 ? 'ok    ' : 'FAILED'} ${file} ${seconds} s`)
  for (const failure of failures) console.log(failure)
  if (failures.length > 0 && said !== '') console.log(said.trimEnd().replaceAll(/^/gm, '    | '))
}

/**
 * The test files that a path means.
 *
 * @param {string} path
 * @returns {string[]}
 */
function testsBelow(path) {
  const absolute = resolve(path)
  const stats = statSync(absolute, { throwIfNoEntry: false })
  if (stats === undefined) {
    console.error(`${path}: there is no such file or folder.`)
    process.exit(2)
  }
  if (!stats.isDirectory()) return [relative(root, absolute)]
  return readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => relative(root, join(absolute, name)))
    .sort()
}

/**
 * Counts assertions, those of subtests included, and collects the ones that fail.
 *
 * @param {Parser} level
 * @param {string[]} names of the tests around it
 * @param {{ passed: number, failures: string[] }} report
 */
function listen(level, names, report) {
  let failedBefore = report.failures.length
  /** @type {Parser | undefined} */
  let subtest
  level.on('child', (/** @type {Parser} */ next) => {
    subtest = next
    failedBefore = report.failures.length
    listen(next, [...names, next.name], report)
  })
  level.on('assert', (result) => {
    const summary = subtest !== undefined
    subtest = undefined
    if (result.ok) {
      if (!summary) report.passed++
      return
    }
    // A subtest that failed has said why, unless it broke off.
    if (summary && report.failures.length > failedBefore) return
    const { at, diff, stack, thrown, found, message } = result.diag ?? {}
    const where = at ? `${at.fileName}:${at.lineNumber}` : ''
    const why = diff ?? thrown?.message ?? message ?? stack ?? found
    const lines = [`  ${[...names, result.name].join(' > ')}  ${where}`]
    if (why) lines.push(String(why).replaceAll(/^/gm, '    '))
    report.failures.push(lines.join('\n'))
  })
  level.on('bailout', (reason) => report.failures.push(`  gave up: ${reason}`))
}
