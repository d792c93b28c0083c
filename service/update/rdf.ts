/** Answers in RDF, for applications that read no JSON (contract section 5). */

import type { AddonType } from '../addon/index.ts'
import { type Candidate, type Offer, updateInfoUrl, updateLink } from './offer.ts'

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
export function renderNoUpdateRdf(offer: Offer): string {
  return [OPEN, ...description(resourceOf(offer), '<RDF:Seq></RDF:Seq>'), CLOSE].join('\n')
}

export function renderUpdateRdf(
  offer: Offer,
  candidate: Candidate,
  siteUrl: string,
  application: { guid: string; name: string },
): string {
  const resource = resourceOf(offer)
  const update = `${resource}:${escapeXml(candidate.version)}`
  const target = [
    element('id', application.guid),
    element('minVersion', candidate.min),
    element('maxVersion', candidate.max),
    element('updateLink', updateLink(siteUrl, application.name, candidate)),
    candidate.hasReleaseNotes
      ? element('updateInfoURL', updateInfoUrl(siteUrl, application.name, offer.slug, candidate.version))
      : '',
    candidate.hash === null ? '' : element('updateHash', candidate.hash),
  ]
  return [
    OPEN,
    ...description(resource, `<RDF:Seq><RDF:li resource="${update}"/></RDF:Seq>`),
    `  <RDF:Description about="${update}">`,
    `    ${element('version', candidate.version)}`,
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

function resourceOf(offer: Offer): string {
  return `urn:mozilla:${kinds[offer.type]}:${escapeXml(offer.guid)}`
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

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] as string)
}
