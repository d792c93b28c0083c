/**
 * A small Marionette client: scripts run in Firefox's own privileged context. A message is `LENGTH:JSON`; a command is
 * `[0, id, name, parameters]`, its answer `[1, id, error, result]`. Every wait has a deadline; an error carries Firefox's own words.
 */

import { connect, type Socket } from 'node:net'

export interface Marionette {
  /** Runs the body of a function in the browser's context and resolves with what it returns, promises awaited; JSON both ways. */
  run<Result>(script: string, ...args: readonly unknown[]): Promise<Result>
  /** Tells Firefox to quit; its process ends some time later. */
  quit(): Promise<void>
  close(): void
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

interface FirefoxError {
  readonly error: string
  readonly message: string
  readonly stacktrace: string
}

const COMMAND = 0
const CONNECT_MS_MAX = 10_000
/** A session begins when the first window is there, which is most of a start. */
const SESSION_MS_MAX = 60_000
/** Firefox's own deadline is the shorter one, since its error names what hung. */
const SCRIPT_MS_MAX = 30_000
const COMMAND_MS_MAX = SCRIPT_MS_MAX + 5_000

/** Connects to a Firefox on this machine and begins a session in its privileged context. */
export async function connectMarionette(port: number): Promise<Marionette> {
  const socket = connect(port, '127.0.0.1')
  const waiting = new Map<number, Waiting>()
  let lastId = 0

  function fail(error: Error): void {
    socket.destroy()
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  function call<Result>(name: string, parameters: unknown, msMax = COMMAND_MS_MAX): Promise<Result> {
    const id = ++lastId
    return new Promise<Result>((resolve, reject) => {
      if (socket.destroyed) {
        reject(new Error(`${name}: the connection to Firefox is closed`))
        return
      }
      const timer = setTimeout(() => fail(new Error(`${name}: no answer from Firefox within ${msMax} ms`)), msMax)
      const settle = (then: () => void) => {
        clearTimeout(timer)
        waiting.delete(id)
        then()
      }
      waiting.set(id, {
        resolve: (result) => settle(() => resolve(result as Result)),
        reject: (error) => settle(() => reject(error)),
      })
      const text = JSON.stringify([COMMAND, id, name, parameters])
      socket.write(`${Buffer.byteLength(text)}:${text}`)
    })
  }

  await greeted(socket, fail, (message) => {
    const [, id, error, result] = message as [number, number, FirefoxError | null, unknown]
    const command = waiting.get(id)
    if (error === null) command?.resolve(result)
    else command?.reject(new Error(`Firefox: ${error.error}: ${error.message}\n${error.stacktrace}`))
  })
  try {
    await call(
      'WebDriver:NewSession',
      { capabilities: { alwaysMatch: { timeouts: { script: SCRIPT_MS_MAX } } } },
      SESSION_MS_MAX,
    )
    await call('Marionette:SetContext', { value: 'chrome' })
  } catch (error) {
    socket.destroy()
    throw error
  }

  return {
    async run<Result>(script: string, ...args: readonly unknown[]) {
      const parameters = { script, args, sandbox: 'system', newSandbox: false }
      return (await call<{ value: Result }>('WebDriver:ExecuteScript', parameters)).value
    },
    async quit() {
      await call('Marionette:Quit', { flags: ['eForceQuit'] })
    },
    close() {
      socket.destroy()
    },
  }
}

/** Reads messages for as long as the connection lasts; resolves at the first, which is Firefox's greeting and no answer to anything. */
function greeted(socket: Socket, fail: (error: Error) => void, onAnswer: (message: unknown) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = (error: Error) => {
      clearTimeout(timer)
      fail(error)
      reject(error)
    }
    const timer = setTimeout(
      () => giveUp(new Error(`no greeting from Firefox within ${CONNECT_MS_MAX} ms`)),
      CONNECT_MS_MAX,
    )
    let isGreeted = false
    readMessages(socket, giveUp, (message) => {
      if (isGreeted) {
        onAnswer(message)
        return
      }
      isGreeted = true
      clearTimeout(timer)
      resolve()
    })
    socket.on('error', giveUp)
    socket.on('close', () => giveUp(new Error('Firefox closed the connection')))
  })
}

function readMessages(socket: Socket, fail: (error: Error) => void, onMessage: (message: unknown) => void): void {
  let unread = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    unread = Buffer.concat([unread, chunk])
    for (;;) {
      const colon = unread.indexOf(':')
      if (colon < 0) return
      const length = Number(unread.toString('latin1', 0, colon))
      if (!Number.isInteger(length)) {
        fail(new Error(`not a Marionette message: ${unread.toString('latin1', 0, 80)}`))
        return
      }
      const end = colon + 1 + length
      if (unread.length < end) return
      const message: unknown = JSON.parse(unread.toString('utf8', colon + 1, end))
      unread = unread.subarray(end)
      onMessage(message)
    }
  })
}
