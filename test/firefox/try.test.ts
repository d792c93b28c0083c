import t from 'tap'
import { startFirefox } from '../harness/firefox.ts'
import { makeFolder } from '../harness/stack.ts'
import { makeXpi } from '../harness/xpi.ts'

const now = performance.now()
const lap = (s: string) => console.error(s, Math.round(performance.now() - now))
const f = await startFirefox(t, { url: 'http://127.0.0.1:9' })
lap('started')
const dir = await makeFolder(t)
console.error(await f.installAddon(await makeXpi(dir, { id: 'a@b.test', version: '1.0' })))
lap('inst')
console.error(await f.addon('a@b.test'), await f.addon('b@b.test'))
console.error(await f.checkForUpdate('a@b.test', 'user'))
console.error(await f.backgroundUpdate())
console.error(await f.answers(), f.refused)
lap('done')
t.teardown(() => lap('down'))
t.pass()
