/** The applications that may ask, held in memory; read again when the change feed says that one was added. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Application, type ManifestFormat, splitPacked } from '../addon/index.ts'
import { type Replicas, readStatement } from '../database/index.ts'
import { COLD_MS_MAX, DATABASE_START_MS_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from '../limits.ts'
import type { KnownApplications } from '../update/index.ts'

export interface Applications extends KnownApplications {
  /** Reads them where they weren't known. Rejects with `database_unreachable`. */
  ready(): Promise<void>
  /** Reads them again, and goes on trying until it has. */
  refresh(): Promise<void>
  close(): void
}

/** `known`: from a snapshot. */
export function createApplications(replicas: Replicas, known: readonly Application[] | undefined): Applications {
  const statement = readStatement('applications')
  let closed = false

  async function read(): Promise<void> {
    const rows = await replicas.query(statement, [], COLD_MS_MAX)
    applications.byGuid = byGuid(
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

  const applications = {
    byGuid: byGuid(known ?? []),
    async ready() {
      if (known === undefined) await readUntil(Date.now() + DATABASE_START_MS_MAX)
    },
    refresh: () => readUntil(Number.POSITIVE_INFINITY),
    close() {
      closed = true
    },
  }
  return applications
}

function byGuid(applications: readonly Application[]): ReadonlyMap<string, Application> {
  return new Map(applications.map((application) => [application.guid, application]))
}
