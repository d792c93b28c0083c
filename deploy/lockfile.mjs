/**
 * Completes package-lock.json after `npm install`: npm leaves out the optional packages of other platforms (biome for Windows, …)
 * when the registry it asked happens not to have them, and then `npm ci` refuses the file. What is added says no more than what
 * their names do; nothing is fetched for it.
 *
 *     node deploy/lockfile.mjs           add what is missing
 *     node deploy/lockfile.mjs --check   exit 1 where something is missing
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SYSTEMS = ['win32', 'darwin', 'linux', 'android', 'freebsd', 'openharmony']
const PROCESSORS = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x']

const path = join(import.meta.dirname, '..', 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const packages = lock.packages
const missing = Object.entries(packages).flatMap(([where, { dev, optionalDependencies = {} }]) =>
  Object.entries(optionalDependencies)
    .map(([name, version]) => ({ name, version, dev }))
    .filter(({ name }) => !packages[`node_modules/${name}`] && !packages[`${where}/node_modules/${name}`]),
)

if (process.argv.includes('--check')) {
  if (missing.length > 0) {
    console.error(
      `package-lock.json lacks ${missing.map(({ name }) => name).join(', ')}. Run: node deploy/lockfile.mjs`,
    )
    process.exit(1)
  }
} else {
  for (const { name, version, dev } of missing) {
    const words = name.split(/[/-]/)
    const os = SYSTEMS.find((system) => words.includes(system))
    const cpu = PROCESSORS.find((processor) => words.includes(processor))
    if (os === undefined || cpu === undefined) throw new Error(`${name} doesn't tell its platform`)
    const musl = words.some((word) => word.startsWith('musl'))
    packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(dev && { dev }),
      ...(musl && { libc: ['musl'] }),
      optional: true,
      os: [os],
    }
  }
  lock.packages = Object.fromEntries(Object.entries(packages).sort(([one], [other]) => (one < other ? -1 : 1)))
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  console.error(`${missing.length} added`)
}
