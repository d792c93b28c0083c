/** A small day, with real servers and wrk: all its parts, and what its exit code says. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { partNames } from '../../loadtest/day/parts.ts'
import { DAY_AT_ONCE, rateOf } from '../../loadtest/day/visitors.ts'
import { holds, type Report } from '../../loadtest/measure/index.ts'
import { runLoadtest } from '../harness/loadtest.ts'
import { makeFolder } from '../harness/stack.ts'

/** Two at once, since most of the time is spent on starting servers. */
const halves = [partNames.slice(0, 3), partNames.slice(3)]

t.test('a small day runs through all its parts', async (t) => {
  const folder = await makeFolder(t)
  const runs = await Promise.all(
    halves.map((parts, half) =>
      runLoadtest(
        ...['day', '--only', parts.join(','), '--addons', '300', '--seconds', '1', '--growth', '100,300', '--json'],
        ...['--folder', join(folder, `half-${half}`), '--report', join(folder, `report-${half}`)],
      ),
    ),
  )
  const raw = new Map<string, unknown>()
  for (const [half, { code, stdout, stderr }] of runs.entries()) {
    const reports = JSON.parse(stdout) as Report[]
    t.strictSame(
      reports.map(({ name }) => name),
      halves[half],
      stderr,
    )
    // A machine that is busy may answer nothing in half a second; what couldn't be measured is null in JSON.
    const checks = reports.flatMap((report) =>
      report.checks.map((check) => ({ ...check, name: report.name, value: check.value ?? Number.NaN })),
    )
    // How quick this machine is while other tests run is not judged; but that all was answered is.
    for (const check of checks.filter(({ what }) => what === 'errors')) t.equal(check.value, 0, `${check.name}: errors`)
    for (const report of reports) raw.set(report.name, report.raw)
    for (const { name, columns, rows } of reports) {
      for (const row of rows) t.equal(row.length, columns.length, `${name}: ${row.join(' | ')}`)
    }
    const kept = join(folder, `report-${half}`)
    t.strictSame(JSON.parse(readFileSync(join(kept, 'day.json'), 'utf8')), reports)
    t.equal(existsSync(join(kept, 'day-growth.svg')), halves[half]?.includes('growth'))
    t.equal(code, checks.every(holds) ? 0 : 1, 'the exit code says whether all holds')
    t.match(stderr, `${halves[half]?.at(-1)} 3/3`, 'and it told how far it was')
  }
  const hold = raw.get('hold') as { unbroken: { versioncheck: { refused: number } } }
  t.ok(hold.unbroken.versioncheck.refused > 0, 'some of the talk is malformed, and refused')
  const tls = raw.get('tls') as { groups: { rate: number; held?: number; results: object }[] }
  t.match(
    tls.groups.map(({ results }) => Object.keys(results)),
    [
      ['plain, kept', 'TLS 1.2, kept'],
      ['plain, kept', 'TLS 1.2, kept', 'TLS 1.2, new for every profile'],
    ],
  )
  const [atDays, atHeld] = tls.groups
  t.equal(atDays?.rate, rateOf(DAY_AT_ONCE), "kept connections are asked at the day's rate")
  t.ok(atHeld && atHeld.rate >= rateOf(1) && atHeld.rate <= rateOf(DAY_AT_ONCE), `${atHeld?.rate}`)
  t.type(atHeld?.held, 'number')
  const growth = raw.get('growth') as { sizes: { addons: number }[] }
  t.strictSame(
    growth.sizes.map(({ addons }) => addons),
    [100, 300],
  )
})
