/** `catalog explain` */

import { type Command, Option } from 'commander'
import type { Mode } from '../addon/index.ts'
import { explain } from '../catalogue/index.ts'
import { VersioncheckError } from '../errors.ts'
import type { Run, Session } from './context.ts'
import { table } from './tables.ts'

const modes: readonly Mode[] = ['strict', 'normal', 'ignore']

export function addExplainCommand(parent: Command, run: Run): void {
  parent
    .command('explain')
    .description('why a client is offered what it is offered: each version, newest first, and the rule that decided')
    .argument('<guid>')
    .option('--app <name>', 'the application that asks', 'firefox')
    .requiredOption('--app-version <version>', 'its version, as it sends it: appVersion')
    .addOption(new Option('--mode <mode>', 'its compatMode').choices(modes).default('normal'))
    .action(run(explainCheck))
}

async function explainCheck(
  { primary, out, siteUrl }: Session,
  guid: string,
  options: { app: string; appVersion: string; mode: Mode },
): Promise<void> {
  const { app: application, appVersion, mode } = options
  // The service answers such a client 400, whatever the add-on.
  if (guid.trim() === '') throw new VersioncheckError('usage', 'The <guid> is blank.')
  if (appVersion.trim() === '') throw new VersioncheckError('usage', 'The version given with --app-version is blank.')
  const explanation = await explain(primary, { guid, application, appVersion, mode, siteUrl })
  out.result(explanation, () => {
    const { hidden, versions, offered, answer } = explanation
    const lines = table(
      ['version', 'id', 'verdict', 'because'],
      versions.map(({ version, id, verdict, because }) => [version, id, verdict, because]),
    )
    const end = hidden ?? (offered === undefined ? 'nothing suits this client' : `${offered} is offered`)
    return [
      `${application} ${appVersion}, mode ${mode}, asks for ${guid}`,
      ...(versions.length > 0 ? [lines] : []),
      end,
      answer,
    ].join('\n\n')
  })
}
