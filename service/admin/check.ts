/** `catalog check` */

import type { Command } from 'commander'
import { checkCatalogue } from '../catalogue/index.ts'
import { VersioncheckError } from '../errors.ts'
import type { Run, Session } from './context.ts'
import { plural, table } from './tables.ts'

export function addCheckCommand(parent: Command, run: Run): void {
  parent
    .command('check')
    .description(
      'hold the catalogue against itself: read model, ranges, packages, hashes; exits 1 where something is wrong',
    )
    .option('--fix', 'mend what can be mended: the read model and the packed ranges')
    .action(run(check))
}

async function check(session: Session, { fix = false }: { fix?: boolean }): Promise<void> {
  const { primary, editor, store, out } = session
  const progress = (part: string) => out.note(`checking: ${part}`)
  const report = await checkCatalogue({ primary, editor, store, fix, progress })
  if (fix) await session.settle()
  const left = report.problems.filter(({ fixed }) => !fixed)
  out.result(report, () => {
    const { addons, candidates, ranges, packages, problems } = report
    const seen = `${plural(addons, 'add-on')}, ${plural(candidates, 'candidate')}, ${plural(ranges, 'range')}, ${plural(packages, 'package')}`
    if (problems.length === 0) return `${seen}: all is well`
    const rows = problems.map(({ kind, guid, version = '-', detail, fixed }) => [
      kind,
      guid,
      version,
      detail,
      fixed ? 'mended' : '',
    ])
    return `${seen}\n\n${table(['kind', 'guid', 'version', 'what', ''], rows)}`
  })
  if (left.length > 0) {
    const mendable = left.some(({ kind }) => kind === 'read model' || kind === 'range')
    throw new VersioncheckError('problems_found', `${plural(left.length, 'problem')} found.`, {
      ...(mendable && !fix && { hint: 'catalog check --fix mends the read model and the packed ranges.' }),
    })
  }
}
