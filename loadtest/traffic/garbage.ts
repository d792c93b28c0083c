/** Requests that no Firefox makes: broken, hostile, or lost. Each with the answers that are right for it. */

import type { Random } from '../generate/random.ts'

/** One request, and which statuses answer it rightly. */
export interface Request {
  readonly path: string
  /** Absent: GET. */
  readonly method?: 'DELETE' | 'OPTIONS' | 'POST'
  readonly expects: readonly number[]
}

const FIREFOX = 'appID=%7Bec8030f7-c20a-464f-9b0e-13a3a9e97384%7D'
const CHECK = '/update/VersionCheck.php?'
/** Of a query that is about to be too long for the library. */
const LONG = 3_000

const OK: readonly number[] = [200]
const BAD: readonly number[] = [400]
const NOT_FOUND: readonly number[] = [404]
const NOT_ALLOWED: readonly number[] = [405]

type Make = (random: Random) => Request

/** One of each kind, as likely as any other. */
const kinds: readonly Make[] = [
  // A check without what it must have.
  () => ({ path: CHECK, expects: BAD }),
  (random) => ({ path: `${CHECK}id=${word(random)}`, expects: BAD }),
  (random) => ({ path: `${CHECK}id=${word(random)}&version=1.0&appID=${word(random)}&appVersion=153.0`, expects: BAD }),
  (random) => ({ path: `${CHECK}id=&version=${word(random)}&${FIREFOX}&appVersion=153.0`, expects: BAD }),
  // Nobody knows the add-on; the rest is strange.
  (random) => ({ path: check(`${word(random)}@${word(random)}`, '1.0', '153.0'), expects: OK }),
  (random) => ({ path: check(`%00${word(random)}`, '1.0', '153.0'), expects: OK }),
  (random) => ({ path: check('%ff%fe%fd', word(random), '153.0'), expects: OK }),
  (random) => ({ path: check(`%zz%${word(random)}%`, '1.0', '153.0'), expects: OK }),
  (random) => ({ path: check(`${word(random)}'%20OR%201=1--`, '1.0', '153.0'), expects: OK }),
  (random) => ({ path: check('x'.repeat(random.whole(300, LONG)), '1.0', '153.0'), expects: OK }),
  (random) => ({ path: check(word(random), '9'.repeat(random.whole(20, 200)), '153.0'), expects: OK }),
  (random) => ({ path: check(word(random), '1.0', `153.0.${word(random)}..-1.*`), expects: OK }),
  (random) => ({ path: `${check(word(random), '1.0', '153.0')}&id=${word(random)}&id[]=1&id%5B%5D=2`, expects: OK }),
  // Paths that lead nowhere, and out.
  (random) => ({ path: `/${word(random)}`, expects: NOT_FOUND }),
  () => ({ path: '/wp-login.php', expects: NOT_FOUND }),
  (random) => ({ path: `/update/../../${word(random)}`, expects: NOT_FOUND }),
  (random) => ({ path: `/update/${word(random)}.json`, expects: NOT_FOUND }),
  // Other methods. (autocannon can't read an answer to HEAD: it waits for the body.)
  (random) => ({ path: check(word(random), '1.0', '153.0'), method: 'DELETE', expects: NOT_ALLOWED }),
  () => ({ path: '/update/VersionCheck.php', method: 'OPTIONS', expects: NOT_ALLOWED }),
]

/** Where the same stream of numbers is drawn from, the same request. */
export function makeGarbage(random: Random): Request {
  return random.pick(kinds)(random)
}

function check(id: string, version: string, appVersion: string): string {
  return `${CHECK}reqVersion=2&id=${id}&version=${version}&${FIREFOX}&appVersion=${appVersion}`
}

/** Some hex digits: no add-on is called so. */
function word(random: Random): string {
  return random.hex(4)
}
