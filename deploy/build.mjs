/** Builds dist/: the programs, the SQL they read, the sample catalogue with its packages. */

import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--project', join(root, 'tsconfig.build.json'))
cpSync(join(root, 'sql'), join(dist, 'sql'), { recursive: true })
run(join(dist, 'service', 'sample', 'build.js'), join(dist, 'sample'))

/**
 * Runs a program of Node's; the build ends where it fails.
 *
 * @param {string} program
 * @param {...string} args
 */
function run(program, ...args) {
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
