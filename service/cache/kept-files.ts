/**
 * The names of what a host keeps for restarts. Each begins with a generation: what entries are made with, so that others can't be
 * read. Snapshots bear the number of the feed and when they were written, journals when and by whom they were begun.
 */

import { hash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { FORMAT, OLDER_FORMATS } from './snapshot.ts'

export const SNAPSHOT_SUFFIX = '.snapshot'
export const JOURNAL_SUFFIX = '.journal'
export const REFUSED_SUFFIX = '.refused'
/** What is being written; or was, by a process that was killed. */
export const INCOMING_SUFFIX = '.new'

/** What entries are made with, by a name that begins those of files: others can't be read. */
export interface Generations {
  readonly generation: string
  /** Those of programs before this one, that served the same site. */
  readonly olderGenerations: readonly string[]
}

export function generationsOf(siteUrl: string): Generations {
  const nameOf = (format: string) => hash('sha256', `${format}\n${siteUrl}`, 'base64url').slice(0, 16)
  return { generation: nameOf(FORMAT), olderGenerations: OLDER_FORMATS.map(nameOf) }
}

/** Snapshots of a generation, the newest first. */
export function snapshotsOf(folder: string, generation: string): { path: string; counter: number }[] {
  return filesOf(folder, generation, SNAPSHOT_SUFFIX)
    .map((path) => ({ path, counter: Number(basename(path).split(' ')[1]) }))
    .sort((one, other) => other.counter - one.counter || (one.path < other.path ? 1 : -1))
}

/** When a snapshot was written, by its name. */
export function writtenAt(path: string | undefined): number | undefined {
  return path === undefined ? undefined : Number.parseInt(basename(path).split(' ')[2] as string, 10)
}

/** Files that belong to a generation; those of another are another service's. */
export function filesOf(folder: string, generation: string, suffix: string): string[] {
  let names: string[] = []
  try {
    names = readdirSync(folder)
  } catch {
    // there is none yet
  }
  return names
    .filter((name) => name.startsWith(`${generation} `) && name.endsWith(suffix))
    .map((name) => join(folder, name))
}
