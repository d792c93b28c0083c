/**
 * Prepares a checkout for a command: `node deploy/prepare.mjs code|server|bench|ladder|test`. Installs what is missing, builds what has
 * changed, and is done in a tenth of a second where there is nothing to do. It runs before there are any dependencies, so it
 * has none.
 *
 *     code     npm dependencies, dist/
 *     server   code, and MariaDB where the private one will be needed
 *     bench    server, and what benches load it with
 *     ladder   bench, and what its first rung is made of: PHP, nginx
 *     test     server, and what the tests drive: a browser, curl, the ladder, the day
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const NODE_MIN = [20, 18, 1]

/** Programs, and the Debian packages they come in. The tests run the examples of the docs, which use curl. */
const bench = { wrk: 'wrk', memcached: 'memcached' }
const ladder = { ...bench, 'php-fpm': 'php-fpm php-mysql', nginx: 'nginx' }
const debianPackages = {
  server: { mariadbd: 'mariadb-server-core', 'mariadb-install-db': 'mariadb-client-core mariadb-server-core' },
  bench,
  ladder,
  test: {
    ...ladder,
    h2load: 'nghttp2-client',
    'mariadb-dump': 'mariadb-client',
    'firefox-esr': 'firefox-esr',
    chromium: 'chromium',
    curl: 'curl',
    zip: 'zip',
    python3: 'python3',
  },
}

const target = process.argv[2] ?? 'code'
requireNode()
takeTurns()
prepareDependencies()
prepareBuild()
if (target !== 'code' && !process.env.DATABASE_URL) preparePrograms(debianPackages.server)
if (target === 'test' || target === 'bench' || target === 'ladder') {
  preparePrograms(debianPackages.server)
  preparePrograms(debianPackages[target])
}

function requireNode() {
  const version = process.versions.node.split('.').map(Number)
  const older = NODE_MIN.findIndex((part, index) => part !== version[index])
  if (older >= 0 && version[older] < NODE_MIN[older]) {
    fail(`Node ${process.versions.node} is too old: it takes ${NODE_MIN.join('.')} or newer.`)
  }
}

/** Two commands in one checkout prepare it one after the other. */
function takeTurns() {
  const descriptor = openSync(join(root, 'package.json'), 'r')
  spawnSync('flock', ['3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
}

function prepareDependencies() {
  const stamp = join(root, 'node_modules', '.prepared')
  const wanted = digest([readFileSync(join(root, 'package-lock.json')), process.version, process.arch])
  if (stampIs(stamp, wanted)) return
  say('installing the npm dependencies')
  // Those of development too, whatever NODE_ENV says: what is missing here is built here.
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true })
  writeFileSync(stamp, wanted)
}

function prepareBuild() {
  const stamp = join(root, 'dist', '.prepared')
  const sources = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'deploy/build.mjs']
  for (const folder of ['service', 'sql', 'loadtest']) sources.push(...filesBelow(folder))
  const wanted = digest(sources.sort().flatMap((path) => [path, readFileSync(join(root, path))]))
  if (stampIs(stamp, wanted)) return
  say('building')
  run(process.execPath, [join(root, 'deploy', 'build.mjs')], {})
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(stamp, wanted)
}

/** @param {Record<string, string>} programs */
function preparePrograms(programs) {
  const missing = Object.entries(programs).filter(([program]) => !isInstalled(program))
  if (missing.length === 0) return
  const packages = [...new Set(missing.flatMap(([, names]) => names.split(' ')))]
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    fail(
      `${missing.map(([program]) => program).join(', ')}: not installed. As root: apt-get install ${packages.join(' ')}`,
    )
  }
  say(`installing ${packages.join(', ')}`)
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  forbidServices()
  run('apt-get', ['update', '-qq'], { quiet: true, env: environment })
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { quiet: true, env: environment })
}

/**
 * Debian starts the servers that it installs, on their usual ports, unless a file says no. It says so until we end: what we need
 * of them is started by whoever needs it.
 */
function forbidServices() {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  process.on('exit', () => rmSync(policy, { force: true }))
}

/** @param {string} program */
function isInstalled(program) {
  // Debian keeps servers where only root looks, and calls PHP's by its version.
  const isFpm = (/** @type {string} */ name) => /^php-fpm[\d.]+$/.test(name)
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      if (program === 'php-fpm' && readdirSync(folder).some(isFpm)) return true
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

/** @param {(string | Buffer)[]} parts */
function digest(parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex')
}

/**
 * @param {string} stamp
 * @param {string} wanted
 */
function stampIs(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
}

/**
 * Runs a program to its end; what it prints is shown only when it fails, where `quiet`.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ quiet?: boolean, env?: NodeJS.ProcessEnv }} options
 */
function run(program, args, { quiet = false, env = process.env }) {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    env,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return
  if (quiet) process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  fail(`${program} ${args[0]} failed: ${error?.message ?? `exit code ${status}`}`)
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line} …\n`)
}

/**
 * @param {string} line
 * @returns {never}
 */
function fail(line) {
  process.stderr.write(`${line}\n`)
  process.exit(1)
}
