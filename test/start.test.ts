/** `npm start`, as the README has it: it serves, and whatever dies, nothing of it is left. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { ask, check } from './harness/http.ts'
import { allGone, descendantsOf, gone, parentOf, processesOf } from './harness/processes.ts'
import { root } from './harness/server.ts'
import { makeFolder } from './harness/stack.ts'

const { PATH } = process.env

t.test('npm start: whatever dies, all that it started goes', async (t) => {
  const dataDir = join(await makeFolder(t), 'data')
  for (const [victim, signal] of [
    ['npm', 'SIGKILL'],
    ['server', 'SIGKILL'],
    ['npm', 'SIGTERM'],
  ] as const) {
    const npm = spawn('npm', ['start'], {
      cwd: root,
      env: { PATH, HOME: process.env.HOME, PORT: '0', DATA_DIR: dataDir, SAMPLE: 'off', LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => npm.kill('SIGTERM'))
    const ended = new Promise((resolve) => npm.once('exit', resolve))
    const url = await new Promise<string>((resolve, reject) => {
      let output = ''
      npm.stdout.on('data', (chunk) => {
        output += chunk
        const ready = /^ready (\S+)$/m.exec(output)?.[1]
        if (ready !== undefined) resolve(ready)
      })
      void ended.then(() => reject(new Error(`npm start ended:\n${output}`)))
    })
    t.equal((await check(url, 'x@y')).status, 200, `${victim} ${signal}: it serves`)
    const server = parentOf(processesOf(`--datadir=${dataDir}/`)[0] as number)
    const ofServer = descendantsOf(npm.pid as number)
    t.ok(ofServer.includes(server), 'the server is a child of npm')
    t.equal(processesOf(`--datadir=${dataDir}/`).length, 2)
    process.kill(victim === 'npm' ? (npm.pid as number) : server, signal)
    await ended
    t.ok(await gone(dataDir), 'no database is left')
    t.ok(await allGone(ofServer), 'nor any process that npm started')
    await t.rejects(ask(url, '/__lbheartbeat__'), 'nor a port that answers')
  }
})
