/** Guids met lately: bounded, and the newer half is always there. */

import t from 'tap'
import { RecentGuids } from '../../service/cache/recent-guids.ts'

const MAX = 1_000

t.test('however many come, no more than the bound are held, and the last half is', async (t) => {
  const guids = new RecentGuids(MAX)
  for (let number = 0; number < MAX * 5; number++) {
    guids.add(`${number}@x`)
    if (guids.size > MAX) t.fail(`${guids.size} after ${number}`)
    if (!guids.has(`${number}@x`)) t.fail(`${number} is not there`)
    const before = number - MAX / 2 + 1
    if (before >= 0 && !guids.has(`${before}@x`)) t.fail(`${before} is not there after ${number}`)
  }
  t.notOk(guids.has('0@x'), 'the oldest have gone')
})

t.test('one that is forgotten is gone, in whichever half it lay, however often it was added', async (t) => {
  const guids = new RecentGuids(MAX)
  guids.add('old@x')
  for (let number = 0; number < MAX / 2; number++) guids.add(`${number}@x`)
  t.ok(guids.has('old@x'))
  guids.add('old@x')
  guids.delete('old@x')
  t.notOk(guids.has('old@x'))
  guids.delete('never@x')
  guids.clear()
  t.equal(guids.size, 0)
  t.notOk(guids.has('1@x'))
})
