/** The command line of `catalog`: its commands, its options, its exit codes. */

import { Command, CommanderError } from 'commander'
import { type ErrorCode, reasonOf, VersioncheckError } from '../errors.ts'
import { describeProgram } from '../observe/index.ts'
import { addAddonCommands } from './addon.ts'
import { addAppCommands } from './app.ts'
import { addCheckCommand } from './check.ts'
import { type AdminOptions, createOutput, type GlobalOptions, type Run, withSession } from './context.ts'
import { addExplainCommand } from './explain.ts'
import { addTransferCommands } from './transfer.ts'
import { addVersionCommands } from './version.ts'

/** 0 is done. */
export const exitCodes = {
  found: 1,
  misuse: 2,
  refused: 3,
  unavailable: 4,
} as const

/** Those not named here are 1. */
export const exitCodeOf: Partial<Record<ErrorCode, number>> = {
  addon_deleted: exitCodes.refused,
  application_exists: exitCodes.refused,
  configuration_invalid: exitCodes.misuse,
  confirmation_needed: exitCodes.refused,
  data_dir_in_use: exitCodes.unavailable,
  database_too_old: exitCodes.unavailable,
  database_unreachable: exitCodes.unavailable,
  mariadb_failed: exitCodes.unavailable,
  mariadb_missing: exitCodes.unavailable,
  package_refused: exitCodes.refused,
  usage: exitCodes.misuse,
  version_exists: exitCodes.refused,
  write_conflict: exitCodes.unavailable,
}

const EXIT_CODES_HELP = `
Exit codes:
  0  done
  1  found something wrong: bad lines, problems, an unknown add-on or version
  2  not understood: the command, or a variable of the environment
  3  refused: not confirmed, a package that must not be offered, a version that exists
  4  unavailable: the database, for now; try again

It reads the same environment as the server. Without DATABASE_URL it uses the private
MariaDB of DATA_DIR, the running one, or one that runs as long as the command.`

/** The whole command line. `openOptions` is called once a command has been understood; `json`: what commander prints is JSON too. */
export function createProgram(openOptions: () => AdminOptions, { json = false } = {}): Command {
  const { version } = describeProgram()
  const program = new Command('catalog')
    .description("edit the catalogue: what versioncheck tells Firefox about add-ons' versions")
    .option('--json', 'print the result as JSON')
    .option('--yes', 'hide things without being asked')
    .option('--as <name>', 'who does it, for the audit; else the user of the system')
    .version(json ? JSON.stringify({ version }) : version, '--version', 'say which version of versioncheck this is')
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('(catalog --help lists the commands)')
    .exitOverride()

  const run: Run =
    (work) =>
    async (...args) => {
      const command = args.at(-1) as Command
      const globals = command.optsWithGlobals<GlobalOptions>()
      await withSession(openOptions(), globals, (session) => work(session, ...args.slice(0, -1)))
    }
  addTransferCommands(program, run)
  addAddonCommands(program, run)
  addVersionCommands(program, run)
  addAppCommands(program, run)
  addExplainCommand(program, run)
  addCheckCommand(program, run)
  inheritGlobals(program)
  return program
}

/** Runs one command line (without node and script) and returns its exit code. */
export async function runCatalog(args: readonly string[], openOptions: () => AdminOptions): Promise<number> {
  const json = args.includes('--json')
  try {
    await createProgram(openOptions, { json }).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, json)
    if (error.exitCode === 0) return 0
    // On standard error it has been said.
    if (json)
      reportJson('usage', misuseOf(error), {
        hint: 'catalog --help lists the commands, and --help behind each its options.',
      })
    return exitCodes.misuse
  }
}

/** `catalog addon list --json` and `catalog --json addon list` are the same. */
function inheritGlobals(program: Command): void {
  const inherited = program.options.filter(({ long }) => long !== '--version')
  const visit = (command: Command) => {
    for (const child of command.commands) {
      child.exitOverride()
      if (child.commands.length === 0) for (const option of inherited) child.addOption(option)
      visit(child)
    }
  }
  visit(program)
}

/** What was not understood, a sentence. */
function misuseOf({ code, message }: CommanderError): string {
  if (code === 'commander.help') return 'There is no command.'
  const [text = ''] = message.replace(/^error: /, '').split('\n')
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`
}

function reportJson(code: string, message: string, more: Readonly<Record<string, unknown>>): void {
  createOutput(true).result({ error: { code, message, ...more } }, String)
}

function report(error: unknown, json: boolean): number {
  const known = error instanceof VersioncheckError ? error : undefined
  if (json) {
    const { code = 'unexpected', hint, details } = known ?? {}
    reportJson(code, reasonOf(error), { hint, details })
  }
  const { note } = createOutput(json)
  if (known === undefined) note(error instanceof Error ? (error.stack ?? error.message) : String(error))
  else {
    note(`catalog: ${known.message}`)
    if (known.hint !== undefined) note(known.hint)
  }
  return (known && exitCodeOf[known.code]) ?? exitCodes.found
}
