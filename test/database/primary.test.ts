/** The connection of a writer: what it says when the server, or the account, is the reason. */

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { endpointAs, openFollowers, openPrimary } from '../../service/database/index.ts'
import { startStack } from '../harness/stack.ts'

const stack = await startStack(t)

t.test('an account that may not', async (t) => {
  const reader = await openPrimary(endpointAs(stack.databases.owner, 'reader'))
  t.teardown(() => reader.close())
  await t.rejects(reader.write("UPDATE addons SET slug = 'x'"), {
    code: 'database_refused',
    message: /UPDATE command denied/,
    hint: /"versioncheck_reader" may not do it/,
  })
})

t.test('a server that goes away in the midst of a transaction', async (t) => {
  const writer = await openPrimary(endpointAs(stack.databases.owner, 'catalog'))
  t.teardown(() => writer.close())
  const lost = writer.transaction(async (statements) => {
    const [row] = await statements.rows('SELECT CONNECTION_ID() AS id')
    await statements.write("INSERT INTO categories (slug, name) VALUES ('lost', 'lost')")
    await stack.owner.write('KILL ?', [row?.id as number])
  })
  await t.rejects(lost, { code: 'database_unreachable', message: /was lost/ })
  t.same(await stack.owner.rows("SELECT slug FROM categories WHERE slug = 'lost'"), [])
})

t.test('an error of the statement stays what it is', async (t) => {
  await t.rejects(stack.primary.rows('SELECT nonsense FROM addons'), { code: 'ER_BAD_FIELD_ERROR' })
})

t.test('two transactions at once on one connection come one after the other', async (t) => {
  const seen: string[] = []
  const work = (name: string) =>
    stack.primary.transaction(async (statements) => {
      seen.push(`${name} begins`)
      await statements.rows('SELECT SLEEP(0.05)')
      await statements.rows('SELECT 1')
      seen.push(`${name} ends`)
    })
  await Promise.all([work('one'), work('other')])
  t.strictSame(seen, ['one begins', 'one ends', 'other begins', 'other ends'])
})

t.test('a replica that has no account yet is waited for, as long as one waits for what it applies', async (t) => {
  const endpoint = { ...stack.databases.owner, user: 'late', password: 'late' }
  const early = openFollowers([endpoint])
  t.teardown(() => early.close())
  t.strictSame(await early.wait('', 0.2), [endpoint], 'in vain')
  const followers = openFollowers([endpoint])
  t.teardown(() => followers.close())
  const waiting = followers.wait('', 10)
  await sleep(300)
  await stack.owner.write("CREATE USER late IDENTIFIED BY 'late'")
  await stack.owner.write('GRANT SELECT ON *.* TO late')
  t.strictSame(await waiting, [])
})
