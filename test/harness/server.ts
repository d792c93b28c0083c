/** The server as its user runs it: `dist/service/main.js` as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { variables } from '../../service/config.ts'
import { makeFolder } from './stack.ts'

export interface ServerProcess {
  readonly pid: number
  readonly url: string
  /** DATA_DIR. */
  readonly dataDir: string
  /** Everything it printed so far. */
  output(): string
  /** Resident memory, in MiB. */
  residentMib(): number
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Ends it, and resolves as `ended`. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

export const root = join(import.meta.dirname, '..', '..')
const START_MS_MAX = 60_000

/** Starts it with an empty private MariaDB unless told otherwise; stopped when the test ends. Rejects with its output when it doesn't get ready. */
export async function startServer(
  t: Pick<Test, 'teardown'>,
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const dataDir = environment.DATA_DIR ?? join(await makeFolder(t), 'data')
  const child = spawn(process.execPath, [join(root, 'dist', 'service', 'main.js')], {
    env: { ...cleanEnvironment(), PORT: '0', SAMPLE: 'off', LOG_LEVEL: 'warn', ...environment, DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? (signal as NodeJS.Signals)))
  })
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), START_MS_MAX)
    const listen = (chunk: Buffer) => {
      output += chunk
      const ready = /^ready (\S+)$/m.exec(output)?.[1]
      if (ready === undefined) return
      clearTimeout(timer)
      resolve(ready)
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    void ended.then((how) => {
      clearTimeout(timer)
      reject(new Error(`ended with ${how}:\n${output}`))
    })
  })
  const pid = child.pid as number
  return {
    pid,
    url,
    dataDir,
    output: () => output,
    ended,
    residentMib: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return await ended
    },
  }
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `catalog` as its user does, to its end. */
export function runCatalog(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input?: string,
): Promise<CommandResult> {
  return runToEnd(spawnCatalog(args, environment), input)
}

/** Starts `catalog` and leaves it running. */
export function spawnCatalog(args: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [join(root, 'dist', 'service', 'catalog.js'), ...args], {
    env: { ...cleanEnvironment(), ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Waits for a process and collects what it prints. */
export async function runToEnd(child: ChildProcess, input?: string): Promise<CommandResult> {
  const texts = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8')
  child.stderr?.setEncoding('utf8')
  child.stdout?.on('data', (chunk: string) => {
    texts.stdout += chunk
  })
  child.stderr?.on('data', (chunk: string) => {
    texts.stderr += chunk
  })
  child.stdin?.end(input)
  const code = await new Promise<number>((resolve) => child.once('close', (exitCode) => resolve(exitCode ?? -1)))
  return { code, ...texts }
}

/** What the tests themselves run under must not configure what they start. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...environment } = process.env
  const own = new Set<string>(variables.map(([name]) => name))
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(?:TAP|npm_)/.test(name) && !own.has(name)),
  )
}
