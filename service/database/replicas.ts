/**
 * The replicas: which one answers the next query, and what happens when it doesn't. One is read from as long as it answers; the
 * next one takes its place when it fails or hangs. All attempts together stay within the caller's deadline.
 */

import { startDeadline } from '../deadline.ts'
import { VersioncheckError } from '../errors.ts'
import { CONNECT_MS_MAX, FOREIGN_MS, QUERY_MS_MAX } from '../limits.ts'
import { type Connection, connect, isFatal, type Row, type Value } from './connection.ts'
import { describeEndpoint, type Endpoint } from './endpoint.ts'
import { openPool, type Pool } from './pool.ts'

export interface Replicas {
  readonly count: number
  /** Which one is asked first. */
  readonly preferred: number
  /** Has one asked first from now on. */
  prefer(index: number): void
  /** Rejects with `database_unreachable` when no replica answered within `deadlineMs`. */
  query(statement: string, values: readonly Value[], deadlineMs: number): Promise<Row[]>
  /**
   * The same, of a replica that is far enough. Where none is, the answer of the one that was furthest comes, marked. One that follows
   * something else is as good as gone.
   */
  queryAt(options: QueryAtOptions): Promise<{ readonly rows: Row[]; readonly isBehind: boolean }>
  /** Asks one of them, whatever is known of it. Rejects with `database_unreachable`. */
  queryOne(index: number, statement: string, deadlineMs: number): Promise<Row[]>
  /** A connection of its own to one of them. Rejects with `database_unreachable`. */
  connect(index: number): Promise<Connection>
  readonly statistics: readonly ReplicaStatistics[]
  close(): Promise<void>
}

export interface QueryAtOptions {
  readonly statement: string
  readonly values: readonly Value[]
  readonly deadlineMs: number
  /** How far an answer's replica was. */
  readonly counterOf: (rows: readonly Row[]) => number
  readonly standingOf: (rows: readonly Row[]) => ReplicaStanding
}

/** What a replica is, by its answer: one to believe, one that is not far enough, or one that nobody follows any more. */
export type ReplicaStanding = 'current' | 'behind' | 'foreign'

export interface ReplicaStatistics {
  /** Host, port and name of the database. */
  readonly name: string
  readonly inFlight: number
  readonly queries: number
  readonly errors: number
  /** Answers of it that are none, since it follows something else. */
  readonly foreign: number
}

export function openReplicas(endpoints: readonly [Endpoint, ...Endpoint[]], { preferred = 0 } = {}): Replicas {
  const pools = endpoints.map((endpoint) => openPool(endpoint))
  let current = preferred % pools.length
  /** When one was last found to follow something else, and how often it was. */
  const foreignAt = new Map<Pool, number>()
  const foreignAnswers = new Map<Pool, number>()

  /** The ones worth asking, the preferred one first, and last those that lately followed something else. */
  function inOrder(): Pool[] {
    const usable = [...pools.slice(current), ...pools.slice(0, current)].filter(({ isUsable }) => isUsable)
    return [...usable.filter((pool) => !isForeign(pool)), ...usable.filter(isForeign)]
  }

  function isForeign(pool: Pool): boolean {
    return performance.now() - (foreignAt.get(pool) ?? Number.NEGATIVE_INFINITY) < FOREIGN_MS
  }

  /** Asks one after the other until one's rows will do. */
  async function ask(
    statement: string,
    values: readonly Value[],
    deadlineMs: number,
    judge: (rows: Row[]) => ReplicaStanding,
  ): Promise<Row[] | undefined> {
    const giveUpAt = performance.now() + deadlineMs
    let cause: unknown
    let answered = false
    const worthAsking = inOrder()
    const promising = Math.max(1, worthAsking.filter((pool) => !isForeign(pool)).length)
    for (const [index, pool] of worthAsking.entries()) {
      const leftMs = giveUpAt - performance.now()
      if (leftMs <= 0) break
      // Where nobody else is left to be asked, there is nothing to save time for.
      const queryMs = index >= promising - 1 ? leftMs : Math.min(leftMs, QUERY_MS_MAX)
      try {
        const rows = await within(leftMs, pool.query(statement, values, queryMs))
        const standing = judge(rows)
        if (standing === 'current') return rows
        answered ||= standing === 'behind'
        if (standing === 'foreign') {
          foreignAt.set(pool, performance.now())
          foreignAnswers.set(pool, (foreignAnswers.get(pool) ?? 0) + 1)
        } else foreignAt.delete(pool)
      } catch (error) {
        if (!isFatal(error)) throw error
        cause = error
      }
    }
    if (answered) return undefined
    throw new VersioncheckError('database_unreachable', 'No replica answered in time.', { cause })
  }

  return {
    count: pools.length,
    get preferred() {
      return current
    },
    prefer(index) {
      current = index
    },
    async query(statement, values, deadlineMs) {
      return (await ask(statement, values, deadlineMs, () => 'current')) as Row[]
    },
    async queryAt({ statement, values, deadlineMs, counterOf, standingOf }) {
      let furthest: Row[] = []
      let furthestAt = -1
      const rows = await ask(statement, values, deadlineMs, (answer) => {
        const standing = standingOf(answer)
        const counter = counterOf(answer)
        if (standing === 'behind' && counter > furthestAt) {
          furthest = answer
          furthestAt = counter
        }
        return standing
      })
      return { rows: rows ?? furthest, isBehind: rows === undefined }
    },
    queryOne: (index, statement, deadlineMs) =>
      within(deadlineMs, (pools[index] as Pool).query(statement, [], deadlineMs)),
    connect: (index) => connect(endpoints[index] as Endpoint, { connectMs: CONNECT_MS_MAX }),
    get statistics() {
      return pools.map((pool) => ({
        name: describeEndpoint(pool.endpoint),
        inFlight: pool.inFlight,
        queries: pool.queries,
        errors: pool.errors,
        foreign: foreignAnswers.get(pool) ?? 0,
      }))
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.close()))
    },
  }
}

/** Rejects after `ms`; what was begun goes on to its own end, unheard. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let cancel: (() => void) | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        cancel = startDeadline(ms, () =>
          reject(new VersioncheckError('database_unreachable', `No answer within ${Math.round(ms)} ms.`)),
        )
      }),
    ])
  } finally {
    cancel?.()
  }
}
