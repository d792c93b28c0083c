/** Batches that form by themselves: what goes out together, when, and who waits for whom. */

import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { type Batcher, type BatchOptions, createBatcher } from '../../service/cache/batch.ts'
import { holdsAlways } from '../harness/property.ts'

interface Running {
  readonly keys: readonly string[]
  end(): void
}

interface Bench {
  readonly batcher: Batcher
  /** All batches that went out, in order; and those that run. */
  readonly sent: (readonly string[])[]
  readonly running: Running[]
  /** Ends the one that runs longest, and waits for what comes of it. */
  endOne(): Promise<void>
}

function prepare(options: Partial<Omit<BatchOptions, 'run'>> = {}): Bench {
  const sent: (readonly string[])[] = []
  const running: Running[] = []
  const batcher = createBatcher({
    sizeMax: 4,
    lanes: 2,
    fill: () => [],
    ...options,
    run(keys) {
      const copy = [...keys]
      sent.push(copy)
      return new Promise((resolve) => running.push({ keys: copy, end: resolve }))
    },
  })
  return {
    batcher,
    sent,
    running,
    async endOne() {
      running.shift()?.end()
      await turn()
      await turn()
    },
  }
}

/** Keys that are there to be filled in, as many as wanted. */
function supply(total = Number.POSITIVE_INFINITY): { fill(count: number): string[]; taken(): number } {
  let taken = 0
  return {
    taken: () => taken,
    fill(count) {
      const some = Math.min(count, total - taken)
      return Array.from({ length: some }, () => `+${taken++}`)
    },
  }
}

t.test('what is asked for in one turn goes out together, in the next; nothing waits for a timer', async (t) => {
  const { batcher, sent } = prepare()
  batcher.ask('a')
  batcher.ask('b')
  t.strictSame(sent, [], 'not within the turn')
  t.equal(batcher.waiting, 2)
  await turn()
  t.strictSame(sent, [['a', 'b']])
  t.equal(batcher.waiting, 0)
  batcher.ask('c')
  await turn()
  t.strictSame(sent, [['a', 'b'], ['c']], 'one by itself leaves as soon')
})

t.test('while all lanes are busy more gathers, and leaves when one is free', async (t) => {
  const { batcher, sent, running, endOne } = prepare()
  for (const key of ['a', 'b']) {
    batcher.ask(key)
    await turn()
  }
  for (const key of ['c', 'd', 'e', 'f', 'g']) {
    batcher.ask(key)
    await turn()
  }
  t.equal(running.length, 2)
  t.equal(batcher.waiting, 5)
  await endOne()
  t.strictSame(sent.slice(2), [['c', 'd', 'e', 'f']], 'as many as one may have, the first first')
  await endOne()
  t.strictSame(sent.slice(3), [['g']])
})

t.test('more than one batch holds fills several lanes at once', async (t) => {
  const { batcher, sent } = prepare({ sizeMax: 2, lanes: 3 })
  for (const key of 'abcdefgh') batcher.ask(key)
  await turn()
  t.strictSame(sent, [
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'f'],
  ])
  t.equal(batcher.waiting, 2)
})

t.test('of size one, each goes by itself', async (t) => {
  const { batcher, sent } = prepare({ sizeMax: 1, lanes: 4 })
  for (const key of 'abc') batcher.ask(key)
  await turn()
  t.strictSame(sent, [['a'], ['b'], ['c']])
})

t.test('what can wait fills up batches, and idle lanes but one', async (t) => {
  const { fill } = supply()
  const { batcher, sent, running } = prepare({ lanes: 3, fill })
  batcher.wake()
  await turn()
  t.equal(running.length, 2, 'one lane is kept')
  batcher.ask('a')
  await turn()
  t.strictSame(sent[2], ['a', '+8', '+9', '+10'], 'for those that cannot wait; there is room beside it')
  batcher.ask('b')
  batcher.ask('c')
  await turn()
  t.equal(running.length, 3)
})

t.test('where there is a single lane, it is not kept', async (t) => {
  const { fill } = supply(3)
  const { batcher, sent } = prepare({ lanes: 1, fill })
  batcher.wake()
  await turn()
  t.strictSame(sent, [['+0', '+1', '+2']])
})

t.test('where nobody asks, what can wait goes on by itself, and ends', async (t) => {
  const { fill, taken } = supply(10)
  const { batcher, sent, running, endOne } = prepare({ fill })
  batcher.wake()
  await turn()
  while (running.length > 0) await endOne()
  t.equal(taken(), 10)
  t.strictSame(
    sent.map((keys) => keys.length),
    [4, 4, 2],
  )
})

t.test('those that cannot wait come first, however many can', async (t) => {
  const { fill } = supply()
  const { batcher, sent, endOne } = prepare({ fill })
  batcher.wake()
  await turn()
  for (const key of 'abcdefghij') batcher.ask(key)
  await turn()
  await endOne()
  await endOne()
  await endOne()
  const own = sent.flat().filter((key) => !key.startsWith('+'))
  t.strictSame(own.join(''), 'abcdefghij')
  t.strictSame(sent[1], ['a', 'b', 'c', 'd'])
})

t.test('what is asked for twice while it waits is asked once', async (t) => {
  const { batcher, sent } = prepare()
  for (const key of ['a', 'b', 'a']) batcher.ask(key)
  t.equal(batcher.waiting, 2)
  await turn()
  t.strictSame(sent, [['a', 'b']])
  batcher.ask('a')
  await turn()
  t.strictSame(sent[1], ['a'], 'and again once that has gone out')
})

t.test('what nobody wants any more is not asked for', async (t) => {
  const { batcher, sent } = prepare()
  for (const key of 'abc') batcher.ask(key)
  batcher.forget('b')
  batcher.forget('never')
  t.equal(batcher.waiting, 2)
  await turn()
  t.strictSame(sent, [['a', 'c']])
})

t.test('a queue that never empties holds no more than waits in it', async (t) => {
  const { batcher, running } = prepare({ sizeMax: 2, lanes: 1 })
  for (let number = 0; number < 20_000; number++) {
    batcher.ask(`a${number}`)
    batcher.ask(`b${number}`)
    if (number % 2 === 0) batcher.ask(`c${number}`)
    await Promise.resolve()
    if (batcher.waiting > 100) for (const each of ['a', 'b', 'c']) batcher.forget(`${each}${number - 20}`)
    if (number % 10 === 0) {
      await turn()
      running.shift()?.end()
    }
  }
  t.ok(batcher.waiting < 200, `${batcher.waiting} wait`)
})

t.test('sizes and waits are counted', async (t) => {
  const { batcher, endOne } = prepare({ lanes: 1 })
  const sizes: number[] = []
  const waits: number[] = []
  batcher.onBatch = (size, waitedMs) => {
    sizes.push(size)
    if (waitedMs !== undefined) waits.push(waitedMs)
  }
  batcher.ask('a')
  await turn()
  const bAskedAt = performance.now()
  batcher.ask('b')
  while (performance.now() - bAskedAt < 30) await turn()
  batcher.ask('c')
  await endOne()
  const bWaitedAtMost = performance.now() - bAskedAt
  t.strictSame(sizes, [1, 2])
  t.match(batcher.counts, { batches: 2, keys: 3 })
  const [aWaited = Number.NaN, bWaited = Number.NaN] = waits
  t.ok(aWaited < 30, `a waited ${aWaited} ms`)
  t.ok(bWaited >= 30 && bWaited <= bWaitedAtMost, `b, which waited 30 ms, waited ${bWaited} ms`)
})

t.test(
  'whatever happens when, each key goes out once an asking, in order, in batches of a size that may be',
  async (t) => {
    const event = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 9 }) },
      { weight: 3, arbitrary: fc.constantFrom('turn' as const, 'end' as const) },
      { weight: 1, arbitrary: fc.constantFrom('wake' as const, 'forget' as const) },
    )
    await holdsAlways(
      t,
      'events',
      fc.asyncProperty(
        fc.array(event, { maxLength: 80 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(20),
        async (events, sizeMax, lanes, total) => {
          const { fill } = supply(total)
          const { batcher, sent, running, endOne } = prepare({ sizeMax, lanes, fill })
          const waiting: string[] = []
          const wanted: string[] = []
          let seen = 0
          const noteSent = () => {
            for (const keys of sent.slice(seen)) {
              if (keys.length === 0 || keys.length > sizeMax) throw new Error(`a batch of ${keys.length}`)
              for (const key of keys.filter((each) => !each.startsWith('+'))) {
                if (waiting.shift() !== key) throw new Error(`${key} out of turn`)
                wanted.push(key)
              }
            }
            seen = sent.length
            if (running.length > lanes) throw new Error(`${running.length} at once`)
            if (batcher.waiting !== waiting.length) throw new Error(`${batcher.waiting} wait`)
          }
          for (const each of events) {
            if (each === 'turn') await turn()
            else if (each === 'end') await endOne()
            else if (each === 'wake') batcher.wake()
            else if (each === 'forget') {
              const [first] = waiting.splice(0, 1)
              if (first !== undefined) batcher.forget(first)
            } else {
              batcher.ask(String(each))
              if (!waiting.includes(String(each))) waiting.push(String(each))
            }
            noteSent()
          }
          await turn()
          while (running.length > 0) await endOne()
          noteSent()
          if (waiting.length > 0) throw new Error(`${waiting.length} never went out`)
        },
      ),
      300,
    )
  },
)
