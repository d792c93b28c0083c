/** The load tests as their user runs them. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type CommandResult, root, runToEnd } from './server.ts'

/** Runs a command to its end. */
export function runLoadtest(...args: string[]): Promise<CommandResult> {
  const { NODE_OPTIONS: _, ...env } = process.env
  const program = join(root, 'dist', 'loadtest', 'main.js')
  return runToEnd(spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] }))
}
