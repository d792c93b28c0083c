/** Answers in RDF stay XML, whatever the texts in them. */

import fc from 'fast-check'
import t from 'tap'
import { renderNoUpdateRdf, renderUpdateRdf } from '../../service/update/rdf.ts'
import { holds } from '../harness/property.ts'

/** XML 1.0, `Char`. */
const CHARACTERS = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u

function render(text: string): string {
  const update = { version: text, link: text, min: text, max: text, strict: false, hash: text, infoUrl: text }
  return renderUpdateRdf(text, 'extension', text, update) + renderNoUpdateRdf(text, 'theme')
}

t.test('what XML can hold stays, the rest is replaced', async (t) => {
  t.match(render('a<b>&"\'é語😀\t'), '<em:version>a&lt;b&gt;&amp;&quot;&apos;é語😀\t</em:version>')
  for (const unfit of ['\0', '\u0001', '\u000b', '\u001f', '\ufffe', '\uffff', '\ud800', '\udc00']) {
    t.match(render(`a${unfit}b`), '<em:version>a\ufffdb</em:version>', JSON.stringify(unfit))
  }
  holds(
    t,
    'only characters that may stand in XML',
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }), (units) =>
      CHARACTERS.test(render(String.fromCharCode(...units))),
    ),
    2_000,
  )
})
