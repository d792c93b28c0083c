/**
 * Freshness, as a history that is judged: no worker gives an answer older than one it gave before, and none that is more than a
 * second older than what its replica has; with concurrent edits, a late replica, memcached emptied, workers killed and replicas
 * swapped meanwhile.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type History, judge } from './judge.ts'
import { prepareRun } from './run.ts'

const RUN_MS = 60_000
const LATE_S = 2

function describe(history: History): string[] {
  return judge(history)
    .slice(0, 5)
    .map(
      ({ rule, detail, answer }) =>
        `${rule}: ${answer.worker}, ${answer.guid} at ${Math.round(answer.askedAt)}: ${detail}`,
    )
}

const run = await prepareRun(t, { lateS: LATE_S })
const [one, other] = run.detours as [(typeof run.detours)[number], (typeof run.detours)[number]]
const [first, second] = run.databases.replicas as [
  (typeof run.databases.replicas)[number],
  (typeof run.databases.replicas)[number],
]

t.test(`${RUN_MS / 1_000} s of edits, with everything that can happen`, async (t) => {
  const history = await run.record(RUN_MS, async () => {
    await sleep(5_000)
    await run.memcached.flush()
    await sleep(5_000)
    await run.workers.replace('whole')
    await sleep(5_000)
    one.leadTo(second.port)
    other.leadTo(first.port)
    await sleep(7_000)
    await run.memcached.flush()
    await run.workers.replace('small')
    await sleep(5_000)
    one.leadTo(first.port)
    other.leadTo(second.port)
    await sleep(5_000)
    await first.kill()
    await sleep(4_000)
    await first.start()
    await sleep(5_000)
    one.cut()
    await sleep(2_000)
    one.leadTo(first.port)
    await run.workers.replace('whole')
    await run.workers.replace('small')
    await run.memcached.flush()
  })
  const { answers, edits } = history
  const marked = answers.filter(({ isMarked }) => isMarked).length
  t.comment(`${edits} edits, ${answers.length} answers, ${marked} of them marked as old`)
  t.ok(edits > 500, `${edits} edits`)
  t.ok(answers.length > 5_000, `${answers.length} answers`)
  t.ok(marked < answers.length / 2, `${marked} are marked as old`)
  t.strictSame(describe(history), [])
})

t.test('a feed that loses changes is caught', async (t) => {
  const { primary } = run.databases
  const history = await run.record(10_000, async () => {
    // What was edited before is of another history; each add-on has a state of this one by then.
    await sleep(4_000)
    // Edits are made as ever; the feed says that others have changed.
    await primary.rows(
      "CREATE TRIGGER fault BEFORE INSERT ON changes FOR EACH ROW SET NEW.guid = CONCAT('lost-', NEW.guid)",
    )
    await sleep(5_000)
    await primary.rows('DROP TRIGGER fault')
  })
  const rules = new Set(judge(history).map(({ rule }) => rule))
  t.ok(rules.has('too old') || rules.has('older than before'), [...rules].join())
})
