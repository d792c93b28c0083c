import t from 'tap'
import { parseGuid } from '../../service/addon/index.ts'

t.test('guids are taken as they are', async (t) => {
  for (const guid of [
    'a@b',
    '{2fa4ed95-0317-4c6a-a74c-5f3e3912c1f9}',
    'myaddon@',
    '@odd.id-with_all',
    'é鎈@x',
    "'",
    'a b',
    'x'.repeat(255),
  ]) {
    t.equal(parseGuid(guid), guid)
  }
})

t.test('what no guid may be', async (t) => {
  for (const text of ['', '  ', 'a\u0000b', 'a\nb', 'x'.repeat(256), 'é'.repeat(128), 'half \ud800 pair']) {
    t.equal(parseGuid(text), undefined, JSON.stringify(text))
  }
})
