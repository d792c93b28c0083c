/** The day's pieces: what is promised is judged, shown and kept; what is not understood is told. */

import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { drawGrowth } from '../../loadtest/day/chart.ts'
import { describeChecks } from '../../loadtest/day/command.ts'
import { type Held, judgeHold } from '../../loadtest/day/hold.ts'
import { entriesFor } from '../../loadtest/day/memory-size.ts'
import { makePackage } from '../../loadtest/day/package.ts'
import { partNames } from '../../loadtest/day/parts.ts'
import { RATE, slicesOf } from '../../loadtest/day/run.ts'
import { pagesOf, save } from '../../loadtest/day/save.ts'
import { Random } from '../../loadtest/generate/random.ts'
import { type Check, holds, missedOf, type Report, readSaved } from '../../loadtest/measure/index.ts'
import { drawByUsers, generatedPopulation } from '../../loadtest/traffic/index.ts'
import { readPackage } from '../../service/catalogue/xpi.ts'
import { runLoadtest } from '../harness/loadtest.ts'
import { root, runToEnd } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'

t.test('what is promised is judged', async (t) => {
  t.ok(holds({ what: 'errors', value: 0, atMost: 0 }))
  t.notOk(holds({ what: 'errors', value: 1, atMost: 0 }))
  t.ok(holds({ what: 'rate', value: 0.98, atLeast: 0.98 }))
  t.notOk(holds({ what: 'rate', value: 0.979, atLeast: 0.98 }))
  t.notOk(holds({ what: 'misses', value: 0.23, atLeast: 0.18, atMost: 0.22 }))
  t.notOk(holds({ what: 'not measured', value: Number.NaN, atMost: 2 }), 'what could not be measured')
})

t.test('all checks are shown as one table', async (t) => {
  const report = (name: string, checks: Check[]): Report => ({ name, what: '', columns: [], rows: [], checks, raw: {} })
  const text = describeChecks([
    report('hold', [{ what: 'p99, of that of the bare library', value: 2.5, atMost: 2 }]),
    report('mix', [{ what: 'misses', value: 0.2, atLeast: 0.18, atMost: 0.22 }]),
  ])
  t.match(text, /^hold: p99, of that of the bare library +2\.50 +at most 2 +MISSED$/m)
  t.match(text, /^mix: misses +0\.200 +at least 0\.18, at most 0\.22 +holds$/m)
})

t.test('slices add up to the seconds that are wanted, or a little more', async (t) => {
  t.strictSame(slicesOf(60), { count: 12, seconds: 5 })
  t.strictSame(slicesOf(3), { count: 1, seconds: 3 })
  for (const wanted of [1, 4, 5, 7, 61, 600]) {
    const { count, seconds } = slicesOf(wanted)
    t.ok(count * seconds >= wanted && count * seconds < wanted + 5, `${wanted}`)
  }
})

t.test("the day's rate holds where turns and the run without a break do", async (t) => {
  const held = (changes: Partial<Held> = {}): Held => ({
    ...{ requests: 100, rate: RATE, p50: 0.2, p99: 1, p999: 2, max: 3, lateP99: 0, refused: 1, errors: 0, cpuUs: 12 },
    ...changes,
  })
  const good = {
    bare: [held(), held()],
    versioncheck: [held(), held()],
    unbroken: { bare: held(), versioncheck: held() },
    missed: 0,
  }
  const missed = (changes: Partial<typeof good>) =>
    judgeHold({ ...good, ...changes })
      .filter((check) => !holds(check))
      .map(({ what }) => what)
  t.strictSame(missed({}), [])
  t.strictSame(missed({ bare: [held({ errors: 9 }), held()] }), [], "the bare library's are its own")
  t.strictSame(missed({ versioncheck: [held(), held({ errors: 1 })] }), ['errors'])
  t.strictSame(missed({ unbroken: { bare: held(), versioncheck: held({ errors: 1 }) } }), ['errors'])
  t.strictSame(missed({ versioncheck: [held({ rate: RATE * 0.97 })] }), ['part of the rate that was reached'])
  t.strictSame(missed({ unbroken: { bare: held(), versioncheck: held({ rate: RATE * 0.97 }) } }), [
    'the same without a break',
  ])
  t.strictSame(missed({ versioncheck: [held({ p99: 2.1 }), held({ p99: 2.1 })] }), ['p99, of that of the bare library'])
  t.strictSame(missed({ bare: [held({ lateP99: 6 }), held({ lateP99: 6 })] }), [
    'the generator itself was late, p99 ms',
  ])
  t.strictSame(missed({ versioncheck: [held({ lateP99: 6 }), held(), held()] }), [], 'one turn of three')
  t.strictSame(missed({ missed: 1 }), ['checks that memory had not'])
})

t.test('memory misses what any other tier was asked for, or none could answer', async (t) => {
  const metrics = (counts: Record<string, number>) =>
    new Map(
      Object.entries({ memory: 9, memcached: 0, replica: 0, none: 0, invalid: 3, ...counts }).map(([tier, count]) => [
        `versioncheck_checks_total{tier="${tier}"}`,
        count,
      ]),
    )
  t.equal(missedOf(metrics({})), 0)
  t.equal(missedOf(metrics({ memcached: 1, replica: 2, none: 4 })), 7)
  t.notOk(missedOf(new Map()) <= 0, 'a server that counts nothing says nothing')
})

t.test('a memory of the computed size misses as much as was wanted', async (t) => {
  const population = generatedPopulation(2_000, 1)
  const draw = drawByUsers(population)
  for (const wanted of [0.1, 0.2, 0.4]) {
    const entries = entriesFor(population, wanted)
    // Maps keep the order in which they were filled: the first is what was asked for longest ago.
    const held = new Map<number, true>()
    let misses = 0
    const [fill, count] = [20_000, 100_000]
    for (let number = 0; number < fill + count; number++) {
      const addon = draw.one(new Random(5, 1, number))
      if (!population.isPublic[addon]) continue
      if (!held.delete(addon) && number >= fill) misses++
      held.set(addon, true)
      if (held.size > entries) held.delete(held.keys().next().value as number)
    }
    t.ok(Math.abs(misses / count - wanted) < 0.01, `${wanted}: ${entries} entries, ${misses / count} missed`)
  }
})

t.test('the chart has a point for each catalogue, and is an image by itself', async (t) => {
  const svg = await drawGrowth([
    { addons: 3_000, cpuUs: 9.87, residentMib: 140 },
    { addons: 30_000, cpuUs: 9.95, residentMib: 160 },
    { addons: 1_000_000, cpuUs: 10.4, residentMib: 1_024 },
  ])
  for (const text of ['9.9', '10.4', '140', '1,024', '3k', '30k', '1M']) t.match(svg, `>${text}<`)
  t.notMatch(svg, /NaN|undefined|<image|<script/)
})

t.test('what is saved becomes a page, its parts in the order of the day', async (t) => {
  const folder = await makeFolder(t)
  mkdirSync(join(folder, 'docs'))
  const report = (name: string, raw: unknown): Report => ({
    name,
    what: `what ${name} is`,
    columns: ['', 'a second'],
    rows: [['versioncheck', '23,148']],
    checks: [{ what: 'errors', value: 0, atMost: 0 }],
    raw,
  })
  const sizes = [10, 100].map((addons) => ({ addons, cpuUs: 9, residentMib: 100 }))
  for (const name of ['mix', 'growth', 'hold']) await save(report(name, { sizes }), { seconds: 1 }, folder)
  const page = readFileSync(join(folder, 'docs', 'day.md'), 'utf8')
  t.strictSame(
    [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading),
    ['hold', 'mix', 'growth'],
  )
  t.match(page, '| versioncheck | 23,148 |')
  t.match(page, '- holds  errors: 0 (at most 0)')
  t.match(page, '](day-growth.svg)')
  t.match(readFileSync(join(folder, 'docs', 'day-growth.svg'), 'utf8'), /^<svg /)
})

t.test('docs/day.md and its chart are of the figures that were kept', async (t) => {
  const pages = await pagesOf(readSaved(join(root, 'loadtest', 'day', 'results')))
  t.strictSame(Object.keys(pages), ['day.md', 'day-growth.svg'])
  for (const [name, text] of Object.entries(pages)) t.equal(readFileSync(join(root, 'docs', name), 'utf8'), text, name)
})

t.test('what is not understood is told, with exit code 2', async (t) => {
  for (const args of [
    ['--only', 'hold,nothing'],
    ['--growth', '100'],
    ['--growth', '100,many'],
    ['--seconds', '0'],
    ['--addons', '1.5'],
    ['--nothing'],
  ]) {
    const { code, stderr } = await runLoadtest('day', ...args)
    t.equal(code, 2, `${args.join(' ')}: ${stderr.split('\n')[0]}`)
  }
  const help = await runLoadtest('day', '--help')
  t.equal(help.code, 0)
  for (const name of partNames) t.match(help.stdout, `  ${name} `)
  t.match(help.stdout, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 /)
})

t.test('a generator that is not there is told before anything is measured', async (t) => {
  const folder = await makeFolder(t)
  const day = (...more: string[]) => {
    const args = [join(root, 'dist', 'loadtest', 'main.js'), 'day', '--folder', folder, ...more]
    return runToEnd(spawn(process.execPath, args, { env: { PATH: '' } }))
  }
  for (const [args, message] of [
    [[], 'h2load is not installed. As root: apt-get install nghttp2-client.'],
    [['--only', 'tls'], 'h2load is not installed. As root: apt-get install nghttp2-client.'],
    [['--only', 'growth'], 'wrk is not installed. As root: apt-get install wrk.'],
  ] as const) {
    const { code, stderr } = await day(...args)
    t.equal(code, 1)
    t.equal(stderr, `loadtest: ${message}\n`, 'and nothing else')
  }
  t.strictSame(readdirSync(folder), [], 'nor generated')
})

t.test('a package is a ZIP file that says which add-on it is', async (t) => {
  const content = makePackage({ guid: 'a@example.test', version: '2.0', bytes: 1_000 })
  const path = join(await makeFolder(t), 'a.xpi')
  writeFileSync(path, content)
  t.match(await readPackage(path), { guid: 'a@example.test', version: '2.0' })
})
