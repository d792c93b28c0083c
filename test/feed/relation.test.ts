/** What a replica is to a worker: on its timeline or another, before it or behind it. */

import t from 'tap'
import { relationOf } from '../../service/feed/tail.ts'
import { Timeline } from '../../service/feed/timeline.ts'

/** The worker stands at 100, whose token is 7, with the heartbeat 5,000. */
const position = { counter: 100, token: 7, heartbeatMs: 5_000 }

interface Replica {
  readonly counter: number
  readonly token?: number
  readonly heartbeatMs?: number
  /** Of its change 100. */
  readonly seenToken?: number | undefined
  readonly floor?: number | undefined
  readonly seenBefore?: number
}

function relation(
  { counter, token = 7, heartbeatMs = 5_000, seenToken, floor = 1, seenBefore = 100 }: Replica,
  { position: from, latestMs }: Pick<Timeline, 'position' | 'latestMs'> = { position, latestMs: position.heartbeatMs },
): ReturnType<typeof relationOf> {
  const state = {
    position: { counter, token, heartbeatMs },
    nowMs: heartbeatMs,
    replicated: '',
    floor,
    seenToken,
    seenBefore,
    changes: [],
    isWhole: true,
  }
  return relationOf(state, from, latestMs)
}

t.test('on the same timeline', async (t) => {
  t.equal(relation({ counter: 100 }), 'ahead', 'at the same point')
  t.equal(relation({ counter: 100, heartbeatMs: 4_000 }), 'ahead', 'a moment late, but with the same changes')
  t.equal(relation({ counter: 120, token: 9, heartbeatMs: 6_000, seenToken: 7 }), 'ahead')
  t.equal(relation({ counter: 120, token: 9, seenToken: 7, seenBefore: 130 }), 'behind', 'of what was seen elsewhere')
  t.equal(relation({ counter: 90, token: 5, heartbeatMs: 4_000 }), 'behind')
  t.equal(relation({ counter: 120, token: 9, heartbeatMs: 6_000, floor: 110 }), 'gap', 'ours has been pruned')
})

t.test('on another one', async (t) => {
  t.equal(relation({ counter: 90, token: 5, heartbeatMs: 6_000 }), 'lost', 'restored: lower, but later')
  t.equal(relation({ counter: 100, token: 8, heartbeatMs: 6_000 }), 'lost', 'the same number, another change')
  t.equal(relation({ counter: 120, token: 9, heartbeatMs: 6_000, seenToken: 8 }), 'lost', 'it went on from another one')
  t.equal(relation({ counter: 100, token: 8, heartbeatMs: 4_000 }), 'foreign', 'earlier than ours: an old copy')
  t.equal(relation({ counter: 120, token: 9, heartbeatMs: 4_000, seenToken: 8 }), 'foreign')
  t.equal(
    relation({ counter: 120, token: 9, heartbeatMs: 4_000, seenToken: 7 }),
    'foreign',
    'more changes than ours at an earlier time: what a restore has undone',
  )
})

t.test(
  'to a worker in the middle of many changes, one that is late is late, and one that has them all is ahead',
  async (t) => {
    // It was at 100 at 5,000; then 1,000 changes arrived in one transaction, by 9,000, of which it knows two.
    const timeline = new Timeline()
    timeline.begin(position)
    timeline.advance({ ...position, counter: 102, token: 102 }, 9_000)
    const midway = (replica: Replica) => relation(replica, timeline)
    t.equal(midway({ counter: 100, heartbeatMs: 8_000 }), 'behind', 'it has not got the transaction yet')
    t.equal(midway({ counter: 1_100, heartbeatMs: 9_000, seenToken: 102 }), 'ahead')
    t.equal(
      midway({ counter: 1_100, heartbeatMs: 8_000, seenToken: 102 }),
      'ahead',
      'it has not got the last heartbeat',
    )
    t.equal(midway({ counter: 100, heartbeatMs: 10_000 }), 'lost', 'it never will')
    t.equal(
      timeline.standingOf({ counter: 1_100, token: 7, heartbeatMs: 8_000 }),
      'current',
      'nor is its answer foreign',
    )
    t.ok(timeline.isMidway)
    timeline.advance({ counter: 1_100, token: 7, heartbeatMs: 9_000 })
    t.notOk(timeline.isMidway)
    t.equal(midway({ counter: 100, heartbeatMs: 9_001 }), 'lost')
  },
)
