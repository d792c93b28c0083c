/** A deadline of a process that stood still: what has arrived meanwhile is in time. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { startDeadline } from '../service/deadline.ts'

/** Sends back what it gets, in a thread of its own. */
const ECHO = `
const { parentPort } = require('node:worker_threads')
const server = require('node:net').createServer((socket) => socket.on('error', () => {}).pipe(socket))
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

const thread = new Worker(ECHO, { eval: true })
t.teardown(() => thread.terminate())
const [port] = (await once(thread, 'message')) as [number]

/** Who came first, the answer or the deadline's end. */
async function race(socket: Socket, deadlineMs: number, beforeReading: () => void): Promise<string> {
  const first = new Promise<string>((resolve) => {
    const cancel = startDeadline(deadlineMs, () => resolve('expired'))
    socket.once('data', () => {
      cancel()
      resolve('answered')
    })
  })
  socket.write('question')
  beforeReading()
  return await first
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

t.test('an answer that came while the process stood still counts', async (t) => {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  t.equal(await race(socket, 50, () => standStill(200)), 'answered')
})

t.test('one that does not come in time is given up', async (t) => {
  const silent = connect(port, '127.0.0.1')
  t.teardown(() => silent.destroy())
  await once(silent, 'connect')
  silent.pause()
  const begunAt = performance.now()
  t.equal(await race(silent, 50, () => silent.pause()), 'expired')
  t.ok(performance.now() - begunAt >= 49)
})

t.test('what is cancelled does not expire', async (t) => {
  let expired = 0
  startDeadline(5, () => expired++)()
  await sleep(30)
  t.equal(expired, 0)
})
