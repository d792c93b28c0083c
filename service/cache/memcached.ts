/**
 * The second tier: memcached, shared by workers and hosts. A small client of our own, since none asks for many keys at once and
 * survives a dead server: what is asked for in one go is one write (meta commands), each server has a deadline, and one that
 * doesn't answer is left alone for a while. A memcached that is down costs nothing.
 */

import { connect, type Socket } from 'node:net'
import HashRing from 'hashring'
import { startDeadline } from '../deadline.ts'
import {
  MEMCACHED_MS_MAX,
  MEMCACHED_PENDING_BYTES_MAX,
  MEMCACHED_RETRY_MS_MAX,
  MEMCACHED_RETRY_MS_MIN,
  MEMCACHED_VALUE_BYTES_MAX,
} from '../limits.ts'

export interface Memcached {
  /** False while no server is to be asked: a question would be in vain. */
  readonly isUsable: boolean
  /** The values of keys that are there, by key. Never rejects: what can't be had in time is missing. */
  get(keys: readonly string[]): Promise<ReadonlyMap<string, Buffer>>
  /** Stores values for so many seconds, or doesn't; nobody waits for it. */
  set(values: ReadonlyMap<string, Buffer>, seconds: number): void
  readonly errors: number
  close(): void
}

/** `servers`: `HOST:PORT`. */
export function openMemcached(servers: readonly string[]): Memcached {
  const nodes = new Map(servers.map((address) => [address, new Node(address)]))
  const ring = new HashRing([...servers])
  const only = nodes.size === 1 ? (nodes.get(servers[0] as string) as Node) : undefined
  const nodeOf = (key: string): Node => only ?? (nodes.get(ring.get(key)) as Node)

  return {
    get isUsable() {
      return [...nodes.values()].some((node) => node.isUsable)
    },
    get errors() {
      return [...nodes.values()].reduce((sum, { errors }) => sum + errors, 0)
    },
    async get(keys) {
      if (only !== undefined) return await only.get(keys)
      const shares = new Map<Node, string[]>()
      for (const key of keys) {
        const node = nodeOf(key)
        const share = shares.get(node)
        if (share === undefined) shares.set(node, [key])
        else share.push(key)
      }
      const found = await Promise.all([...shares].map(([node, share]) => node.get(share)))
      return new Map(found.flatMap((values) => [...values]))
    },
    set(values, seconds) {
      for (const [key, value] of values) nodeOf(key).set(key, value, seconds)
    },
    close() {
      for (const node of nodes.values()) node.close()
    },
  }
}

interface Question {
  readonly keys: readonly string[]
  readonly values: Map<string, Buffer>
  readonly done: (values: Map<string, Buffer>) => void
  readonly giveUpAt: number
}

const LINE_END = Buffer.from('\r\n')

/** One server: a connection, and the questions on it that have no answer yet, in order. */
class Node {
  errors = 0
  private readonly host: string
  private readonly port: number
  private socket: Socket | undefined
  private questions: Question[] = []
  private unread: Buffer = Buffer.alloc(0)
  private retryMs = MEMCACHED_RETRY_MS_MIN
  private nextAttemptAt = 0
  private isWatched = false
  private closed = false

  constructor(address: string) {
    const colon = address.lastIndexOf(':')
    this.host = address.slice(0, colon)
    this.port = Number(address.slice(colon + 1))
  }

  get isUsable(): boolean {
    return !this.closed && (this.socket !== undefined || Date.now() >= this.nextAttemptAt)
  }

  get(keys: readonly string[]): Promise<Map<string, Buffer>> {
    if (keys.length === 0 || !this.isUsable) return Promise.resolve(new Map())
    return new Promise((done) => {
      this.questions.push({ keys, values: new Map(), done, giveUpAt: performance.now() + MEMCACHED_MS_MAX })
      let text = ''
      // Quiet gets: a miss says nothing; the no-op at the end tells that all has been said.
      for (let index = 0; index < keys.length; index++) text += `mg ${keys[index]} v q O${index}\r\n`
      this.write(`${text}mn\r\n`)
      this.watch()
    })
  }

  set(key: string, value: Buffer, seconds: number): void {
    const { socket } = this
    // Where writes queue up, the server is too slow for them.
    if (socket === undefined || value.length > MEMCACHED_VALUE_BYTES_MAX) return
    if (socket.writableLength > MEMCACHED_PENDING_BYTES_MAX) return
    socket.write(Buffer.concat([Buffer.from(`ms ${key} ${value.length} q T${seconds}\r\n`), value, LINE_END]))
  }

  close(): void {
    this.closed = true
    this.fail(new Error('closed'))
  }

  private write(text: string): void {
    this.socket ??= this.open()
    this.socket.write(text)
  }

  private open(): Socket {
    const socket = connect({ host: this.host, port: this.port, noDelay: true })
    socket.on('data', (chunk) => this.read(chunk))
    socket.on('error', (error) => this.fail(error, socket))
    socket.on('close', () => this.fail(new Error('the server hung up'), socket))
    socket.unref()
    return socket
  }

  /** Everything that was asked is missing, and the server is left alone for a while. */
  private fail(_error: Error, socket = this.socket): void {
    if (socket === undefined || socket !== this.socket) return
    this.errors++
    socket.destroy()
    this.socket = undefined
    this.unread = Buffer.alloc(0)
    this.nextAttemptAt = Date.now() + this.retryMs
    this.retryMs = Math.min(this.retryMs * 2, MEMCACHED_RETRY_MS_MAX)
    for (const { done, values } of this.questions.splice(0)) done(values)
  }

  /** One timer for all questions: the first is the oldest. */
  private watch(): void {
    if (this.isWatched) return
    this.isWatched = true
    startDeadline(MEMCACHED_MS_MAX, () => {
      this.isWatched = false
      const [oldest] = this.questions
      if (oldest === undefined) return
      if (performance.now() >= oldest.giveUpAt) this.fail(new Error('no answer in time'))
      else this.watch()
    })
  }

  private read(chunk: Buffer): void {
    this.unread = this.unread.length === 0 ? chunk : Buffer.concat([this.unread, chunk])
    for (;;) {
      const lineEnd = this.unread.indexOf(LINE_END)
      if (lineEnd < 0) {
        if (this.unread.length > MEMCACHED_VALUE_BYTES_MAX * 2) this.fail(new Error('not memcached'))
        return
      }
      const line = this.unread.toString('latin1', 0, lineEnd)
      const [code, size, ...flags] = line.split(' ')
      if (code === 'VA') {
        const start = lineEnd + 2
        const length = Number(size)
        if (!(length >= 0 && length <= MEMCACHED_VALUE_BYTES_MAX)) {
          this.fail(new Error('an answer that makes no sense'))
          return
        }
        if (this.unread.length < start + length + 2) return
        const [question] = this.questions
        const key = question?.keys[Number(flags.find((flag) => flag.startsWith('O'))?.slice(1))]
        if (question !== undefined && key !== undefined) {
          question.values.set(key, this.unread.subarray(start, start + length))
        }
        this.unread = this.unread.subarray(start + length + 2)
        continue
      }
      this.unread = this.unread.subarray(lineEnd + 2)
      if (code === 'MN') {
        this.retryMs = MEMCACHED_RETRY_MS_MIN
        const question = this.questions.shift()
        question?.done(question.values)
      } else if (code !== 'NS' && code !== 'HD' && code !== 'EN') {
        // An error of a quiet set stands alone; one of a get would leave answers out of step.
        if (!line.startsWith('SERVER_ERROR')) {
          this.fail(new Error(line))
          return
        }
      }
    }
  }
}
