#!/usr/bin/env node
/**
 * Rung 0, `php`: check.php under php-fpm and nginx, both of Debian, with a configuration and a folder of their own; nothing of the
 * system's is read or touched. This program starts and stops them; where the talk began.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { databasePlace, POOL_SIZE, port, sayReady } from './shared/environment.ts'

/** In a checkout: the program runs from dist/. */
const script = join(import.meta.dirname, '..', '..', '..', '..', 'loadtest', 'ladder', 'rungs', 'check.php')
const START_MS_MAX = 10_000
const isRoot = process.getuid?.() === 0

const folder = mkdtempSync(join(tmpdir(), 'versioncheck-php-'))
const socket = join(folder, 'php.sock')
const children: ChildProcess[] = []
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(0))

writeFileSync(join(folder, 'php.ini'), phpSettings())
writeFileSync(join(folder, 'php-fpm.conf'), fpmSettings(), { mode: 0o600 })
writeFileSync(join(folder, 'nginx.conf'), nginxSettings())
start(findFpm(), [
  ...['--nodaemonize', '--fpm-config', join(folder, 'php-fpm.conf'), '--php-ini', join(folder, 'php.ini')],
  ...(isRoot ? ['--allow-to-run-as-root'] : []),
])
await until('php-fpm', () => existsSync(socket))
start('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'nginx.log')])
await until('nginx', isListening)
sayReady()

/** They end with us, however we end. */
function start(program: string, args: readonly string[]): void {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', program, ...args], {
    env: { PATH: `${process.env.PATH}:/usr/sbin`, PHP_INI_SCAN_DIR: '' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  children.push(child)
  child.once('exit', (code) => {
    if (stopping) return
    console.error(`${program} ended with ${code}`)
    void stop(1)
  })
}

let stopping = false
async function stop(code: number): Promise<void> {
  if (stopping) return
  stopping = true
  for (const log of code === 0 ? [] : ['php-fpm.log', 'nginx.log']) {
    if (existsSync(join(folder, log))) console.error(readFileSync(join(folder, log), 'utf8'))
  }
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  const ended = running.map((child) => new Promise((resolve) => child.once('exit', resolve)))
  for (const child of running) child.kill()
  await Promise.all(ended)
  process.exit(code)
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + START_MS_MAX; Date.now() < giveUpAt; await sleep(10)) if (await holds()) return
  console.error(`${what} isn't ready after ${START_MS_MAX} ms`)
  await stop(1)
}

function isListening(): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, '127.0.0.1')
    const end = (answer: boolean) => () => {
      connection.destroy()
      resolve(answer)
    }
    connection.once('connect', end(true)).once('error', end(false))
  })
}

/** Debian names it by its version. */
function findFpm(): string {
  for (const home of ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin']) {
    const names = existsSync(home) ? readdirSync(home).filter((name) => /^php-fpm[\d.]*$/.test(name)) : []
    const name = names.sort().at(-1)
    if (name === undefined) continue
    accessSync(join(home, name), constants.X_OK)
    return join(home, name)
  }
  console.error('php-fpm is not installed. As root: apt-get install php-fpm php-mysql nginx')
  return process.exit(1)
}

/** Scripts are compiled once and not looked at again, as in production. */
function phpSettings(): string {
  return `extension=mysqlnd.so
extension=pdo.so
extension=pdo_mysql.so
zend_extension=opcache.so
opcache.enable=1
opcache.validate_timestamps=0
expose_php=0
display_errors=0
log_errors=1
`
}

function fpmSettings(): string {
  const { user, password, database, socketPath } = databasePlace()
  return `[global]
error_log = ${folder}/php-fpm.log
[www]
listen = ${socket}
${isRoot ? 'user = root\ngroup = root\n' : ''}pm = static
pm.max_children = ${POOL_SIZE}
pm.max_requests = 0
clear_env = yes
catch_workers_output = yes
env[SITE_URL] = "${process.env.SITE_URL ?? ''}"
env[DATABASE_SOCKET] = "${socketPath}"
env[DATABASE_NAME] = "${database}"
env[DATABASE_USER] = "${user}"
env[DATABASE_PASSWORD] = "${password}"
`
}

function nginxSettings(): string {
  return `daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
worker_processes auto;
${isRoot ? 'user root;\n' : ''}events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_timeout 60s;
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:${port};
    location = /update/VersionCheck.php {
      fastcgi_pass unix:${socket};
      fastcgi_param SCRIPT_FILENAME ${script};
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
    }
  }
}
`
}
