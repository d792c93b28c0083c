/** The one writer: concurrent edits of one add-on leave a read model that agrees with the tables, and numbers without gaps. */

import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkCatalogue, createEditor, type Editor } from '../../service/catalogue/index.ts'
import type { VersionState } from '../../service/catalogue/state.ts'
import { openPrimary } from '../../service/database/index.ts'
import { check } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'
import { makeZip, manifest } from '../harness/zip.ts'

const stack = await startStack(t)
const GUIDS = ['one@x', 'two@x', 'three@x']
const VERSIONS = ['1.0', '2.0', '3.0', '4.0']

async function problems() {
  const { primary, editor, store } = stack
  return (await checkCatalogue({ primary, editor, store, fix: false, progress: () => {} })).problems
}

/** Two edits that touch different tables of the same version are those that a lost lock lets through. */
function changed(version: VersionState, seat: number, round: number): VersionState {
  const withdrawn = (seat * 7 + round * 3) % 5 < 2
  if (seat % 3 === 0) return { ...version, deleted: withdrawn }
  if (seat % 3 === 1) return { ...version, channel: withdrawn ? 'unlisted' : 'listed' }
  return { ...version, file: { ...version.file, status: withdrawn ? 'disabled' : 'approved' } }
}

t.test('ten writers withdraw and restore versions at once', async (t) => {
  const versions = VERSIONS.map((version) => ({ version, compatibility: { firefox: {}, android: {} } }))
  await stack.load(GUIDS.map((guid) => ({ guid, versions })))
  const writer = async (_: unknown, seat: number) => {
    const primary = await openPrimary(stack.databases.catalog)
    const editor = createEditor({ primary, actor: `writer ${seat}` })
    for (let round = 0; round < 20; round++) {
      const version = VERSIONS[(seat + round) % VERSIONS.length]
      // Two add-ons at once, named in either order: the locks are taken in one.
      const guids = seat % 2 === 0 ? GUIDS.slice(0, 2) : GUIDS.slice(0, 2).reverse()
      await editor.edit({
        action: 'version.disable',
        guids: round % 4 === 0 ? GUIDS.slice(2) : guids,
        async next(stored) {
          return [...stored.values()].map((addon) => ({
            ...addon,
            versions: addon.versions.map((old) => (old.version === version ? changed(old, seat, round) : old)),
          }))
        },
      })
    }
    await primary.close()
  }
  await Promise.all(Array.from({ length: 10 }, writer))
  t.strictSame(await problems(), [], 'the read model agrees')

  const [numbers] = await stack.owner.rows(
    "SELECT COUNT(*) AS count, MIN(number) AS first, MAX(number) AS last FROM changes WHERE kind <> 'all'",
  )
  t.equal(numbers?.count, (numbers?.last as number) - (numbers?.first as number) + 1, 'numbers without gaps')
  const [counter] = await stack.owner.rows('SELECT value FROM change_counter')
  t.equal(counter?.value, numbers?.last, 'the counter stands at the last one')
  const [audit] = await stack.owner.rows('SELECT COUNT(*) AS count FROM audit')
  t.equal(audit?.count, numbers?.count, 'an audit row for each change')
})

t.test('of two edits of one version at once, neither overlooks the other', async (t) => {
  await stack.empty()
  const guids = Array.from({ length: 150 }, (_, index) => `pair-${index}@x`)
  const versions = [{ version: '1.0', compatibility: { firefox: {} }, file: { status: 'disabled' } }]
  await stack.load(guids.map((guid) => ({ guid, versions })))
  const primaries = await Promise.all([openPrimary(stack.databases.catalog), openPrimary(stack.databases.catalog)])
  const [deletes, approves] = primaries.map((primary) => createEditor({ primary, actor: 'test' })) as [Editor, Editor]
  const change = (editor: Editor, guid: string, next: (version: VersionState) => VersionState) =>
    editor.edit({
      action: 'version.change',
      guids: [guid],
      next: async (stored) => [...stored.values()].map((addon) => ({ ...addon, versions: addon.versions.map(next) })),
    })
  for (const guid of guids) {
    await Promise.all([
      change(deletes, guid, (version) => ({ ...version, deleted: true })),
      change(approves, guid, (version) => ({ ...version, file: { ...version.file, status: 'approved' } })),
    ])
  }
  for (const primary of primaries) await primary.close()
  const [row] = await stack.owner.rows("SELECT COUNT(*) AS count FROM candidates WHERE facts <> ''")
  t.equal(row?.count, 0, 'a deleted version is no candidate, whoever approves its file meanwhile')
  t.strictSame(await problems(), [])
})

t.test('check finds a read model that lies, a wrong range, a missing package; --fix mends what it can', async (t) => {
  await stack.empty()
  await stack.load([
    { guid: 'one@x', versions: VERSIONS.map((version) => ({ version, compatibility: { firefox: { min: '57.0' } } })) },
  ])
  t.strictSame(await problems(), [])
  const [stored] = await stack.owner.rows('SELECT facts FROM candidates')
  const lying = String(stored?.facts)
    .split('\u001e')
    .filter((candidate) => !candidate.includes('\u001f2.0\u001f'))
    .map((candidate) => (candidate.includes('\u001f3.0\u001f') ? `${candidate} ` : candidate))
  await stack.owner.write('UPDATE candidates SET facts = ?', [lying.join('\u001e')])
  await stack.owner.write(
    "UPDATE files AS f JOIN versions AS v ON v.id = f.version_id SET f.status = 'disabled' WHERE v.version = '4.0'",
  )
  await stack.owner.write('UPDATE compatibility SET min_packed = 1 WHERE version_id = (SELECT MIN(id) FROM versions)')
  await stack.owner.write(
    `UPDATE files AS f JOIN versions AS v ON v.id = f.version_id SET f.package = '${'0'.repeat(64)}' WHERE v.version = '1.0'`,
  )
  const found = await problems()
  t.strictSame(found.map(({ kind, version }) => `${kind} ${version}`).sort(), [
    'package 1.0',
    'range 1.0',
    'read model 1.0',
    'read model 2.0',
    'read model 3.0',
    'read model 4.0',
  ])
  const { primary, editor, store } = stack
  const { problems: mended } = await checkCatalogue({ primary, editor, store, fix: true, progress: () => {} })
  t.strictSame(
    mended.filter(({ fixed }) => !fixed).map(({ kind }) => kind),
    ['package'],
  )
  t.strictSame(
    (await problems()).map(({ kind }) => kind),
    ['package'],
  )
  await stack.settle()
  t.equal(JSON.parse((await check(stack.url, 'one@x')).text).addons['one@x'].updates[0].version, '3.0')
})

t.test('check finds facts that workers can not read', async (t) => {
  await stack.empty()
  const compatibility = { firefox: { min: '57.0' } }
  await stack.load(
    ['one@x', 'two@x', 'three@x'].map((guid) => ({ guid, versions: [{ version: '1.0', compatibility }] })),
  )
  await stack.owner.write("UPDATE candidates SET facts = CONCAT(facts, x'1F') WHERE guid = 'one@x'")
  // Against the constraints, so that all tables agree on it.
  await stack.owner.write('SET SESSION check_constraint_checks = OFF')
  await stack.owner.write(
    "UPDATE versions SET version = CONCAT('1', x'1F', '0') WHERE addon_id = (SELECT id FROM addons WHERE guid = 'two@x')",
  )
  await stack.owner.write(
    "UPDATE candidates SET facts = REPLACE(facts, CONCAT(x'1F', '1.0'), CONCAT(x'1F', '1', x'1F', '0')) WHERE guid = 'two@x'",
  )
  await stack.owner.write('SET SESSION check_constraint_checks = ON')
  const { primary, editor, store } = stack
  for (const fix of [false, true]) {
    const { problems: found } = await checkCatalogue({ primary, editor, store, fix, progress: () => {} })
    t.match(found, [
      { kind: 'read model', guid: 'one@x', detail: /can't be read/, fixed: fix },
      { kind: 'read model', guid: 'two@x', detail: /other tables have it/, fixed: false },
    ])
  }
  t.match(await problems(), [{ guid: 'two@x' }], 'what could be mended is')
  t.equal((await problems()).length, 1)
})

t.test('check holds announced hashes against the package, whatever their kind', async (t) => {
  await stack.empty()
  const bytes = makeZip([{ name: 'manifest.json', content: manifest() }])
  await writeFile(join(stack.folder, 'alpha.xpi'), bytes)
  const file = { path: 'alpha.xpi', hash: `sha512:${createHash('sha512').update(bytes).digest('hex')}` }
  await stack.load([{ guid: 'alpha@example.test', versions: [{ version: '1.0', file }] }])
  t.strictSame(await problems(), [])
  await stack.owner.write("UPDATE files SET hash = CONCAT('sha512:', REPEAT('0', 128))")
  const addons = await stack.owner.rows('SELECT id FROM addons')
  await stack.editor.rebuildCandidates(addons.map(({ id }) => id as number))
  t.match(await problems(), [{ kind: 'hash', detail: /sha512:0000.* is announced, but the package has sha512:/ }])
})

t.test("the command line's account can't change audit, nor can the workers' write at all", async (t) => {
  await t.rejects(stack.primary.write("UPDATE audit SET actor = 'nobody'"), {
    code: 'database_refused',
    message: /denied/,
  })
  await t.rejects(stack.primary.write('DELETE FROM audit'), { code: 'database_refused', message: /denied/ })
  await t.rejects(stack.primary.write('DROP TABLE audit'), { code: 'database_refused', message: /denied/ })
  const reader = await openPrimary({
    ...stack.databases.readers[0],
    socketPath: stack.databases.owner.socketPath as string,
  })
  await t.rejects(reader.write("UPDATE addons SET status = 'disabled'"), {
    code: 'database_refused',
    message: /denied/,
  })
  await t.rejects(reader.write("INSERT INTO audit (actor, action, change_number) VALUES ('x', 'y', 1)"), {
    code: 'database_refused',
    message: /denied/,
  })
  await reader.close()
  const [row] = await stack.owner.rows('SELECT actor FROM audit ORDER BY id DESC LIMIT 1')
  t.equal(row?.actor, 'test', 'it says who')
})
