/** What an answer of a replica is worth, by what was known when it was asked and what is known when it comes. */

import t from 'tap'
import { askReplicas } from '../../service/cache/ask.ts'
import type { Replicas, Row } from '../../service/database/index.ts'
import { Timeline } from '../../service/feed/index.ts'

/** One replica that answers when it is told to. */
function openReplica() {
  let answer: (row: Row) => void = () => {}
  const queryAt: Replicas['queryAt'] = async ({ standingOf }) => {
    const row = await new Promise<Row>((resolve) => {
      answer = resolve
    })
    const standing = standingOf([row])
    if (standing === 'foreign') throw new Error('no replica answers')
    return { rows: [row], isBehind: standing === 'behind' }
  }
  return { replicas: { queryAt } as Replicas, answer: (row: Row) => answer(row) }
}

function timelineAt(counter: number, heartbeatMs: number): Timeline {
  const timeline = new Timeline()
  timeline.begin({ counter, token: counter, heartbeatMs })
  return timeline
}

t.test('an edit while it is on its way does not make an answer late', async (t) => {
  const timeline = timelineAt(10, 1_000)
  const { replicas, answer } = openReplica()
  const asked = askReplicas(replicas, timeline, 'SELECT', [])
  timeline.learn(11, 11, ['other@x'])
  timeline.advance({ counter: 11, token: 11, heartbeatMs: 1_000 })
  answer({ counter: 10, token: 10, heartbeatMs: 1_000 })
  t.match(await asked, { position: { counter: 10, token: 10 }, isBehind: false })
  const later = askReplicas(replicas, timeline, 'SELECT', [])
  answer({ counter: 10, token: 10, heartbeatMs: 1_000 })
  t.match(await later, { isBehind: true }, 'now it is')
})

t.test('one that was on its way when the timeline began anew is none', async (t) => {
  const timeline = timelineAt(100, 1_000)
  const { replicas, answer } = openReplica()
  const asked = askReplicas(replicas, timeline, 'SELECT', [])
  timeline.begin({ counter: 90, token: 90, heartbeatMs: 2_000 })
  answer({ counter: 101, token: 101, heartbeatMs: 1_000 })
  await t.rejects(asked, /no replica answers/)
})
