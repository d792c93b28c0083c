/** Profiles: the same seed gives the same requests, however many share them, and they are as docs/loadtest.md says. */

import t from 'tap'
import {
  generatedPopulation,
  makeClient,
  profileNames,
  type Request,
  requestsOf,
} from '../../loadtest/traffic/index.ts'
import { WARM_ADDONS } from '../../loadtest/traffic/profiles.ts'
import { startStack } from '../harness/stack.ts'

const population = generatedPopulation(3_000, 1)

type Name = (typeof profileNames)[number]

function take(name: Name, count: number, { seed = 1, first = 0, of = 1 } = {}): (readonly Request[])[] {
  const lists: (readonly Request[])[] = []
  for (const list of requestsOf(name, population, seed, { first, of })) {
    lists.push(list)
    if (lists.length === count) break
  }
  return lists
}

function idOf({ path }: Request): string {
  return /[?&]id=([^&]*)/.exec(path)?.[1] ?? ''
}

/** Only what can't stand in a request line is escaped. */
function guidOf(request: Request): string {
  try {
    return decodeURIComponent(idOf(request))
  } catch {
    return idOf(request)
  }
}

t.test('the same seed, the same requests; another seed, others', async (t) => {
  for (const name of profileNames) {
    t.strictSame(take(name, 300), take(name, 300), name)
    t.notSame(take(name, 300), take(name, 300, { seed: 2 }), name)
  }
})

t.test('shares of several workers are together what one alone asks', async (t) => {
  for (const name of profileNames) {
    const shares = [0, 1, 2].map((first) => take(name, 100, { first, of: 3 }))
    const together = Array.from({ length: 300 }, (_, number) => shares[number % 3]?.[Math.floor(number / 3)])
    t.strictSame(together, take(name, 300), name)
  }
})

t.test('clients are as their shares say', async (t) => {
  const clients = Array.from({ length: 20_000 }, (_, number) => makeClient(1, number, { one: () => 0 }))
  const desktop = clients.filter(({ os }) => os !== 'Android')
  const near = (
    of: typeof clients,
    holds: (client: (typeof clients)[number]) => boolean,
    expected: number,
    what: string,
  ) => {
    const part = of.filter(holds).length / of.length
    t.ok(Math.abs(part - expected) < 0.012, `${what}: ${part} of ${expected}`)
  }
  near(clients, ({ os }) => os === 'Android', 0.08, 'Android')
  const versions = { '153.0': 0.34, '153.0.1': 0.14, '152.0.4': 0.07, '140.12.0': 0.09, '115.32.0': 0.09 }
  for (const [version, part] of Object.entries(versions))
    near(desktop, ({ appVersion }) => appVersion === version, part, version)
  near(
    desktop,
    ({ appVersion }) => Number.parseInt(appVersion, 10) < 115,
    0.14 * (63 / 99),
    'the tail below the oldest ESR',
  )
  near(desktop, ({ os, abi }) => os === 'WINNT' && abi === 'x86_64-msvc', 0.78, 'Windows')
  near(desktop, ({ os }) => os === 'Linux', 0.08, 'Linux')
  for (const [wanted, part] of Object.entries({ 'en-US': 0.38, de: 0.12, ja: 0.04 }))
    near(clients, ({ locale }) => locale === wanted, part, wanted)
  for (const [wanted, part] of Object.entries({ normal: 0.97, strict: 0.02, ignore: 0.01 }))
    near(clients, ({ mode }) => mode === wanted, part, wanted)
  near(clients, ({ updateType }) => updateType === 112, 0.96, 'daily checks')
})

t.test('talk: a handful of add-ons each, the popular ones most, some not ours, few malformed', async (t) => {
  const clients = take('talk', 20_000)
  const requests = clients.flat()
  const mean = requests.length / clients.length
  t.ok(mean > 5 && mean < 9, `${mean} add-ons a client`)
  t.ok(Math.max(...clients.map((list) => list.length)) > 30, 'a few have dozens')
  t.ok(Math.min(...clients.map((list) => list.length)) >= 1)
  const known = new Set(population.guids)
  const isCheck = (request: Request) => request.path.includes('updateType=')
  const part = (holds: (request: Request) => boolean) => requests.filter(holds).length / requests.length
  const foreign = part((request) => isCheck(request) && !known.has(guidOf(request)))
  t.ok(foreign > 0.035 && foreign < 0.045, `${foreign} are for add-ons that are not ours`)
  const malformed = part((request) => !isCheck(request))
  t.ok(malformed > 0.001 && malformed < 0.004, `${malformed} are malformed`)
  t.ok(part(({ path }) => path.includes('compatMode=normal')) > 0.95)

  const users = new Map(population.guids.map((guid, index) => [guid, population.users[index] as number]))
  const byUsers = [...users].sort(([, one], [, other]) => other - one).map(([guid]) => guid)
  const top = new Set(byUsers.slice(0, 30))
  const wanted = byUsers.slice(0, 30).reduce((sum, guid) => sum + (users.get(guid) as number), 0)
  const all = [...users.values()].reduce((sum, count) => sum + count, 0)
  const drawn = part((request) => top.has(guidOf(request)))
  // A client has an add-on once, which takes some from the very popular ones.
  t.ok(drawn > (wanted / all) * 0.5 && drawn < wanted / all, `${drawn} for what ${wanted / all} of all users have`)
})

t.test('warm keeps to the popular add-ons, cold asks for each once before it begins again', async (t) => {
  const warm = new Set(take('warm', 5_000).flat().map(idOf))
  t.ok(warm.size <= WARM_ADDONS && warm.size > WARM_ADDONS / 2, `${warm.size} add-ons`)
  const cold = take('cold', population.guids.length).flat().map(idOf)
  t.equal(new Set(cold).size, population.guids.length)
  t.notSame(cold.slice(0, 100), population.guids.slice(0, 100).map(encodeURIComponent), 'in another order')
})

t.test('garbage is answered as each request says', async (t) => {
  const { url } = await startStack(t)
  const wrong: string[] = []
  for (const { path, method = 'GET', expects } of take('garbage', 400).flat()) {
    const { status } = await fetchRaw(url, method, path)
    if (!expects.includes(status)) wrong.push(`${status}, not ${expects}: ${method} ${path.slice(0, 120)}`)
  }
  t.strictSame(wrong, [])
})

/** fetch would tidy up such paths. */
async function fetchRaw(url: string, method: string, path: string): Promise<{ status: number }> {
  const { request } = await import('node:http')
  const { hostname, port } = new URL(url)
  return await new Promise((resolve, reject) => {
    const req = request({ hostname, port, method, path }, (res) => {
      res.resume()
      res.once('end', () => resolve({ status: res.statusCode as number }))
    })
    req.once('error', reject)
    req.end()
  })
}
