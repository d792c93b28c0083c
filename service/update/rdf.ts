/** Answers in RDF, for applications that read no JSON (contract section 5). */

import type { AddonType } from '../addon/index.ts'
import type { Update } from './offer.ts'

const OPEN =
  '<?xml version="1.0"?>\n' +
  '<RDF:RDF xmlns:RDF="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:em="http://www.mozilla.org/2004/em-rdf#">'
const CLOSE = '</RDF:RDF>'

/** The bare root: an error, or an add-on nobody knows. */
export const NOTHING_KNOWN_RDF = `${OPEN}\n${CLOSE}`

const kinds: Readonly<Record<AddonType, string>> = {
  extension: 'extension',
  dictionary: 'extension',
  'langpack-addon': 'extension',
  webapp: 'extension',
  theme: 'theme',
  search: 'search',
  langpack: 'item',
  plugin: 'plugin',
}

/** The add-on is known, nothing suits the client. */
export function renderNoUpdateRdf(guid: string, type: AddonType): string {
  return [OPEN, ...description(resourceOf(guid, type), '<RDF:Seq></RDF:Seq>'), CLOSE].join('\n')
}

/** `applicationGuid`: of the application that asks. Lines end where the contract's do. */
export function renderUpdateRdf(guid: string, type: AddonType, applicationGuid: string, update: Update): string {
  const resource = resourceOf(guid, type)
  const versioned = `${resource}:${escapeXml(update.version)}`
  const target = [
    element('id', applicationGuid) +
      element('minVersion', update.min) +
      element('maxVersion', update.max) +
      element('updateLink', update.link),
    (update.infoUrl === null ? '' : element('updateInfoURL', update.infoUrl)) +
      (update.hash === null ? '' : element('updateHash', update.hash)),
  ]
  return [
    OPEN,
    ...description(resource, `<RDF:Seq><RDF:li resource="${versioned}"/></RDF:Seq>`),
    `  <RDF:Description about="${versioned}">`,
    `    ${element('version', update.version)}`,
    '    <em:targetApplication><RDF:Description>',
    ...target.filter(Boolean).map((line) => `      ${line}`),
    '    </RDF:Description></em:targetApplication>',
    '  </RDF:Description>',
    CLOSE,
  ].join('\n')
}

function description(resource: string, updates: string): string[] {
  return [`  <RDF:Description about="${resource}">`, `    <em:updates>${updates}</em:updates>`, '  </RDF:Description>']
}

function resourceOf(guid: string, type: AddonType): string {
  return `urn:mozilla:${kinds[type]}:${escapeXml(guid)}`
}

function element(name: string, value: string): string {
  return `<em:${name}>${escapeXml(value)}</em:${name}>`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** What XML 1.0 lets stand nowhere, not even escaped: one of them, and no reader takes the whole answer. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const UNFIT = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g

function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(UNFIT, '\ufffd')
    .replaceAll(/[&<>"']/g, (character) => entities[character] as string)
}
