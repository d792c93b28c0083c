/**
 * A pool of connections to one server. Every queue has a limit and every wait an end. generic-pool tries again without a pause
 * when a connection can't be made, so the pause, and the refusal to try at all while the server is known to be down, are ours.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, type Pool as GenericPool } from 'generic-pool'
import { startDeadline } from '../deadline.ts'
import { VersioncheckError } from '../errors.ts'
import {
  ABANDONED_MS,
  ACQUIRE_MS_MAX,
  CLOSE_MS_MAX,
  CONNECT_MS_MAX,
  IDLE_CONNECTION_MS,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  REPLICA_CONNECTIONS_MAX,
  REPLICA_WAITING_MAX,
} from '../limits.ts'
import { type Connection, connect, execute, isFatal, type Row, type Value } from './connection.ts'
import { describeEndpoint, type Endpoint } from './endpoint.ts'

export interface Pool {
  readonly endpoint: Endpoint
  /** False while no connection is there and none can be made before the next attempt is due: asking would be in vain. */
  readonly isUsable: boolean
  /** Statements that run now or wait for a connection, that were run, and that were not answered. */
  readonly inFlight: number
  readonly queries: number
  readonly errors: number
  /** Runs one statement; rejects within `deadlineMs`, and at once while the server is down. */
  query(statement: string, values: readonly Value[], deadlineMs: number): Promise<Row[]>
  close(): Promise<void>
}

export function openPool(endpoint: Endpoint): Pool {
  let retryMs = RECONNECT_MS_MIN
  let nextAttemptAt = 0
  let lastError: unknown
  let closed = false
  const counts = { inFlight: 0, queries: 0, errors: 0 }
  /** Of those in the queue, who doesn't wait any more: generic-pool knows no way to leave it. */
  let abandoned = 0

  const pool: GenericPool<Connection> = createPool(
    {
      async create() {
        // A `create` that rejects in the same turn hangs the event loop; the pause also spaces the attempts of one pool.
        await sleep(Math.max(1, Math.min(nextAttemptAt - Date.now(), RECONNECT_MS_MIN)))
        while (abandoned > 0 && abandoned >= pool.pending && !closed) await sleep(RECONNECT_MS_MIN)
        try {
          const connection = closed ? undefined : await connect(endpoint, { connectMs: CONNECT_MS_MAX })
          if (connection === undefined || closed) {
            connection?.destroy()
            throw new VersioncheckError('database_unreachable', `${describeEndpoint(endpoint)} is closed.`)
          }
          retryMs = RECONNECT_MS_MIN
          nextAttemptAt = 0
          lastError = undefined
          return connection
        } catch (error) {
          lastError = error
          nextAttemptAt = Date.now() + retryMs
          retryMs = Math.min(retryMs * 2, RECONNECT_MS_MAX)
          throw error
        }
      },
      async destroy(connection) {
        connection.destroy()
      },
    },
    {
      min: 0,
      max: REPLICA_CONNECTIONS_MAX,
      maxWaitingClients: REPLICA_WAITING_MAX,
      // Its own timer would judge before connections that came back are seen: it only keeps the queue short in a long outage.
      acquireTimeoutMillis: ABANDONED_MS,
      idleTimeoutMillis: IDLE_CONNECTION_MS,
      evictionRunIntervalMillis: IDLE_CONNECTION_MS / 2,
    },
  )
  // Told for every failed attempt; the callers are told too.
  pool.on('factoryCreateError', () => {})

  // One more connection that could not be made in time says little of a server that answers on those there are.
  function isUsable(): boolean {
    return !closed && (pool.borrowed + pool.available > 0 || Date.now() >= nextAttemptAt)
  }

  function acquire(): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const fail = (cause?: unknown) => {
        const message = `No connection to ${describeEndpoint(endpoint)} was free in time.`
        reject(lastError ?? new VersioncheckError('database_unreachable', message, { cause }))
      }
      const cancel = startDeadline(ACQUIRE_MS_MAX, () => {
        isLate = true
        abandoned++
        fail()
      })
      pool.acquire().then(
        (connection) => {
          cancel()
          if (isLate) abandoned--
          if (isLate) void pool.release(connection)
          else resolve(connection)
        },
        (error: unknown) => {
          cancel()
          if (isLate) abandoned--
          fail(error)
        },
      )
    })
  }

  return {
    endpoint,
    get isUsable() {
      return isUsable()
    },
    get inFlight() {
      return counts.inFlight
    },
    get queries() {
      return counts.queries
    },
    get errors() {
      return counts.errors
    },
    async query(statement, values, deadlineMs) {
      counts.inFlight++
      counts.queries++
      try {
        return await query(statement, values, deadlineMs)
      } catch (error) {
        counts.errors++
        throw error
      } finally {
        counts.inFlight--
      }
    },
    async close() {
      if (closed) return
      closed = true
      // Those who gave up still stand in the queue, and would be waited for.
      await Promise.race([pool.drain().catch(() => {}), sleep(CLOSE_MS_MAX)])
      await pool.clear()
    },
  }

  async function query(statement: string, values: readonly Value[], deadlineMs: number): Promise<Row[]> {
    if (!isUsable()) {
      throw lastError ?? new VersioncheckError('database_unreachable', `${describeEndpoint(endpoint)} is closed.`)
    }
    const connection = await acquire()
    try {
      const rows = await execute(connection, statement, values, { deadlineMs })
      await pool.release(connection)
      return rows
    } catch (error) {
      if (isFatal(error)) await pool.destroy(connection)
      else await pool.release(connection)
      throw error
    }
  }
}
