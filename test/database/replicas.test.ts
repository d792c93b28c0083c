/** Who is asked, for how long, and when a server is taken to be down. */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openReplicas } from '../../service/database/index.ts'
import {
  ACQUIRE_MS_MAX,
  CLOSE_MS_MAX,
  COLD_MS_MAX,
  CONNECT_MS_MAX,
  FOREIGN_MS,
  QUERY_MS_MAX,
  RECONNECT_MS_MAX,
  REPLICA_CONNECTIONS_MAX,
} from '../../service/limits.ts'
import { startDatabases } from '../harness/databases.ts'
import { startDetour } from '../harness/detour.ts'

const databases = await startDatabases(t, { replicas: 0 })
const { endpoint } = databases.primary
const NAP_S = (QUERY_MS_MAX + 40) / 1_000
const NAP = `SELECT SLEEP(${NAP_S}) AS slept`

/** One replica, on a way that can be cut or held. */
async function openByDetour(t: Test) {
  const detour = await startDetour(t, endpoint.port)
  const replicas = openReplicas([{ ...endpoint, port: detour.port }])
  t.teardown(() => replicas.close())
  return { detour, replicas }
}

t.test('a server that answers is asked, though one more connection to it could not be made', async (t) => {
  const { detour, replicas } = await openByDetour(t)
  await replicas.query('SELECT 1 AS one', [], COLD_MS_MAX)
  detour.hold()
  const some = await Promise.all(
    Array.from({ length: 4 }, () => replicas.query('SELECT SLEEP(0.02) AS slept', [], COLD_MS_MAX)),
  )
  t.equal(some.length, 4)
  for (const giveUpAt = performance.now() + CONNECT_MS_MAX * 3; performance.now() < giveUpAt; await sleep(10)) {
    t.strictSame(await replicas.query('SELECT 1 AS one', [], COLD_MS_MAX), [{ one: 1 }])
  }
  t.equal(replicas.statistics[0]?.errors, 0)
})

t.test('one alone has all the time there is', async (t) => {
  const replicas = openReplicas([endpoint])
  t.teardown(() => replicas.close())
  await replicas.query('SELECT 1', [], COLD_MS_MAX)
  t.strictSame(await replicas.query(NAP, [], COLD_MS_MAX), [{ slept: 0 }])
})

t.test('of two, the second is asked while there is time', async (t) => {
  const replicas = openReplicas([endpoint, endpoint])
  t.teardown(() => replicas.close())
  const answer = "SELECT IF(GET_LOCK('first', 0), SLEEP(1), 7) AS answer"
  const begunAt = performance.now()
  t.strictSame(await replicas.query(answer, [], COLD_MS_MAX), [{ answer: 7 }])
  t.ok(performance.now() - begunAt >= QUERY_MS_MAX - 1)
  t.strictSame(
    replicas.statistics.map(({ errors }) => errors),
    [1, 0],
  )
})

t.test('a server that is down is not asked', async (t) => {
  const { detour, replicas } = await openByDetour(t)
  await replicas.query('SELECT 1', [], COLD_MS_MAX)
  detour.cut()
  for (let attempt = 0; attempt < 3; attempt++)
    await t.rejects(replicas.query('SELECT 1', [], COLD_MS_MAX), { code: 'database_unreachable' })
  const before = detour.connections
  const waits: Promise<number>[] = []
  for (const giveUpAt = performance.now() + 2 * RECONNECT_MS_MAX; performance.now() < giveUpAt; await sleep(10)) {
    const begunAt = performance.now()
    waits.push(
      replicas
        .query('SELECT 1', [], COLD_MS_MAX)
        .catch(() => {})
        .then(() => performance.now() - begunAt),
    )
  }
  const atOnce = (await Promise.all(waits)).filter((ms) => ms < 20).length
  t.ok(atOnce > waits.length / 2, `${atOnce} of ${waits.length} are refused at once`)
  // Some for each pause, which doubles; without pauses there are thousands.
  t.ok(detour.connections - before < 40, `${detour.connections - before} attempts`)
})

t.test('of a process that stood still, those who wait for a connection are not taken to be late', async (t) => {
  const replicas = openReplicas([endpoint])
  t.teardown(() => replicas.close())
  const nap = (seconds: number, count: number) =>
    Array.from({ length: count }, () => replicas.queryOne(0, `SELECT SLEEP(${seconds})`, 5_000))
  await Promise.all(nap(0, REPLICA_CONNECTIONS_MAX))
  const naps = nap(0.02, REPLICA_CONNECTIONS_MAX * 2)
  await sleep(10)
  // After this come timers, and only then what lies in sockets. A database on a busy machine has answered by then.
  await turn()
  standStill(ACQUIRE_MS_MAX * 10)
  t.equal((await Promise.all(naps)).length, naps.length)
  t.equal(replicas.statistics[0]?.errors, 0)
})

t.test('who waits for a connection for too long is refused, and gives back the one that comes later', async (t) => {
  const replicas = openReplicas([endpoint])
  t.teardown(() => replicas.close())
  const nap = (seconds: number) =>
    Array.from({ length: REPLICA_CONNECTIONS_MAX }, () => replicas.queryOne(0, `SELECT SLEEP(${seconds})`, 1_000))
  await Promise.all(nap(0))
  const long = nap((ACQUIRE_MS_MAX * 2) / 1_000)
  await t.rejects(replicas.queryOne(0, 'SELECT 1', 1_000), { code: 'database_unreachable' })
  await Promise.all(long)
  // All at once again: with one of them lost, the last would wait too long.
  t.equal((await Promise.all(nap((ACQUIRE_MS_MAX * 1.3) / 1_000))).length, REPLICA_CONNECTIONS_MAX)
})

t.test('who follows something else is asked after all others, and is no answer', async (t) => {
  const other = { ...endpoint, database: 'information_schema' }
  const replicas = openReplicas([endpoint, other])
  t.teardown(() => replicas.close())
  let foreign = [endpoint.database]
  const ask = async (deadlineMs = COLD_MS_MAX) => {
    const { rows, isBehind } = await replicas.queryAt({
      statement: 'SELECT DATABASE() AS name, SLEEP(?) AS slept',
      values: [0],
      deadlineMs,
      counterOf: () => 1,
      standingOf: ([row]) => (foreign.includes(row?.name as string) ? 'foreign' : 'current'),
    })
    return [rows[0]?.name, isBehind]
  }
  for (let each = 0; each < 3; each++) t.strictSame(await ask(), [other.database, false])
  t.strictSame(
    replicas.statistics.map(({ queries, foreign }) => [queries, foreign]),
    [
      [1, 1],
      [3, 0],
    ],
    'asked once, and then not before the other one',
  )
  await sleep(FOREIGN_MS)
  await ask()
  t.equal(replicas.statistics[0]?.queries, 2, 'asked again after a while')
  foreign = [endpoint.database, other.database]
  await t.rejects(ask(), { code: 'database_unreachable' })
  foreign = []
  t.strictSame(await ask(), [endpoint.database, false], 'where all are, none is left out')
})

t.test('who closes does not wait for those who gave up', async (t) => {
  const { detour, replicas } = await openByDetour(t)
  detour.hold()
  await t.rejects(replicas.query('SELECT 1', [], COLD_MS_MAX), { code: 'database_unreachable' })
  const begunAt = performance.now()
  await replicas.close()
  t.ok(performance.now() - begunAt < CLOSE_MS_MAX + 500, `${Math.round(performance.now() - begunAt)} ms`)
})

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
