/** Packages: what a manifest says, and what is refused. */

import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { strToU8, zipSync } from 'fflate'
import t from 'tap'
import { readPackage } from '../../service/catalogue/xpi.ts'
import { VersioncheckError } from '../../service/errors.ts'
import { holdsAlways } from '../harness/property.ts'
import { makeFolder } from '../harness/stack.ts'
import { extraField, makeZip, manifest, type ZipEntry } from '../harness/zip.ts'

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

function versioned(version: string): Buffer {
  return makeZip([{ name: 'manifest.json', content: manifest({ version }) }])
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
  t.match(
    await readManifest(manifest({ dictionaries: { ['x'.repeat(40)]: 'a.dic', 'de-DE_frami': 'b.dic' } })),
    { targetLocale: 'de-DE_frami' },
    'a dictionary may be called anything; only a locale is kept as one',
  )
  t.match(await readManifest(manifest({ dictionaries: { 'x y': 'a.dic' } })), { targetLocale: null })
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
    'a version with a separator of the read model': versioned('1.0\u001f2'),
    'a version with the other one': versioned('1.0\u001e1\u001f2'),
    'a version with a line end': versioned('1.0\n'),
    'a version with a NUL': versioned('1.0\0'),
    'a version with half a surrogate': makeZip([
      { name: 'manifest.json', content: manifest().replace('"1.0"', '"1.0\\ud800"') },
    ]),
    'a blank version': versioned('  '),
    'a version of 256 characters': versioned('1'.repeat(256)),
    'a name with half a surrogate': makeZip([
      { name: 'manifest.json', content: manifest().replace('"Alpha"', '"A\\udc00"') },
    ]),
    'a name beyond its limit': makeZip([{ name: 'manifest.json', content: manifest({ name: 'x'.repeat(200_001) }) }]),
    'a language pack of no locale': makeZip([
      { name: 'manifest.json', content: manifest({ langpack_id: 'x'.repeat(40) }) },
    ]),
    'a minimum of 65 characters': makeZip([
      { name: 'manifest.json', content: settings({ strict_min_version: '1'.repeat(65) }) },
    ]),
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

t.test('what another reader would read differently is refused, with the reason', async (t) => {
  const good: ZipEntry = { name: 'manifest.json', content: manifest() }
  const script: ZipEntry = { name: 'script.js', content: 'x'.repeat(100) }
  const evil: ZipEntry = { name: 'evil.js', content: 'evil' }
  const directoryBytes = (entries: readonly ZipEntry[]) =>
    entries.reduce((sum, { name }) => sum + 46 + Buffer.byteLength(name), 0)
  const unicodePath = (name: string, instead: string) => {
    const head = Buffer.alloc(5)
    head.writeUInt8(1, 0)
    head.writeUInt32LE(crc32(name), 1)
    return extraField(0x7075, Buffer.concat([head, Buffer.from(instead)]))
  }
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ['a count that leaves entries out', makeZip([good, script, evil], { end: { count: 2 } }), /counts other entries/],
    ['a count that is too high', makeZip([good, script], { end: { count: 3 } }), /./],
    [
      'count and size that leave entries out',
      makeZip([good, script, evil], { end: { count: 2, size: directoryBytes([good, script]) } }),
      /counts other entries/,
    ],
    ['a size that is too small', makeZip([good, script], { end: { size: 59 } }), /counts other entries/],
    [
      'something between the directory and its end',
      makeZip([good, script], { afterDirectory: Buffer.from('x') }),
      /counts other entries/,
    ],
    [
      'an entry that no directory has',
      makeZip([good], { between: makeZip([script]).subarray(0, 60) }),
      /something stands behind its entry "manifest.json"/,
    ],
    ['a byte between two entries', makeZip([{ ...good, behind: Buffer.from('x') }, script]), /something stands behind/],
    [
      'bytes behind the data of an entry',
      makeZip([good, { ...script, padding: Buffer.from('more') }]),
      /behind its data/,
    ],
    [
      'sizes that should follow and do not',
      makeZip([good, { ...script, descriptor: 'signed', flags: 0x808, behind: Buffer.from('x') }]),
      /something stands behind/,
    ],
    [
      'sizes that follow and are others',
      damagedDescriptor(makeZip([{ ...good, descriptor: 'signed' }])),
      /something stands behind/,
    ],
    [
      'names that change places in an extra field',
      makeZip([
        { ...good, extra: unicodePath('manifest.json', 'other.json') },
        { name: 'other.json', content: '{}', extra: unicodePath('other.json', 'manifest.json') },
      ]),
      /another name in an extra field/,
    ],
    [
      'such a name in the local header only',
      makeZip([{ ...good, localExtra: unicodePath('manifest.json', 'other.json') }]),
      /another name in an extra field/,
    ],
    ['a size in an extra field', makeZip([{ ...good, extra: extraField(1, Buffer.alloc(16)) }]), /zip64/],
    ['a NUL in a name', makeZip([good, { name: 'a\0b', content: 'x' }]), /NUL/],
    ['a manifest with a NUL behind it', makeZip([good, { name: 'manifest.json\0', content: '{}' }]), /NUL/],
    ['a backslash in a name', makeZip([good, { name: 'a\\b', content: 'x' }]), /backslash/],
    ['no name', makeZip([good, { name: '', content: 'x' }]), /without a name/],
    ['the manifest by another way', makeZip([good, { name: './manifest.json', content: '{}' }]), /leads elsewhere/],
    ['a folder without a name', makeZip([good, { name: 'a//b', content: 'x' }]), /leads elsewhere/],
    ['a file beside a folder of its name', makeZip([good, { name: 'a', content: 'x' }, { name: 'a/' }]), /two entries/],
    ['a folder beside a file of its name', makeZip([good, { name: 'a/' }, { name: 'a', content: 'x' }]), /two entries/],
    [
      'a file that has files below it',
      makeZip([good, { name: 'a/b/c', content: 'x' }, { name: 'a+', content: 'x' }, { name: 'a/b', content: 'x' }]),
      /"a\/b" is a file and a folder/,
    ],
    [
      'one name with and without the mark of UTF-8',
      makeZip([good, { name: 'é', content: 'x' }, { name: 'é', content: 'y', flags: 0 }]),
      /two entries/,
    ],
    ['a second end in the comment', makeZip([good], { comment: makeZip([]) }), /counts other entries/],
    ['a zip64 record', makeZip([good], { afterDirectory: zip64Locator() }), /zip64/],
  ]
  for (const [title, bytes, reason] of cases) {
    await t.rejects(readPackage(await packed(bytes)), { code: 'package_refused', message: reason }, title)
  }
})

/** The descriptor of the only entry, with another compressed size. */
function damagedDescriptor(zip: Buffer): Buffer {
  const at = zip.indexOf(Buffer.from('504b0708', 'hex')) + 8
  zip.writeUInt32LE(zip.readUInt32LE(at) + 1, at)
  return zip
}

function zip64Locator(): Buffer {
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeUInt32LE(1, 16)
  return locator
}

t.test('what honest programs make is taken', async (t) => {
  const names = fc.uniqueArray(
    fc
      .array(
        fc.stringMatching(/^[a-zé語 _.+~-]{1,8}$/).filter((part) => part !== '.' && part !== '..'),
        {
          minLength: 1,
          maxLength: 3,
        },
      )
      // A part is either always a folder or never.
      .map((parts) => parts.map((part, index) => (index < parts.length - 1 ? `${part}.d` : `${part}.f`)).join('/')),
    { maxLength: 12 },
  )
  const shape = fc.record({
    content: fc.oneof(fc.string({ maxLength: 300 }), fc.constant('')),
    method: fc.constantFrom(0, 8),
    descriptor: fc.constantFrom(undefined, undefined, 'signed', 'unsigned', 'signed long', 'unsigned long'),
    isMarked: fc.boolean(),
    // Times of Unix, and ids of users: what zip(1) writes.
    extra: fc.constantFrom(
      Buffer.alloc(0),
      extraField(0x5455, Buffer.alloc(5, 1)),
      extraField(0x7875, Buffer.alloc(11)),
    ),
    // zipalign fills up with zeros.
    fill: fc.nat({ max: 3 }),
    comment: fc.constantFrom('', 'a comment'),
  })
  await holdsAlways(
    t,
    'generated packages',
    fc.asyncProperty(
      names,
      fc.array(shape, { minLength: 14, maxLength: 14 }),
      fc.boolean(),
      fc.constantFrom('', 'of the whole'),
      async (files, shapes, withFolders, comment) => {
        const folders = [...new Set(files.flatMap((name) => (name.includes('/') ? [`${name.split('/')[0]}/`] : [])))]
        const entries = ['manifest.json', ...files, 'META-INF/mozilla.rsa'].map((name, index): ZipEntry => {
          const { content, method, descriptor, isMarked, extra, fill, comment } = shapes[index] as (typeof shapes)[0]
          return {
            name,
            content: name === 'manifest.json' ? manifest() : content,
            method,
            ...(descriptor !== undefined && { descriptor: descriptor as NonNullable<ZipEntry['descriptor']> }),
            flags: (isMarked ? 0x800 : 0) | (descriptor === undefined ? 0 : 8),
            extra,
            localExtra: Buffer.concat([extra, Buffer.alloc(fill)]),
            comment,
          }
        })
        const all = withFolders ? [...folders.map((name): ZipEntry => ({ name, method: 0 })), ...entries] : entries
        const { guid, signed } = await readPackage(await packed(makeZip(all, { comment: Buffer.from(comment) })))
        return guid === 'alpha@example.test' && signed
      },
    ),
    300,
  )
  const files = {
    'manifest.json': strToU8(manifest()),
    'icons/48.png': new Uint8Array(5_000),
    empty: new Uint8Array(0),
  }
  for (const level of [0, 6, 9] as const) {
    const zipped = Buffer.from(zipSync(files, { level, comment: 'made by fflate' }))
    t.match(await readPackage(await packed(zipped)), { guid: 'alpha@example.test' }, `fflate, level ${level}`)
  }
})

/** What makes packages in the field. */
const programs: Readonly<Record<string, string>> = {
  zip: 'zip -qr ../out.xpi .',
  'zip without extra fields': 'zip -qXr ../out.xpi .',
  'zip, into a pipe': 'zip -qr - . | cat > ../out.xpi',
  'zip, with a comment': 'echo hello | zip -qzr ../out.xpi .',
  python: `python3 -c "import shutil; shutil.make_archive('../out', 'zip', '.')" && mv ../out.zip ../out.xpi`,
  'python, into a pipe': `python3 -c "import sys, zipfile; z = zipfile.ZipFile(sys.stdout.buffer, 'w', zipfile.ZIP_DEFLATED); z.write('manifest.json'); z.write('a/b.js'); z.close()" | cat > ../out.xpi`,
}
for (const [title, command] of Object.entries(programs)) {
  t.test(title, async (t) => {
    const home = await makeFolder(t)
    await mkdir(join(home, 'files', 'a'), { recursive: true })
    await writeFile(join(home, 'files', 'manifest.json'), manifest())
    await writeFile(join(home, 'files', 'a', 'b.js'), 'x'.repeat(3_000))
    const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: join(home, 'files'), encoding: 'utf8' })
    t.equal(status, 0, stderr)
    t.match(await readPackage(join(home, 'out.xpi')), { guid: 'alpha@example.test', version: '1.0' })
  })
}

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
