/** The store of packages: what a process that was killed leaves behind. */

import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openStore } from '../../service/files/index.ts'
import { makeFolder } from '../harness/stack.ts'

t.test('copies that were never finished go when the store is next written, those of others stay', async (t) => {
  const folder = await makeFolder(t)
  const store = openStore(folder)
  const source = join(folder, 'source')
  await writeFile(source, 'a package')
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)
  for (const [name, days] of [
    ['incoming-old', 1.1],
    ['incoming-young', 0.9],
  ] as const) {
    await writeFile(join(folder, name), 'half of')
    await utimes(join(folder, name), daysAgo(days), daysAgo(days))
  }
  const digest = await store.take(source)
  t.strictSame((await readdir(folder)).sort(), [digest.slice(0, 2), 'incoming-young', 'source'])
  t.equal(await store.isIntact(digest), true)
})
