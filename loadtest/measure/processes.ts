/** The programs that a bench sets against each other, as processes of their own, and the processor time that each takes. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Failure } from '../failure.ts'

export interface Program {
  readonly pid: number
  readonly url: string
  /** Everything it printed so far. */
  output(): string
  /** Waits for a line that it prints. */
  printed(line: RegExp, msMax: number): Promise<RegExpExecArray>
  stop(signal?: NodeJS.Signals): Promise<void>
}

const GLIBC_TUNABLES = process.env.GLIBC_TUNABLES ?? 'glibc.malloc.hugetlb=1'
const dist = join(import.meta.dirname, '..', '..')
const START_MS_MAX = 120_000
const TICK_US = 10_000

const running = new Set<ChildProcess>()
/** What was started ends with the bench, however that ends. */
export function endWithUs(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/**
 * Starts one of our programs, by its path below dist/; ready when it says so. All with the memory that `npm start` gives the server,
 * so that what is compared is alike in that.
 */
export async function startProgram(path: string, environment: Readonly<Record<string, string>>): Promise<Program> {
  const child = spawn(process.execPath, [...process.execArgv, join(dist, path)], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, GLIBC_TUNABLES, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk
    })
  }
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  const program: Program = {
    pid: child.pid as number,
    url: '',
    output: () => output,
    async printed(line, msMax) {
      for (const giveUpAt = Date.now() + msMax; Date.now() < giveUpAt; await pause(10)) {
        const match = line.exec(output)
        if (match !== null) return match
        if (child.exitCode !== null) break
      }
      throw new Failure(`${path} didn't say ${line}:\n${output}`, undefined)
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      await ended
    },
  }
  const [, url = ''] = await program.printed(/^ready (\S+)$/m, START_MS_MAX)
  return { ...program, url }
}

export function startServer(environment: Readonly<Record<string, string>>): Promise<Program> {
  return startProgram('service/main.js', {
    PORT: '0',
    SAMPLE: 'off',
    METRICS_PORT: '0',
    LOG_LEVEL: 'debug',
    ...environment,
  })
}

/** Where two have a processor each: what is measured, and the generator. */
export const SERVER_PROCESSOR = '0'
export const GENERATOR_PROCESSOR = '1'

/** Keeps a process, and what it starts from now on, to some processors. */
export function pin(pid: number, processors: string): void {
  spawnSync('taskset', ['-a', '-p', '-c', processors, String(pid)], { stdio: 'ignore' })
}

/** A command that keeps to some processors; absent: any. */
export function onProcessors(processors: string | undefined, command: readonly string[]): [string, ...string[]] {
  const all = processors === undefined ? command : ['taskset', '-c', processors, ...command]
  return all as [string, ...string[]]
}

/** Microseconds of processor time that some processes have taken, in all. */
export function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_US
  }, 0)
}

/** The same of all threads of one process, to the nanosecond. */
export function preciseCpuOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => {
    const [onCpu] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
    return sum + Number(onCpu) / 1_000
  }, 0)
}

/** Resident memory, in MiB. */
export function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** The private servers of a DATA_DIR. */
export function databasePids(dataDir: string): { readonly primary: number; readonly replica: number } {
  const pidOf = (name: string) => Number(readFileSync(join(dataDir, 'mariadb', name, 'server.pid'), 'utf8'))
  return { primary: pidOf('primary'), replica: pidOf('replica') }
}

/** Runs a command of ours to its end; what it prints is shown, on standard error: the other stream is for figures. */
export async function runCommand(
  path: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  { quiet = false } = {},
): Promise<void> {
  const child = spawn(process.execPath, [join(dist, path), ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', quiet ? 'ignore' : process.stderr, quiet ? 'pipe' : 'inherit'],
  })
  endWithUs(child)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Failure(`${path} ${args.join(' ')} ended with ${code}. ${errors}`, undefined)
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

export interface Memcached {
  readonly address: string
  readonly pid: number
  stop(): Promise<void>
}

/** Needs Debian's `memcached`. */
export async function startMemcached(megabytes: number): Promise<Memcached> {
  const port = await freePort()
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : []
  const child = spawn(
    'memcached',
    ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', String(megabytes), ...user],
    {
      stdio: 'ignore',
    },
  )
  endWithUs(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', () => {})
  await pause(300)
  if (child.pid === undefined || child.exitCode !== null) {
    throw new Failure('memcached is not installed. As root: apt-get install memcached.', undefined)
  }
  return {
    address: `127.0.0.1:${port}`,
    pid: child.pid,
    async stop() {
      child.kill()
      await ended
    },
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** What a server counts of itself, by the names of its metrics with their labels. */
export async function readMetrics(program: Program): Promise<ReadonlyMap<string, number>> {
  const [, url] = await program.printed(/"url":"(http:\/\/127\.0\.0\.1:\d+\/metrics)"/, 10_000)
  return await readMetricsAt(url as string)
}

/** The same of a server that somebody else started, by the address of its metrics. */
export async function readMetricsAt(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}

export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)))
}
