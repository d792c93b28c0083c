/** Migrations, and the accounts they make. */

import t from 'tap'
import { checkCatalogue } from '../../service/catalogue/index.ts'
import { endpointAs, migrate, openPrimary } from '../../service/database/index.ts'
import { check } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'

const stack = await startStack(t)
const { databases, owner } = stack
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

t.test('what goes into the read model can hold neither of its separators, whoever writes', async (t) => {
  const compatibility = { firefox: { min: '57.0', max: '*' } }
  await stack.load([{ guid: 'one@x', versions: [{ version: '1.0', compatibility }] }])
  for (const separator of ['\u001e', '\u001f']) {
    for (const [table, column] of [
      ['addons', 'guid'],
      ['addons', 'slug'],
      ['versions', 'version'],
      ['files', 'filename'],
      ['files', 'hash'],
      ['files', 'url'],
      ['compatibility', 'min'],
      ['compatibility', 'max'],
    ] as const) {
      await t.rejects(
        owner.write(`UPDATE ${table} SET ${column} = ?`, [`a${separator}b`]),
        { code: 'value_refused', message: new RegExp(`${table}_no_separators`) },
        `${table}.${column}`,
      )
    }
  }
  await owner.write("UPDATE files SET hash = NULL, url = 'https://x/é'")
})

t.test('a catalogue that holds them already is brought up to date: such versions are withdrawn', async (t) => {
  const compatibility = { firefox: { min: '57.0', max: '*' } }
  await stack.empty()
  await stack.load([
    { guid: 'one@x', versions: ['1.0', '2.0', '3.0'].map((version) => ({ version, compatibility })) },
    { guid: 'two@x', versions: [{ version: '1.0', compatibility }] },
  ])
  await owner.write("DELETE FROM schema_migrations WHERE version = '20261127000001'")
  await owner.write('ALTER TABLE versions DROP CONSTRAINT versions_no_separators')
  await owner.write("UPDATE versions SET version = CONCAT('2', x'1F', 'é', x'1E') WHERE version = '2.0'")
  await owner.write(
    "UPDATE candidates SET facts = REPLACE(facts, '2.0', CONCAT('2', x'1F', 'é', x'1E')) WHERE guid = 'one@x'",
  )
  t.match(await migrate(databases.owner), [/separators/])
  t.strictSame(await owner.rows('SELECT version, deleted FROM versions ORDER BY id'), [
    { version: '1.0', deleted: 0 },
    { version: '2\u241fé\u241e', deleted: 1 },
    { version: '3.0', deleted: 0 },
    { version: '1.0', deleted: 0 },
  ])
  const { primary, editor, store } = stack
  const { problems } = await checkCatalogue({ primary, editor, store, fix: false, progress: () => {} })
  t.strictSame(problems, [], 'the read model agrees')
  await stack.settle()
  t.match((await check(stack.url, 'one@x')).text, /"version": "3.0"/)
})
