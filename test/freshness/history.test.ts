/**
 * Freshness, as a history that is judged: no worker gives an answer older than one it gave before, and none that is more than a
 * second older than what its replica has; with concurrent edits, a late replica, memcached emptied, workers killed and replicas
 * swapped meanwhile.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { judge, type Violation } from './judge.ts'
import { prepareRun, type Recorded } from './run.ts'

const RUN_MS = 60_000
const SHORT_RUN_MS = 10_000
const LATE_S = 2

function describe(violations: readonly Violation[]): string[] {
  return violations
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
  t.strictSame(describe(judge(history)), [])
})

/** A short run in which nothing happens, but that for half of its time the feed may lose changes. */
function recordShortly({ isLosing }: { readonly isLosing: boolean }): Promise<Recorded> {
  return run.record(SHORT_RUN_MS, async () => {
    await sleep(2_000)
    if (isLosing) await loseChanges()
    await sleep(5_000)
    if (isLosing) await keepChanges()
  })
}

/** From now on edits are made as ever, but the feed says that others have changed. */
async function loseChanges(): Promise<void> {
  await run.databases.primary.rows(
    "CREATE TRIGGER fault BEFORE INSERT ON changes FOR EACH ROW SET NEW.guid = CONCAT('lost-', NEW.guid)",
  )
}

async function keepChanges(): Promise<void> {
  await run.databases.primary.rows('DROP TRIGGER fault')
}

/** The numbers of all changes that were lost. */
async function lostNumbers(): Promise<Set<number>> {
  const rows = await run.databases.primary.rows("SELECT number FROM changes WHERE guid LIKE 'lost-%'")
  return new Set(rows.map(({ number }) => Number(number)))
}

// Without this one the next would prove nothing: a judge that always complains finds every fault.
t.test(`${SHORT_RUN_MS / 1_000} s of edits with a feed that loses nothing`, async (t) => {
  const history = await recordShortly({ isLosing: false })
  t.comment(`${history.edits} edits, ${history.answers.length} answers`)
  t.ok(history.edits > 80, `${history.edits} edits`)
  t.ok(history.answers.length > 800, `${history.answers.length} answers`)
  t.strictSame(describe(judge(history)), [])
})

t.test('the same with a feed that loses changes is caught', async (t) => {
  const history = await recordShortly({ isLosing: true })
  const lost = await lostNumbers()
  /** Whether a change that was lost lies between what was answered and what was due. */
  const isByLoss = ({ answer, given, due }: Violation) =>
    history.numbers
      .get(answer.guid)
      ?.slice(given + 1, due + 1)
      .some((number) => lost.has(number))

  const violations = judge(history)
  const countOf = (rule: Violation['rule']) => violations.filter((violation) => violation.rule === rule).length
  t.comment(`${lost.size} of ${history.edits} changes lost, ${history.answers.length} answers`)
  t.comment(`${countOf('too old')} too old, ${countOf('older than before')} older than before`)
  t.ok(countOf('too old') > 0, 'an answer is too old')
  t.equal(countOf('invented'), 0)
  t.strictSame(
    describe(violations.filter((violation) => !isByLoss(violation))),
    [],
    'and all that is wrong comes of changes that were lost',
  )
})
