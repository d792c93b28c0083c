/** What the server says of itself while it is loaded, and what its processes take where they run on this machine. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { cpuOf, readMetricsAt, residentMib } from '../measure/index.ts'

/** What one tier did during a run. */
export interface TierFigures {
  readonly tier: string
  readonly checks: number
  /** Of all checks that were answered. */
  readonly part: number
}

/** What one process took during a run. */
export interface ProcessFigures {
  readonly pid: number
  readonly name: string
  /** Of one processor. */
  readonly cpu: number
  readonly residentMib: number
}

export interface ServerFigures {
  readonly tiers: readonly TierFigures[]
  readonly processes: readonly ProcessFigures[]
}

/** Watches a server from now on. */
export interface Watch {
  /** Why there are no figures of tiers; undefined where there are. */
  readonly blind: string | undefined
  end(): Promise<ServerFigures>
}

/** Where docs/operations.md has the metrics. */
const USUAL_METRICS = 'http://127.0.0.1:9100/metrics'
const CHECKS = /^versioncheck_checks_total\{tier="([^"]+)"\}$/

/** `metricsUrl`: absent where nobody said; then the usual one is tried for a server of this machine. */
export async function watchServer(url: string, metricsUrl: string | undefined): Promise<Watch> {
  const isLocal = isOfThisMachine(new URL(url).hostname)
  const listener = isLocal ? listenerOf(portOf(url)) : undefined
  const address = metricsUrl ?? (isLocal ? USUAL_METRICS : undefined)
  // Two servers on one machine: the metrics at the usual address may be the other one's.
  const isOther = metricsUrl === undefined && isLocal && !areOfOneServer(listener, listenerOf(portOf(USUAL_METRICS)))
  const before = address === undefined || isOther ? undefined : await tiersAt(address)
  const pids = familyOf(listener)
  const cpuBefore = new Map(pids.map((pid) => [pid, cpuOf([pid])]))
  const begunAt = performance.now()
  const blind =
    before === undefined
      ? `no hit ratios: ${address === undefined ? 'say where the metrics are' : isOther ? `${address} is another server's` : `${address} has no metrics of versioncheck`} (METRICS_PORT of the server, --metrics here)`
      : undefined
  return {
    blind,
    async end() {
      const seconds = (performance.now() - begunAt) / 1_000
      const processes = pids.filter(isRunning).map((pid) => ({
        pid,
        name: nameOf(pid),
        cpu: (cpuOf([pid]) - (cpuBefore.get(pid) as number)) / 1e6 / seconds,
        residentMib: residentMib(pid),
      }))
      const after = before === undefined ? undefined : await tiersAt(address as string)
      return { tiers: after === undefined ? [] : risen(before as Tiers, after), processes }
    },
  }
}

function isOfThisMachine(hostname: string): boolean {
  if (hostname === 'localhost') return true
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  return Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === address))
}

/** Whether two processes may belong together: where one can't be seen nobody can tell, and a proxy may stand before a server. */
export function areOfOneServer(one: number | undefined, other: number | undefined): boolean {
  if (one === undefined || other === undefined || nameOf(one) !== nameOf(other)) return true
  if (familyOf(one).includes(other) || familyOf(other).includes(one)) return true
  // Workers of one supervisor; a shell that started two servers is none.
  const parent = parentOf(one)
  return parent === parentOf(other) && nameOf(parent) === nameOf(one)
}

/** Where a URL names none, the one of its protocol. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url)
  return Number(port || (protocol === 'https:' ? 443 : 80))
}

type Tiers = ReadonlyMap<string, number>

async function tiersAt(address: string): Promise<Tiers | undefined> {
  try {
    const metrics = await readMetricsAt(address)
    const tiers = [...metrics].flatMap(([name, value]) => {
      const tier = CHECKS.exec(name)?.[1]
      return tier === undefined ? [] : [[tier, value] as const]
    })
    return tiers.length === 0 ? undefined : new Map(tiers)
  } catch {
    return undefined
  }
}

function risen(before: Tiers, after: Tiers): TierFigures[] {
  const counts = [...after].map(([tier, value]) => [tier, value - (before.get(tier) ?? 0)] as const)
  const all = counts.reduce((sum, [, checks]) => sum + checks, 0)
  return counts.map(([tier, checks]) => ({ tier, checks, part: all === 0 ? 0 : checks / all }))
}

/** The process that listens on a port of this machine; undefined where it can't be seen, as that of another user. */
function listenerOf(port: number): number | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const sockets = ['tcp', 'tcp6'].flatMap((table) => {
    const lines = readText(`/proc/net/${table}`).split('\n').slice(1)
    const fields = lines.map((line) => line.trim().split(/\s+/))
    return fields
      .filter(([, local, , state]) => local?.endsWith(`:${wanted}`) && state === '0A')
      .map((field) => field[9])
  })
  return processes().find((pid) =>
    openFilesOf(pid).some((file) => sockets.some((inode) => file === `socket:[${inode}]`)),
  )
}

/** A process and all that it has started. */
function familyOf(pid: number | undefined): number[] {
  if (pid === undefined) return []
  const parents = processes().map((each) => [each, parentOf(each)] as const)
  const family = [pid]
  for (const member of family) family.push(...parents.filter(([, parent]) => parent === member).map(([child]) => child))
  return family
}

function processes(): number[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readText(`/proc/${pid}/status`))?.[1])
}

/** `mariadbd primary`: the last folder of its data tells servers of one program apart. */
function nameOf(pid: number): string {
  const [program = '', ...args] = readText(`/proc/${pid}/cmdline`).split('\0')
  const data = args
    .find((arg) => arg.startsWith('--datadir='))
    ?.split('/')
    .at(-1)
  return [
    program.split('/').at(-1),
    data ??
      args
        .find((arg) => arg.endsWith('.js'))
        ?.split('/')
        .at(-1),
  ]
    .filter(Boolean)
    .join(' ')
}

function isRunning(pid: number): boolean {
  return readText(`/proc/${pid}/stat`) !== ''
}

function openFilesOf(pid: number): string[] {
  return list(`/proc/${pid}/fd`).map((file) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${file}`)
    } catch {
      return ''
    }
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
