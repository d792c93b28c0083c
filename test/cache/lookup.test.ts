/** How what isn't held is found: asked for once, judged by the feed, given back in time whatever the source does. */

import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLookup, type Lookup, type LookupOptions, type Refreshed } from '../../service/cache/lookup.ts'
import { Memory } from '../../service/cache/memory.ts'
import type { Shared } from '../../service/cache/shared.ts'
import type { Answered } from '../../service/cache/source.ts'
import { Timeline } from '../../service/feed/index.ts'
import { BATCH_GUIDS_MAX, COLD_MS_MAX, COLD_WAITING_MAX } from '../../service/limits.ts'
import { counterOf, type EntryMemory, type Found } from '../../service/update/index.ts'
import { until } from '../harness/clients.ts'
import { entryOf, firefox, offerOf, rendering } from '../harness/entries.ts'

interface Question {
  readonly guids: readonly string[]
  /** Answers with these add-ons, as they were at a point of the feed. */
  answer(counter: number, known?: readonly string[], more?: Partial<Answered>): Promise<void>
  fail(): Promise<void>
}

interface Bench {
  readonly lookup: Lookup
  readonly timeline: Timeline
  readonly memory: Memory | undefined
  readonly questions: Question[]
  readonly refreshed: Refreshed[]
  readonly troubles: unknown[]
  readonly stored: Stored[]
  /** Asks, and collects what comes back. */
  ask(guid: string): { readonly found: (Found | undefined)[] }
}

interface Stored {
  readonly entries: readonly EntryMemory[]
  readonly counter: number
}

interface BenchOptions {
  readonly memory?: Memory | undefined
  /** What memcached has, by guid. */
  readonly shared?: ReadonlyMap<string, EntryMemory>
  readonly render?: LookupOptions['render']
  readonly ageS?: LookupOptions['ageS']
  readonly lateS?: LookupOptions['lateS']
  readonly isWithheld?: LookupOptions['isWithheld']
}

const VERSION = '1.0'

function prepare(t: Pick<Test, 'teardown'>, { memory = emptyMemory(), shared, ...options }: BenchOptions = {}): Bench {
  const timeline = new Timeline()
  timeline.begin({ counter: 10, token: 1, heartbeatMs: 1 })
  const questions: Question[] = []
  const refreshed: Refreshed[] = []
  const troubles: unknown[] = []
  const stored: Stored[] = []
  const settle = async () => {
    for (let each = 0; each < 5; each++) await turn()
  }
  const lookup = createLookup({
    timeline,
    memory,
    source: {
      ask: (guids) =>
        new Promise((resolve, reject) => {
          questions.push({
            guids,
            async answer(counter, known = guids, more = {}) {
              const offers = new Map(
                known.map((guid) => [guid, offerOf({ guid, versions: [VERSION, `${counter}.0`] })]),
              )
              resolve({ counter, token: counter, offers, isBehind: false, ...more })
              await settle()
            },
            async fail() {
              reject(new Error('no replica answers'))
              await settle()
            },
          })
        }),
    },
    shared: shared && fakeShared(shared, stored),
    batching: true,
    render: () => ({ ...rendering, generation: 'g' }),
    ageS: () => 0,
    lateS: () => 0,
    isWithheld: () => false,
    onRefreshed: (some) => void refreshed.push(...some),
    onTrouble: (error) => void troubles.push(error),
    ...options,
  })
  t.teardown(lookup.close)
  return {
    lookup,
    timeline,
    memory,
    questions,
    refreshed,
    troubles,
    stored,
    ask(guid) {
      const found: (Found | undefined)[] = []
      lookup.fetch(guid, (one) => found.push(one))
      return { found }
    },
  }
}

function fakeShared(entries: ReadonlyMap<string, EntryMemory>, stored: Stored[]): Shared {
  return {
    isUsable: true,
    get: async (guids) => new Map([...entries].filter(([guid]) => guids.includes(guid))),
    set: (some, counter) => void stored.push({ entries: some.map(({ memory }) => memory), counter }),
    counts: { hits: 0, misses: 0, outdated: 0, forged: 0, stored: 0 },
    errors: 0,
    close: () => {},
  }
}

function emptyMemory(): Memory {
  return new Memory({ entriesMax: 100, bytesMax: 1024 * 1024 })
}

/** A change of an add-on arrives. */
function change({ timeline, lookup, memory }: Bench, number: number, guid: string): void {
  timeline.learn(number, number, [guid])
  lookup.forgetUnknown(guid)
  if (memory?.markOutdated(guid, number)) lookup.refresh(guid)
  timeline.advance({ counter: number, token: number, heartbeatMs: number })
}

t.test('an add-on is asked for once, however many wait for it, and all are told', async (t) => {
  const bench = prepare(t)
  const asked = ['a@x', 'a@x', 'b@x', 'a@x'].map(bench.ask)
  await turn()
  t.strictSame(
    bench.questions.map(({ guids }) => guids),
    [['a@x', 'b@x']],
  )
  t.equal(bench.lookup.waiting, 4)
  await bench.questions[0]?.answer(10, ['a@x'])
  for (const { found } of asked) t.match(found, [{ tier: 'replica', ageS: undefined }])
  t.equal(asked[0]?.found[0]?.offer?.guid, 'a@x')
  t.equal(asked[2]?.found[0]?.offer, undefined, 'nobody knows b')
  t.equal(bench.lookup.waiting, 0)
  t.ok(bench.memory?.has('a@x'), 'it is held from now on')
})

t.test('a guid that nobody knows is not asked for again until it may have been made', async (t) => {
  const bench = prepare(t)
  bench.ask('a@x')
  await turn()
  await bench.questions[0]?.answer(10, [])
  t.match(bench.ask('a@x').found, [{ tier: 'memory' }])
  t.equal(bench.questions.length, 1)
  change(bench, 11, 'a@x')
  bench.ask('a@x')
  await turn()
  t.equal(bench.questions.length, 2)
})

t.test(
  'of two answers that cross, the older one is not kept: neither that nobody knows the add-on, nor its entry',
  async (t) => {
    const bench = prepare(t)
    bench.ask('a@x')
    await turn()
    bench.lookup.refresh('a@x')
    bench.ask('b@x')
    await until('it is asked for once more', () => bench.questions[1]?.guids.includes('a@x') ?? false)
    await bench.questions[0]?.answer(10, [])
    await bench.questions[1]?.answer(12)
    t.equal(bench.lookup.unknown, 0, 'it is known by now')
    bench.memory?.remove('a@x')
    t.strictSame(bench.ask('a@x').found, [], 'and is asked for where it had to go')
  },
)

t.test('an answer that was asked for before a client came is not for that client', async (t) => {
  const bench = prepare(t)
  bench.ask('a@x')
  await turn()
  bench.lookup.refresh('a@x')
  bench.ask('b@x')
  await until('it is asked for once more', () => bench.questions[1]?.guids.includes('a@x') ?? false)
  await bench.questions[1]?.answer(12)
  bench.memory?.remove('a@x')
  const { found } = bench.ask('a@x')
  await bench.questions[0]?.answer(10, [])
  t.strictSame(found, [], 'others have got a newer one since')
  await until('it is asked for on its own', () => bench.questions.length === 3)
  await bench.questions[2]?.answer(12)
  t.match(found, [{ tier: 'replica', offer: { guid: 'a@x' } }])
})

t.test('what a query says that began before a change is given, but not kept', async (t) => {
  for (const known of [['a@x'], []]) {
    const bench = prepare(t)
    const { found } = bench.ask('a@x')
    await turn()
    change(bench, 11, 'a@x')
    await bench.questions[0]?.answer(10, known)
    t.equal(found.length, 1)
    t.notOk(bench.memory?.has('a@x'))
    t.equal(bench.lookup.unknown, 0)
  }
})

t.test('what has changed is fetched by itself, told before it shows, and until then waited for', async (t) => {
  const bench = prepare(t)
  bench.memory?.put(entryOf({ guid: 'a@x' }, 10))
  change(bench, 11, 'a@x')
  await turn()
  t.strictSame(bench.questions[0]?.guids, ['a@x'])
  t.ok(bench.lookup.refreshing.has('a@x'))
  const { found } = bench.ask('a@x')
  t.strictSame(found, [])
  await bench.questions[0]?.answer(11)
  t.match(bench.refreshed, [{ guid: 'a@x', counter: 11 }])
  t.equal(found.length, 1)
  t.equal(bench.lookup.refreshing.size, 0)
  const held = bench.memory?.entryOf('a@x')
  t.equal(held && counterOf(held), 11)
})

t.test('one that is gone is told as gone, and held no more', async (t) => {
  const bench = prepare(t)
  bench.memory?.put(entryOf({ guid: 'a@x' }, 10))
  change(bench, 11, 'a@x')
  await turn()
  await bench.questions[0]?.answer(11, [])
  t.strictSame(bench.refreshed, [{ guid: 'a@x', counter: 11, entry: undefined }])
  t.notOk(bench.memory?.has('a@x'))
})

t.test('where nobody answers, what is held but outdated offers nothing; the unknown is not answered', async (t) => {
  const bench = prepare(t)
  bench.memory?.put(entryOf({ guid: 'a@x' }, 10))
  change(bench, 11, 'a@x')
  const held = bench.ask('a@x')
  const unknown = bench.ask('b@x')
  await turn()
  for (const question of bench.questions) await question.fail()
  t.match(held.found, [{ tier: 'memory', isWithheld: true }])
  t.ok((held.found[0]?.ageS ?? 0) >= 1)
  t.strictSame(unknown.found, [undefined])
  t.ok(bench.troubles.length > 0)
  await until('it is asked for again', () => bench.questions.length > 1)
})

t.test('whatever the source does, everybody is told in time, once', async (t) => {
  const bench = prepare(t)
  const begunAt = performance.now()
  const asked = Array.from({ length: 500 }, (_, number) => bench.ask(`${number % 400}@x`))
  await until('all are told', () => asked.every(({ found }) => found.length > 0), 1_000)
  const ms = performance.now() - begunAt
  t.ok(ms >= COLD_MS_MAX, `after ${Math.round(ms)} ms`)
  t.ok(ms < 300 + 100, `after ${Math.round(ms)} ms`)
  for (const question of bench.questions) await question.answer(10)
  t.ok(asked.every(({ found }) => found.length === 1 && found[0] === undefined))
  t.equal(bench.lookup.waiting, 0)
})

t.test('a source that is too slow does not gather questions that nobody waits for', async (t) => {
  const bench = prepare(t)
  const rounds = 3
  for (let round = 1; round <= rounds; round++) {
    const asked = Array.from({ length: COLD_WAITING_MAX }, (_, number) => bench.ask(`${round}-${number}@x`))
    t.equal(bench.lookup.waiting, COLD_WAITING_MAX)
    t.strictSame(bench.ask('one-more@x').found, [undefined], 'one more is told at once')
    await until('all are told', () => asked.every(({ found }) => found.length === 1))
  }
  t.ok(bench.lookup.batches.waiting <= COLD_WAITING_MAX, `${bench.lookup.batches.waiting} wait`)
  t.equal(bench.lookup.batches.waiting, 0, 'nobody waits for them')
  const late = bench.ask('late@x')
  for (const question of bench.questions.splice(0)) await question.answer(10)
  t.ok(bench.questions.length <= 1)
  await bench.questions[0]?.answer(10)
  t.match(late.found, [{ tier: 'replica' }], 'who comes later is served at once')
  t.ok(BATCH_GUIDS_MAX < COLD_WAITING_MAX)
})

t.test('of a replica that is behind an answer is given, marked, and not kept', async (t) => {
  const bench = prepare(t)
  bench.timeline.see(11)
  const { found } = bench.ask('a@x')
  await turn()
  await bench.questions[0]?.answer(10, ['a@x'], { isBehind: true })
  t.match(found, [{ tier: 'replica' }])
  t.ok((found[0]?.ageS ?? 0) >= 1)
  t.notOk(bench.memory?.has('a@x'))
  t.equal(bench.timeline.seen, 11)
})

t.test('nor is one given that is known to be older than the last change of its add-on', async (t) => {
  const bench = prepare(t)
  change(bench, 11, 'withdrawn@x')
  const asked = ['withdrawn@x', 'other@x'].map(bench.ask)
  await turn()
  await bench.questions[0]?.answer(10, ['withdrawn@x', 'other@x'], { isBehind: true })
  t.strictSame(asked[0]?.found, [undefined], 'nobody can tell')
  t.match(asked[1]?.found, [{ tier: 'replica' }])
})

t.test('who asks after a change is known does not get what was asked for before', async (t) => {
  const bench = prepare(t)
  const before = bench.ask('a@x')
  await turn()
  bench.timeline.learn(11, 11, ['a@x'])
  bench.timeline.advance({ counter: 11, token: 11, heartbeatMs: 11 })
  const after = bench.ask('a@x')
  const again = bench.ask('a@x')
  await bench.questions.shift()?.answer(10)
  t.match(before.found, [{ tier: 'replica' }], 'who asked before does')
  t.strictSame([after.found, again.found], [[], []])
  t.equal(bench.lookup.waiting, 2)
  await bench.questions.shift()?.answer(11)
  t.match([after.found, again.found], [[{ tier: 'replica' }], [{ tier: 'replica' }]])
  t.equal(bench.lookup.waiting, 0)
})

t.test('but where what is held is known to be outdated, what is as late as its last change is newer', async (t) => {
  const bench = prepare(t)
  const held = bench.ask('a@x')
  await turn()
  await bench.questions.shift()?.answer(10)
  t.match(held.found, [{ tier: 'replica' }])
  change(bench, 11, 'a@x')
  bench.timeline.see(12)
  const asked = bench.ask('a@x')
  await turn()
  await bench.questions.shift()?.answer(11, ['a@x'], { isBehind: true })
  t.match(asked.found, [{ tier: 'replica', offer: { guid: 'a@x' } }])
})

t.test(
  'nor is anything offered of before what the worker began with: others may have answered by a change since',
  async (t) => {
    const bench = prepare(t)
    const asked = ['withdrawn@x', 'nobody@x'].map(bench.ask)
    await turn()
    await bench.questions[0]?.answer(9, ['withdrawn@x'], { isBehind: true })
    t.strictSame(asked[0]?.found, [undefined])
    t.strictSame(asked[1]?.found, [undefined])
  },
)

t.test('where all replicas are late, that is told of what they answer', async (t) => {
  const bench = prepare(t, { lateS: () => 60 })
  const asked = ['a@x', 'nobody@x'].map(bench.ask)
  await turn()
  await bench.questions[0]?.answer(10, ['a@x'])
  t.match(asked[0]?.found, [{ tier: 'replica', ageS: 60 }])
  t.match(asked[1]?.found, [{ tier: 'replica', ageS: 60 }])
  t.match(bench.ask('nobody@x').found, [{ tier: 'memory', ageS: 60 }])
  t.match(bench.lookup.counts, { hits: 1, misses: 1 })
})

t.test('an answer that can not be taken is no answer: nobody waits for it in vain', async (t) => {
  let isBroken = true
  const render = () => {
    if (isBroken) throw new Error('as it may')
    return { ...rendering, generation: 'g' }
  }
  const bench = prepare(t, { render })
  const asked = ['a@x', 'b@x'].map(bench.ask)
  await turn()
  await bench.questions.shift()?.answer(10)
  t.strictSame(
    asked.map(({ found }) => found),
    [[undefined], [undefined]],
  )
  t.match(bench.troubles, [/as it may/])
  isBroken = false
  const again = bench.ask('a@x')
  await turn()
  await bench.questions.shift()?.answer(10)
  t.match(again.found, [{ tier: 'replica' }])
})

t.test('while nobody can be asked, what memcached has is marked, and in the end withheld', async (t) => {
  const shared = new Map([['a@x', entryOf({ guid: 'a@x' }, 10).memory]])
  let ageS = 0
  const bench = prepare(t, {
    shared,
    memory: undefined,
    ageS: () => ageS,
    isWithheld: () => ageS > 100,
  })
  for (const [age, expected] of [
    [0, { tier: 'memcached', ageS: undefined, isWithheld: false }],
    [7, { tier: 'memcached', ageS: 7, isWithheld: false }],
    [101, { tier: 'memcached', ageS: 101, isWithheld: true }],
  ] as const) {
    ageS = age
    const { found } = bench.ask('a@x')
    await until('it is told', () => found.length > 0)
    t.match(found, [expected])
  }
})

t.test('memcached is asked first, and what it has is held', async (t) => {
  const shared = new Map([['a@x', entryOf({ guid: 'a@x' }, 10).memory]])
  const bench = prepare(t, { shared })
  const known = bench.ask('a@x')
  const unknown = bench.ask('b@x')
  await until('the source is asked', () => bench.questions.length > 0)
  t.match(known.found, [{ tier: 'memcached', ageS: undefined }])
  t.ok(bench.memory?.has('a@x'))
  t.strictSame(bench.questions[0]?.guids, ['b@x'])
  await bench.questions[0]?.answer(10)
  t.match(unknown.found, [{ tier: 'replica' }])
  t.equal(bench.stored.length, 1)
})

t.test('what has changed is not taken from memcached', async (t) => {
  const shared = new Map([['a@x', entryOf({ guid: 'a@x' }, 10).memory]])
  const bench = prepare(t, { shared })
  bench.memory?.put(entryOf({ guid: 'a@x' }, 10))
  change(bench, 11, 'a@x')
  bench.ask('a@x')
  await until('the source is asked', () => bench.questions.length > 0)
  t.ok(bench.questions[0]?.guids.includes('a@x'))
})

t.test('an entry that lacks an application which is not known here yet is made again', async (t) => {
  const known = [firefox]
  const bench = prepare(t, { render: () => ({ ...rendering, applications: [...known], generation: 'g' }) })
  const offers = new Map([['a@x', offerOf({ guid: 'a@x', applicationId: 7 })]])
  const { found } = bench.ask('a@x')
  await turn()
  await bench.questions[0]?.answer(10, [], { offers })
  t.equal(found.length, 1)
  await until('it is asked for again', () => bench.questions.length === 2)
  known.push({ ...firefox, id: 7, guid: '{7}' })
  await bench.questions[1]?.answer(10, [], { offers })
  const held = bench.memory?.entryOf('a@x')
  t.equal(held && bench.memory?.isOutdated(held), false)
  t.equal(bench.lookup.refreshing.size, 0)
})

t.test(
  'once an answer was given, an older one of memcached is not true any more, though the feed is not so far',
  async (t) => {
    const bench = prepare(t)
    t.ok(bench.timeline.isCurrent('a@x', 10, 1))
    bench.ask('a@x')
    await turn()
    await bench.questions[0]?.answer(15)
    t.notOk(bench.timeline.isCurrent('a@x', 10, 1), 'it may lack the change that was in the answer')
    t.ok(bench.timeline.isCurrent('b@x', 10, 1), 'of others it is')
  },
)

t.test('where memory is full an add-on is held once it is asked for again', async (t) => {
  const memory = new Memory({ entriesMax: 2 })
  const { questions, ask } = prepare(t, { memory })
  for (const guid of ['one@x', 'two@x', 'three@x', 'three@x', 'one@x']) {
    const asked = ask(guid)
    await turn()
    await questions.at(-1)?.answer(10)
    t.equal(asked.found.length, 1, `${guid} is answered`)
    if (guid === 'two@x') t.ok(memory.has('one@x') && memory.has('two@x'), 'as long as there is room, at once')
    if (guid === 'three@x' && questions.length === 3) t.notOk(memory.has('three@x'), 'nobody has to go for it yet')
  }
  t.ok(memory.has('three@x'))
  t.equal(memory.size, 2)
})

t.test('where memory is full what is held, or changes, is kept up to date all the same', async (t) => {
  const memory = new Memory({ entriesMax: 1 })
  const { lookup, questions, ask, timeline } = prepare(t, { memory })
  ask('one@x')
  await turn()
  await questions.at(-1)?.answer(10)
  timeline.see(11)
  memory.markOutdated('one@x', 11)
  lookup.refresh('one@x')
  await turn()
  await questions.at(-1)?.answer(11)
  t.equal(counterOf(memory.entryOf('one@x') as NonNullable<ReturnType<Memory['entryOf']>>), 11)
})
