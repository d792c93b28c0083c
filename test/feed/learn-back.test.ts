/**
 * What a worker learns of the changes before its start, so that it can judge what others have stored since: all from some change on,
 * however many there were, whatever the order of their times, and nothing where one is missing.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { connect, execute } from '../../service/database/connection.ts'
import { endpointAs, openReplicas } from '../../service/database/index.ts'
import { startTail, Timeline } from '../../service/feed/index.ts'
import { findOldest, learnChangesBefore } from '../../service/feed/learn-back.ts'
import { TIMELINE_NUMBERS } from '../../service/limits.ts'
import { openLog } from '../../service/observe/index.ts'
import { until } from '../harness/clients.ts'
import { startDatabases } from '../harness/databases.ts'

const HOUR_S = 3_600
const DAY_MS = 24 * HOUR_S * 1_000
const MANY = 10_000
const TOKEN = 5
/** Never changed; the timeline doesn't take it for one of the others. */
const CALM = 'calm@learn.test'

const { primary } = await startDatabases(t, { replicas: 0 })
const reader = endpointAs(primary.endpoint, 'reader')
const { log } = openLog({ level: 'silent', readable: false })
const guidOf = (number: number) => `addon-${number}@learn.test`

/** The feed has these changes and no others: each is of an add-on of its own, and so many seconds old. The last is the feed's end. */
async function feedHas(changes: readonly { readonly number: number; readonly ageS: number }[]): Promise<void> {
  await primary.rows('DELETE FROM changes')
  for (const { number, ageS } of changes) {
    await primary.rows(
      `INSERT INTO changes (number, token, kind, guid, at)
      VALUES (?, ?, 'addon', ?, UTC_TIMESTAMP(3) - INTERVAL ? SECOND)`,
      [number, TOKEN, guidOf(number), ageS],
    )
  }
  await endAt(changes.at(-1)?.number ?? 0)
}

async function endAt(number: number): Promise<void> {
  await primary.rows('UPDATE change_counter SET value = ?, token = ?', [number, TOKEN])
}

/** Very many, within the last hour. */
async function feedHasMany(count = MANY): Promise<void> {
  await primary.rows('DELETE FROM changes')
  await primary.rows(
    `INSERT INTO changes (number, token, kind, guid, at)
    SELECT seq, ?, 'addon', CONCAT('addon-', seq, '@learn.test'), UTC_TIMESTAMP(3) - INTERVAL ? - seq DIV 1000 SECOND
    FROM seq_1_to_${count}`,
    [TOKEN, HOUR_S],
  )
  await endAt(count)
}

/** What a worker knows that begins at the feed's end, and wants to know a day. */
async function learn(t: Test): Promise<Timeline> {
  const replicas = openReplicas([reader])
  const timeline = new Timeline()
  const tail = startTail({
    replicas,
    timeline,
    learnBackMs: DAY_MS,
    onChanges() {},
    onCaughtUp() {},
    onReload() {},
    log,
  })
  t.teardown(async () => {
    await tail.close()
    await replicas.close()
  })
  await until('it has learnt', () => tail.hasLearnt)
  return timeline
}

/** Whether what was stored at a point is believed, of an add-on that hasn't changed since. */
function isBelievedAt(timeline: Timeline, counter: number): boolean {
  return timeline.isCurrent(CALM, counter, TOKEN)
}

t.test('all changes of the last day are learnt, and no older ones', async (t) => {
  await feedHas([
    { number: 11, ageS: 26 * HOUR_S },
    { number: 12, ageS: 25 * HOUR_S },
    { number: 13, ageS: 23 * HOUR_S },
    { number: 14, ageS: 23 * HOUR_S },
    { number: 15, ageS: 60 },
  ])
  const timeline = await learn(t)
  t.equal(timeline.floor, 12)
  t.notOk(isBelievedAt(timeline, 12), 'nobody knows its token')
  for (const number of [13, 14, 15]) t.ok(isBelievedAt(timeline, number), `what was stored at ${number} is believed`)
  t.ok(timeline.isCurrent(guidOf(14), 14, TOKEN))
  t.notOk(timeline.isCurrent(guidOf(14), 13, TOKEN), 'not of an add-on that has changed since')
})

t.test('a feed without any change of the last day', async (t) => {
  await feedHas([{ number: 20, ageS: 25 * HOUR_S }])
  const timeline = await learn(t)
  t.equal(timeline.floor, 20)
  t.ok(isBelievedAt(timeline, 20))
})

t.test('where the clock was set back, what is believed is known, and nothing else is believed', async (t) => {
  await feedHas([
    { number: 31, ageS: 23 * HOUR_S },
    { number: 32, ageS: 22 * HOUR_S },
    // Two hours back, to before the day began, and on from there.
    { number: 33, ageS: 24.5 * HOUR_S },
    { number: 34, ageS: 23.5 * HOUR_S },
    { number: 35, ageS: 60 },
  ])
  const timeline = await learn(t)
  t.equal(timeline.floor, 33, 'a later one than the lowest of the day')
  for (const number of [31, 32, 33]) t.notOk(isBelievedAt(timeline, number))
  for (const number of [34, 35]) {
    t.ok(isBelievedAt(timeline, number))
    t.equal(timeline.lastChangeOf(guidOf(number)), number)
  }
})

t.test('a change that is missing may have been any: what was stored before it is not believed', async (t) => {
  await feedHasMany()
  const missing = MANY / 2 + 1
  await primary.rows('DELETE FROM changes WHERE number = ?', [missing])
  const timeline = await learn(t)
  t.ok(timeline.floor >= missing && timeline.floor < MANY, `the floor is ${timeline.floor}`)
  t.notOk(isBelievedAt(timeline, missing - 1))
  t.ok(isBelievedAt(timeline, MANY - 1))
  t.equal(timeline.lastChangeOf(guidOf(MANY)), MANY)
})

t.test('before a change that was of all add-ons nothing is believed', async (t) => {
  await feedHas([
    { number: 41, ageS: 60 },
    { number: 42, ageS: 50 },
    { number: 43, ageS: 40 },
    { number: 44, ageS: 30 },
  ])
  await primary.rows("UPDATE changes SET kind = 'all', guid = NULL WHERE number = 42")
  const timeline = await learn(t)
  t.equal(timeline.floor, 42)
  t.notOk(isBelievedAt(timeline, 41))
  t.ok(isBelievedAt(timeline, 42))
})

t.test('of a replica that is on another timeline nothing is learnt', async (t) => {
  await feedHas([
    { number: 51, ageS: 60 },
    { number: 52, ageS: 30 },
  ])
  const replicas = openReplicas([reader])
  t.teardown(() => replicas.close())
  const timeline = new Timeline()
  timeline.begin({ counter: 52, token: TOKEN + 1, heartbeatMs: 0 })
  const ending = new AbortController()
  const learning = learnChangesBefore({ replicas, timeline, ageMs: DAY_MS, signal: ending.signal })
  await sleep(300)
  ending.abort()
  t.equal(await learning, false)
  t.equal(timeline.floor, 52)
  t.notOk(timeline.has(51, TOKEN))
})

t.test('a timeline that begins anew meanwhile is not told that it knows more', async (t) => {
  await feedHas([
    { number: 61, ageS: 26 * HOUR_S },
    { number: 62, ageS: 25 * HOUR_S },
  ])
  const replicas = openReplicas([reader])
  t.teardown(() => replicas.close())
  const timeline = new Timeline()
  timeline.begin({ counter: 62, token: TOKEN, heartbeatMs: 0 })
  const ending = new AbortController()
  const learning = learnChangesBefore({ replicas, timeline, ageMs: DAY_MS, signal: ending.signal })
  ending.abort()
  timeline.begin({ counter: 90, token: 9, heartbeatMs: 0 })
  t.equal(await learning, false)
  t.equal(timeline.floor, 90)
})

t.test('no more are learnt than tokens can be known of', async (t) => {
  await feedHasMany(TIMELINE_NUMBERS + 10)
  const timeline = await learn(t)
  t.equal(timeline.floor, 10)
  t.notOk(isBelievedAt(timeline, 10))
  t.ok(isBelievedAt(timeline, 11))
})

t.test(
  `of ${MANY.toLocaleString('en-US')} changes of an hour the oldest is found by one entry of the index`,
  async (t) => {
    await feedHasMany()
    const connection = await connect(reader, { connectMs: 1_000 })
    t.teardown(() => connection.destroy())
    const entriesRead = async () => {
      const rows = await execute(connection, "SHOW SESSION STATUS LIKE 'Handler_read%'", [], { deadlineMs: 1_000 })
      return rows.reduce((sum, { Value }) => sum + Number(Value), 0)
    }
    const before = await entriesRead()
    t.equal(await findOldest(connection, DAY_MS), 1)
    const read = (await entriesRead()) - before
    t.ok(read <= 2, `${read} were read`)
    const timeline = await learn(t)
    t.equal(timeline.floor, 0)
    for (const number of [1, MANY / 2, MANY]) {
      t.ok(isBelievedAt(timeline, number))
      t.equal(timeline.lastChangeOf(guidOf(number)), number)
    }
  },
)
