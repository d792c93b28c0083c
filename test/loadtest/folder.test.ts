/** Folders that results are written to: made level by level, or refused at once with the reason. */

import { once } from 'node:events'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { makeFolder } from '../../loadtest/folder.ts'
import { root } from '../harness/server.ts'
import { makeFolder as temporaryFolder } from '../harness/stack.ts'

t.test('all that lacks on the way is made', async (t) => {
  const folder = join(await temporaryFolder(t), 'one', 'two', 'three')
  makeFolder(folder)
  t.ok(statSync(folder).isDirectory())
  makeFolder(folder)
  t.strictSame(readdirSync(folder), [], 'and nothing is left of the try')
})

t.test('others may make the same at the same moment', async (t) => {
  const folder = await temporaryFolder(t)
  const rounds = 50
  const workerData = {
    folder,
    rounds,
    program: join(root, 'dist', 'loadtest', 'folder.js'),
    turns: new SharedArrayBuffer(4),
  }
  // They wait for each other at every round.
  const code = `
    const { workerData: { folder, rounds, program, turns } } = require('node:worker_threads')
    const come = new Int32Array(turns)
    import(program).then(({ makeFolder }) => {
      let failed = 0
      for (let round = 1; round <= rounds; round++) {
        Atomics.add(come, 0, 1)
        while (Atomics.load(come, 0) < 2 * round);
        try {
          makeFolder(folder + '/' + round + '/a/b/c/d/e/f/g')
        } catch (error) {
          console.error(error.message)
          failed++
        }
      }
      process.exit(failed)
    })`
  const codes = await Promise.all(
    [1, 2].map(async () => (await once(new Worker(code, { eval: true, workerData, execArgv: [] }), 'exit'))[0]),
  )
  t.strictSame(codes, [0, 0])
  t.equal(readdirSync(folder).length, rounds)
})

t.test('where nothing can be made that is said', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'file')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'one'), join(file, 'one', 'two')])
    t.throws(() => makeFolder(path), {
      name: 'Failure',
      message: `${path} can't be made: there is a file in its place.`,
    })
  // Not even root can: the kernel says that the parent isn't there, to others also that they may not.
  for (const path of ['/proc/one', '/proc/one/two'])
    t.throws(() => makeFolder(path), {
      name: 'Failure',
      message: new RegExp(`${path} can't be made: (nothing can be made there|you may not write there)\\.$`),
    })
  t.throws(() => makeFolder('/proc'), { name: 'Failure', message: "/proc can't be written" })
})
