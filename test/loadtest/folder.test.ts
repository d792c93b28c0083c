/** Folders that results are written to: made level by level, or refused at once with the reason. */

import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder } from '../../loadtest/folder.ts'
import { makeFolder as temporaryFolder } from '../harness/stack.ts'

t.test('all that lacks on the way is made', async (t) => {
  const folder = join(await temporaryFolder(t), 'one', 'two', 'three')
  makeFolder(folder)
  t.ok(statSync(folder).isDirectory())
  makeFolder(folder)
  t.strictSame(readdirSync(folder), [], 'and nothing is left of the try')
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
  // Not even root can, and the kernel says that the parent isn't there.
  for (const path of ['/proc/one', '/proc/one/two'])
    t.throws(() => makeFolder(path), { name: 'Failure', message: `${path} can't be made: nothing can be made there.` })
  t.throws(() => makeFolder('/proc'), { name: 'Failure', message: "/proc can't be written" })
})
