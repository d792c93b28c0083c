/** The configuration: every mistake in one message. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import selfsigned from 'selfsigned'
import t from 'tap'
import { readConfig } from '../service/config.ts'
import { makeFolder } from './harness/stack.ts'

function mistakes(environment: Record<string, string>): string {
  try {
    readConfig(environment)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

t.test('defaults', async (t) => {
  t.match(readConfig({}), {
    host: '127.0.0.1',
    port: 8080,
    replicas: [],
    sample: true,
    workers: 1,
    logLevel: 'info',
    dataDir: join(process.cwd(), '.data'),
    filesDir: join(process.cwd(), '.data/files'),
  })
  t.match(readConfig({ PORT: ' ', SITE_URL: '' }), { port: 8080, siteUrl: undefined }, 'blank is absent')
  t.ok(Object.isFrozen(readConfig({})))
})

t.test('all mistakes at once', async (t) => {
  const text = mistakes({
    PORT: '80x',
    WORKERS: '0',
    SAMPLE: 'maybe',
    LOG_LEVEL: 'loud',
    SITE_URL: 'addons',
    TLS_CERT: '/nowhere.pem',
    REPLICA_URLS: 'mysql://db1/amo,mysql://db2:33o6/amo',
  })
  for (const part of [
    'PORT, "80x": not a whole number from 0 to 65535',
    'WORKERS, "0"',
    'SAMPLE, "maybe": neither on nor off',
    'LOG_LEVEL, "loud"',
    'SITE_URL, "addons"',
    'TLS_CERT, "/nowhere.pem"',
    'TLS_KEY is missing',
    'REPLICA_URLS: entry 2 is not usable, the port is not a number. Write mysql://HOST:PORT/NAME',
    'DATABASE_URL is missing',
  ]) {
    t.ok(text.includes(part), part)
  }
})

t.test('one by one', async (t) => {
  t.match(mistakes({ HOST: '0.0.0.0' }), /SITE_URL is missing/)
  t.equal(mistakes({ HOST: '0.0.0.0', SITE_URL: 'https://addons.example.org/' }), '')
  t.equal(readConfig({ SITE_URL: 'https://addons.example.org/amo/' }).siteUrl, 'https://addons.example.org/amo')
  t.equal(mistakes({ HOST: '::1' }), '')
  t.match(mistakes({ HOST: 'a b' }), /HOST/)
  t.match(mistakes({ DATA_DIR: '/etc/passwd' }), /DATA_DIR, "\/etc\/passwd": it is a file/)
  t.match(mistakes({ FILES_DIR: '/etc/passwd/files' }), /FILES_DIR, .*: \/etc\/passwd is a file/)
  t.match(mistakes({ DATA_DIR: '/proc/nope' }), /nothing can be kept below \/proc/, 'where a folder is tried for ever')
  t.match(mistakes({ WORKERS: '2' }), /not supported yet/)
  t.match(mistakes({ SITE_URL: 'https://x/?q=1' }), /neither user, query nor fragment/)
  t.match(mistakes({ DATABASE_URL: 'mysql://u:secret@h/bad-name' }), /database name/)
  for (const environment of [
    { DATABASE_URL: 'mysql://u:secret@h/bad-name' },
    { DATABASE_URL: 'mysql://u:sec@ret,secret/x@h/bad-name' },
    { DATABASE_URL: 'mysql://u:secret/name' },
    { DATABASE_URL: 'mysql://u:p@h/n', REPLICA_URLS: 'mysql://u:secret@h/bad-name,mysql://u:se,cret' },
    { CACHE_SECRET: 'secret' },
    { SITE_URL: 'https://u:secret@h/' },
  ]) {
    t.notMatch(mistakes(environment), /secret|cret/, `no password in a message: ${Object.keys(environment)}`)
  }
  t.match(mistakes({ DATABASE_URL: 'mysql://h/db' }), /names no user/)
  t.match(mistakes({ DATABASE_URL: 'mysql://u@h/db?ssl=1' }), /"ssl" is not a parameter/)
  t.match(
    readConfig({
      DATABASE_URL: 'mysql://u:p%40ss@db:3307/amo',
      REPLICA_URLS: 'mysql://r1/amo , mariadb://x:y@[::1]/amo',
    }),
    {
      database: { user: 'u', password: 'p@ss', host: 'db', port: 3307, database: 'amo' },
      replicas: [
        { host: 'r1', port: 3306, user: '' },
        { host: '::1', user: 'x' },
      ],
    },
  )
  t.match(readConfig({ DATABASE_URL: 'mysql://u:p@localhost/amo?socket=/run/m.sock' }).database, {
    socketPath: '/run/m.sock',
  })
})

t.test('a certificate and its key', async (t) => {
  const folder = await makeFolder(t)
  const [one, other] = await Promise.all(
    [1, 2].map(() => selfsigned.generate([{ name: 'commonName', value: 'localhost' }])),
  )
  const paths = { TLS_CERT: join(folder, 'cert.pem'), TLS_KEY: join(folder, 'key.pem') }
  await writeFile(paths.TLS_CERT, one?.cert ?? '')
  await writeFile(paths.TLS_KEY, one?.private ?? '')
  t.strictSame(readConfig(paths).tls, { certFile: paths.TLS_CERT, keyFile: paths.TLS_KEY })
  await writeFile(paths.TLS_KEY, other?.private ?? '')
  t.match(mistakes(paths), /not the key of the certificate/)
  await writeFile(paths.TLS_KEY, 'junk')
  t.match(mistakes(paths), /PEM/)
})
