import fc from 'fast-check'
import t from 'tap'
import { readRange } from '../../service/files/range.ts'
import { holds } from '../harness/property.ts'

t.test('one range, as RFC 9110 has it', async (t) => {
  t.strictSame(readRange('bytes=0-0', 10), { first: 0, last: 0 })
  t.strictSame(readRange('bytes=2-', 10), { first: 2, last: 9 })
  t.strictSame(readRange('bytes=-3', 10), { first: 7, last: 9 })
  t.strictSame(readRange('bytes=-30', 10), { first: 0, last: 9 })
  t.strictSame(readRange('bytes=5-99', 10), { first: 5, last: 9 })
  t.equal(readRange('bytes=10-', 10), 'unsatisfiable')
  t.equal(readRange('bytes=-0', 10), 'unsatisfiable')
  for (const header of [
    '',
    'bytes=',
    'bytes=-',
    'bytes=5-2',
    'bytes=1-2,3-4',
    'lines=1-2',
    'bytes=a-b',
    'bytes=99999999999999999999-',
  ]) {
    t.equal(readRange(header, 10), 'whole', header)
  }
})

t.test('whatever is asked for lies within the file', async (t) => {
  holds(
    t,
    'a range is within the file',
    fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat({ max: 1_000 }), (junk, from, to, size) => {
      return [junk, `bytes=${from}-${to}`, `bytes=${from}-`, `bytes=-${to}`].every((header) => {
        const range = readRange(header, size)
        return typeof range === 'string' || (range.first >= 0 && range.first <= range.last && range.last < size)
      })
    }),
    5_000,
  )
})
