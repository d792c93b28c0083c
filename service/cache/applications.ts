/** The applications that may ask, held in memory; read again when the change feed says that one was added. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Application, type ManifestFormat, splitPacked } from '../addon/index.ts'
import { type Replicas, type Row, readStatement } from '../database/index.ts'
import type { Timeline } from '../feed/index.ts'
import { DATABASE_START_MS_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from '../limits.ts'
import type { KnownApplications } from '../update/index.ts'
import { askReplicas } from './ask.ts'

export interface ApplicationsOptions {
  readonly replicas: Replicas
  readonly timeline: Timeline
  /** From what was kept for a restart. */
  readonly known: readonly Application[] | undefined
  /** Told where others are known than before, and as of which point of the feed. */
  readonly onChanged: (applications: readonly Application[], counter: number) => void
}

export interface Applications extends KnownApplications {
  /** Reads them where they weren't known. Rejects with `database_unreachable`. */
  ready(): Promise<void>
  /** Reads them again, and goes on trying until it has, from a replica that is as far as what was seen. */
  refresh(): Promise<void>
  close(): void
}

export function createApplications({ replicas, timeline, known, onChanged }: ApplicationsOptions): Applications {
  const statement = readStatement('applications')
  let closed = false
  /** What was asked for while another refresh was under way may be newer than what that one reads. */
  let isWanted = false
  let refreshing: Promise<void> | undefined

  async function read(): Promise<void> {
    const { rows, position, isBehind } = await askReplicas(replicas, timeline, statement, [])
    if (isBehind) throw new Error('no replica is as far as what was seen before')
    timeline.see(position.counter)
    const before = JSON.stringify([...applications.byGuid.values()])
    applications.byGuid = byGuid(rows.filter(({ id }) => id !== null).map(applicationOf))
    const now = [...applications.byGuid.values()]
    if (JSON.stringify(now) !== before) onChanged(now, position.counter)
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

  async function refreshAll(): Promise<void> {
    while (isWanted && !closed) {
      isWanted = false
      await readUntil(Number.POSITIVE_INFINITY)
    }
    refreshing = undefined
  }

  const applications = {
    byGuid: byGuid(known ?? []),
    async ready() {
      if (known === undefined) await readUntil(Date.now() + DATABASE_START_MS_MAX)
    },
    refresh() {
      isWanted = true
      refreshing ??= refreshAll()
      return refreshing
    },
    close() {
      closed = true
    },
  }
  return applications
}

function applicationOf({ id, guid, name, manifest, jsonSince }: Row): Application {
  return {
    id: id as number,
    guid: guid as string,
    name: name as string,
    manifest: manifest as ManifestFormat,
    jsonSince: jsonSince === null ? null : splitPacked(jsonSince as string | number),
  }
}

function byGuid(applications: readonly Application[]): ReadonlyMap<string, Application> {
  return new Map(applications.map((application) => [application.guid, application]))
}
