/**
 * What is still true, by what is known of the feed, against a naive model: a list of all transactions. The timeline may forget, and
 * take one add-on for another, but never say that something is current which is known to have changed.
 */

import fc from 'fast-check'
import t from 'tap'
import { Timeline } from '../../service/feed/index.ts'
import { TIMELINE_BUCKETS, TIMELINE_NUMBERS } from '../../service/limits.ts'
import { holds } from '../harness/property.ts'

const GUIDS = ['a@timeline.test', 'b@timeline.test', '{8f1c3c5e-0000-4000-8000-000000000000}']

/** One transaction: the numbers it took, and whose changes these were. */
interface Transaction {
  readonly first: number
  readonly last: number
  readonly token: number
  readonly guids: readonly (string | null)[]
}

type Step =
  | { readonly what: 'edit'; readonly guids: readonly (string | null)[] }
  | { readonly what: 'import'; readonly numbers: number }
  | { readonly what: 'answer'; readonly guid: string; readonly ahead: number }
  | { readonly what: 'begin'; readonly counter: number; readonly back: number; readonly isWhole: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant('edit' as const),
      guids: fc.array(fc.constantFrom(...GUIDS, null), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('import' as const),
      // About as many as are remembered.
      numbers: fc.integer({ min: TIMELINE_NUMBERS - 4, max: TIMELINE_NUMBERS + 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('answer' as const),
      guid: fc.constantFrom(...GUIDS),
      ahead: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('begin' as const),
      counter: fc.oneof(
        fc.integer({ min: 0, max: 20 }),
        fc.nat(20).map((low) => 2 ** 40 + low),
      ),
      back: fc.nat(4),
      isWhole: fc.boolean(),
    }),
  },
)

/** All that a worker was told, as it was told. */
class Model {
  transactions: Transaction[] = []
  answers: { guid: string; counter: number }[] = []
  floor = 0
  last = 0
  private tokens = 0

  begin(counter: number, back: number, isWhole: boolean): void {
    this.transactions = []
    this.answers = []
    this.last = counter - 1
    this.floor = counter
    this.add(1, [null])
    // Changes of before, learnt afterwards: each is a transaction of its own. Where learning broke off, they prove nothing.
    const from = Math.max(0, counter - back)
    for (let number = from + 1; number < counter; number++) {
      this.transactions.push({ first: number, last: number, token: this.nextToken(), guids: [GUIDS[0] as string] })
    }
    if (isWhole) this.floor = from
  }

  add(numbers: number, guids: readonly (string | null)[]): Transaction {
    const transaction = { first: this.last + 1, last: this.last + numbers, token: this.nextToken(), guids }
    this.transactions.push(transaction)
    this.last = transaction.last
    return transaction
  }

  /** The token of a number, as the feed has it. */
  tokenOf(number: number): number | undefined {
    return this.transactions.find(({ first, last }) => first <= number && number <= last)?.token
  }

  isCurrent(guid: string, counter: number, token: number): boolean {
    if (counter < this.floor || counter <= this.last - TIMELINE_NUMBERS) return false
    if (this.tokenOf(counter) !== token) return false
    if (this.answers.some((answer) => answer.guid === guid && answer.counter > counter)) return false
    return !this.transactions.some(({ first, guids }) =>
      guids.some((each, index) => each === guid && first + index > counter),
    )
  }

  private nextToken(): number {
    return ++this.tokens * 1_000_003
  }
}

function learn(timeline: Timeline, { first, last, token, guids }: Transaction): void {
  for (let number = first; number <= last; number++) timeline.learn(number, token, [guids[number - first] ?? null])
}

function apply(timeline: Timeline, model: Model, each: Step): void {
  switch (each.what) {
    case 'answer':
      timeline.noteChange(each.guid, model.last + each.ahead)
      model.answers.push({ guid: each.guid, counter: model.last + each.ahead })
      return
    case 'begin': {
      model.begin(each.counter, each.back, each.isWhole)
      const [now, ...before] = model.transactions as [Transaction, ...Transaction[]]
      timeline.begin({ counter: now.last, token: now.token, heartbeatMs: 0 })
      for (const transaction of before) learn(timeline, transaction)
      timeline.floor = model.floor
      return
    }
    default: {
      const transaction = each.what === 'edit' ? model.add(each.guids.length, each.guids) : model.add(each.numbers, [])
      learn(timeline, transaction)
      timeline.advance({ counter: transaction.last, token: transaction.token, heartbeatMs: 0 })
    }
  }
}

/** Where the two disagree, at the points where they might. */
function complaint(timeline: Timeline, model: Model, lostTokens: readonly number[]): string | undefined {
  const forgotten = model.last - TIMELINE_NUMBERS
  for (const around of [model.last, model.floor, forgotten]) {
    for (let counter = Math.max(0, around - 5); counter <= around + 5; counter++) {
      const own = model.tokenOf(counter)
      const before = model.tokenOf(counter - 1)
      for (const token of [own, before, ...lostTokens, 0]) {
        if (token === undefined) continue
        for (const guid of GUIDS) {
          const isCurrent = timeline.isCurrent(guid, counter, token)
          if (isCurrent === model.isCurrent(guid, counter, token)) continue
          return `${guid} of ${counter}, ${token} is said to be ${isCurrent ? 'current' : 'outdated'}`
        }
      }
    }
  }
  if (timeline.position.counter !== model.last) return `it is at ${timeline.position.counter}, not ${model.last}`
  return undefined
}

t.test('it judges as the list of all changes does', async (t) => {
  holds(
    t,
    'whatever happens',
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const timeline = new Timeline()
      const model = new Model()
      // One after the other, of timelines that there are no more.
      const lostTokens: number[] = []
      for (const [index, each] of [
        { what: 'begin', counter: 10, back: 0, isWhole: true } as const,
        ...steps,
      ].entries()) {
        if (each.what === 'begin') lostTokens.push(...model.transactions.slice(-2).map(({ token }) => token))
        apply(timeline, model, each)
        const wrong = complaint(timeline, model, lostTokens.slice(-4))
        if (wrong !== undefined) throw new Error(`after step ${index}: ${wrong}`)
      }
    }),
    150,
  )
})

t.test('add-ons that it takes for one another are outdated together, never current together', async (t) => {
  const timeline = new Timeline()
  timeline.begin({ counter: 10, token: 1, heartbeatMs: 0 })
  timeline.learn(11, 2, ['a@timeline.test'])
  timeline.advance({ counter: 11, token: 2, heartbeatMs: 0 })
  let other = ''
  for (let each = 0; other === '' && each < 40 * TIMELINE_BUCKETS; each++) {
    if (timeline.lastChangeOf(`${each}@timeline.test`) !== 0) other = `${each}@timeline.test`
  }
  t.not(other, '', 'there is one')
  t.notOk(timeline.isCurrent(other, 10, 1))
  t.ok(timeline.isCurrent(other, 11, 2))
  timeline.learn(12, 3, [other])
  t.notOk(timeline.isCurrent('a@timeline.test', 11, 2))
  t.ok(timeline.isCurrent('a@timeline.test', 12, 3))
})

t.test('one that knows nothing believes nothing', async (t) => {
  const timeline = new Timeline()
  t.notOk(timeline.has(0, 0))
  t.notOk(timeline.isCurrent('a@timeline.test', 0, 0))
  t.notOk(timeline.isCurrent('a@timeline.test', 1, 0))
})

t.test('a number says nothing without its token', async (t) => {
  const timeline = new Timeline()
  timeline.begin({ counter: 10, token: 77, heartbeatMs: 0 })
  t.ok(timeline.isCurrent('a@timeline.test', 10, 77))
  t.notOk(timeline.isCurrent('a@timeline.test', 10, 78), 'a change of that number on another timeline')
  t.notOk(timeline.isCurrent('a@timeline.test', 10 + TIMELINE_NUMBERS, 77), 'another number at the same place')
})

t.test('what a late replica says may have been undone by changes that are known, or that were', async (t) => {
  const timeline = new Timeline()
  timeline.begin({ counter: 10, token: 1, heartbeatMs: 0 })
  timeline.learn(11, 2, ['a@timeline.test'])
  t.ok(timeline.mayHaveChangedSince('a@timeline.test', 10))
  t.notOk(timeline.mayHaveChangedSince('a@timeline.test', 11))
  t.notOk(timeline.mayHaveChangedSince('b@timeline.test', 10))
  t.ok(timeline.mayHaveChangedSince('b@timeline.test', 9), 'by changes that others knew')
  timeline.floor = 5
  t.notOk(timeline.mayHaveChangedSince('b@timeline.test', 9), 'all changes since are known')
})

t.test('a token of long ago does not take the place of a newer one', async (t) => {
  const timeline = new Timeline()
  timeline.begin({ counter: TIMELINE_NUMBERS + 5, token: 1, heartbeatMs: 0 })
  timeline.learn(5, 9, [])
  t.ok(timeline.has(TIMELINE_NUMBERS + 5, 1))
  timeline.learn(7, 9, [])
  t.ok(timeline.has(7, 9), 'where there is none it does')
})

t.test('a change of all add-ons raises the floor for good', async (t) => {
  const timeline = new Timeline()
  timeline.begin({ counter: 10, token: 1, heartbeatMs: 0 })
  timeline.learn(11, 2, [])
  timeline.forgetBefore(11)
  timeline.advance({ counter: 11, token: 2, heartbeatMs: 0 })
  t.notOk(timeline.isCurrent('a@timeline.test', 10, 1))
  t.ok(timeline.isCurrent('a@timeline.test', 11, 2))
  timeline.lowerFloor(3)
  t.equal(timeline.floor, 11)
  timeline.begin({ counter: 12, token: 3, heartbeatMs: 0 })
  timeline.lowerFloor(3)
  t.equal(timeline.floor, 3)
})

t.test('what a replica is, by where it was when it answered', async (t) => {
  const timeline = new Timeline()
  t.equal(timeline.standingOf({ counter: 5, token: 1, heartbeatMs: 7 }), 'current', 'nothing is known yet')
  timeline.begin({ counter: 90, token: 1, heartbeatMs: 1_000 })
  for (const [position, standing, why] of [
    [{ counter: 90, token: 1, heartbeatMs: 1_000 }, 'current', 'as far'],
    [{ counter: 91, token: 7, heartbeatMs: 1_000 }, 'current', 'further'],
    [{ counter: 89, token: 7, heartbeatMs: 900 }, 'behind', 'late'],
    [{ counter: 100, token: 7, heartbeatMs: 999 }, 'foreign', 'it was further when this timeline began anew'],
    [{ counter: 90, token: 2, heartbeatMs: 2_000 }, 'foreign', 'another change of that number'],
  ] as const)
    t.equal(timeline.standingOf(position), standing, why)
  timeline.see(95)
  t.equal(timeline.standingOf({ counter: 94, token: 7, heartbeatMs: 1_500 }), 'behind', 'another one was further')
})

t.test('what was seen never falls, and begins anew with the timeline', async (t) => {
  const timeline = new Timeline()
  timeline.begin({ counter: 10, token: 1, heartbeatMs: 0 })
  timeline.see(15)
  timeline.see(12)
  t.equal(timeline.seen, 15)
  timeline.advance({ counter: 11, token: 2, heartbeatMs: 0 })
  t.equal(timeline.seen, 15)
  timeline.advance({ counter: 16, token: 3, heartbeatMs: 0 })
  t.equal(timeline.seen, 16)
  timeline.begin({ counter: 5, token: 4, heartbeatMs: 0 })
  t.equal(timeline.seen, 5)
})
