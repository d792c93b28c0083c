/** The update join: it sorts nothing, makes no temporary table, and reads no more than it must, on 20,000 add-ons. */

import t from 'tap'
import { generateAddons } from '../../loadtest/generate/index.ts'
import { readStatement, withValues } from '../../service/database/index.ts'
import { startStack } from '../harness/stack.ts'

const ADDONS = 20_000
const stack = await startStack(t)
const addons = [...generateAddons({ addons: ADDONS, seed: 1 })]

/** What the server counted on the owner's connection while some work was done. Asking for it counts too, on some servers. */
async function counted(work: () => Promise<unknown>) {
  const read = async () => {
    const sum = async (pattern: string) => {
      const rows = await stack.owner.rows(`SHOW SESSION STATUS WHERE Variable_name REGEXP '${pattern}'`)
      return rows.reduce((total, { Value: value }) => total + Number(value), 0)
    }
    return { reads: await sum('^Handler_read'), sorts: await sum('^Sort_'), temporary: await sum('^Created_tmp_') }
  }
  await stack.owner.write('FLUSH STATUS')
  const nothing = await read()
  await stack.owner.write('FLUSH STATUS')
  await work()
  const all = await read()
  return {
    reads: all.reads - nothing.reads,
    sorts: all.sorts - nothing.sorts,
    temporary: all.temporary - nothing.temporary,
  }
}

/** Runs the join and returns its rows with what it took. */
async function measure(guids: readonly string[]) {
  const statement = withValues(readStatement('update-check'), guids.length)
  let rows: Awaited<ReturnType<typeof stack.owner.rows>> = []
  const counts = await counted(async () => {
    rows = await stack.owner.rows(statement, guids)
  })
  return { rows, ...counts }
}

t.test(`${ADDONS} add-ons come in`, async (t) => {
  t.match(await stack.load(addons), { created: ADDONS, bad: 0, leftOut: {} })
})

for (const size of [1, 2, 16, 128]) {
  t.test(`${size} at once`, async (t) => {
    for (let round = 0; round < 8; round++) {
      const guids = Array.from(
        { length: size },
        (_, index) => addons[(round * 2_477 + index * 151) % ADDONS]?.guid as string,
      )
      if (size > 1) guids[0] = 'nobody@example.test'
      const { reads, sorts, temporary } = await measure(guids)
      // Where the feed stands is one more, for all of them.
      t.ok(reads <= 2 * size + 1, `${reads} index entries for ${size} guids`)
      t.strictSame({ sorts, temporary }, { sorts: 0, temporary: 0 }, 'no sort, no temporary table')
    }
    const statement = withValues(readStatement('update-check'), size)
    const plan = await stack.owner.rows(
      `EXPLAIN ${statement}`,
      addons.slice(0, size).map(({ guid }) => guid),
    )
    t.strictSame(
      plan.map(({ table }) => table),
      ['k', 'h', 'c'],
      'where the feed stands first, then the add-ons with their candidates',
    )
    for (const { table, key, Extra: extra } of plan) {
      t.equal(key, table === 'c' ? 'guid' : 'PRIMARY', `${table} by ${key}`)
      t.notMatch(extra ?? '', /filesort|temporary|join buffer/, `${table}: ${extra}`)
    }
  })
}

t.test('what it returns is what the catalogue says', async (t) => {
  const sample = addons.slice(0, 500)
  const { rows } = await measure(sample.map(({ guid }) => guid))
  const shown = new Set(rows.map(({ guid }) => guid))
  const known = sample.filter(
    ({ status = 'approved', disabled_by_user: hidden }) => !hidden && status !== 'disabled' && status !== 'deleted',
  )
  t.strictSame(shown, new Set(known.map(({ guid }) => guid)), 'public add-ons, and no others')
  t.ok(
    rows.some(({ facts }) => facts === ''),
    'one with nothing to offer has a row',
  )
})
