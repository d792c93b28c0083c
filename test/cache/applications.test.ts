/** Who may ask: read from a replica that is far enough, in turn, and never taken back by one that is late. */

import t from 'tap'
import { createApplications } from '../../service/cache/applications.ts'
import type { Replicas, Row } from '../../service/database/index.ts'
import { Timeline } from '../../service/feed/index.ts'
import { firefox } from '../harness/entries.ts'

/** One replica that says what it is told to, in the form of the statement. */
function replicaWith(answers: readonly (readonly Row[])[]) {
  const left = [...answers]
  const queryAt: Replicas['queryAt'] = async ({ standingOf }) => {
    await new Promise(setImmediate)
    const rows = (left.length > 1 ? left.shift() : left[0]) as Row[]
    return { rows, isBehind: standingOf(rows) === 'behind' }
  }
  return { replicas: { queryAt } as Replicas, left }
}

function rowsOf(counter: number, ...names: readonly string[]): Row[] {
  const position = { counter, token: counter, heartbeatMs: counter }
  const none = { ...position, id: null, guid: null, name: null, manifest: null, jsonSince: null }
  if (names.length === 0) return [none]
  return names.map((name, index) => ({ ...position, id: index, guid: name, name, manifest: 'json', jsonSince: null }))
}

function timelineAt(counter: number): Timeline {
  const timeline = new Timeline()
  timeline.begin({ counter, token: counter, heartbeatMs: counter })
  return timeline
}

t.test('a late replica does not take back what is known', async (t) => {
  const { replicas, left } = replicaWith([rowsOf(9, 'old'), rowsOf(9, 'old'), rowsOf(10, 'old', 'new')])
  const told: string[][] = []
  const applications = createApplications({
    replicas,
    timeline: timelineAt(10),
    known: [firefox],
    onChanged: (all) => told.push(all.map(({ name }) => name)),
  })
  t.teardown(applications.close)
  const refreshed = applications.refresh()
  t.strictSame([...applications.byGuid.keys()], [firefox.guid])
  await refreshed
  t.equal(left.length, 1, 'it was asked until it was far enough')
  t.strictSame([...applications.byGuid.keys()], ['old', 'new'])
  t.strictSame(told, [['old', 'new']])
  await applications.refresh()
  t.equal(told.length, 1, 'nothing is told where nothing has changed')
})

t.test('what is asked for while it is read is read again', async (t) => {
  const { replicas } = replicaWith([rowsOf(10, 'one'), rowsOf(11, 'one', 'two')])
  const applications = createApplications({ replicas, timeline: timelineAt(10), known: [], onChanged: () => {} })
  t.teardown(applications.close)
  await Promise.all([applications.refresh(), applications.refresh()])
  t.strictSame([...applications.byGuid.keys()], ['one', 'two'])
})

t.test('none is an answer too', async (t) => {
  const { replicas } = replicaWith([rowsOf(10)])
  const applications = createApplications({
    replicas,
    timeline: timelineAt(10),
    known: undefined,
    onChanged: () => {},
  })
  t.teardown(applications.close)
  await applications.ready()
  t.equal(applications.byGuid.size, 0)
})
