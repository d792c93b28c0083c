/** daily-herd: its rate halves every ten seconds, as docs/loadtest.md says. */

import t from 'tap'
import { lifeOf } from '../../loadtest/run/herd.ts'
import { profiles } from '../../loadtest/traffic/index.ts'

const INSTANCES = 100
const DURATION = 60

/** The instances that still send at a second, of all. */
function leftAt(second: number, halvesEveryS: number | undefined): number {
  const lives = Array.from({ length: INSTANCES }, (_, index) => lifeOf(index / INSTANCES, DURATION, halvesEveryS))
  return lives.filter((life) => life > second).length / INSTANCES
}

t.test('the rate of the herd halves every ten seconds', async (t) => {
  t.equal(profiles['daily-herd'].halvesEveryS, 10)
  for (const halvesEveryS of [10, 5]) {
    for (let second = 0; second < DURATION; second++) {
      const [left, wanted] = [leftAt(second, halvesEveryS), 2 ** (-second / halvesEveryS)]
      // Lives are whole seconds, so it may be half a second early or late.
      const least = 2 ** (-(second + 0.5) / halvesEveryS) - 1 / INSTANCES
      const most = 2 ** (-(second - 0.5) / halvesEveryS) + 1 / INSTANCES
      t.ok(left >= least && left <= most, `at second ${second} ${left} are left, of ${wanted}`)
    }
  }
  t.equal(leftAt(0, 10), 1, 'all begin')
})

t.test('any other rate is held to the end', async (t) => {
  t.equal(leftAt(DURATION - 1, undefined), 1)
  t.equal(leftAt(DURATION, 10), 0, 'nobody stays for longer')
})
