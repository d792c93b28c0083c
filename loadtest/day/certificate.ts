/** A certificate for a server that is measured: ECDSA on P-256, as public authorities give them today. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/** Written into the folder; as the server's environment names them. */
export async function makeCertificate(folder: string): Promise<{ TLS_CERT: string; TLS_KEY: string }> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
  })
  const files = { TLS_CERT: join(folder, 'certificate.pem'), TLS_KEY: join(folder, 'key.pem') }
  writeFileSync(files.TLS_CERT, made.cert)
  writeFileSync(files.TLS_KEY, made.private, { mode: 0o600 })
  return files
}
