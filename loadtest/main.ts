#!/usr/bin/env node
/** The command line of the load tests. A command is a file in the folder of what it does. */

import { Command, CommanderError } from 'commander'
import { addDayCommand } from './day/index.ts'
import { Failure } from './failure.ts'
import { addGenerateCommand } from './generate/index.ts'
import { addLadderCommand } from './ladder/index.ts'
import { addRunCommands } from './run/index.ts'

/** 0 is done. */
const exitCodes = { failed: 1, misuse: 2 } as const

const EXIT_CODES_HELP = `
Exit codes:
  0  done
  1  failed, or missed what it was told must hold
  2  not understood`

/** Runs one command line (without node and script) and returns its exit code. */
async function runLoadtest(args: readonly string[]): Promise<number> {
  const program = new Command('loadtest')
    .description('make catalogues and load, and see what versioncheck does')
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('(npm run -s loadtest -- --help lists the commands)')
    .exitOverride()
  addGenerateCommand(program)
  addRunCommands(program)
  addLadderCommand(program)
  addDayCommand(program)
  try {
    await program.parseAsync(args, { from: 'user' })
    // A command that did its work, and found something wanting, has said so.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.misuse
    if (!(error instanceof Failure)) throw error
    process.stderr.write(`loadtest: ${error.message}\n`)
    return exitCodes.failed
  }
}

// What a command that broke off has started would go on for ever.
process.exit(await runLoadtest(process.argv.slice(2)))
