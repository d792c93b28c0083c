/** The command line is killed at fifty points of an import: each add-on is as it was, or as it shall be, never in between. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { checkCatalogue, exportCatalogue } from '../../service/catalogue/index.ts'
import { runCatalog, runToEnd, spawnCatalog } from '../harness/server.ts'
import { startStack } from '../harness/stack.ts'

const KILLS = 50
const ADDONS = 60
const stack = await startStack(t)
const environment = { DATA_DIR: join(stack.folder, 'data') }
const range = { firefox: { min: '57.0', max: '*' } }

/** The whole catalogue at one stage: every stage renames each add-on, withdraws its last version and adds the next. Lines tell all of it, so that a stage can follow any other. */
function catalogueAt(stage: number): object[] {
  return Array.from({ length: ADDONS }, (_, index) => ({
    guid: `addon-${index}@x`,
    name: `Stage ${stage}`,
    tags: [`stage-${stage}`],
    versions: [
      ...Array.from({ length: stage }, (_, older) => ({
        version: `${older}.0`,
        compatibility: range,
        file: { status: 'disabled' },
      })),
      { version: `${stage}.0`, compatibility: range },
    ],
  }))
}

async function importStage(stage: number): Promise<string> {
  const path = join(stack.folder, 'stage.jsonl')
  await writeFile(
    path,
    catalogueAt(stage)
      .map((line) => JSON.stringify(line))
      .join('\n'),
  )
  return path
}

/** The stage each add-on is wholly at; throws where one is between two. */
async function stages(): Promise<number[]> {
  const found: number[] = []
  await exportCatalogue({
    primary: stack.primary,
    async write(text) {
      const { guid, name, tags, versions } = JSON.parse(text)
      const stage = Number(/\d+/.exec(name['en-US'])?.[0])
      const whole =
        tags.join() === `stage-${stage}` &&
        versions.length === stage + 1 &&
        versions.every(({ version, file }: { version: string; file: { status: string } }, index: number) => {
          return version === `${index}.0` && file.status === (index === stage ? 'approved' : 'disabled')
        })
      if (!whole) throw new Error(`${guid} is torn: ${text}`)
      found.push(stage)
    },
  })
  return found
}

/** Waits until a first batch has been committed since it was called, and so many milliseconds more. */
async function writes(moreMs: number): Promise<void> {
  const before = await changes()
  for (const giveUpAt = Date.now() + 10_000; (await changes()) === before && Date.now() < giveUpAt; ) await sleep(1)
  await sleep(moreMs)
}

async function changes(): Promise<unknown> {
  return (await stack.owner.rows('SELECT value FROM change_counter'))[0]?.value
}

t.test(`${KILLS} kills`, async (t) => {
  t.equal((await runCatalog(['import', await importStage(0)], environment)).code, 0)
  const begun = Date.now()
  t.equal((await runCatalog(['import', await importStage(1), '--batch', '10'], environment)).code, 0)
  const wholeMs = Date.now() - begun
  let halfway = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const stage = kill + 2
    const child = spawnCatalog(['import', await importStage(stage), '--batch', '10'], environment)
    const ended = runToEnd(child)
    // Half of them anywhere in its life; half while it writes.
    if (kill % 2 === 0) await sleep((wholeMs * (kill + 0.5)) / KILLS)
    else await writes(kill / 2)
    child.kill('SIGKILL')
    await ended
    const moved = (await stages()).filter((at) => at === stage).length
    if (moved > 0 && moved < ADDONS) halfway++
  }
  t.pass('every add-on was whole after each of them')
  t.ok(halfway >= KILLS / 5, `${halfway} of them fell between two batches`)
  const { primary, editor, store } = stack
  const { problems } = await checkCatalogue({ primary, editor, store, fix: false, progress: () => {} })
  t.strictSame(problems, [], 'the read model agrees')
  const [row] = await stack.owner.rows(
    "SELECT (SELECT COUNT(*) FROM changes WHERE kind <> 'all') - (SELECT COUNT(*) FROM audit) AS difference",
  )
  t.equal(row?.difference, 0, 'an audit row for each change')
})
