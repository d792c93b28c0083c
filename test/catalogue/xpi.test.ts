/** Packages: what a manifest says, and what is refused. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { readPackage } from '../../service/catalogue/xpi.ts'
import { VersioncheckError } from '../../service/errors.ts'
import { makeFolder } from '../harness/stack.ts'
import { makeZip, manifest, type ZipEntry } from '../harness/zip.ts'

const folder = await makeFolder(t)
let number = 0

async function packed(bytes: Buffer): Promise<string> {
  const path = join(folder, `${number++}.xpi`)
  await writeFile(path, bytes)
  return path
}

async function readManifest(text: string) {
  return await readPackage(await packed(makeZip([{ name: 'manifest.json', content: text }])))
}

function settings(gecko: object, more: object = {}): string {
  return manifest({ browser_specific_settings: { gecko: { id: 'alpha@example.test', ...gecko }, ...more } })
}

t.test('ranges: gecko is firefox, gecko_android is android', async (t) => {
  const firefox = (min: string, max: string) => ({ firefox: { min, max } })
  t.match(await readManifest(settings({})), {
    guid: 'alpha@example.test',
    version: '1.0',
    strict: false,
    signed: false,
    ranges: firefox('42.0', '*'),
  })
  t.match(await readManifest(settings({ strict_min_version: '57.0' })), { ranges: firefox('57.0', '*'), strict: false })
  t.match(await readManifest(settings({ strict_max_version: '115.*' })), {
    ranges: firefox('42.0', '115.*'),
    strict: true,
  })
  t.strictSame((await readManifest(settings({}))).ranges, firefox('42.0', '*'), 'no android without gecko_android')
  t.match(await readManifest(settings({}, { gecko_android: {} })), {
    ranges: { android: { min: '42.0', max: '*' } },
    strict: false,
  })
  t.match(
    await readManifest(settings({ strict_min_version: '57.0' }, { gecko_android: { strict_min_version: '120.0' } })),
    {
      ranges: { firefox: { min: '57.0', max: '*' }, android: { min: '120.0', max: '*' } },
    },
  )
  t.match(
    await readManifest(settings({ strict_min_version: '57.0' }, { gecko_android: {} })),
    { ranges: { android: { min: '57.0', max: '*' } } },
    'Firefox for Android takes from gecko what gecko_android leaves out',
  )
})

t.test('where the settings stand, and how the manifest is written', async (t) => {
  const old = manifest({ browser_specific_settings: undefined, applications: { gecko: { id: 'old@example.test' } } })
  t.equal((await readManifest(old)).guid, 'old@example.test', 'applications, in manifest version 2')
  await t.rejects(
    readManifest(
      manifest({ manifest_version: 3, browser_specific_settings: undefined, applications: { gecko: { id: 'a@b' } } }),
    ),
  )
  t.equal((await readManifest(`\ufeff${manifest()}`)).version, '1.0', 'a byte order mark')
  t.equal((await readManifest(`// a comment\n${manifest({ name: 'http://x' })} // more`)).name, 'http://x', 'comments')
  t.match(await readManifest(manifest({ theme: { colors: {} } })), { type: 'theme' })
  t.match(await readManifest(manifest({ langpack_id: 'de' })), { type: 'langpack', targetLocale: 'de' })
  t.match(await readManifest(manifest({ dictionaries: { 'en-GB': 'a.dic' } })), {
    type: 'dictionary',
    targetLocale: 'en-GB',
  })
  const signed = makeZip([
    { name: 'manifest.json', content: manifest() },
    { name: 'META-INF/mozilla.rsa', content: 'x' },
  ])
  t.equal((await readPackage(await packed(signed))).signed, true)
})

t.test('what is refused', async (t) => {
  const good: ZipEntry = { name: 'manifest.json', content: manifest() }
  const script: ZipEntry = { name: 'script.js', content: 'x'.repeat(100) }
  const zip = makeZip([good, script])
  const cases: Record<string, Buffer> = {
    'nothing at all': Buffer.alloc(0),
    'no zip': Buffer.from('<html>'),
    'cut short': zip.subarray(0, zip.length - 10),
    'bytes before the first entry': makeZip([good], { before: Buffer.from('#!/bin/sh\n') }),
    'no manifest': makeZip([script]),
    'two manifests': makeZip([good, { name: 'install.rdf', content: 'x' }]),
    'a manifest in two spellings': makeZip([good, { name: 'Manifest.json', content: '{}' }]),
    'an entry twice': makeZip([good, script, script]),
    'the manifest twice': makeZip([good, good]),
    'a name that climbs': makeZip([good, { name: '../x', content: 'x' }]),
    'a name that climbs later': makeZip([good, { name: 'a/../../x', content: 'x' }]),
    'an absolute name': makeZip([good, { name: '/etc/passwd', content: 'x' }]),
    'a drive': makeZip([good, { name: 'C:/x', content: 'x' }]),
    'a backslash': makeZip([good, { name: '..\\x', content: 'x' }]),
    'a symbolic link': makeZip([good, { name: 'link', content: '/etc', attributes: (0o120777 << 16) >>> 0 }]),
    'headers that disagree on the name': makeZip([{ ...good, local: { name: 'manifest.jsoN' } }]),
    'headers that disagree on the method': makeZip([{ ...good, local: { method: 0 } }]),
    'headers that disagree on the size': makeZip([{ ...good, local: { size: 1 } }]),
    'headers that disagree on the sum': makeZip([{ ...good, local: { crc: 1 } }]),
    'headers that disagree on the flags': makeZip([{ ...good, local: { flags: 0x801 } }]),
    'a wrong sum': makeZip([good, { ...script, crc: 1 }]),
    'a wrong size': makeZip([good, { ...script, uncompressedSize: 99 }]),
    'a size that bursts': makeZip([good, { ...script, uncompressedSize: 2_000_000_000 }]),
    'entries that overlap': makeZip([
      good,
      { ...script, name: 'script.js' },
      { ...script, name: 'other.js', local: { name: 'script.js' } },
    ]),
    'one entry under two names': makeZip([good, script, { ...script, name: 'script2.js', offset: 0 }]),
    encrypted: makeZip([good, { ...script, flags: 0x801 }]),
    'another compression': makeZip([good, { ...script, method: 12 }]),
    'a manifest that is no JSON': makeZip([{ name: 'manifest.json', content: '{' }]),
    'a manifest that is a list': makeZip([{ name: 'manifest.json', content: '[]' }]),
    'a manifest that is no UTF-8': makeZip([{ name: 'manifest.json', content: Buffer.from([0x7b, 0xff, 0x7d]) }]),
    'a manifest beyond its limit': makeZip([{ name: 'manifest.json', content: ' '.repeat(1024 * 1024 + 1) }]),
    'no id': makeZip([{ name: 'manifest.json', content: manifest({ browser_specific_settings: {} }) }]),
    'no version': makeZip([{ name: 'manifest.json', content: manifest({ version: undefined }) }]),
    'a number as version': makeZip([{ name: 'manifest.json', content: manifest({ version: 1 }) }]),
    'a star in the minimum': makeZip([{ name: 'manifest.json', content: settings({ strict_min_version: '57.*' }) }]),
    'a range that is none': makeZip([{ name: 'manifest.json', content: settings({ strict_max_version: '<script>' }) }]),
  }
  for (const [title, bytes] of Object.entries(cases)) {
    await t.rejects(readPackage(await packed(bytes)), { code: 'package_refused' }, title)
  }
  const large = Array.from({ length: 20_001 }, (_, index): ZipEntry => ({ name: String(index), method: 0 }))
  await t.rejects(readPackage(await packed(makeZip([good, ...large]))), /20002 entries/)
  await t.rejects(readPackage(folder), { code: 'input_unreadable' }, 'a folder')
  await t.rejects(readPackage(join(folder, 'missing')), { code: 'input_unreadable' })
})

t.test('damaged packages are refused, never misread', async (t) => {
  const zip = makeZip([
    { name: 'manifest.json', content: manifest() },
    { name: 'a.js', content: 'abc'.repeat(50), method: 0 },
  ])
  const flips = fc.sample(fc.tuple(fc.nat({ max: zip.length - 1 }), fc.integer({ min: 1, max: 255 })), {
    numRuns: 400,
    seed: 7,
  })
  let refused = 0
  for (const [at, bits] of flips) {
    const damaged = Buffer.from(zip)
    damaged[at] = (damaged[at] as number) ^ bits
    try {
      const { guid, version } = await readPackage(await packed(damaged))
      if (guid !== 'alpha@example.test' || version !== '1.0') t.fail(`misread with byte ${at} flipped`)
    } catch (error) {
      if (!(error instanceof VersioncheckError)) throw error
      refused++
    }
  }
  t.ok(refused > 200, `${refused} of 400 refused; the rest differ in what nobody reads`)
})
