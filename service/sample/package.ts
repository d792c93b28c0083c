/**
 * Packages of the sample: small, but genuine, so that Firefox installs them and their hashes are true. The same bytes at each
 * build, whatever the day and the time zone. Unsigned: a release Firefox wants `xpinstall.signatures.required` off.
 */

import { strToU8, zipSync } from 'fflate'
import type { SampleAddon, SampleText, SampleVersion } from './addons.ts'

/** Without a zone, since zip files hold local time. */
const MODIFIED = '2012-01-01T12:00:00'

export function guidOf({ slug }: SampleAddon): string {
  return `${slug}@sample.test`
}

/** The bytes of a version's XPI. */
export function makePackage(addon: SampleAddon, version: SampleVersion): Uint8Array {
  const { manifest, files } = contentOf(addon, version)
  const texts = { 'manifest.json': toJson({ ...commonManifest(addon, version), ...manifest }), ...files }
  const entries = Object.entries(texts).map(([path, text]) => [path, strToU8(text)])
  return zipSync(Object.fromEntries(entries), { level: 9, mtime: MODIFIED })
}

type Json = Readonly<Record<string, unknown>>

interface Content {
  /** What the manifest has beyond that of other types. */
  readonly manifest: Json
  /** Texts of the other files by their paths. */
  readonly files: Readonly<Record<string, string>>
}

function commonManifest(addon: SampleAddon, { version, min, max, android }: SampleVersion): Json {
  return {
    manifest_version: 2,
    name: english(addon.name),
    version,
    description: `${english(addon.summary)} (A sample, not the genuine add-on.)`,
    // An absent max or android is undefined here, and so not in the JSON.
    browser_specific_settings: {
      gecko: { id: guidOf(addon), strict_min_version: min, strict_max_version: max },
      gecko_android: android && { strict_min_version: android },
    },
  }
}

function contentOf(addon: SampleAddon, { version, created }: SampleVersion): Content {
  const locale = addon.targetLocale ?? 'und'
  switch (addon.type ?? 'extension') {
    case 'extension':
      return {
        manifest: { background: { scripts: ['background.js'] } },
        files: {
          'background.js': `console.info(${JSON.stringify(`${english(addon.name)} ${version}, from the sample catalogue`)})\n`,
        },
      }
    case 'theme':
      return { manifest: { theme: { colors: themeColors } }, files: {} }
    case 'dictionary': {
      const path = `dictionaries/${locale}`
      return {
        manifest: { dictionaries: { [locale]: `${path}.dic` } },
        // The first line of a .dic counts its words.
        files: { [`${path}.dic`]: [germanWords.length, ...germanWords, ''].join('\n'), [`${path}.aff`]: germanAffixes },
      }
    }
    case 'langpack':
      return {
        manifest: {
          langpack_id: locale,
          languages: { [locale]: { version: `${created.replaceAll('-', '')}000000`, chrome_resources: {} } },
          sources: { browser: { base_path: 'browser/' } },
        },
        files: { [`browser/localization/${locale}/sample.ftl`]: 'sample-greeting = Saluton!\n' },
      }
  }
}

const themeColors = {
  frame: '#3b2416',
  tab_background_text: '#f0e0c4',
  tab_selected: '#6b4529',
  toolbar: '#6b4529',
  toolbar_text: '#f7ecd8',
  toolbar_field: '#f7ecd8',
  toolbar_field_text: '#3b2416',
}

const germanAffixes = ['SET UTF-8', 'LANG de_DE', 'SFX N Y 1', 'SFX N 0 n .', ''].join('\n')
const germanWords = [
  'Adresse/N',
  'Erweiterung',
  'Erweiterungen',
  'Feuer',
  'Fuchs',
  'Füchse/N',
  'Größe/N',
  'Seite/N',
  'und',
  'Wörterbuch',
]

function english(text: SampleText): string {
  return typeof text === 'string' ? text : text['en-US']
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
