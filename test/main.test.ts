/** The server as a program: how it starts, what it refuses, how it ends. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import selfsigned from 'selfsigned'
import t, { type Test } from 'tap'
import { DRAIN_MS_MAX } from '../service/limits.ts'
import { until } from './harness/clients.ts'
import { ask, check } from './harness/http.ts'
import { freePort } from './harness/ports.ts'
import { gone, processesOf } from './harness/processes.ts'
import { root, runCatalog, runToEnd, startServer } from './harness/server.ts'
import { makeFolder } from './harness/stack.ts'
import { makeXpi } from './harness/xpi.ts'

const { PATH = '' } = process.env

t.test('it says where it is, keeps its data, and takes everything with it when it ends', async (t) => {
  const first = await startServer(t)
  const { dataDir } = first
  t.match(first.output(), /^curl -g '[^\n]+'\nready http:\/\/127\.0\.0\.1:\d+\n$/m)
  t.equal(processesOf(`--datadir=${dataDir}/`).length, 2, 'a primary and a replica')
  const line = JSON.stringify({ guid: 'kept@x', versions: [{ version: '1.0', compatibility: { firefox: {} } }] })
  t.equal((await runCatalog(['import', '-'], { DATA_DIR: dataDir }, line)).code, 0)
  t.equal(await first.stop('SIGTERM'), 0)
  t.ok(await gone(dataDir), 'no server is left')

  const second = await startServer(t, { DATA_DIR: dataDir })
  t.match((await check(second.url, 'kept@x')).text, /"version": "1.0"/)
  await second.stop('SIGKILL')
  t.ok(await gone(dataDir), 'nor after a crash')

  const third = await startServer(t, { DATA_DIR: dataDir })
  t.match((await check(third.url, 'kept@x')).text, /"version": "1.0"/)
  t.equal(await third.stop('SIGINT'), 0)
  t.ok(await gone(dataDir), 'nor after Ctrl-C')
})

t.test('nobody reads what it says any more: it serves on, and ends when it is told to', async (t) => {
  const dataDir = join(await makeFolder(t), 'data')
  const child = spawn(process.execPath, [join(root, 'dist', 'service', 'main.js')], {
    env: { PATH, PORT: '0', SAMPLE: 'off', DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<unknown>((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
  const url = await new Promise<string>((resolve) => {
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      const ready = /^ready (\S+)$/m.exec(output)?.[1]
      if (ready !== undefined) resolve(ready)
    })
  })
  child.stdout.destroy()
  child.stderr.destroy()
  t.equal((await check(url, 'nobody@x')).status, 200)
  child.kill('SIGTERM')
  t.equal(await Promise.race([ended, sleep(10_000, 'it goes on')]), 0)
  if (child.exitCode === null) child.kill('SIGKILL')
})

t.test('what was kept of one database is not told for another', async (t) => {
  // Another address of the site would be reason enough.
  const SITE_URL = 'https://addons.kept.test'
  const first = await startServer(t, { SITE_URL })
  const { dataDir } = first
  const line = JSON.stringify({ guid: 'kept@x', versions: [{ version: '1.0', compatibility: { firefox: {} } }] })
  t.equal((await runCatalog(['import', '-'], { DATA_DIR: dataDir }, line)).code, 0)
  await until('it is held', async () => (await check(first.url, 'kept@x')).text.includes('1.0'))
  const kept = join(dataDir, 'snapshots')
  const files = () => (existsSync(kept) ? readdirSync(kept, { recursive: true }) : [])
  await until('it is kept', () => files().some((name) => String(name).endsWith('.snapshot')))
  await first.stop()
  const environment = { SITE_URL, DATA_DIR: dataDir, DATABASE_URL: `mysql://u:p@127.0.0.1:${await freePort()}/other` }
  // With a snapshot of its own it would serve after three seconds.
  const started = startServer(t, environment).then(() => 'serves')
  started.catch(() => {})
  t.equal(await Promise.race([started, sleep(6_000, 'waits for its database')]), 'waits for its database')
})

/** A server with a download under way that its client has stopped reading, and is larger than the buffers of both ends. */
async function startDownload(t: Test) {
  const server = await startServer(t)
  const path = await makeXpi(await makeFolder(t), { id: 'slow@x', version: '1.0', padding: 24 * 1024 * 1024 })
  t.equal((await runCatalog(['version', 'add', 'slow@x', path], { DATA_DIR: server.dataDir })).code, 0)
  const [update] = JSON.parse((await check(server.url, 'slow@x')).text).addons['slow@x'].updates
  const { hostname, port, pathname } = new URL(update.update_link)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const download = { server, socket, size: (await stat(path)).size, received: 0 }
  socket.on('data', (chunk) => {
    download.received += chunk.length
  })
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await once(socket, 'data')
  socket.pause()
  await sleep(300)
  t.ok(download.received < download.size, 'it is under way')
  return download
}

t.test('a signal while a client is slow: exit 0 within 5 s', async (t) => {
  const { server } = await startDownload(t)
  const begun = performance.now()
  t.equal(await server.stop('SIGTERM'), 0)
  const seconds = (performance.now() - begun) / 1_000
  t.ok(seconds < 5, `it ended after ${seconds.toFixed(1)} s`)
  t.ok(seconds > DRAIN_MS_MAX / 1_000 - 0.1, 'and had waited for the download')
})

t.test('a signal while a client is quick enough: it gets all of its download', async (t) => {
  const download = await startDownload(t)
  const stopped = download.server.stop('SIGTERM')
  await sleep(300)
  await t.rejects(ask(download.server.url, '/__lbheartbeat__'), 'nobody else is let in')
  const closed = once(download.socket, 'close')
  download.socket.resume()
  t.equal(await stopped, 0)
  await closed
  t.ok(download.received > download.size, `${download.received} bytes with the headers`)
})

t.test('no query string at level info', async (t) => {
  const server = await startServer(t, { LOG_LEVEL: 'info' })
  for (let index = 0; index < 5; index++) {
    await check(server.url, 'secret-guid@x', { appVersion: '12.34.56', locale: 'secret-locale' })
    await ask(server.url, `/update/?id=secret-guid@x&secret-name=1`)
    await ask(server.url, '/nothing?secret-name=1', { method: index % 2 === 0 ? 'GET' : 'POST' })
    await ask(server.url, '/firefox/downloads/file/1/x.xpi?secret-name=1')
    // Hits are written one in 100 ms.
    await sleep(120)
  }
  t.equal(await server.stop(), 0)
  t.match(server.output(), /"path":"\/update\/VersionCheck\.php","msg":"hit"/)
  t.notMatch(server.output().replace(/^curl .*$/m, ''), /secret|12\.34\.56|\?/)
})

t.test('what is in use is refused, and two copies run side by side', async (t) => {
  const one = await startServer(t)
  const { port } = new URL(one.url)
  await t.rejects(startServer(t, { PORT: port }), /PORT \d+ on 127\.0\.0\.1 is in use/)
  await t.rejects(startServer(t, { DATA_DIR: one.dataDir }), /DATA_DIR .* is in use/)
  const two = await startServer(t)
  t.equal((await check(one.url, 'x@y')).status, 200)
  t.equal((await check(two.url, 'x@y')).status, 200)
})

t.test('a path longer than a socket may have', async (t) => {
  const folder = join(await makeFolder(t), 'x'.repeat(120), 'data')
  const server = await startServer(t, { DATA_DIR: folder })
  t.equal((await check(server.url, 'x@y')).status, 200)
  t.match(await runCatalog(['addon', 'list'], { DATA_DIR: folder }), { code: 0, stdout: /no add-ons/ })
})

t.test('a private server that dies is started again', async (t) => {
  const server = await startServer(t, { LOG_LEVEL: 'info' })
  const pidOf = (name: string) => Number(readFileSync(join(server.dataDir, 'mariadb', name, 'server.pid'), 'utf8'))
  for (const name of ['replica', 'primary']) {
    const before = pidOf(name)
    process.kill(before, 'SIGKILL')
    let status = 0
    for (const giveUpAt = Date.now() + 20_000; Date.now() < giveUpAt; await sleep(100)) {
      status = (await check(server.url, 'x@y')).status
      if (status === 200 && pidOf(name) !== before) break
    }
    t.equal(status, 200, `${name}: it answers again`)
    const added = await runCatalog(
      ['import', '-', '--json'],
      { DATA_DIR: server.dataDir },
      JSON.stringify({ guid: `${name}@x` }),
    )
    t.match(JSON.parse(added.stdout), { created: 1, replicated: true }, `${name}: it replicates again`)
  }
})

t.test('TLS 1.2 and later', async (t) => {
  const folder = await makeFolder(t)
  const pair = await selfsigned.generate([{ name: 'commonName', value: 'localhost' }])
  const paths = { TLS_CERT: join(folder, 'cert.pem'), TLS_KEY: join(folder, 'key.pem') }
  await writeFile(paths.TLS_CERT, pair.cert)
  await writeFile(paths.TLS_KEY, pair.private)
  const server = await startServer(t, paths)
  t.match(server.url, /^https:/)
  const handshake = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
    new Promise<string | null>((resolve) => {
      const options = {
        port: Number(new URL(server.url).port),
        host: '127.0.0.1',
        rejectUnauthorized: false,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      } as const
      const socket = connectTls(options, () => {
        resolve(socket.getProtocol())
        socket.destroy()
      })
      socket.on('error', () => resolve(null))
    })
  t.equal(await handshake('TLSv1.1'), null)
  t.equal(await handshake('TLSv1.2'), 'TLSv1.2')
  t.equal(await handshake('TLSv1.3'), 'TLSv1.3')
})

t.test('liveness needs no database', async (t) => {
  const server = await startServer(t)
  t.equal((await ask(server.url, '/__lbheartbeat__')).status, 200)
})

t.test('it takes no arguments, and says what it takes', async (t) => {
  const run = (...args: string[]) =>
    runToEnd(spawn(process.execPath, [join(root, 'dist', 'service', 'main.js'), ...args]))
  t.match(await run('--help'), { code: 0, stdout: /^ {2}PORT +8080 +port to listen on/m, stderr: '' })
  t.match(await run('--port', '8081'), { code: 1, stderr: /"--port 8081": it takes no arguments/ })
})

t.test('npm run migrate', async (t) => {
  const server = await startServer(t)
  const migrate = (environment: Record<string, string>) =>
    runToEnd(spawn(process.execPath, [join(root, 'dist', 'service', 'migrate.js')], { env: { PATH, ...environment } }))
  const { password, sockets } = JSON.parse(readFileSync(join(server.dataDir, 'private.json'), 'utf8'))
  const address = (name: string) => `mysql://versioncheck:${password}@localhost/${name}?socket=${sockets.primary}`
  t.match(await migrate({ DATABASE_URL: address('fresh') }), {
    code: 0,
    stdout: /^(?:applied \d+_\w+\.sql\n)+$/,
  })
  t.match(await migrate({ DATABASE_URL: address('fresh') }), { code: 0, stdout: 'the schema is up to date\n' })
  t.match(await migrate({}), { code: 1, stderr: /DATABASE_URL is missing/ })
})
