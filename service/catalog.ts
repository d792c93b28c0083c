#!/usr/bin/env node
/** The admin command line: reads the configuration and hands it on. */

import { type AdminOptions, runCatalog } from './admin/index.ts'
import { readConfig } from './config.ts'
import { assertCurrent, migrate, openPrimary } from './database/index.ts'
import { openDatabases } from './databases.ts'

function openOptions(): AdminOptions {
  const config = readConfig(process.env)
  return {
    filesDir: config.filesDir,
    siteUrl: config.siteUrl ?? `${config.tls === undefined ? 'http' : 'https'}://${config.host}:${config.port}`,
    async openDatabases(progress) {
      const databases = await openDatabases(config, 'use', progress)
      try {
        if (databases.private) await migrate(databases.owner)
        else {
          const primary = await openPrimary(databases.catalog)
          await assertCurrent(primary).finally(() => primary.close())
        }
      } catch (error) {
        await databases.close()
        throw error
      }
      const { catalog, readers, replicated, close } = databases
      return { catalog, replicas: replicated ? readers : [], close }
    },
  }
}

process.exitCode = await runCatalog(process.argv.slice(2), openOptions)
