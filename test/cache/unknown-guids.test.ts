/** Guids that nobody knows: bounded, and the newer half is always there. */

import t from 'tap'
import { UnknownGuids } from '../../service/cache/unknown-guids.ts'
import { UNKNOWN_GUIDS_MAX } from '../../service/limits.ts'

t.test('however many come, no more than the bound are held, and the last half is', async (t) => {
  const unknown = new UnknownGuids()
  for (let number = 0; number < UNKNOWN_GUIDS_MAX * 5; number++) {
    unknown.add(`${number}@x`)
    if (unknown.size > UNKNOWN_GUIDS_MAX) t.fail(`${unknown.size} after ${number}`)
    if (!unknown.has(`${number}@x`)) t.fail(`${number} is not there`)
    const before = number - UNKNOWN_GUIDS_MAX / 2 + 1
    if (before >= 0 && !unknown.has(`${before}@x`)) t.fail(`${before} is not there after ${number}`)
  }
  t.notOk(unknown.has('0@x'), 'the oldest have gone')
})

t.test('one that is forgotten is gone, in whichever half it lay, however often it was added', async (t) => {
  const unknown = new UnknownGuids()
  unknown.add('old@x')
  for (let number = 0; number < UNKNOWN_GUIDS_MAX / 2; number++) unknown.add(`${number}@x`)
  t.ok(unknown.has('old@x'))
  unknown.add('old@x')
  unknown.delete('old@x')
  t.notOk(unknown.has('old@x'))
  unknown.delete('never@x')
  unknown.clear()
  t.equal(unknown.size, 0)
  t.notOk(unknown.has('1@x'))
})
