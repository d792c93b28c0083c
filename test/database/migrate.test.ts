/** Migrations, and the accounts they make. */

import t from 'tap'
import { endpointAs, migrate, openPrimary } from '../../service/database/index.ts'
import { startStack } from '../harness/stack.ts'

const { databases, owner } = await startStack(t)
const roles = ['reader', 'catalog'] as const

t.test('a database brought back on another server gets its accounts', async (t) => {
  await owner.write("DROP USER versioncheck_reader@'%', versioncheck_catalog@'%'")
  await t.rejects(openPrimary(endpointAs(databases.owner, 'reader')), { code: 'database_refused' })
  t.same(await migrate(databases.owner), [])
  for (const role of roles) {
    const primary = await openPrimary(endpointAs(databases.owner, role))
    t.same(await primary.rows('SELECT COUNT(*) AS addons FROM addons'), [{ addons: 0 }], role)
    await primary.close()
  }
})

t.test('the passwords follow the owner, whatever they were', async (t) => {
  for (const role of roles) await owner.write(`ALTER USER versioncheck_${role} IDENTIFIED BY 'another'`)
  await migrate(databases.owner)
  for (const role of roles) await (await openPrimary(endpointAs(databases.owner, role))).close()
  t.pass('both are let in')
})
