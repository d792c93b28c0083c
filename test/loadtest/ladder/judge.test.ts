/** What a ladder says of its figures: the table, what must hold, the chart, the page. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { drawLadder } from '../../../loadtest/ladder/chart.ts'
import { talkFigures } from '../../../loadtest/ladder/history.ts'
import { columns, judge, rowsOf, stepsOf } from '../../../loadtest/ladder/judge.ts'
import { originOf, pageOf, type SavedLadder } from '../../../loadtest/ladder/page.ts'
import { type Ladder, type Run, type RungName, rungs } from '../../../loadtest/ladder/rungs.ts'
import { holds } from '../../../loadtest/measure/index.ts'
import { root } from '../../harness/server.ts'

/** Rates, and processor time of service and database, with which all just holds. */
const good: Readonly<Record<RungName, readonly [rate: number, serviceUs: number, databaseUs: number]>> = {
  php: [2_900, 160, 300],
  orm: [600, 1_500, 300],
  'orm-eager': [700, 1_100, 350],
  'raw-sql': [3_000, 200, 200],
  bare: [900, 900, 400],
  pooled: [2_500, 100, 200],
  batched: [9_000, 40, 20],
  memcached: [15_000, 45, 5],
  memory: [70_000, 10, 0],
  limit: [80_000, 8.5, 0],
}

/** Three rounds, the second one on a machine half as quick. */
function ladderOf(changes: Partial<typeof good> = {}, others: Partial<Ladder> = {}): Ladder {
  const runs = Object.entries({ ...good, ...changes }).map(([name, [rate, serviceUs, databaseUs]]) => {
    const run = (speed: number): Run => ({
      rate: rate * speed,
      serviceUs: serviceUs / speed,
      databaseUs: databaseUs / speed,
      p50: 1,
      p99: 5,
      errors: 0,
    })
    return [name, [run(1), run(0.5), run(1)]]
  })
  return {
    addons: 300,
    connections: 64,
    rounds: 3,
    seconds: 1,
    runs: Object.fromEntries(runs),
    memcachedHits: 1,
    memoryMisses: 0,
    ...others,
  }
}

const saved: SavedLadder = { ...ladderOf(), date: '2026-11-26', commit: 'abcdef1', node: 'v20', machine: '2 × CPU' }

function missed(ladder: Ladder): string[] {
  return judge(ladder)
    .filter((check) => !holds(check))
    .map(({ what }) => what)
}

t.test('what is expected is judged by the medians of the ratios of each round', async (t) => {
  t.strictSame(missed(ladderOf()), [])
  t.strictSame(missed(ladderOf({ batched: [8_990, 40, 20] })), ['batched, of the rate of orm'])
  t.strictSame(missed(ladderOf({ pooled: [2_600, 100, 200] })), ['batched, of the rate of pooled'])
  t.strictSame(missed(ladderOf({ pooled: [2_500, 100, 190] })), [
    'processor time of pooled, service and database, of that of batched',
  ])
  t.strictSame(missed(ladderOf({ memory: [67_900, 10, 0] })), ['memory, of the rate of limit'])
  t.strictSame(missed(ladderOf({ memory: [70_000, 10.1, 0] })), ['processor time of limit, of that of memory'])
  t.strictSame(missed(ladderOf({}, { memcachedHits: 0.8 })), ["part of memcached's checks that memcached had"])
  for (const memoryMisses of [1, Number.NaN])
    t.strictSame(missed(ladderOf({}, { memoryMisses })), ["memory's checks that memory had not"])
  const late = ['minutes that the ladder took']
  t.strictSame(missed(ladderOf({}, { minutes: 35 })), [])
  t.strictSame(missed(ladderOf({}, { minutes: 35.1 })), late)
  t.strictSame(missed(ladderOf({}, { minutes: 35.1, rounds: 5, seconds: 10 })), late)
  t.strictSame(missed(ladderOf({}, { minutes: 70, rounds: 10, seconds: 10 })), [], 'it was asked for more')
  const { runs } = ladderOf()
  const [first, ...rest] = runs.php as [Run, ...Run[]]
  t.strictSame(missed(ladderOf({}, { runs: { ...runs, php: [{ ...first, errors: 1 }, ...rest] } })), ['errors'])
})

t.test('the table has a row a rung, from the lowest to the highest', async (t) => {
  const rows = rowsOf(ladderOf())
  t.strictSame(
    rows.map(([name]) => name),
    rungs.map(({ name }, number) => `${number} ${name}`),
  )
  t.strictSame(rows[6], ['6 batched', '9,000', '15', '40.0', '20.0', '60.0', '1.00', '5.00'])
  t.strictSame(rows[8]?.slice(3, 6), ['10.0', '', '10.0'], 'no database')
  t.ok(rows.every((row) => row.length === columns.length))
})

t.test('the chart shows every rung, longer bars for higher rates', async (t) => {
  const chart = await drawLadder({ steps: stepsOf(ladderOf()), footnote: '2 < 3 & "more"' })
  for (const { name } of rungs) t.match(chart, new RegExp(`\\d  ${name}</text>`))
  t.match(chart, '2 &lt; 3 &amp; &quot;more&quot;')
  t.notMatch(chart, /NaN|undefined|Infinity/)
  // Bars are paths that begin at the axis and go right as far as their rate.
  const widths = [...chart.matchAll(/aria-roledescription="bar"[^>]* d="M[\d.]+,[\d.]+L([\d.]+),/g)].map(([, width]) =>
    Number(width),
  )
  t.equal(widths.length, rungs.length + talkFigures.length, 'and the figures of the talk')
  const order = (values: readonly number[]) =>
    values.map((_, index) => index).sort((one, other) => (values[one] as number) - (values[other] as number))
  t.strictSame(order(widths.slice(0, rungs.length)), order(stepsOf(ladderOf()).map(({ rate }) => rate)))
})

t.test('the page says where its figures are of', async (t) => {
  const page = pageOf(saved)
  for (const part of ['| 6 batched | 9,000 | 15 |', 'holds  errors', '2026-11-26, commit abcdef1', '2 × CPU'])
    t.ok(page.includes(part), part)
  t.match(pageOf(undefined), /No run has been kept yet/)
})

t.test('docs/ladder.md and its chart are of the figures that were kept', async (t) => {
  const results = join(root, 'loadtest', 'ladder', 'results.json')
  const kept = existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as SavedLadder) : undefined
  t.equal(readFileSync(join(root, 'docs', 'ladder.md'), 'utf8'), pageOf(kept))
  const chart = join(root, 'docs', 'ladder.svg')
  t.equal(existsSync(chart), kept !== undefined)
  if (kept === undefined) return
  t.equal(readFileSync(chart, 'utf8'), await drawLadder({ steps: stepsOf(kept), footnote: originOf(kept) }))
})
