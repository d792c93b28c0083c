/**
 * Runs the tests, all or those named: `npm test`, `npm test -- test/update test/main.test.ts`. Says for each file how it went,
 * what failed and why, and ends with a line `N passed, N failed`.
 */

import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { Parser } from 'tap-parser'

const root = join(import.meta.dirname, '..')
const wanted = process.argv.slice(2)
const files = (wanted.length === 0 ? ['test'] : wanted).flatMap(testsBelow)
if (files.length === 0) {
  console.error(`There are no tests in ${wanted.join(', ')}.`)
  process.exit(2)
}

const counts = { passed: 0, failed: 0 }
const tap = join(root, 'node_modules', '.bin', 'tap')
const child = spawn(tap, ['run', '--reporter=tap', ...files], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
const parser = new Parser()
child.stdout.pipe(parser)
listen(parser, [])
const [code] = await Promise.all([
  new Promise((done) => child.once('close', done)),
  new Promise((done) => parser.once('complete', done)),
])
if (code !== 0 && counts.failed === 0) {
  counts.failed++
  console.log(`the runner ended with ${code}`)
}
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 ? 0 : 1

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
 * Counts assertions, those of subtests included, and shows the ones that fail.
 *
 * @param {Parser} level
 * @param {string[]} names of the tests around it
 */
function listen(level, names) {
  let failedBefore = counts.failed
  /** @type {Parser | undefined} */
  let subtest
  level.on('child', (/** @type {Parser} */ next) => {
    subtest = next
    failedBefore = counts.failed
    listen(next, [...names, next.name])
  })
  level.on('assert', (result) => {
    const summary = subtest !== undefined
    subtest = undefined
    if (names.length === 0) {
      const seconds = result.time === undefined ? '' : ` ${(result.time / 1000).toFixed(1)} s`
      console.log(`${result.ok ? 'ok    ' : 'FAILED'} ${result.name}${seconds}`)
    }
    if (result.ok) {
      if (!summary) counts.passed++
      return
    }
    // A subtest that failed has said why, unless it broke off.
    if (summary && counts.failed > failedBefore) return
    counts.failed++
    const { at, diff, stack, thrown, found, message } = result.diag ?? {}
    const where = at ? `${at.fileName}:${at.lineNumber}` : ''
    console.log(`  ${[...names, result.name].join(' > ')}  ${where}`)
    const why = diff ?? thrown?.message ?? message ?? stack ?? found
    if (why) console.log(String(why).replaceAll(/^/gm, '    '))
  })
  level.on('bailout', (reason) => {
    counts.failed++
    console.log(`  gave up: ${reason}`)
  })
}
