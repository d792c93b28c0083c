/** The replicas as a writer sees them: has what I committed arrived there? */

import type { Connection } from 'mysql2'
import { connect, execute } from './connection.ts'
import type { Endpoint } from './endpoint.ts'

export interface Followers {
  /** Waits until each has applied a position of the primary's binlog; returns those that have not, or can't be asked. */
  wait(position: string, seconds: number): Promise<readonly Endpoint[]>
  close(): void
}

/** Connects when it is first asked, and again after a failure. */
export function openFollowers(endpoints: readonly Endpoint[]): Followers {
  const connections = new Map<Endpoint, Connection>()

  async function hasApplied(endpoint: Endpoint, position: string, seconds: number): Promise<boolean> {
    try {
      const connection = connections.get(endpoint) ?? (await connect(endpoint, { connectMs: seconds * 1_000 }))
      connections.set(endpoint, connection)
      const deadlineMs = seconds * 1_000 + 500
      const [row] = await execute(connection, 'SELECT MASTER_GTID_WAIT(?, ?) AS timedOut', [position, seconds], {
        deadlineMs,
      })
      return row?.timedOut === 0
    } catch {
      connections.get(endpoint)?.destroy()
      connections.delete(endpoint)
      return false
    }
  }

  return {
    async wait(position, seconds) {
      const applied = await Promise.all(endpoints.map((endpoint) => hasApplied(endpoint, position, seconds)))
      return endpoints.filter((_, index) => !applied[index])
    },
    close() {
      for (const connection of connections.values()) connection.destroy()
      connections.clear()
    },
  }
}
