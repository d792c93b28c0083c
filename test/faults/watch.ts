/** A server's own metrics, as a test reads them. */

import { until } from '../harness/clients.ts'
import { ask } from '../harness/http.ts'
import type { ServerProcess } from '../harness/server.ts'

export interface MetricsReading {
  /** Of the one line with this name whose labels have this value; undefined where there is none. */
  value(name: string, label?: string): number | undefined
}

/** The server must log at level info, which tells where its metrics are. */
export function metricsOf(server: ServerProcess): () => Promise<MetricsReading> {
  return async () => {
    let url: string | undefined
    await until('the server has told where its metrics are', () => {
      url = /"url":"(http:[^"]+)\/metrics"/.exec(server.output())?.[1]
      return url !== undefined
    })
    const { text } = await ask(url as string, '/metrics')
    const lines = text.split('\n').filter((line) => line.startsWith('versioncheck_'))
    return {
      value(name, label) {
        const found = lines.find((line) => {
          const [, lineName, labels = ''] = /^versioncheck_(\w+)(?:\{([^}]*)\})? /.exec(line) ?? []
          return lineName === name && (label === undefined || labels.includes(`"${label}"`))
        })
        return found === undefined ? undefined : Number(found.split(' ').at(-1))
      },
    }
  }
}
