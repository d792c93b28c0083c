/** What a real Firefox sent (recorded), byte for byte, to a catalogue that knows some of its add-ons. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { FIREFOX, sendRaw } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'

interface Recorded {
  readonly line: string
  readonly headers: readonly (readonly [string, string])[]
}

const recorded: Recorded[] = readFileSync(new URL('firefox-requests.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line))

const stack = await startStack(t)
await stack.load([
  {
    guid: 'flagfox@example.org',
    versions: [
      { version: '1.0', compatibility: { firefox: { min: '42.0', max: '*' } } },
      { version: '2.0', compatibility: { firefox: { min: '115.0', max: '*' } } },
      { version: '3.0', compatibility: { firefox: { min: '190.0', max: '*' } } },
    ],
  },
  {
    guid: '{1018e4d6-728f-4b20-ad56-37578a4de76b}',
    versions: [{ version: '9.0', compatibility: { firefox: { min: '200.0', max: '*' } } }],
  },
])

/** What the catalogue above has for a request, told by its text alone. */
function expected(line: string): unknown {
  const query = new URL(line.split(' ')[1] as string, 'http://x').searchParams
  const id = query.get('id')
  if (id === 'flagfox@example.org')
    return { [id]: Number.parseInt(query.get('appVersion') ?? '', 10) >= 190 ? '3.0' : '2.0' }
  return id?.startsWith('{1018') ? { [id]: undefined } : undefined
}

for (const { line, headers } of recorded) {
  t.test(line.slice(0, 200), async (t) => {
    const head = [line, 'Host: 127.0.0.1', ...headers.map(([name, value]) => `${name}: ${value}`)]
    const reply = await sendRaw(stack.url, [`${head.join('\r\n')}\r\n\r\n`])
    const [top = '', body = ''] = reply.split('\r\n\r\n')
    if (!line.includes(`appID=${FIREFOX}`)) {
      t.match(top, /^HTTP\/1.1 400 /, 'nothing was asked')
      t.equal(body, '{}')
      return
    }
    t.match(top, /^HTTP\/1.1 200 OK\r\nContent-Type: application\/json\r\n/)
    const { addons } = JSON.parse(body)
    const offered =
      addons &&
      Object.fromEntries(
        Object.entries<{ updates: { version: string }[] }>(addons).map(([guid, { updates }]) => [
          guid,
          updates[0]?.version,
        ]),
      )
    t.strictSame(offered, expected(line))
  })
}
