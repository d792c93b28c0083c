import fc from 'fast-check'
import t from 'tap'
import { CheckQuery, IGNORE, type ModeCode, NORMAL, STRICT } from '../../service/update/request.ts'
import { holds } from '../harness/property.ts'

interface Values {
  readonly id: string | undefined
  readonly appId: string | undefined
  readonly appVersion: string | undefined
  readonly mode: ModeCode
}

/** As the contract says: strict when absent, ignore when it is any other. */
function codeOf(compatMode: string | undefined): ModeCode {
  if (compatMode === undefined || compatMode === 'strict') return STRICT
  return compatMode === 'normal' ? NORMAL : IGNORE
}

/** As it is read after another one. */
function read(query: string | undefined): Values {
  const into = new CheckQuery()
  into.read('id=left-over&appID=left-over&appVersion=left-over&compatMode=left-over')
  into.read(query)
  const { id, appId, appVersion, mode } = into
  return { id, appId, appVersion, mode }
}

t.test("Firefox's own query: raw braces, @ and commas", async (t) => {
  const query =
    'reqVersion=2&id={1018e4d6-728f-4b20-ad56-37578a4de76b}&version=1.0&maxAppVersion=null&status=userEnabled,incompatible&appID={ec8030f7-c20a-464f-9b0e-13a3a9e97384}&appVersion=153.7.0&appOS=Linux&appABI=x86_64-gcc3&locale=en-US&currentAppVersion=150.0&updateType=97&compatMode=normal'
  t.strictSame(read(query), {
    id: '{1018e4d6-728f-4b20-ad56-37578a4de76b}',
    appId: '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}',
    appVersion: '153.7.0',
    mode: NORMAL,
  })
})

t.test('what a query may do', async (t) => {
  const nothing = { id: undefined, appId: undefined, appVersion: undefined, mode: STRICT }
  t.strictSame(read(undefined), nothing, 'no query')
  t.strictSame(read(''), nothing, 'an empty one')
  t.equal(read('id=a&id=b').id, 'b', 'the last wins')
  t.equal(read('id=a&id=').id, '', 'even when it is blank')
  t.equal(read('id=a&id').id, '', 'or has no sign')
  t.equal(read('id=%7Bx%7D%40y').id, '{x}@y', 'percent-encoded')
  t.equal(read('id=a+b%2Bc').id, 'a b+c', 'plus is a space')
  t.equal(read('i%64=a').id, 'a', 'an encoded name')
  t.equal(read('id=a=b').id, 'a=b', 'a second sign belongs to the value')
  t.equal(read('version=1%2B2&id=a&x+=%41').id, 'a', 'an escape in a value that decides nothing')
  t.equal(read('version=1%2B2&i%64=b').id, 'b', 'and one in a name behind it')
  t.equal(read(`${'a'.repeat(1_000)}=${'%'.repeat(1_000)}&id=a`).id, 'a')
  t.equal(read('id=%').id, '%', 'a broken escape stays')
  t.equal(read('id=%zz%41').id, '%zzA')
  t.equal(read('id=%ff%C3%A9').id, '\ufffdé', 'invalid UTF-8 is replaced')
  t.equal(read('id=%00').id, '\0', 'NUL')
  t.strictSame(read('Id=a&ID=b&appid=c&appVersions=1&xid=2&id[]=3&id[0]=4'), nothing, 'names are exact')
  t.equal(read('&&&=&=x&id=a&').id, 'a', 'empty pairs')
})

t.test('it reads every query as the URL standard does', async (t) => {
  const names = fc.constantFrom('id', 'appID', 'appVersion', 'compatMode', 'i%64', 'reqVersion', 'x', '')
  const bits = fc.constantFrom(
    'a',
    '{',
    '}',
    '@',
    ',',
    '%',
    '%4',
    '%41',
    '%zz',
    '%FF',
    '%C3',
    '%A9',
    '%00',
    '+',
    '=',
    'é',
    '鎈',
    '\ud800',
    '?',
    '#',
    ' ',
  )
  const value = fc.array(bits, { maxLength: 6 }).map((parts) => parts.join(''))
  const pair = fc.tuple(names, fc.constantFrom('=', ''), value).map((parts) => parts.join(''))
  const query = fc.array(pair, { maxLength: 8 }).map((pairs) => pairs.join('&'))
  holds(
    t,
    'it reads every query as the URL standard does',
    fc.property(query, (text) => {
      const expected = new URLSearchParams(`_=&${text.toWellFormed()}`)
      const last = (name: string) => expected.getAll(name).at(-1)
      const actual = read(text.toWellFormed())
      return (
        actual.id === last('id') &&
        actual.appId === last('appID') &&
        actual.appVersion === last('appVersion') &&
        actual.mode === codeOf(last('compatMode'))
      )
    }),
    20_000,
  )
})

t.test('queries of any length, in ASCII and beyond', async (t) => {
  for (let length = 2_020; length <= 2_060; length++) {
    for (const last of ['a', '\u00e9', '\u0126', '\u8a9e']) {
      const id = 'a'.repeat(length - 'id=&appID=b'.length - 1) + last
      t.strictSame(read(`id=${id}&appID=b`), { id, appId: 'b', appVersion: undefined, mode: STRICT })
    }
  }
  // Of two bytes the lower one is an ampersand or a letter.
  t.equal(read('id=x\u0126id=y').id, 'x\u0126id=y')
  t.equal(read('id=\u0141@x').id, '\u0141@x')
})

t.test('modes: strict when absent, ignore when it is any other', async (t) => {
  const modeOf = (query: string) => {
    const into = new CheckQuery()
    into.read(query)
    return into.mode
  }
  for (const [query, mode] of [
    ['id=x', STRICT],
    ['compatMode=strict', STRICT],
    ['compatMode=normal', NORMAL],
    ['compatMode=%6eormal', NORMAL],
    ['compatMode=ignore', IGNORE],
    ['compatMode=', IGNORE],
    ['compatMode', IGNORE],
    ['compatMode=normal2', IGNORE],
    ['compatMode=Normal', IGNORE],
    ['compatMode=normal&compatMode=strict', STRICT],
  ] as const) {
    t.equal(modeOf(query), mode, query)
  }
})
