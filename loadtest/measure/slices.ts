/**
 * Contestants that take turns every half second. The generator of each waits, connected, while another one's runs; so what disturbs
 * the machine for some seconds falls on all alike, and ratios of neighbours are steady where rates are not.
 */

import { alternate } from './compare.ts'
import { type Program, pause, preciseCpuOf } from './processes.ts'
import { type RequestFile, startSliced } from './wrk.ts'

export interface Contestant {
  readonly program: Program
  readonly requests: RequestFile
  readonly connections: number
  /** The processors that its generator keeps to; absent: any. */
  readonly processors?: string
  /** How many requests the program has answered since its start. */
  readonly countOf: (program: Program) => Promise<number>
  /** Other processes that work for it. */
  readonly helpers?: readonly number[]
}

/** Of one slice. */
export interface Slice {
  readonly rate: number
  /** Microseconds of processor time a request: of the program, and of its helpers together. */
  readonly cpuUs: number
  readonly helpersUs: number
}

const SLICE_MS = 500
/** For what is under way to end, before a slice and after it. */
const SETTLE_MS = 15
const SLICES_SHOWN = 10

/** So many seconds of each, in slices. */
export async function takeTurns<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  seconds: number,
  progress: (line: string) => void,
): Promise<Record<Name, Slice[]>> {
  const loads = new Map<Name, Awaited<ReturnType<typeof startSliced>>>()
  try {
    for (const [name, contestant] of entriesOf(contestants)) {
      const { program, requests, connections, processors } = contestant
      loads.set(name, await startSliced({ url: program.url, requests, connections, ...(processors && { processors }) }))
    }
    const slices = Math.ceil((seconds * 1_000) / SLICE_MS)
    const measures = Object.fromEntries(
      entriesOf(contestants).map(([name, contestant]) => [
        name,
        () => measure(contestant, (ms) => (loads.get(name) as { slice(ms: number): Promise<void> }).slice(ms)),
      ]),
    ) as Record<Name, () => Promise<Slice>>
    let shown = -1
    return await alternate(measures, slices, (slice) => {
      if (slice % SLICES_SHOWN !== 0 || slice === shown) return
      shown = slice
      progress(`slice ${slice} of ${slices}`)
    })
  } finally {
    for (const load of loads.values()) await load.stop()
  }
}

async function measure(
  { program, countOf, helpers = [] }: Contestant,
  slice: (ms: number) => Promise<void>,
): Promise<Slice> {
  const helpersCpu = () => helpers.reduce((sum, pid) => sum + preciseCpuOf(pid), 0)
  const before = await countOf(program)
  await pause(SETTLE_MS)
  const cpu = preciseCpuOf(program.pid)
  const others = helpersCpu()
  await slice(SLICE_MS)
  await pause(SETTLE_MS)
  const cpuUs = preciseCpuOf(program.pid) - cpu
  const helpersUs = helpersCpu() - others
  const count = (await countOf(program)) - before
  return { cpuUs: cpuUs / count, helpersUs: helpersUs / count, rate: count / (SLICE_MS / 1_000) }
}

function entriesOf<Name extends string, Value>(record: Readonly<Record<Name, Value>>): [Name, Value][] {
  return Object.entries(record) as [Name, Value][]
}
