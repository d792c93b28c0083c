import fc from 'fast-check'
import t from 'tap'
import { type CheckQuery, emptyQuery, readQuery } from '../../service/update/request.ts'
import { holds } from '../harness/property.ts'

function read(query: string | undefined): CheckQuery {
  const into = { ...emptyQuery(), id: 'left over', compatMode: 'left over' }
  readQuery(query, into)
  return into
}

t.test("Firefox's own query: raw braces, @ and commas", async (t) => {
  const query =
    'reqVersion=2&id={1018e4d6-728f-4b20-ad56-37578a4de76b}&version=1.0&maxAppVersion=null&status=userEnabled,incompatible&appID={ec8030f7-c20a-464f-9b0e-13a3a9e97384}&appVersion=153.7.0&appOS=Linux&appABI=x86_64-gcc3&locale=en-US&currentAppVersion=150.0&updateType=97&compatMode=normal'
  t.strictSame(read(query), {
    id: '{1018e4d6-728f-4b20-ad56-37578a4de76b}',
    appId: '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}',
    appVersion: '153.7.0',
    compatMode: 'normal',
  })
})

t.test('what a query may do', async (t) => {
  const nothing = { id: undefined, appId: undefined, appVersion: undefined, compatMode: undefined }
  t.strictSame(read(undefined), nothing, 'no query')
  t.strictSame(read(''), nothing, 'an empty one')
  t.equal(read('id=a&id=b').id, 'b', 'the last wins')
  t.equal(read('id=a&id=').id, '', 'even when it is blank')
  t.equal(read('id=a&id').id, '', 'or has no sign')
  t.equal(read('id=%7Bx%7D%40y').id, '{x}@y', 'percent-encoded')
  t.equal(read('id=a+b%2Bc').id, 'a b+c', 'plus is a space')
  t.equal(read('i%64=a').id, 'a', 'an encoded name')
  t.equal(read('id=a=b').id, 'a=b', 'a second sign belongs to the value')
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
        actual.compatMode === last('compatMode')
      )
    }),
    20_000,
  )
})
