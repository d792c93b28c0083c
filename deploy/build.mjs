/** Builds dist/: the programs, the SQL they read, what `/__version__` says, the sample catalogue with its packages. */

import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--project', join(root, 'tsconfig.build.json'))
cpSync(join(root, 'sql'), join(dist, 'sql'), { recursive: true })
writeFileSync(join(dist, 'version.json'), JSON.stringify(describe()))
run(join(dist, 'service', 'sample', 'build.js'), join(dist, 'sample'))

/** As Dockerflow wants it. COMMIT, SOURCE and BUILD_URL are told by a pipeline; where there is a repository, it knows the first. */
function describe() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const { COMMIT, SOURCE = '', BUILD_URL = '' } = process.env
  const head = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' })
  return { version, commit: COMMIT ?? (head.status === 0 ? head.stdout.trim() : ''), source: SOURCE, build: BUILD_URL }
}

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
