/** Replays: what the logs of nginx, Varnish and our own say, and at which pace. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readLog } from '../../loadtest/run/replay.ts'
import { makeFolder } from '../harness/stack.ts'

const NGINX = (second: number, path: string, method = 'GET') =>
  `192.0.2.1 - - [26/Nov/2026:13:55:${String(second).padStart(2, '0')} +0000] "${method} ${path} HTTP/1.1" 200 311 "-" "Mozilla/5.0"`

t.test('the combined format, also with a whole address', async (t) => {
  const path = join(await makeFolder(t), 'access.log')
  const lines = [
    NGINX(1, '/update/?id=a'),
    NGINX(2, 'http://addons.example.org/update/?id=b'),
    NGINX(1, '/update/?id=c'),
    NGINX(3, '/update/?id=d', 'POST'),
    'not a line of a log',
  ]
  await writeFile(path, lines.join('\n'))
  const log = await readLog(path)
  t.strictSame(log.paths, ['/update/?id=a', '/update/?id=c', '/update/?id=b'], 'in the order in which they came')
  t.equal(log.passedOver, 2)
  t.strictSame(log.counts, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 'spread over their second')
})

t.test('our own log has milliseconds', async (t) => {
  const path = join(await makeFolder(t), 'own.log')
  const line = (time: number, target: string) =>
    JSON.stringify({ level: 10, time, pid: 1, method: 'get', target, msg: 'request' })
  await writeFile(
    path,
    [line(1_000_050, '/a?x=1'), line(1_000_149, '/b'), line(1_000_350, '/c'), '{"level":30}'].join('\n'),
  )
  const log = await readLog(path)
  t.strictSame(log.paths, ['/a?x=1', '/b', '/c'])
  t.strictSame(log.counts, [2, 0, 0, 1])
  t.strictSame((await readLog(path, 2)).counts, [2, 1])
  t.strictSame((await readLog(path, 0.5)).counts, [2, 0, 0, 0, 0, 0, 1, 0])
})

t.test('lines without a time are passed over, and what takes more than a month is refused', async (t) => {
  const path = join(await makeFolder(t), 'own.log')
  const line = (time: unknown) => JSON.stringify({ time, method: 'get', target: '/a' })
  const now = Date.UTC(2026, 10, 26)
  const wrong = [0, -1, null, 'now', 9e15]
  await writeFile(
    path,
    [...wrong, now, now + 100].map(line).concat('{"time":1e999,"method":"get","target":"/"}').join('\n'),
  )
  const log = await readLog(path)
  t.strictSame(log.counts, [1, 1])
  t.equal(log.passedOver, wrong.length + 1)
  await writeFile(path, [now, 1_000].map(line).join('\n'))
  await t.rejects(readLog(path), {
    name: 'Failure',
    message:
      /goes from 1970-01-01T00:00:01.000Z until 2026-11-26T00:00:00.000Z: at --speed 1 that takes more than 31 days/,
  })
  const day = 86_400_000
  await writeFile(path, [now, now + 40 * day].map(line).join('\n'))
  await t.rejects(readLog(path), /more than 31 days/)
  const { counts } = await readLog(path, 1_000)
  t.equal(counts.length, Math.ceil((40 * 864_000 + 10) / 1_000), 'quicker it takes an hour')
  t.strictSame([counts[0], counts.at(-1)], [1, 1])
  await writeFile(path, [now, now + day].map(line).join('\n'))
  await t.rejects(readLog(path, 0.01), /at --speed 0\.01 that takes more than 31 days/)
})

t.test('a file without requests is refused, with what is known', async (t) => {
  const path = join(await makeFolder(t), 'other.log')
  await writeFile(path, 'nothing\n')
  await t.rejects(readLog(path), /has no requests in it\. Known are/)
  await t.rejects(readLog(`${path}.missing`), /can't be read/)
})
