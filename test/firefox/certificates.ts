/** A certificate authority of the test's own, and a server certificate from it. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'

export interface Certificates {
  readonly caPem: string
  readonly certFile: string
  readonly keyFile: string
}

/** For 127.0.0.1 and localhost; the files are written into the folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const common = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const
  const ca = await generate([{ name: 'commonName', value: 'versioncheck test authority' }], {
    ...common,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  const server = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...common,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  const certFile = join(folder, 'server.pem')
  const keyFile = join(folder, 'server.key')
  await writeFile(certFile, server.cert)
  await writeFile(keyFile, server.private, { mode: 0o600 })
  return { caPem: ca.cert, certFile, keyFile }
}
