/** The applications that may ask, held in memory; read again when the change feed says that one was added. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Application, type ManifestFormat, splitPacked } from '../addon/index.ts'
import { type Replicas, readStatement } from '../database/index.ts'
import { COLD_MS_MAX, DATABASE_START_MS_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from '../limits.ts'

export interface Applications {
  /** By guid. */
  readonly current: () => ReadonlyMap<string, Application>
  /** Reads them again, and goes on trying until it has. */
  refresh(): Promise<void>
  close(): void
}

/** `known`: from a snapshot. Without it, resolves once they have been read; rejects with `database_unreachable`. */
export async function openApplications(
  replicas: Replicas,
  known: readonly Application[] | undefined,
): Promise<Applications> {
  const statement = readStatement('applications')
  let closed = false
  let current: ReadonlyMap<string, Application> = byGuid(known ?? [])

  async function read(): Promise<void> {
    const rows = await replicas.query(statement, [], COLD_MS_MAX)
    current = byGuid(
      rows.map(({ id, guid, name, manifest, jsonSince }) => ({
        id: id as number,
        guid: guid as string,
        name: name as string,
        manifest: manifest as ManifestFormat,
        jsonSince: jsonSince === null ? null : splitPacked(jsonSince as string | number),
      })),
    )
  }

  async function readUntil(giveUpAt: number): Promise<void> {
    for (let pauseMs = RECONNECT_MS_MIN; !closed; pauseMs = Math.min(pauseMs * 2, RECONNECT_MS_MAX)) {
      try {
        await read()
        return
      } catch (error) {
        if (Date.now() > giveUpAt) throw error
        await sleep(pauseMs)
      }
    }
  }

  if (known === undefined) await readUntil(Date.now() + DATABASE_START_MS_MAX)
  return {
    current: () => current,
    refresh: () => readUntil(Number.POSITIVE_INFINITY),
    close() {
      closed = true
    },
  }
}

function byGuid(applications: readonly Application[]): ReadonlyMap<string, Application> {
  return new Map(applications.map((application) => [application.guid, application]))
}
