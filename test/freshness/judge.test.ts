/** The judge itself: it must see what is wrong, and nothing else. */

import t from 'tap'
import { type Answer, judge } from './judge.ts'

const STATES = new Map([['a', ['1', '2', 'hidden', '3', 'hidden', '4']]])

function answer(seen: string, askedAt: number, answeredAt = askedAt + 1, more: Partial<Answer> = {}): Answer {
  return { worker: 'w', guid: 'a', seen, askedAt, answeredAt, isMarked: false, ...more }
}

function rules(answers: readonly Answer[], leastState = (_: number) => 0): string[] {
  const violations = judge({ states: STATES, answers, leastState: (_, __, at) => leastState(at), freshMsMax: 1_000 })
  return violations.map(({ rule, detail }) => `${rule}: ${detail}`)
}

t.test('what rises is in order, whatever is left out', async (t) => {
  t.strictSame(rules(['1', '2', 'hidden', '3', 'hidden', '4'].map((seen, at) => answer(seen, at * 10))), [])
  t.strictSame(rules(['1', 'hidden', 'hidden', '4', '4'].map((seen, at) => answer(seen, at * 10))), [])
})

t.test('what falls is not', async (t) => {
  t.strictSame(rules([answer('2', 0), answer('1', 10)]), ['older than before: state 0 (1) after state 1 (2)'])
  t.strictSame(rules([answer('4', 0), answer('hidden', 10)]), ['older than before: state 4 (hidden) after state 5 (4)'])
  t.strictSame(rules([answer('2', 0), answer('hidden', 10), answer('3', 20), answer('2', 30)]).length, 1)
  t.strictSame(rules([answer('4', 0), answer('1', 10, 11, { worker: 'another' })]), [], 'another process may be later')
  t.strictSame(rules([answer('4', 0), answer('1', 10, 11, { isMarked: true })]), [], 'it said so')
  t.strictSame(rules([answer('2', 0, 1, { isMarked: true }), answer('1', 10)]).length, 1, 'what was marked counts too')
  t.strictSame(
    rules([answer('3', 0), answer('hidden', 10, 11, { isMarked: true }), answer('3', 20)]),
    [],
    'as the oldest that it can be',
  )
})

t.test('answers that overlap may come in any order', async (t) => {
  t.strictSame(rules([answer('2', 0, 100), answer('1', 50, 60)]), [])
  t.strictSame(rules([answer('2', 0, 40), answer('1', 50, 60)]).length, 1)
  t.strictSame(rules([answer('2', 0, 100), answer('1', 50, 60), answer('1', 90, 95), answer('1', 101)]).length, 1)
})

t.test('what its replica has had for a second must show', async (t) => {
  const since = (at: number) => (at >= 500 ? 1 : 0)
  t.strictSame(rules([answer('1', 1_499)], since), [])
  t.strictSame(rules([answer('1', 1_500)], since).length, 1)
  t.strictSame(rules([answer('2', 1_500)], since), [])
  t.strictSame(rules([answer('1', 1_500, 1_501, { isMarked: true })], since), [])
})

t.test('what never was is invented', async (t) => {
  t.strictSame(rules([answer('9', 0)]), ['invented: no state was ever 9'])
})

t.test('a complaint says which state was given, and which was due', async (t) => {
  const complaints = (answers: readonly Answer[], least = 0) =>
    judge({ states: STATES, answers, leastState: () => least, freshMsMax: 1_000 }).map(({ rule, given, due }) => ({
      rule,
      given,
      due,
    }))
  t.strictSame(complaints([answer('2', 0)], 3), [{ rule: 'too old', given: 1, due: 3 }])
  t.strictSame(complaints([answer('hidden', 0)], 5), [{ rule: 'too old', given: 4, due: 5 }], 'the last that it can be')
  t.strictSame(complaints([answer('3', 0), answer('1', 10)]), [{ rule: 'older than before', given: 0, due: 3 }])
  t.strictSame(complaints([answer('2', 0), answer('9', 10)]), [{ rule: 'invented', given: -1, due: 1 }])
  t.strictSame(complaints([answer('4', 0), answer('1', 10)], 2), [
    { rule: 'older than before', given: 0, due: 5 },
    { rule: 'too old', given: 0, due: 2 },
  ])
})
