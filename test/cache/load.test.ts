/** A load that was ended, as when the timeline begins anew: it puts nothing any more, and doesn't say that all is held. */

import t from 'tap'
import { loadAll } from '../../service/cache/load.ts'
import { Memory } from '../../service/cache/memory.ts'
import type { Replicas, Row } from '../../service/database/index.ts'
import { Timeline } from '../../service/feed/index.ts'
import { entryOf, rendering } from '../harness/entries.ts'

const POSITION = { counter: 10, token: 1, heartbeatMs: 1_000 }
const PAGE: Row[] = [{ ...POSITION, id: 1, guid: 'a@load.test', slug: 'a', type: 'extension', facts: '' }]
const END: Row[] = [{ ...POSITION, id: null, guid: null, slug: null, type: null, facts: null }]

/** A load from a replica that has one add-on. `onPage`: before its page is answered; `onLeftOver`: what wasn't met is told of. */
function load(memory: Memory, { onPage = () => {}, onLeftOver = () => {} }, signal: AbortSignal) {
  const timeline = new Timeline()
  timeline.begin(POSITION)
  const replicas = {
    query: async () => [{ addons: 1 }],
    async queryAt({ values: [after] }: { values: readonly unknown[] }) {
      if (after === 0) onPage()
      return { rows: after === 0 ? PAGE : END, isBehind: false }
    },
  } as unknown as Replicas
  return loadAll({
    replicas,
    timeline,
    memory,
    render: () => rendering,
    progress: { after: 0 },
    since: POSITION.counter,
    onOutdated: onLeftOver,
    onHeld() {},
    onUnreadable() {},
    signal,
  })
}

t.test('all that is read is held', async (t) => {
  const memory = new Memory({ entriesMax: 10 })
  t.equal(await load(memory, {}, new AbortController().signal), 'all')
  t.ok(memory.has('a@load.test'))
})

t.test('a page that was on its way is not taken in', async (t) => {
  const memory = new Memory({ entriesMax: 10 })
  const ending = new AbortController()
  await t.rejects(load(memory, { onPage: () => ending.abort() }, ending.signal), { name: 'AbortError' })
  t.equal(memory.size, 0)
})

t.test('nor is all held where it was ended at its very end', async (t) => {
  const memory = new Memory({ entriesMax: 10 })
  memory.put(entryOf({ guid: 'left-over@load.test' }, 9))
  const ending = new AbortController()
  await t.rejects(load(memory, { onLeftOver: () => ending.abort() }, ending.signal), { name: 'AbortError' })
})
