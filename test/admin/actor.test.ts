/** Who did it: what the audit is told. */

import { userInfo } from 'node:os'
import t from 'tap'
import { actorOf } from '../../service/admin/context.ts'

t.test('the name that is given, else the user of the system, else its number', async (t) => {
  t.equal(actorOf({ as: 'ann' }), 'ann')
  t.equal(actorOf({}), userInfo().username)
  const nameless = () => {
    throw new Error('uv_os_get_passwd returned ENOENT')
  }
  t.equal(actorOf({}, nameless), `uid ${process.getuid?.()}`)
  for (const as of ['', '  ', 'a\nb', 'x'.repeat(191)])
    t.throws(() => actorOf({ as }), { code: 'usage' }, JSON.stringify(as))
})
