/** Processes of this machine: which there are, and whether they have gone. */

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Processes whose command line names a folder. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      } catch {
        return false
      }
    })
}

export async function gone(folder: string): Promise<boolean> {
  for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; await sleep(50)) {
    if (processesOf(folder).length === 0) return true
  }
  return false
}

export function statOf(pid: number): { parent: number; isZombie: boolean } | undefined {
  try {
    // After the name, which may hold anything, in parentheses: state and parent.
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { parent: Number(parent), isZombie: state === 'Z' }
  } catch {
    return undefined
  }
}

export const parentOf = (pid: number) => statOf(pid)?.parent ?? 0

export function descendantsOf(pid: number): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  const found: number[] = []
  for (let parents = [pid]; parents.length > 0; ) {
    parents = all.filter((child) => parents.includes(parentOf(child)))
    found.push(...parents)
  }
  return found
}

export async function allGone(pids: readonly number[]): Promise<boolean> {
  const isThere = (pid: number) => statOf(pid)?.isZombie === false
  for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; await sleep(50)) {
    if (!pids.some(isThere)) return true
  }
  return false
}
