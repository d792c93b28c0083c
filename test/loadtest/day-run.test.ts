/** A small day, with real servers and wrk: all its parts, and what its exit code says. */

import { join } from 'node:path'
import t from 'tap'
import { partNames } from '../../loadtest/day/parts.ts'
import { holds, type Report } from '../../loadtest/measure/index.ts'
import { runLoadtest } from '../harness/loadtest.ts'
import { makeFolder } from '../harness/stack.ts'

t.test('a small day runs through all its parts', async (t) => {
  const folder = await makeFolder(t)
  const { code, stdout, stderr } = await runLoadtest(
    ...['day', '--addons', '300', '--seconds', '1', '--growth', '100,300', '--folder', join(folder, 'bench'), '--json'],
  )
  const reports = JSON.parse(stdout) as Report[]
  t.strictSame(
    reports.map(({ name }) => name),
    partNames,
    stderr,
  )
  // A machine that is busy may answer nothing in half a second; what couldn't be measured is null in JSON.
  const checks = reports.flatMap((report) =>
    report.checks.map((check) => ({ ...check, name: report.name, value: check.value ?? Number.NaN })),
  )
  // How quick this machine is while other tests run is not judged; but that all was answered is.
  for (const check of checks.filter(({ what }) => what === 'errors')) {
    if (check.name !== 'connections' && check.name !== 'tls') t.equal(check.value, 0, `${check.name}: errors`)
  }
  for (const { name, columns, rows } of reports) {
    for (const row of rows) t.equal(row.length, columns.length, `${name}: ${row.join(' | ')}`)
  }
  const growth = reports.find(({ name }) => name === 'growth')?.raw as { sizes: { addons: number }[] }
  t.strictSame(
    growth.sizes.map(({ addons }) => addons),
    [100, 300],
  )
  t.equal(code, checks.every(holds) ? 0 : 1, 'the exit code says whether all holds')
  t.match(stderr, /growth 6\/6/, 'and it told how far it was')
})
