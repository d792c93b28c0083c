/** A real memcached, which a test can kill, hang, flush, and write to as anybody could. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './ports.ts'

export interface MemcachedServer {
  /** `127.0.0.1:PORT` */
  readonly address: string
  readonly pid: number
  /** What the server answers to some text, up to `end`. */
  ask(text: string, end: string): Promise<string>
  flush(): Promise<void>
  /** Values by key, as they are kept. */
  values(): Promise<Map<string, Buffer>>
  set(key: string, value: Buffer): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  pause(): void
  resume(): void
}

/** Started; stopped when the test ends. */
export async function startMemcached(t: Pick<Test, 'teardown'>): Promise<MemcachedServer> {
  const port = await freePort()
  let child: ChildProcess | undefined
  /** Keys that it was seen to have: its listing leaves out what it is just moving from one of its queues to another. */
  const seen = new Set<string>()

  async function exchange(bytes: Buffer, isWhole: (answer: Buffer) => boolean): Promise<Buffer> {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    try {
      await once(socket, 'connect')
      socket.write(bytes)
      for await (const chunk of socket) {
        chunks.push(chunk as Buffer)
        if (isWhole(Buffer.concat(chunks))) break
      }
      return Buffer.concat(chunks)
    } finally {
      socket.destroy()
    }
  }
  const ask = async (text: string, end: string) =>
    (await exchange(Buffer.from(text), (answer) => answer.includes(end))).toString('latin1')

  async function start(): Promise<void> {
    // memcached refuses root unless it is told that root is meant.
    const user = process.getuid?.() === 0 ? ['-u', 'root'] : []
    const args = ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', '256', ...user]
    child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'memcached', ...args], { stdio: 'ignore' })
    for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; await sleep(20)) {
      if (await ask('version\r\n', '\r\n').catch(() => undefined)) return
    }
    throw new Error('memcached does not answer')
  }

  const server: MemcachedServer = {
    address: `127.0.0.1:${port}`,
    get pid() {
      return child?.pid as number
    },
    ask,
    async flush() {
      await ask('flush_all\r\n', 'OK\r\n')
    },
    async values() {
      const listing = await ask('lru_crawler metadump all\r\n', 'END\r\n')
      for (const [, key] of listing.matchAll(/^key=(\S+)/gm)) seen.add(decodeURIComponent(key as string))
      const values = new Map<string, Buffer>()
      for (const key of seen) {
        const answer = await exchange(
          Buffer.from(`get ${key}\r\n`),
          (bytes) => bytes.subarray(-5).toString() === 'END\r\n',
        )
        const lineEnd = answer.indexOf('\r\n')
        if (answer.toString('latin1', 0, 6) === 'VALUE ') values.set(key, answer.subarray(lineEnd + 2, -7))
      }
      return values
    },
    async set(key, value) {
      seen.add(key)
      const head = Buffer.from(`set ${key} 0 0 ${value.length}\r\n`)
      await exchange(Buffer.concat([head, value, Buffer.from('\r\n')]), (answer) => answer.includes('\r\n'))
    },
    async kill() {
      const running = child
      child = undefined
      if (running === undefined) return
      running.kill('SIGKILL')
      if (running.exitCode === null && running.signalCode === null) await once(running, 'exit')
    },
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
  t.teardown(async () => {
    server.resume()
    await server.kill()
  })
  await start()
  return server
}
