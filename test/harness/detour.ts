/** A way between two parties that a test can lead elsewhere or cut. */

import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './ports.ts'

export interface Detour {
  readonly port: number
  /** That were made so far, or tried. */
  readonly connections: number
  /** From now on it leads to another port of 127.0.0.1; what is connected is cut. */
  leadTo(port: number): void
  /** Cuts what is connected and refuses what comes. */
  cut(): void
  /** Who comes from now on is let in and hears nothing; what is connected goes on. */
  hold(): void
  /** From now on what is answered comes so many milliseconds later. */
  delay(ms: number): void
}

export async function startDetour(t: Pick<Test, 'teardown'>, target: number): Promise<Detour> {
  const port = await freePort()
  const sockets = new Set<Socket>()
  let current: number | undefined = target
  let isHeld = false
  let delayMs = 0
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
  }
  let connections = 0
  const server = createServer((incoming) => {
    connections++
    if (current === undefined) {
      incoming.destroy()
      return
    }
    if (isHeld) {
      sockets.add(incoming)
      incoming.on('error', () => {})
      return
    }
    const outgoing = connect(current, '127.0.0.1')
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    incoming.pipe(outgoing)
    outgoing.on('data', async (chunk: Buffer) => {
      if (delayMs > 0) await sleep(delayMs)
      incoming.write(chunk)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  t.teardown(async () => {
    hangUp()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port,
    get connections() {
      return connections
    },
    leadTo(other) {
      current = other
      isHeld = false
      hangUp()
    },
    cut() {
      current = undefined
      hangUp()
    },
    hold() {
      isHeld = true
    },
    delay(ms) {
      delayMs = ms
    },
  }
}
