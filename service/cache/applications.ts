/** The applications that may ask, held in memory and read again every second: an admin may add one. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Application, type ManifestFormat, splitPacked } from '../addon/index.ts'
import { type Replicas, readStatement } from '../database/index.ts'
import { APPLICATIONS_EVERY_MS, COLD_MS_MAX, DATABASE_START_MS_MAX, RECONNECT_MS_MIN } from '../limits.ts'

export interface Applications {
  /** By guid. */
  readonly current: () => ReadonlyMap<string, Application>
  close(): void
}

/** Resolves once they have been read: a replica that was just made may not have the accounts yet. Rejects with `database_unreachable`. */
export async function openApplications(replicas: Replicas): Promise<Applications> {
  const statement = readStatement('applications')
  let current: ReadonlyMap<string, Application> = new Map()
  const refresh = async () => {
    const rows = await replicas.query(statement, [], COLD_MS_MAX)
    current = new Map(
      rows.map(({ id, guid, name, manifest, jsonSince }) => [
        guid as string,
        {
          id: id as number,
          guid: guid as string,
          name: name as string,
          manifest: manifest as ManifestFormat,
          jsonSince: jsonSince === null ? null : splitPacked(jsonSince as string | number),
        },
      ]),
    )
  }
  await untilItSucceeds(refresh)
  // A database that is away leaves what is known; the checks report it.
  const timer = setInterval(() => void refresh().catch(() => {}), APPLICATIONS_EVERY_MS)
  timer.unref()
  return { current: () => current, close: () => clearInterval(timer) }
}

async function untilItSucceeds(work: () => Promise<void>): Promise<void> {
  const giveUpAt = Date.now() + DATABASE_START_MS_MAX
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (Date.now() > giveUpAt) throw error
      await sleep(RECONNECT_MS_MIN)
    }
  }
}
